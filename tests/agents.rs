//! Calls on which an agent talks: what it is told, what its tools do, how it comes out and what is kept. In virtual time,
//! with the recorded conversations of the simulator. Every test of the dialer ends with the invariants.

use crate::support::world::{MONDAY_NOON, World, at, story};
use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::sync::Arc;
use voice_campaigns::carrier::simulator::Settings;
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use voice_campaigns::domain::agent::{
    Brief, Conclusion, Judgement, Line, Tool, ToolCall, ToolName, Usage, Verdict, When,
};
use voice_campaigns::domain::brief::Job;
use voice_campaigns::domain::call::{Effect, Ending, LegCommand, LegEvent, LiveCall, Plan, Written};
use voice_campaigns::domain::campaign::{Campaign, Request, Status};
use voice_campaigns::domain::gate::HoldReason;
use voice_campaigns::domain::guard::Agents;
use voice_campaigns::domain::keys::KeyMap;
use voice_campaigns::domain::outcome::{Cause, Criteria, Outcome};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::phrases::Phrases;
use voice_campaigns::domain::voice::Voice;

const INJECTIONS: &str = include_str!("agent/injections.txt");

fn brief(values: &[(&str, &str)], script: &str) -> Brief {
    let settings = Request::read(
        json!({
            "name": "Survey", "status": "draft", "calls_per_day": 1, "calling_hours_start": "09:00",
            "calling_hours_end": "17:00", "system_prompt": "Ask which plan they want.", "script_template": "Hello",
            "success_criteria": "they want the gold plan", "transfer_number": "+12025550199",
        }),
        None,
    );
    let values: Vec<(String, String)> =
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Brief::of(&Job {
        settings: &settings.unwrap().settings,
        script,
        values: &values,
        now: at(MONDAY_NOON),
        zone: Tz::America__New_York,
        may_call_back: true,
        may_transfer: true,
    })
}

/// What stands before the data, and the data.
fn parts(brief: &Brief) -> (&str, Value) {
    let (standing, rest) = brief.instructions.split_once("<<<DATA\n").unwrap();
    let data = rest.strip_suffix("\nDATA>>>\n").unwrap();
    assert!(!data.contains(['\n', '<', '>']), "{data}");
    (standing, serde_json::from_str(data).unwrap())
}

#[test]
fn whatever_a_lead_is_called_it_is_data_and_changes_no_word_of_the_instruction() {
    let plain = brief(&[("first_name", "Ada")], "Hello Ada");
    let (rules, data) = parts(&plain);
    assert_eq!(data["about_the_person"], json!({"first_name": "Ada"}));
    assert_eq!(data["time_where_the_person_is"], "Monday 2026-03-02 07:00");
    assert!(rules.contains("Ask which plan they want.") && rules.contains("they want the gold plan"));
    assert!(INJECTIONS.lines().count() >= 50);
    for injection in INJECTIONS.lines() {
        let hostile = brief(&[("first_name", injection), (injection, "x")], &format!("Hello {injection}"));
        let (standing, data) = parts(&hostile);
        assert_eq!(standing, rules, "{injection}");
        assert_eq!(hostile.prompt, plain.prompt, "{injection}");
        assert_eq!(hostile.tools, plain.tools, "{injection}");
        let told = data["about_the_person"]["first_name"].as_str().unwrap();
        assert!(told.chars().count() <= 200 && !told.contains(char::is_control), "{told}");
        assert!(!told.contains(['\u{200B}', '\u{202E}', '\u{2060}', '\u{E0049}']), "{told}");
    }
}

#[test]
fn nothing_that_is_said_reaches_beyond_the_tools() {
    let brief = brief(&[], "Hello");
    for injection in INJECTIONS.lines() {
        let text = json!({"at": injection, "digits": injection, "outcome": injection, "to": injection});
        for name in ["schedule_callback", "send_digits", "report_outcome"] {
            for arguments in [injection.to_owned(), text.to_string()] {
                let read = Tool::read(name, &arguments, &brief);
                assert!(matches!(read, Tool::Misused(_)), "{name} {arguments}: {read:?}");
            }
        }
        assert!(matches!(Tool::read(injection, "{}", &brief), Tool::Misused(_)), "{injection}");
        // Where to is not the model's to say.
        assert_eq!(Tool::read("transfer", &text.to_string(), &brief), Tool::Transfer);
    }
    let without = Brief { tools: vec![ToolName::EndCall], ..brief };
    assert!(matches!(Tool::read("transfer", "{}", &without), Tool::Misused(_)));
}

