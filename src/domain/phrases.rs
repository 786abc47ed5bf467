//! What is said beside a campaign's own scripts, in the language of its voice: one small table.

use super::keys::Action;

/// The sentences of one language.
#[derive(Debug, PartialEq, Eq)]
pub struct Phrases {
    language: &'static str,
    /// How to be called no more; the key comes after it, and then the end of the sentence.
    opt_out: &'static str,
    /// The names of `*` and `#`.
    signs: [&'static str; 2],
    /// A call is recorded.
    pub recorded: &'static str,
    /// Somebody has answered what was asked.
    pub thanks: &'static str,
    /// Somebody is called again.
    pub call_back: &'static str,
    /// Somebody asks to be called again, and nobody can promise that.
    pub no_call_back: &'static str,
    /// Somebody is not called again.
    pub opted_out: &'static str,
    /// Somebody wants no more calls, and nobody knows under which number.
    pub not_listed: &'static str,
    /// Somebody is put through.
    pub connecting: &'static str,
    /// There is nobody to put somebody through to.
    pub nobody: &'static str,
    /// The agent cannot go on.
    pub trouble: &'static str,
    /// The agent needs some time.
    pub moment: &'static str,
    /// Who is talking, where it is an agent.
    pub disclosure: &'static str,
    /// What the agent says when it has to part.
    pub goodbye: &'static str,
}

const PHRASES: [Phrases; 7] = [
    Phrases {
        language: "en",
        opt_out: "If you do not want to be called again, press",
        signs: ["star", "pound"],
        recorded: "This call is being recorded.",
        thanks: "Thank you. Goodbye.",
        call_back: "We will call you again later. Goodbye.",
        no_call_back: "We cannot promise you a call. Goodbye.",
        opted_out: "You will not be called again. Goodbye.",
        not_listed: "We do not see your number, so we cannot stop calls to it. Please call again with your number shown, or write to us. Goodbye.",
        connecting: "One moment, please. You are being put through.",
        nobody: "Sorry, nobody can take the call at the moment. Goodbye.",
        trouble: "Sorry, there is a technical problem. We have to end this call. Goodbye.",
        moment: "One moment, please.",
        disclosure: "This is an automated assistant.",
        goodbye: "Thank you for your time. Goodbye.",
    },
    Phrases {
        language: "de",
        opt_out: "Wenn Sie nicht mehr angerufen werden möchten, drücken Sie die Taste",
        signs: ["Stern", "Raute"],
        recorded: "Dieses Gespräch wird aufgezeichnet.",
        thanks: "Vielen Dank. Auf Wiederhören.",
        call_back: "Wir rufen Sie später noch einmal an. Auf Wiederhören.",
        no_call_back: "Einen Rückruf können wir Ihnen leider nicht zusagen. Auf Wiederhören.",
        opted_out: "Sie werden nicht mehr angerufen. Auf Wiederhören.",
        not_listed: "Wir sehen Ihre Nummer nicht und können sie deshalb nicht sperren. Bitte rufen Sie mit sichtbarer Nummer noch einmal an, oder schreiben Sie uns. Auf Wiederhören.",
        connecting: "Einen Moment bitte, Sie werden verbunden.",
        nobody: "Leider kann im Moment niemand den Anruf annehmen. Auf Wiederhören.",
        trouble: "Entschuldigung, es gibt ein technisches Problem. Wir müssen den Anruf beenden. Auf Wiederhören.",
        moment: "Einen Moment bitte.",
        disclosure: "Sie sprechen mit einem automatischen Assistenten.",
        goodbye: "Vielen Dank für Ihre Zeit. Auf Wiederhören.",
    },
    Phrases {
        language: "fr",
        opt_out: "Si vous ne souhaitez plus être appelé, appuyez sur la touche",
        signs: ["étoile", "dièse"],
        recorded: "Cet appel est enregistré.",
        thanks: "Merci. Au revoir.",
        call_back: "Nous vous rappellerons plus tard. Au revoir.",
        no_call_back: "Nous ne pouvons pas vous promettre de vous rappeler. Au revoir.",
        opted_out: "Vous ne serez plus appelé. Au revoir.",
        not_listed: "Nous ne voyons pas votre numéro et ne pouvons donc pas le bloquer. Rappelez-nous sans masquer votre numéro, ou écrivez-nous. Au revoir.",
        connecting: "Un instant, s'il vous plaît. Nous vous mettons en relation.",
        nobody: "Désolé, personne ne peut prendre l'appel pour le moment. Au revoir.",
        trouble: "Désolé, il y a un problème technique. Nous devons mettre fin à l'appel. Au revoir.",
        moment: "Un instant, s'il vous plaît.",
        disclosure: "Vous parlez avec un assistant automatique.",
        goodbye: "Merci de m'avoir accordé un moment. Au revoir.",
    },
    Phrases {
        language: "es",
        opt_out: "Si no desea recibir más llamadas, pulse la tecla",
        signs: ["asterisco", "almohadilla"],
        recorded: "Esta llamada se está grabando.",
        thanks: "Gracias. Adiós.",
        call_back: "Volveremos a llamarle más tarde. Adiós.",
        no_call_back: "No podemos prometerle que volveremos a llamarle. Adiós.",
        opted_out: "No volveremos a llamarle. Adiós.",
        not_listed: "No vemos su número, por lo que no podemos bloquearlo. Vuelva a llamar sin ocultar su número, o escríbanos. Adiós.",
        connecting: "Un momento, por favor. Le pasamos la llamada.",
        nobody: "Lo sentimos, en este momento nadie puede atender la llamada. Adiós.",
        trouble: "Lo sentimos, hay un problema técnico. Tenemos que terminar la llamada. Adiós.",
        moment: "Un momento, por favor.",
        disclosure: "Le habla un asistente automático.",
        goodbye: "Gracias por su tiempo. Adiós.",
    },
    Phrases {
        language: "it",
        opt_out: "Se non desidera più essere chiamato, prema il tasto",
        signs: ["asterisco", "cancelletto"],
        recorded: "Questa chiamata viene registrata.",
        thanks: "Grazie. Arrivederci.",
        call_back: "La richiameremo più tardi. Arrivederci.",
        no_call_back: "Non possiamo prometterle di richiamarla. Arrivederci.",
        opted_out: "Non la chiameremo più. Arrivederci.",
        not_listed: "Non vediamo il suo numero, quindi non possiamo bloccarlo. Richiami senza nascondere il numero, oppure ci scriva. Arrivederci.",
        connecting: "Un momento, per favore. La mettiamo in comunicazione.",
        nobody: "Siamo spiacenti, al momento nessuno può rispondere. Arrivederci.",
        trouble: "Siamo spiacenti, c'è un problema tecnico. Dobbiamo terminare la chiamata. Arrivederci.",
        moment: "Un momento, per favore.",
        disclosure: "Sta parlando con un assistente automatico.",
        goodbye: "Grazie per il suo tempo. Arrivederci.",
    },
    Phrases {
        language: "pt",
        opt_out: "Se não quiser receber mais chamadas, pressione a tecla",
        signs: ["asterisco", "cardinal"],
        recorded: "Esta chamada está a ser gravada.",
        thanks: "Obrigado. Até logo.",
        call_back: "Voltaremos a ligar mais tarde. Até logo.",
        no_call_back: "Não podemos prometer que voltaremos a ligar. Até logo.",
        opted_out: "Não voltaremos a ligar. Até logo.",
        not_listed: "Não vemos o seu número, por isso não o podemos bloquear. Volte a ligar sem ocultar o número, ou escreva-nos. Até logo.",
        connecting: "Um momento, por favor. Vamos transferir a chamada.",
        nobody: "Desculpe, neste momento ninguém pode atender. Até logo.",
        trouble: "Desculpe, há um problema técnico. Temos de terminar a chamada. Até logo.",
        moment: "Um momento, por favor.",
        disclosure: "Está a falar com um assistente automático.",
        goodbye: "Obrigado pelo seu tempo. Até logo.",
    },
    Phrases {
        language: "nl",
        opt_out: "Wilt u niet meer gebeld worden, druk dan op toets",
        signs: ["sterretje", "hekje"],
        recorded: "Dit gesprek wordt opgenomen.",
        thanks: "Dank u wel. Tot ziens.",
        call_back: "Wij bellen u later terug. Tot ziens.",
        no_call_back: "Wij kunnen u niet beloven dat wij terugbellen. Tot ziens.",
        opted_out: "U wordt niet meer gebeld. Tot ziens.",
        not_listed: "Wij zien uw nummer niet en kunnen het daarom niet blokkeren. Bel nog een keer zonder uw nummer te verbergen, of schrijf ons. Tot ziens.",
        connecting: "Een ogenblik alstublieft. U wordt doorverbonden.",
        nobody: "Helaas kan op dit moment niemand het gesprek aannemen. Tot ziens.",
        trouble: "Helaas is er een technisch probleem. Wij moeten het gesprek beëindigen. Tot ziens.",
        moment: "Een ogenblik alstublieft.",
        disclosure: "U spreekt met een automatische assistent.",
        goodbye: "Dank u voor uw tijd. Tot ziens.",
    },
];

impl Phrases {
    /// Those of a BCP 47 language; of one that is not in the table, the English ones.
    pub fn of(language: &str) -> &'static Phrases {
        let primary = language.split('-').next().unwrap_or_default();
        let found = PHRASES.iter().find(|phrases| phrases.language.eq_ignore_ascii_case(primary));
        found.unwrap_or(&PHRASES[0])
    }

