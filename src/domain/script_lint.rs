//! Looks a campaign's scripts over for what will go wrong on the phone, and says so. Never refuses: whoever writes
//! the script knows better. What cannot be judged, such as a language with none of the phrases below, is not.
//!
//! Which leads there are is not known here; the caller hands in a [`Sample`] of what they have values for.

use super::campaign::{CampaignType, Settings};
use super::fields;
use super::lead::NewLead;
use super::phrases::{self, OptOut, Phrases};
use super::script::{self, Template, Variable};
use crate::words;
use aho_corasick::AhoCorasick;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

words! {
    /// What may be wrong with a script.
    pub enum WarningCode {
        /// It asks for something that none of the leads has.
        VariableNoLeadHas = "variable_no_lead_has",
        /// It does not say at its start who is calling.
        NoIdentification = "no_identification",
        /// It does not say how to be called no more.
        NoOptOut = "no_opt_out",
        /// Saying it takes longer than a call may.
        VeryLongScript = "very_long_script",
        /// It asks, without a fallback, for something that some of the leads do not have.
        NoFallbackFor = "no_fallback_for",
    }
}

/// One thing that may be wrong, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable word.
    pub code: WarningCode,
    /// The field of the campaign.
    pub field: &'static str,
    /// A sentence.
    pub message: String,
}

/// What the leads of a campaign have values for, counted over some or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Leads that were looked at.
    pub looked_at: usize,
    /// Those of them that are still to be called.
    pub open: usize,
    /// Leads that there are.
    pub total: i64,
    filled: BTreeMap<String, Filled>,
}

/// How many of a sample's leads have a value for one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Filled {
    leads: usize,
    open: usize,
}

impl Sample {
    /// Takes a lead into account.
    pub fn add(&mut self, lead: &NewLead, is_open: bool) {
        self.looked_at += 1;
        self.open += usize::from(is_open);
        for (name, _) in lead.values() {
            let filled = self.filled.entry(name).or_default();
            filled.leads += 1;
            filled.open += usize::from(is_open);
        }
    }

    /// Whether one of the leads has a value for this name, in its comparison form.
    pub fn knows(&self, name: &str) -> bool {
        self.filled.contains_key(name)
    }

    /// The name with values that a typing mistake is most likely to have meant; without leads, one that every lead
    /// can have.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let names: Vec<&str> = match self.filled.is_empty() {
            true => NewLead::OWN_NAMES.to_vec(),
            false => self.filled.keys().map(String::as_str).collect(),
        };
        fields::nearest(name, &names)
    }

    fn open_without(&self, name: &str) -> usize {
        self.open - self.filled.get(name).map_or(0, |filled| filled.open)
    }

    /// `7 leads`, and whether they are all.
    fn counted(&self, count: usize) -> String {
        match self.is_all() {
            true => format!("{count} leads"),
            false => format!("{count} leads looked at (there are {})", self.total),
        }
    }

    fn is_all(&self) -> bool {
        i64::try_from(self.looked_at).is_ok_and(|count| count >= self.total)
    }
}

/// When scripts are looked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// They were written or changed.
    Saved,
    /// Calling begins.
    Activated,
}

/// Looks over the scripts of a campaign.
pub fn lint(settings: &Settings, leads: &Sample, occasion: Occasion) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let limit = settings.call_duration_limit;
    let Ok(template) = Template::parse(&settings.script_template) else { return warnings };
    let said = as_written(&template);
    let calls_people = settings.campaign_type == CampaignType::Outbound;
    if calls_people && can_judge(&settings.ai_voice_language, &said) && !names_caller(&said) {
        warnings.push(Warning {
            code: WarningCode::NoIdentification,
            field: SCRIPT,
            message: "does not seem to say at its start who is calling; begin with something like \
                      `this is Ada from Northwind`, which many countries require"
                .to_owned(),
        });
    }
    let opt_out = settings.opt_out();
    if calls_people {
        warnings.extend(no_way_out(settings, &opt_out, &said));
    }
    warnings.extend(too_long(SCRIPT, &opt_out.after(said).0, limit));
    warnings.extend(unfilled(SCRIPT, template.variables(), leads, occasion));
    let fallback = settings.fallback_script.as_deref().and_then(|text| Template::parse(text).ok());
    if let Some(fallback) = fallback {
        warnings.extend(too_long(FALLBACK, &as_written(&fallback), limit));
        warnings.extend(unfilled(FALLBACK, fallback.variables(), leads, occasion));
    }
    warnings
}