#[test]
fn arguments_are_cut_to_what_may_be() {
    let brief = brief(&[], "Hello");
    let arguments = json!({
        "outcome": "success", "reason": format!("{}\n", "r".repeat(2_000)), "extra": 1,
        "answers": {"Preferred Day": " monday\u{7} ", "count": 3, "none": null, "": "x", "list": ["a"]},
    });
    let Tool::ReportOutcome(verdict) = Tool::read("report_outcome", &arguments.to_string(), &brief) else {
        panic!()
    };
    assert_eq!((verdict.conclusion, verdict.reason.len()), (Conclusion::Success, 500));
    let answers: Vec<(&str, &str)> =
        verdict.answers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(answers, [("count", "3"), ("list", "[\"a\"]"), ("preferred_day", "monday")]);
    let many: serde_json::Map<String, Value> = (0..500).map(|n| (format!("n{n}"), json!("x"))).collect();
    let arguments = json!({"outcome": "declined", "answers": many}).to_string();
    let Tool::ReportOutcome(verdict) = Tool::read("report_outcome", &arguments, &brief) else { panic!() };
    assert_eq!(verdict.answers.len(), 40);
    for (digits, is_fit) in
        [("1", true), ("1 2-3*#", true), ("", false), ("12a", false), (&"1".repeat(21), false)]
    {
        let read = Tool::read("send_digits", &json!({"digits": digits}).to_string(), &brief);
        assert_eq!(matches!(read, Tool::SendDigits(_)), is_fit, "{digits}");
    }
    let huge = format!("{{\"outcome\": \"success\", \"reason\": \"{}\"}}", "x".repeat(20_000));
    assert!(matches!(Tool::read("report_outcome", &huge, &brief), Tool::Misused(_)));
    assert!(matches!(Tool::read("end_call", "nonsense", &brief), Tool::EndCall));
}