    /// Whether these are the phrases of this language, and not the English ones in their place.
    pub fn are_of(&self, language: &str) -> bool {
        language.split('-').next().is_some_and(|primary| self.language.eq_ignore_ascii_case(primary))
    }

    /// The sentence that tells the key to opt out.
    pub fn opt_out(&self, key: char) -> String {
        let key = match key {
            '*' => self.signs[0].to_owned(),
            '#' => self.signs[1].to_owned(),
            digit => digit.to_string(),
        };
        format!("{} {key}.", self.opt_out)
    }

    /// What is said when somebody has pressed a key that does this, before the call ends or goes on elsewhere.
    pub fn after(&self, action: Action) -> Option<&'static str> {
        match action {
            Action::Yes | Action::No => Some(self.thanks),
            Action::CallBack => Some(self.call_back),
            Action::OptOut => Some(self.opted_out),
            Action::Transfer => Some(self.connecting),
            Action::Repeat => None,
        }
    }
}

/// The way out that a person is told of after a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The key that opts out.
    pub key: char,
    /// What is said of it; blank for nothing.
    pub sentence: String,
    /// The language of the script.
    pub language: String,
}

impl OptOut {
    /// Whether this text tells the key.
    pub fn is_told_in(&self, text: &str) -> bool {
        tells_key(text, self.key, &self.language)
    }