/// A person who is called and not told how to be called no more.
fn no_way_out(settings: &Settings, opt_out: &OptOut, script: &str) -> Option<Warning> {
    let OptOut { key, sentence, language } = opt_out;
    if opt_out.is_told_in(script) || opt_out.is_told_in(sentence) {
        return None;
    }
    let (field, message) = match sentence.is_empty() {
        true if !can_judge(language, script) || offers_opt_out(script) => return None,
        true => (
            SCRIPT,
            format!(
                "does not seem to say how to be called no more, and opt_out_sentence is blank; add something like \
                 `to be taken off our list, press {key}`, or set opt_out_sentence to null"
            ),
        ),
        false => {
            let usual = Phrases::of(&settings.ai_voice_language).opt_out(*key);
            (
                SENTENCE,
                format!("does not seem to tell key {key}, which opts out; say something like `{usual}`"),
            )
        }
    };
    Some(Warning { code: WarningCode::NoOptOut, field, message })
}

const SCRIPT: &str = "script_template";
const SENTENCE: &str = "opt_out_sentence";
const FALLBACK: &str = "fallback_script";

/// The script with each variable as `{name}`.
fn as_written(template: &Template) -> String {
    template.render(&|name| Some(Cow::Owned(format!("{{{name}}}")))).unwrap_or_default()
}

fn too_long(field: &'static str, said: &str, limit_seconds: i64) -> Option<Warning> {
    let seconds = script::speech_ms(said).div_ceil(1_000);
    let is_too_long = i64::try_from(seconds).is_ok_and(|seconds| seconds > limit_seconds);
    is_too_long.then(|| Warning {
        code: WarningCode::VeryLongScript,
        field,
        message: format!(
            "takes about {seconds} seconds to say, and a call ends after {limit_seconds}; shorten it, or raise \
             call_duration_limit"
        ),
    })
}

/// Variables that no lead has, and on activation those that some lack. Without any leads nothing is known.
fn unfilled(field: &'static str, variables: &[Variable], leads: &Sample, occasion: Occasion) -> Vec<Warning> {
    if leads.looked_at == 0 {
        return Vec::new();
    }
    let warning = |variable: &Variable| {
        let name = &variable.name;
        let lacking = leads.open_without(name);
        let consequence = match variable.has_fallback {
            true => "so everybody hears the fallback",
            false => "so nobody can be called",
        };
        let (code, message) = match leads.nearest(name) {
            _ if leads.knows(name) => {
                if occasion == Occasion::Saved || variable.has_fallback || lacking == 0 {
                    return None;
                }
                let open = leads.counted(leads.open);
                let message = format!(
                    "{lacking} of {open} have no value for `{name}` and are not called; give them one, or write a \
                     fallback such as {{{name}|there}}"
                );
                (WarningCode::NoFallbackFor, message)
            }
            near => {
                let nobody = match leads.is_all() {
                    true => "no lead".to_owned(),
                    false => format!("none of the {}", leads.counted(leads.looked_at)),
                };
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let message = format!("{nobody} has a value for `{name}`, {consequence}{near}");
                (WarningCode::VariableNoLeadHas, message)
            }
        };
        Some(Warning { code, field, message })
    };
    variables.iter().filter_map(warning).collect()
}

/// Whether the phrases below say anything about this text: its language is one of theirs, and it is written in Latin
/// letters, since the language of a voice is easily left at its default.
fn can_judge(language: &str, text: &str) -> bool {
    Phrases::of(language).are_of(language) && phrases::is_latin(text)
}

/// How people say who they are.
const INTRODUCTIONS: [&str; 59] = [
    "my name is",
    "my name's",
    "i am",
    "i'm",
    "we are",
    "we're",
    "this is",
    "it is",
    "it's",
    "calling from",
    "calling for",
    "call from",
    "message from",
    "on behalf of",
    "in the name of",
    "you are speaking with",
    "you're speaking with",
    "hier ist",
    "hier sind",
    "hier spricht",
    "mein name ist",
    "ich bin",
    "wir sind",
    "ich heiße",
    "anruf von",
    "anruf der",
    "anruf des",
    "rufe an von",
    "ich rufe von",
    "im auftrag",
    "im namen",
    "am apparat",
    "je m'appelle",
    "je suis",
    "nous sommes",
    "mon nom est",
    "ici",
    "c'est",
    "de la part de",
    "au nom de",
    "appelle de",
    "soy",
    "somos",
    "me llamo",
    "mi nombre es",
    "le habla",
    "le saluda",
    "llamo de",
    "llamamos de",
    "de parte de",
    "en nombre de",
    "sono",
    "mi chiamo",
    "chiamo da",
    "per conto di",
    "meu nome é",
    "aqui é",
    "em nome de",
    "u spreekt met",
];
const MORE_INTRODUCTIONS: [&str; 6] = ["mijn naam is", "ik ben", "namens", "sou o", "sou a", "falo da"];