#[test]
fn a_verdict_is_read_out_of_words_and_fences_and_nothing_else_is_one() {
    let answer = "Here it is:\n```json\n{\"outcome\": \"declined\", \"reason\": \"no\", \
                  \"answers\": [{\"name\": \"plan\", \"value\": \"none\"}]}\n```";
    let verdict = Verdict::read(answer).unwrap();
    assert_eq!((verdict.conclusion, verdict.answers["plan"].as_str()), (Conclusion::Declined, "none"));
    for nonsense in ["", "success", "{}", "{\"outcome\": \"sale\"}", "}{", "{\"outcome\": \"success\""] {
        assert!(Verdict::read(nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_time_is_what_it_means_on_the_persons_own_clock() {
    // A Monday, 07:00 in New York.
    let (now, zone) = (at(MONDAY_NOON), Tz::America__New_York);
    for (text, expected) in [
        ("2026-03-03T15:30", "2026-03-03T20:30:00Z"),
        ("2026-03-03 15:30", "2026-03-03T20:30:00Z"),
        ("tomorrow 10:00", "2026-03-03T15:00:00Z"),
        ("Tomorrow at 3 p.m.", "2026-03-03T20:00:00Z"),
        ("today, noon", "2026-03-02T17:00:00Z"),
        ("next friday at 14:30", "2026-03-06T19:30:00Z"),
        ("monday 9", "2026-03-09T13:00:00Z"),
        ("in 2 hours", "2026-03-02T14:00:00Z"),
        ("in a week at 9:15am", "2026-03-09T13:15:00Z"),
        ("2026-03-08T02:30", "2026-03-08T07:00:00Z"),
    ] {
        let when = When::parse(text).unwrap();
        assert_eq!(when.soon(now, zone), Ok(at(expected)), "{text}");
    }
    for text in
        ["", "soon", "tomorrow", "25:00", "2026-03-03", "2026-03-03T15:30Z", "friday 13 pm", "in 0 hours"]
    {
        assert!(When::parse(text).is_err(), "{text}");
    }
    for text in
        ["2026-03-01T10:00", "today 6:00", "2027-01-01T10:00", "in 100 days at 10:00", "9999-12-31T23:59"]
    {
        assert!(When::parse(text).unwrap().soon(now, zone).is_err(), "{text}");
    }
    let late = When::InDays(i64::MAX, NaiveTime::MIN);
    assert!(late.soon(now, zone).is_err());
}

fn plan(fallback: Option<&str>, criteria: Criteria) -> Plan {
    let keys = KeyMap::read(&json!({"9": "opt_out", "1": "yes"})).unwrap();
    Plan {
        prompts: Vec::new(),
        key_wait: TimeDelta::zero(),
        keys,
        phrases: Phrases::of("en-US"),
        may_call_back: true,
        is_anonymous: false,
        transfer_to: Some(Phone::from_e164("+12025550199").unwrap()),
        machine_detection: None,
        script: "Hello.".into(),
        fallback: fallback.map(str::to_owned),
        announcement: None,
        voice: Voice::default(),
        criteria,
        ring_timeout: TimeDelta::seconds(25),
        duration_max: TimeDelta::seconds(120),
        agent: Some(Arc::new(brief(&[], "Hello."))),
    }
}

/// A call whose steady time is counted from the answer.
struct Talking {
    call: LiveCall,
    number: u64,
}

fn second(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    at(MONDAY_NOON) + TimeDelta::seconds(seconds)
}

impl Talking {
    fn new(plan: Plan) -> Talking {
        let mut call = LiveCall::new(plan, second(0));
        let effects = call.on(LegEvent::Answered, second(0));
        assert!(matches!(effects[..], [Effect::Progress(_), Effect::Command(LegCommand::Converse(_))]));
        Talking { call, number: 0 }
    }

    fn asks(&mut self, tool: Tool, seconds: i64) -> Vec<Effect> {
        self.number += 1;
        self.call.on(LegEvent::Asked(ToolCall { number: self.number, tool }), second(seconds))
    }

    fn says(&mut self, by_agent: bool, text: &str, began: i64, is_cut_off: bool) {
        let (began_at, ended_at) = (second(began), second(began + 2));
        let line = Line { by_agent, text: text.into(), began_at, ended_at, is_cut_off };
        assert_eq!(self.call.on(LegEvent::Said(line), ended_at), []);
    }

    fn ends(&mut self, cause: Cause, seconds: i64) -> Ending {
        match &self.call.on(LegEvent::Ended(cause, None), second(seconds))[..] {
            [Effect::Ended(ending)] => ending.clone(),
            effects => panic!("{effects:?}"),
        }
    }
}

fn verdict(conclusion: Conclusion) -> Verdict {
    Verdict { conclusion, reason: "They said so.".into(), answers: Default::default() }
}

fn judgement(conclusion: Conclusion) -> Judgement {
    Judgement { verdict: verdict(conclusion), no_more_calls: None }
}

fn says(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Command(LegCommand::Speak { text, .. }) => Some(text.as_str()),
        _ => None,
    })
}

fn is_told_something(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Command(LegCommand::Reply { .. })])
}

#[test]
fn a_verdict_of_the_agent_is_the_outcome_and_one_afterwards_only_where_there_is_none() {
    for (conclusion, expected) in [
        (Conclusion::Success, Outcome::Success),
        (Conclusion::Declined, Outcome::Declined),
        (Conclusion::Callback, Outcome::Callback),
        (Conclusion::NoDecision, Outcome::NoInput),
        (Conclusion::WrongPerson, Outcome::NoInput),
    ] {
        let mut talking = Talking::new(plan(None, Criteria::Verdict));
        assert!(is_told_something(&talking.asks(Tool::ReportOutcome(verdict(conclusion)), 5)));
        assert_eq!(talking.asks(Tool::EndCall, 8), [Effect::Command(LegCommand::Finish)]);
        talking.call.on(LegEvent::Judged(judgement(Conclusion::Success)), second(9));
        let ending = talking.ends(Cause::LocalHangup, 10);
        assert_eq!(ending.outcome, expected, "{conclusion}");
        let kept = ending.conversation.unwrap();
        assert_eq!(kept["verdict"]["judged_afterwards"], false);
        assert_eq!(kept["tools"][1]["name"], "end_call");

        let mut silent = Talking::new(plan(None, Criteria::Verdict));
        silent.call.on(LegEvent::Judged(judgement(conclusion)), second(9));
        let ending = silent.ends(Cause::LocalHangup, 10);
        let expected = if conclusion == Conclusion::NoDecision { Outcome::HungUp } else { expected };
        assert_eq!(ending.outcome, expected, "{conclusion}");
        assert_eq!(ending.conversation.unwrap()["verdict"]["judged_afterwards"], true);
    }
}