    /// What is said of a script: with the sentence at its end, unless it tells the key itself, which is the other half of
    /// the answer.
    pub fn after(&self, script: String) -> (String, bool) {
        let is_told = self.is_told_in(&script);
        if self.sentence.is_empty() || is_told {
            return (script, is_told);
        }
        let script = script.trim_end();
        let stop = if script.ends_with(char::is_alphanumeric) { "." } else { "" };
        (format!("{script}{stop} {}", self.sentence), false)
    }
}

/// What to press a key is called.
const PRESSES: [&str; 30] = [
    "press",
    "dial",
    "hit",
    "push",
    "key",
    "taste",
    "drücken",
    "wählen",
    "tippen",
    "appuyez",
    "tapez",
    "composez",
    "touche",
    "presione",
    "pulse",
    "marque",
    "oprima",
    "tecla",
    "prema",
    "premere",
    "premi",
    "tasto",
    "pressione",
    "tecle",
    "digite",
    "toets",
    "druk",
    "kies",
    "presser",
    "drücke",
];

/// What the keys are called.
const NAMES: [(char, &[&str]); 12] = [
    ('0', &["0", "zero", "null", "zéro", "cero", "nul"]),
    ('1', &["1", "one", "eins", "un", "uno", "um", "een", "één"]),
    ('2', &["2", "two", "zwei", "deux", "dos", "due", "dois", "twee"]),
    ('3', &["3", "three", "drei", "trois", "tres", "tre", "três", "drie"]),
    ('4', &["4", "four", "vier", "quatre", "cuatro", "quattro", "quatro"]),
    ('5', &["5", "five", "fünf", "cinq", "cinco", "cinque", "vijf"]),
    ('6', &["6", "six", "sechs", "seis", "sei", "zes"]),
    ('7', &["7", "seven", "sieben", "sept", "siete", "sette", "sete", "zeven"]),
    ('8', &["8", "eight", "acht", "huit", "ocho", "otto", "oito"]),
    ('9', &["9", "nine", "neun", "neuf", "nueve", "nove", "negen", "no9"]),
    ('*', &["*", "star", "asterisk", "stern", "sterntaste", "étoile", "asterisco", "sterretje"]),
    (
        '#',
        &[
            "#",
            "pound",
            "hash",
            "raute",
            "rautetaste",
            "dièse",
            "almohadilla",
            "cancelletto",
            "cardinal",
            "hekje",
        ],
    ),
];