/// After `this is` and the like, these begin what the call is about, not who calls.
const NO_NAMES: [&str; 24] = [
    "a",
    "an",
    "about",
    "calling",
    "just",
    "not",
    "to",
    "regarding",
    "important",
    "ein",
    "eine",
    "kein",
    "nicht",
    "un",
    "une",
    "una",
    "uma",
    "pas",
    "pour",
    "para",
    "per",
    "over",
    "een",
    "geen",
];

/// Names of variables that stand for who calls. `company_name` is the lead's own.
const CALLERS: [&str; 9] =
    ["agent", "caller", "campaign", "our_", "organisation", "organization", "brand", "sender", "company"];

/// Whether the start of a script says who is calling.
fn names_caller(text: &str) -> bool {
    static ALL: LazyLock<AhoCorasick> =
        LazyLock::new(|| one_look(INTRODUCTIONS.iter().chain(&MORE_INTRODUCTIONS), " "));
    let start = normal(&beginning(text));
    let is_introduced = ALL.find_overlapping_iter(&start).any(|found| {
        let next = start[found.end()..].split_whitespace().next();
        next.is_some_and(|next| !NO_NAMES.contains(&next))
    });
    is_introduced
        || variables_of(&beginning(text))
            .any(|name| name != "company_name" && CALLERS.iter().any(|caller| name.starts_with(caller)))
}

/// Finds all phrases in one pass: scripts are looked over whenever a campaign is saved.
fn one_look<'p>(phrases: impl Iterator<Item = &'p &'p str>, after: &str) -> AhoCorasick {
    AhoCorasick::new(phrases.map(|phrase| format!(" {phrase}{after}"))).expect("they are few")
}

/// The names in braces.
fn variables_of(text: &str) -> impl Iterator<Item = String> {
    let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| script::normal_name(name))
}

/// The first two sentences; a greeting of a few words is none.
fn beginning(text: &str) -> String {
    const SENTENCES: usize = 2;
    const GREETING_WORDS: usize = 3;
    let (mut start, mut counted) = (String::new(), 0);
    for sentence in text.split_inclusive(['.', '!', '?', '…', '\n']) {
        start.push_str(sentence);
        counted += usize::from(sentence.split_whitespace().count() > GREETING_WORDS);
        if counted >= SENTENCES {
            break;
        }
    }
    start
}

/// What people say who want no more calls, or how they are told of it.
const OPT_OUTS: [&str; 42] = [
    "opt out",
    "opting out",
    "unsubscribe",
    "do not call",
    "don't call",
    "not call you again",
    "not be called",
    "not to be called",
    "no longer be called",
    "stop calling",
    "stop these calls",
    "stop receiving",
    "say stop",
    "not wish to receive",
    "no longer wish",
    "don't want to be called",
    "take you off",
    "taken off our",
    "remove you",
    "removed from",
    "remove your number",
    "nicht mehr an",
    "keine weiteren anrufe",
    "keine anrufe",
    "widersprechen",
    "abmelden",
    "ne plus être",
    "ne plus recevoir",
    "ne souhaitez plus",
    "désinscrire",
    "désinscription",
    "no desea recibir",
    "no quiere recibir",
    "dejar de recibir",
    "no volver a",
    "darse de baja",
    "no recibir más",
    "non essere più",
    "non ricevere più",
    "não receber mais",
    "niet meer gebeld",
    "afmelden",
];
/// Whether a script says how to be called no more.
fn offers_opt_out(text: &str) -> bool {
    static ALL: LazyLock<AhoCorasick> = LazyLock::new(|| one_look(OPT_OUTS.iter(), ""));
    ALL.is_match(&normal(text))
}