#[test]
fn without_any_verdict_the_facts_say_how_it_came_out() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.says(true, "Hello.", 0, false);
    assert_eq!(talking.ends(Cause::RemoteHangup, 4).outcome, Outcome::HungUp);
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert_eq!(talking.asks(Tool::EndCall, 3), [Effect::Command(LegCommand::Finish)]);
    assert_eq!(talking.ends(Cause::LocalHangup, 5).outcome, Outcome::NoInput);
    // What is to be heard is the opening, all of it.
    for (is_cut_off, expected) in [(false, Outcome::Success), (true, Outcome::HungUp)] {
        let mut talking = Talking::new(plan(None, Criteria::CallCompleted));
        talking.says(true, "Hello.", 0, is_cut_off);
        assert_eq!(talking.ends(Cause::RemoteHangup, 4).outcome, expected);
    }
}

#[test]
fn a_wish_for_no_more_calls_is_confirmed_once_it_is_written_down_and_not_before() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert_eq!(talking.asks(Tool::OptOut, 5), []);
    assert_eq!(talking.asks(Tool::OptOut, 5), [], "once is enough");
    assert_eq!(talking.call.cancel(second(6)), [], "being on the list takes nobody's confirmation away");
    let effects = talking.call.opt_out_written(Written::Listed, second(6));
    assert_eq!(says(&effects), Some("You will not be called again. Goodbye."));
    assert_eq!(talking.ends(Cause::LocalHangup, 9).outcome, Outcome::OptedOut);

    // Nobody is told what is not so.
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.asks(Tool::OptOut, 5);
    assert_eq!(talking.call.on_time(second(15)), [Effect::Command(LegCommand::HangUp)]);
    assert_eq!(talking.ends(Cause::LocalHangup, 16).outcome, Outcome::OptedOut);
}

#[test]
fn a_wish_for_no_more_calls_that_only_the_words_show_counts_whatever_was_concluded_before() {
    let wish = |conclusion| Judgement {
        no_more_calls: Some("Never call me again.".into()),
        ..judgement(conclusion)
    };
    let until = |talking: &mut Talking, judged: Judgement, at| {
        talking.call.on(LegEvent::Judged(judged), second(at));
        assert_eq!(talking.call.interrupted(second(at)).outcome, Outcome::OptedOut, "a stop loses nothing");
        talking.ends(Cause::RemoteHangup, at)
    };
    // Nobody had concluded anything; the agent had; it was saying goodbye; it had failed.
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert_eq!(until(&mut talking, wish(Conclusion::Declined), 5).outcome, Outcome::OptedOut);
    let said = talking.call.transcript();
    let last = said.as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["speaker"]), (&json!("request"), &json!("person")));
    assert_eq!(last["text"], "asked not to be called again: \"Never call me again.\"");
    let timeline = talking.call.timeline(TimeDelta::zero()).to_string();
    assert!(timeline.contains("asked not to be called again, judged by their words"), "{timeline}");
    assert!(!timeline.contains("Never call me again"), "{timeline}");

    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.asks(Tool::ReportOutcome(verdict(Conclusion::Success)), 3);
    talking.asks(Tool::EndCall, 4);
    let ending = until(&mut talking, wish(Conclusion::Declined), 6);
    assert_eq!(ending.outcome, Outcome::OptedOut);
    assert_eq!(ending.conversation.unwrap()["verdict"]["conclusion"], "success", "its own report stands");

    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.call.on(LegEvent::AgentFailed("gone".into()), second(4));
    let ending = until(&mut talking, wish(Conclusion::Success), 6);
    assert_eq!(ending.outcome, Outcome::OptedOut);
    assert_eq!(ending.conversation.unwrap()["verdict"], Value::Null, "it came to nothing");

    // Without a wish a call on which the agent failed stays one.
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.call.on(LegEvent::AgentFailed("gone".into()), second(4));
    talking.call.on(LegEvent::Judged(judgement(Conclusion::Success)), second(6));
    assert_eq!(talking.ends(Cause::RemoteHangup, 6).outcome, Outcome::CarrierError);
}