/// Whether a text says to press this key. Of a language without words here the bare digit is enough.
pub fn tells_key(text: &str, key: char, language: &str) -> bool {
    const WORDS_BETWEEN: usize = 4;
    let names = NAMES.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, names)| names);
    let lower = text.to_lowercase();
    let keep = |char: char| char.is_alphanumeric() || char == key;
    let words: Vec<&str> = lower.split(|char| !keep(char)).filter(|word| !word.is_empty()).collect();
    let is_key = |word: &&str| names.contains(word);
    if !Phrases::of(language).are_of(language) || !is_latin(text) {
        let mut bare = lower.split(|char: char| !char.is_ascii_alphanumeric() && char != key);
        return bare.any(|word| names[..1].contains(&word));
    }
    words.iter().enumerate().filter(|(_, word)| is_key(word)).any(|(at, _)| {
        let before = &words[at.saturating_sub(WORDS_BETWEEN)..at];
        before.iter().any(|word| PRESSES.contains(word))
    })
}

/// Whether a text is written in Latin letters, since the language of a voice is easily left at its default.
pub fn is_latin(text: &str) -> bool {
    let letters = || text.chars().filter(|char| char.is_alphabetic());
    letters().filter(|char| *char < '\u{250}').count() * 2 >= letters().count()
}

#[cfg(test)]
mod tests {
    use super::super::keys::KEYS;
    use super::*;

    #[test]
    fn every_language_tells_every_key_in_a_way_that_is_recognised() {
        for phrases in &PHRASES {
            for key in KEYS {
                let sentence = phrases.opt_out(key);
                assert!(tells_key(&sentence, key, phrases.language), "{sentence}");
                let other = if key == '5' { '6' } else { '5' };
                assert!(!tells_key(&sentence, other, phrases.language), "{sentence}");
            }
        }
    }

    #[test]
    fn a_language_that_is_not_there_is_spoken_in_english() {
        assert_eq!(Phrases::of("de-AT").thanks, "Vielen Dank. Auf Wiederhören.");
        assert_eq!(Phrases::of("FR").thanks, "Merci. Au revoir.");
        assert_eq!(Phrases::of("ja-JP"), Phrases::of("en-GB"));
        assert!(!Phrases::of("ja-JP").are_of("ja-JP"));
    }

    #[test]
    fn nobody_is_promised_in_any_language_what_was_not_written() {
        for phrases in &PHRASES {
            let promise = phrases.opted_out.split('.').next().unwrap();
            assert!(!phrases.not_listed.contains(promise), "{}", phrases.not_listed);
            let others = PHRASES.iter().filter(|other| other.not_listed == phrases.not_listed);
            assert_eq!(others.count(), 1, "{}", phrases.language);
        }
    }

    #[test]
    fn a_key_is_told_where_a_text_says_to_press_it() {
        for (text, key, is_told) in [
            ("To stop these calls, press 9.", '9', true),
            ("To stop these calls press the nine key.", '9', true),
            ("Press 1 to agree, or 9 to stop.", '9', false),
            ("Press 1 or 9.", '9', true),
            ("Call us at 9.", '9', false),
            ("Zum Abmelden drücken Sie bitte die Neun.", '9', true),
            ("Press * to stop", '*', true),
            ("Press the pound key", '#', true),
        ] {
            assert_eq!(tells_key(text, key, "en-US"), is_told, "{text}");
        }
        assert!(tells_key("停止するには9を押してください", '9', "ja-JP"));
        assert!(
            tells_key("停止するには9を押してください", '9', "en-US"),
            "the language was left at its default"
        );
        assert!(!tells_key("停止するには1を押してください", '9', "ja-JP"));
    }
}