/// In lower case, without punctuation, with one blank around every word.
fn normal(text: &str) -> String {
    let lower = text.to_lowercase().replace('’', "'");
    let keep = |char: char| char.is_alphanumeric() || char == '\'';
    let words = lower.split(|char| !keep(char)).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |text, word| text + word + " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::campaign::Request;
    use serde_json::{Value, json};

    fn settings(changes: Value) -> Settings {
        let mut body = json!({
            "name": "n", "status": "draft", "calls_per_day": 1, "calling_hours_start": "09:00",
            "calling_hours_end": "17:00", "system_prompt": "p", "script_template": "s"
        });
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        Request::read(body, None).unwrap().settings
    }

    fn codes(settings: &Settings, leads: &Sample, occasion: Occasion) -> Vec<(&'static str, &'static str)> {
        use crate::domain::fields::Words;
        lint(settings, leads, occasion).iter().map(|warning| (warning.code.word(), warning.field)).collect()
    }

    /// The codes of a script for which there are no leads yet, and after which nothing else is said.
    fn said(language: &str, script: &str) -> Vec<&'static str> {
        let settings = settings(
            json!({"script_template": script, "ai_voice_language": language, "opt_out_sentence": ""}),
        );
        codes(&settings, &Sample::default(), Occasion::Saved).into_iter().map(|(code, _)| code).collect()
    }

    fn sample(leads: &[Value]) -> Sample {
        let mut sample = Sample::default();
        for (index, variables) in leads.iter().enumerate() {
            let body = json!({"phone": format!("+1202555{:04}", 100 + index), "variables": variables});
            sample.add(&NewLead::read(body, None).unwrap(), true);
            sample.total += 1;
        }
        sample
    }

    #[test]
    fn a_script_that_names_the_caller_and_a_way_out_is_fine_in_every_language() {
        for (language, script) in [
            ("en-US", "Hello {name|there}, this is Ada from Northwind. To be taken off our list, press 9."),
            ("en-GB", "Good morning! How are you? My name is Ada. Say stop and we will not call again."),
            ("en-US", "I'm calling on behalf of the city library. You can opt-out at any time."),
            ("en-US", "Hi, {company} here. If you don't want to be called, press the nine key."),
            ("en-US", "You are speaking with {agent_name}. Press nine to unsubscribe."),
            (
                "de-DE",
                "Guten Tag {name|}, hier ist Ada von Nordwind. Wenn Sie nicht mehr angerufen werden möchten, drücken Sie die 9.",
            ),
            ("de", "Hallo. Mein Name ist Ada. Mit der Taste neun hören Sie nie wieder von uns."),
            ("de-AT", "Ich rufe im Auftrag der Stadtbücherei an. Sie können jederzeit widersprechen."),
            (
                "fr-FR",
                "Bonjour, je m’appelle Ada, de Vent du Nord. Pour ne plus être appelé, appuyez sur le 9.",
            ),
            ("fr", "Bonjour, ici la bibliothèque. Pour vous désinscrire, dites-le."),
            (
                "es-ES",
                "Hola, le habla Ada de Viento Norte. Si no desea recibir más llamadas, pulse el nueve.",
            ),
            ("es", "Buenos días. Soy Ada. Para darse de baja, marque 9."),
            ("it-IT", "Buongiorno, mi chiamo Ada. Per non essere più chiamato, prema il tasto 9."),
            ("pt-BR", "Olá, meu nome é Ada. Para não receber mais ligações, digite 9."),
            ("nl-NL", "Goedemorgen, u spreekt met Ada. Toets 9 als u niet meer gebeld wilt worden."),
        ] {
            assert_eq!(said(language, script), [""; 0], "{script}");
        }
    }

    #[test]
    fn a_script_without_a_caller_or_a_way_out_is_told_so() {
        let both = ["no_identification", "no_opt_out"];
        for (language, script, expected) in [
            ("en-US", "Hello {customer_name}, this is a survey call...", &both[..]),
            ("en-US", "Hello {company_name}, I am calling about your car.", &both),
            ("en-US", "It's about your order. Press 1 to go on, 2 to end.", &both),
            ("en-US", "This is Ada from Northwind. Press 1 if you agree.", &both[1..]),
            (
                "en-US",
                "Your car is ready. Come soon. We close at 9. Bye from us. This is Ada. Press 9 to opt out.",
                &both[..1],
            ),
            ("de-DE", "Guten Tag, es geht um Ihren Vertrag. Drücken Sie die 1.", &both),
            ("fr-FR", "Bonjour, nous appelons pour votre contrat. Appuyez sur 1.", &both),
            ("es-ES", "Hola, llamamos por su contrato. Pulse 1.", &both),
        ] {
            assert_eq!(said(language, script), expected, "{script}");
        }
    }

    #[test]
    fn what_is_said_after_a_script_is_a_way_out_if_it_tells_the_key() {
        let script = "This is Ada from Northwind.";
        for (keys, sentence, expected) in [
            (json!(null), json!(null), None),
            (json!({"*": "opt_out"}), json!(null), None),
            (json!(null), json!("Press nine to hear no more of us."), None),
            (json!(null), json!("Just tell us to stop."), Some("opt_out_sentence")),
            (json!({"8": "opt_out"}), json!("Press nine to hear no more of us."), Some("opt_out_sentence")),
            (json!(null), json!(""), Some("script_template")),
        ] {
            let settings =
                settings(json!({"script_template": script, "keys": keys, "opt_out_sentence": sentence}));
            let found = lint(&settings, &Sample::default(), Occasion::Saved);
            let fields: Vec<&str> = found.iter().map(|warning| warning.field).collect();
            assert_eq!(fields, Vec::from_iter(expected), "{keys} {sentence}");
        }
    }

    #[test]
    fn who_calls_us_knows_who_we_are() {
        let settings = settings(json!({"script_template": "Yes?", "campaign_type": "inbound"}));
        assert_eq!(codes(&settings, &Sample::default(), Occasion::Saved), []);
    }

    #[test]
    fn what_cannot_be_judged_is_not() {
        for (language, script) in [
            ("pl-PL", "Dzień dobry, dzwonimy w sprawie umowy."),
            ("en-US", "您好，我们是市立图书馆，想通知您预约的书已经到了。"),
            ("ja-JP", "こんにちは"),
        ] {
            assert_eq!(said(language, script), [""; 0], "{script}");
        }
    }

    #[test]
    fn a_variable_that_no_lead_has_comes_with_the_nearest_that_one_has() {
        let fine = "this is Ada. Press 9 to opt out.";
        let settings = settings(json!({
            "script_template": format!("Hello {{plna}} {{custom_name|there}} {{plan}}, {fine}"),
            "fallback_script": "Bye {plan} {colour}"
        }));
        let leads = sample(&[json!({"Plan": "gold"}), json!({"plan": " "})]);
        let told = lint(&settings, &leads, Occasion::Saved);
        let told: Vec<(&str, &str)> =
            told.iter().map(|warning| (warning.field, warning.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    "script_template",
                    "no lead has a value for `plna`, so nobody can be called; did you mean `plan`?"
                ),
                ("script_template", "no lead has a value for `custom_name`, so everybody hears the fallback"),
                ("fallback_script", "no lead has a value for `colour`, so nobody can be called"),
            ]
        );
        assert_eq!(codes(&settings, &Sample::default(), Occasion::Activated), [], "no leads, no verdict");
    }

    #[test]
    fn before_calling_begins_the_leads_that_lack_a_value_are_counted() {
        let settings =
            settings(json!({"script_template": "This is Ada. {plan} {city|}. Press 9 to opt out."}));
        let mut leads = sample(&[json!({"plan": "a", "city": "b"}), json!({}), json!({"plan": ""})]);
        assert_eq!(codes(&settings, &leads, Occasion::Saved), []);
        let told = |leads: &Sample| lint(&settings, leads, Occasion::Activated).remove(0).message;
        assert_eq!(
            told(&leads),
            "2 of 3 leads have no value for `plan` and are not called; give them one, or write a fallback such \
             as {plan|there}"
        );
        leads.total = 70_000;
        assert!(
            told(&leads).starts_with("2 of 3 leads looked at (there are 70000) have no value for `plan`")
        );
    }

    #[test]
    fn a_script_longer_than_a_call_is_told_with_its_length() {
        let long = format!("This is Ada. Press 9 to opt out. {}", "word ".repeat(150));
        let settings = settings(json!({
            "script_template": long, "fallback_script": "word ".repeat(50), "call_duration_limit": 30
        }));
        let told = lint(&settings, &Sample::default(), Occasion::Saved);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].code, told[0].field), (WarningCode::VeryLongScript, "script_template"));
        assert!(told[0].message.starts_with("takes about 65 seconds to say, and a call ends after 30;"));
    }
}