#[test]
fn a_wish_is_read_from_what_the_person_said_and_nowhere_else() {
    let line = |by_agent: bool, text: &str| Line {
        by_agent,
        text: text.into(),
        began_at: second(0),
        ended_at: second(1),
        is_cut_off: false,
    };
    let lines = vec![
        line(true, "Say stop calling me, and we will not call you again."),
        line(false, "Leave me alone, take me OFF your list!"),
        line(false, "Bye."),
    ];
    let read = |wish: Value, words: &str, lines: &[Line]| {
        let answer = json!({"outcome": "declined", "reason": "no", "answers": [], "no_more_calls": wish,
                            "no_more_calls_words": words});
        Judgement::read(&answer.to_string(), lines).unwrap().no_more_calls
    };
    let quoted = read(json!(true), "take me off your list", &lines);
    assert_eq!(quoted.as_deref(), Some("take me off your list"));
    for invented in ["", "I never want to hear from you"] {
        assert_eq!(read(json!(true), invented, &lines).as_deref(), Some("Bye."), "what was said is kept");
    }
    assert_eq!(read(json!("true"), "Bye.", &lines).as_deref(), Some("Bye."));
    for (wish, words, lines) in [
        (json!(false), "take me off your list", &lines[..]),
        (Value::Null, "take me off your list", &lines),
        (json!("no"), "take me off your list", &lines),
        // Words of ours are none of theirs, and who said nothing has asked for nothing.
        (json!(true), "we will not call you again", &lines),
        (json!(true), "take me off your list", &lines[..1]),
        (json!(true), "", &[]),
    ] {
        assert_eq!(read(wish.clone(), words, lines), None, "{wish} {words}");
    }
    // A wish is not lost because the rest of the answer is worth nothing.
    let bad = json!({"outcome": "they bought it", "no_more_calls": true}).to_string();
    assert_eq!(Judgement::read(&bad, &lines).unwrap().verdict.conclusion, Conclusion::Declined);
    assert!(Judgement::read(&bad.replace("true", "false"), &lines).is_err());
    let schema = Judgement::schema();
    let required = schema["required"].as_array().unwrap();
    assert_eq!(required.len(), schema["properties"].as_object().unwrap().len(), "strict modes want them all");
}

#[test]
fn whoever_opts_out_of_a_script_is_told_so_once_it_is_written_down_and_not_before() {
    let plan = || Plan { agent: None, key_wait: TimeDelta::seconds(8), ..plan(None, Criteria::Verdict) };
    for wish in [LegEvent::Digit('9'), LegEvent::OptOutAsked] {
        let mut call = LiveCall::new(plan(), second(0));
        call.on(LegEvent::Answered, second(0));
        assert_eq!(call.on(wish.clone(), second(5)), []);
        assert_eq!(call.on(LegEvent::SpeechEnded, second(6)), [], "the script goes on meanwhile");
        assert_eq!(call.on(wish.clone(), second(6)), [], "once is enough");
        assert_eq!(call.cancel(second(6)), [], "being on the list takes nobody's confirmation away");
        let effects = call.opt_out_written(Written::Listed, second(7));
        assert_eq!(says(&effects), Some("You will not be called again. Goodbye."));
        assert_eq!(call.on(LegEvent::SpeechEnded, second(9)), [Effect::Command(LegCommand::HangUp)]);

        // Nobody is told what is not so.
        let mut call = LiveCall::new(plan(), second(0));
        call.on(LegEvent::Answered, second(0));
        call.on(wish, second(5));
        assert_eq!(call.on_time(second(15)), [Effect::Command(LegCommand::HangUp)]);
        match &call.on(LegEvent::Ended(Cause::LocalHangup, None), second(16))[..] {
            [Effect::Ended(ending)] => assert_eq!(ending.outcome, Outcome::OptedOut),
            effects => panic!("{effects:?}"),
        }
    }
}

#[test]
fn an_agent_whose_caller_shows_no_number_is_told_that_nothing_was_written() {
    let mut talking = Talking::new(Plan { is_anonymous: true, ..plan(None, Criteria::Verdict) });
    talking.asks(Tool::OptOut, 5);
    let effects = talking.call.opt_out_written(Written::Nothing, second(6));
    assert!(says(&effects).unwrap().starts_with("We do not see your number"), "{effects:?}");
    let kept = talking.ends(Cause::LocalHangup, 9).conversation.unwrap();
    let answer = kept["tools"][0]["answer"].as_str().unwrap();
    assert!(answer.starts_with("It was not written down"), "{answer}");
}

#[test]
fn nine_opts_out_of_a_conversation_and_other_keys_are_the_agents() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert_eq!(talking.call.on(LegEvent::Digit('1'), second(2)), []);
    assert_eq!(talking.call.on(LegEvent::Digit('9'), second(3)), []);
    let effects = talking.call.opt_out_written(Written::Listed, second(3));
    assert_eq!(says(&effects), Some("You will not be called again. Goodbye."));
    assert_eq!(talking.ends(Cause::RemoteHangup, 4).outcome, Outcome::OptedOut);
}

#[test]
fn an_agent_that_fails_leaves_nobody_in_silence() {
    for (fallback, expected) in [
        (Some("We will call again."), "We will call again."),
        (None, "Sorry, there is a technical problem. We have to end this call. Goodbye."),
    ] {
        let mut talking = Talking::new(plan(fallback, Criteria::Verdict));
        let effects = talking.call.on(LegEvent::AgentFailed("the model took too long".into()), second(4));
        assert_eq!(says(&effects), Some(expected));
        assert_eq!(talking.call.has_agent_failed(), Some(true));
        let heard = talking.call.on(LegEvent::SpeechEnded, second(6));
        assert_eq!(heard, [Effect::Command(LegCommand::HangUp)]);
        let ending = talking.ends(Cause::LocalHangup, 7);
        assert_eq!(ending.outcome, Outcome::CarrierError);
        assert_eq!(ending.detail.as_deref(), Some("the model took too long"));
    }
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    talking.asks(Tool::ReportOutcome(verdict(Conclusion::Success)), 3);
    talking.call.on(LegEvent::AgentFailed("gone".into()), second(4));
    assert_eq!(talking.ends(Cause::RemoteHangup, 5).outcome, Outcome::Success, "what was said before holds");
}

#[test]
fn only_the_campaigns_own_number_is_put_through_to() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert!(says(&talking.asks(Tool::Transfer, 3)).is_some());
    let effects = talking.call.on(LegEvent::SpeechEnded, second(6));
    let to = Phone::from_e164("+12025550199").unwrap();
    assert_eq!(effects, [Effect::Command(LegCommand::Transfer { to })]);
    talking.call.on(LegEvent::Transferred, second(8));
    assert_eq!(talking.ends(Cause::LocalHangup, 9).outcome, Outcome::Transferred);

    let mut nobody = Talking::new(Plan { transfer_to: None, ..plan(None, Criteria::Verdict) });
    assert!(is_told_something(&nobody.asks(Tool::Transfer, 3)));
}

#[test]
fn an_agent_that_has_lost_its_way_is_stopped_and_nothing_grows_without_end() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    let mut finished = None;
    for nth in 0..10_000 {
        let effects = talking.asks(Tool::Misused("no such tool".into()), nth / 1_000);
        if effects == [Effect::Command(LegCommand::Finish)] {
            finished.get_or_insert(nth);
        }
        talking.says(nth % 2 == 0, &"x".repeat(1_000), nth / 1_000, false);
    }
    assert_eq!(finished, Some(40));
    let ending = talking.ends(Cause::LocalHangup, 20);
    assert!(ending.conversation.unwrap().to_string().len() < 100_000);
    assert!(talking.call.transcript().to_string().len() < 200_000);
}

#[test]
fn a_call_whose_time_is_up_or_whose_words_are_judged_too_long_ends_all_the_same() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    assert_eq!(talking.call.deadline(), second(120));
    assert_eq!(talking.call.on_time(second(120)), [Effect::Command(LegCommand::HangUp)]);
    assert_eq!(talking.call.deadline(), second(144));
    assert!(matches!(&talking.call.on_time(second(144))[..], [Effect::Ended(_)]));

    let mut machine = Talking::new(plan(Some("Call us back."), Criteria::MessageLeft));
    let effects = machine.call.on(LegEvent::MachineDetected, second(2));
    assert_eq!(says(&effects), Some("Call us back."));
}

/// How the leads of these stories end: code, status, outcome.
async fn told(world: &World, campaign: &Campaign) -> Vec<String> {
    let leads = world.all_leads(campaign).await;
    let line = |lead: &voice_campaigns::domain::lead::Lead| {
        let outcome = lead.outcome.map_or("-".to_owned(), |outcome| outcome.to_string());
        format!("{} {} {outcome}", lead.about.phone.digits() % 10_000, lead.status)
    };
    leads.iter().map(line).collect()
}

/// A campaign with an agent.
async fn campaign(world: &World, changes: Value) -> Campaign {
    let mut all =
        json!({"agent": "ai", "success_criteria": "they want it", "transfer_number": "+12025550199"});
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    world.campaign(all).await
}

#[tokio::test]
async fn conversations_come_out_as_people_talk() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = campaign(&world, json!({"max_attempts_per_lead": 2, "fallback_script": "Call us."})).await;
    let stories = [101, 102, 103, 104, 109, 110, 114, 115].map(|code| story(code, 0));
    world.leads(&campaign, stories).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert_eq!(
        told(&world, &campaign).await,
        [
            "101 completed no_input",
            "102 completed hung_up",
            "103 completed message_left",
            "104 scheduled no_answer",
            "109 do_not_call opted_out",
            "110 completed success",
            "114 completed transferred",
            "115 scheduled callback",
        ]
    );
    let calls = world.calls(&campaign).await;
    let of = |code: u64| calls.iter().find(|call| call.phone.digits() % 10_000 == code).unwrap().clone();
    let (yes, later, never) = (of(110), of(115), of(109));
    let (id, never_phone) = (yes.id, never.phone);
    let (kept, transcript, is_listed) = world
        .write(move |tx| Ok((tx.conversation(id)?, tx.transcript(id)?, tx.is_suppressed(never_phone)?)))
        .await;
    assert!(is_listed);
    let kept = kept.unwrap();
    assert_eq!(kept["answers"], json!({"answer": "yes"}));
    assert_eq!(kept["model"], "recorded");
    assert_eq!(kept["verdict"]["conclusion"], "success");
    let said: Vec<(&str, &str)> = transcript
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["speaker"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(said[0].0, "agent");
    assert!(
        said[0].1.starts_with("This is an automated assistant. Hello, this is a survey call."),
        "{said:?}"
    );
    assert_eq!(said[1], ("person", "Yes, that sounds good."));
    // Tomorrow at ten where the number is: in Washington.
    assert_eq!(later.call_back_at, Some(at("2026-03-03T15:00:00Z")));
    let lead = world.all_leads(&campaign).await.into_iter().find(|lead| lead.id == later.lead_id).unwrap();
    assert_eq!((lead.next_call_at, lead.wait_reason), (later.call_back_at, Some(HoldReason::CallBack)));
    world.check().await;
}

#[tokio::test]
async fn a_call_back_is_inside_the_hours_and_on_the_persons_clock() {
    let mut world = World::new(MONDAY_NOON).await;
    let hours = json!({"calling_hours_start": "11:00", "calling_hours_end": "20:00"});
    let campaign = campaign(&world, hours).await;
    world.leads(&campaign, [story(115, 0)]).await;
    let away = json!({"phone": story(115, 1), "time_zone": "Asia/Tokyo"});
    world.add(&campaign, vec![away]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    let calls = world.calls(&campaign).await;
    let promised: Vec<_> = calls.iter().map(|call| call.call_back_at).collect();
    // Ten in the morning is inside the campaign's hours in Washington, and in the middle of its night in Tokyo.
    assert_eq!(promised, [Some(at("2026-03-03T15:00:00Z")), None]);
    let id = calls[1].id;
    let kept = world.write(move |tx| tx.conversation(id)).await.unwrap();
    let answer = kept["tools"][0]["answer"].as_str().unwrap();
    assert!(
        answer.contains("Nobody is called at that time. The next time is Tuesday 2026-03-03 20:00"),
        "{answer}"
    );
    world.check().await;
}

#[tokio::test]
async fn a_promise_outlives_a_crash() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = campaign(&world, json!({})).await;
    world.leads(&campaign, [story(115, 0)]).await;
    let is_promised = async |world: &World, campaign: &Campaign| {
        world.calls(campaign).await.first().is_some_and(|call| call.call_back_at.is_some())
    };
    for _ in 0..600 {
        if is_promised(&world, &campaign).await {
            break;
        }
        world.run_for(TimeDelta::milliseconds(200)).await;
    }
    assert!(world.calls(&campaign).await[0].ended_at.is_none(), "it is alive");
    world.restart().await;
    world.settle_down().await;
    assert_eq!(told(&world, &campaign).await, ["115 scheduled interrupted"]);
    let lead = &world.all_leads(&campaign).await[0];
    assert_eq!(lead.next_call_at, Some(at("2026-03-03T15:00:00Z")));
    world.check().await;
}

#[tokio::test]
async fn an_agent_that_fails_twice_in_a_row_pauses_its_campaign_and_no_other() {
    let mut world = World::new(MONDAY_NOON).await;
    let failing = campaign(&world, json!({"max_concurrent_calls": 1, "fallback_script": "Call us."})).await;
    let other = world.campaign(json!({})).await;
    world.leads(&failing, (0..4).map(|nth| story(116, nth))).await;
    world.leads(&other, [story(116, 5)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    let now = world.now(&failing).await;
    assert_eq!((now.status, now.status_reason.as_deref()), (Status::Paused, Some("agent_failed")));
    let calls = world.calls(&failing).await;
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.outcome, Some(Outcome::CarrierError));
        assert_eq!(call.detail.as_deref(), Some("the simulated agent failed"));
    }
    assert_eq!(told(&world, &other).await, ["116 completed success"], "a script needs no agent");
    world.check().await;
}

/// The simulator with fewer seats.
struct Seated(voice_campaigns::carrier::simulator::Simulator, usize);

impl Carrier for Seated {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn agents(&self) -> Agents {
        Agents { seats: self.1, free: self.1, is_usual: false }
    }

    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg {
        self.0.dial(request, events)
    }
}

#[tokio::test]
async fn nobody_is_called_for_whom_there_is_no_agent() {
    for (seats, expected) in [(0, HoldReason::AgentMissing), (2, HoldReason::AgentBusy)] {
        let mut world = World::new(MONDAY_NOON).await;
        world.use_carrier(Arc::new(Seated(world.simulator.clone(), seats))).await;
        let talked = campaign(&world, json!({})).await;
        world.leads(&talked, (0..6).map(|nth| story(101, nth))).await;
        world.settle_down().await;
        world.run_for(TimeDelta::seconds(8)).await;
        let now = world.now(&talked).await;
        assert_eq!(now.totals.in_progress_calls, seats as i64);
        let hold = world
            .write(move |tx| {
                let overall = tx.overall()?;
                Ok(voice_campaigns::domain::gate::Gate::new(&now, 0, overall, tx.now).seats())
            })
            .await;
        // What is shown is what was so before the last claims; the next turn knows better.
        if seats == 0 {
            assert_eq!(hold.unwrap_err().reason, expected);
        }
        let scripted = world.campaign(json!({})).await;
        world.leads(&scripted, [story(101, 8)]).await;
        world.run_for(TimeDelta::hours(1)).await;
        assert_eq!(world.calls(&talked).await.len(), if seats == 0 { 0 } else { 6 });
        assert_eq!(world.calls(&scripted).await.len(), 1);
        world.check().await;
    }
}

#[tokio::test]
async fn who_talks_is_what_the_campaign_says_else_what_is_usual() {
    let settings =
        Settings { agent: Some(voice_campaigns::domain::agent::AgentKind::Ai), ..Settings::default() };
    let mut world = World::with(MONDAY_NOON, settings).await;
    let usual = world.campaign(json!({})).await;
    let scripted = world.campaign(json!({"agent": "scripted"})).await;
    world.leads(&usual, [story(110, 0)]).await;
    world.leads(&scripted, [story(110, 1)]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    for (campaign, is_talked) in [(usual, true), (scripted, false)] {
        let id = world.calls(&campaign).await[0].id;
        let kept = world.write(move |tx| tx.conversation(id)).await;
        assert_eq!(kept.is_some(), is_talked);
    }
    world.check().await;
}

#[test]
fn what_was_used_is_kept_with_the_call() {
    let mut talking = Talking::new(plan(None, Criteria::Verdict));
    let usage = Usage { model: "m".into(), input_tokens: 12, output_tokens: 3 };
    talking.call.on(LegEvent::AgentUsed(usage), second(3));
    let kept = talking.ends(Cause::RemoteHangup, 5).conversation.unwrap();
    assert_eq!((&kept["model"], &kept["input_tokens"]), (&json!("m"), &json!(12)));
    assert_eq!(kept["prompt"].as_str().unwrap().len(), 16);
    assert_eq!(kept["verdict"], Value::Null);
}
