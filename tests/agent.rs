//! Conversations of an agent of either kind, with servers that behave and with such as do not. What is true of one kind
//! alone is in `agent_cascade.rs` and `agent_realtime.rs`.

use crate::support::kinds::{DIALECTS, KINDS, Kind, REALTIME, WAYS, clock, each};
use crate::support::models::{Answer, LETTER_MS, Manner, Models, Stage, tool, words};
use crate::support::phone::{Phone, brief, brief_of};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;
use voice_campaigns::agent::{Agent, Heard, Said};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::agent::{Conclusion, Line, Tool};
use voice_campaigns::domain::phrases::Phrases;
use voice_campaigns::media::g711::Codec;

/// How many times faster than in life these telephones are.
const SPEED: u32 = 5;

fn opening() -> String {
    format!("agent: {}", brief().opening)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_held_to_its_end() {
    let [first, rest @ ..] = WAYS;
    // Alone: how soon it speaks is measured, and to make the agents of the others takes the machine a while.
    is_held_to_its_end(first).await;
    each(rest, is_held_to_its_end).await;
}

async fn is_held_to_its_end(kind: Kind) {
    let outcome =
        json!({"outcome": "success", "reason": "They come on Tuesday.", "answers": {"day": "Tuesday"}});
    let models = Models::start(move |told| match told {
        "Yes, please." => words("Very well. Is Tuesday at ten all right?"),
        "Tuesday is fine." => tool("Wonderful.", "report_outcome", outcome.clone()),
        "Done." => tool("See you on Tuesday!", "end_call", json!({})),
        _ => words("Pardon?"),
    })
    .await;
    let (_folder, mut phone) = kind.calls(&models, json!({}), brief(), SPEED);
    phone.hear_out().await;
    models.will_hear("Yes, please.");
    phone.speak(900).await;
    phone.hear_out().await;
    models.will_hear("Tuesday is fine.");
    phone.speak(900).await;
    phone.until("it parts", |phone| phone.tools().contains(&Tool::EndCall)).await;
    assert!(!phone.is_hearing(), "{kind:?}: all has been heard before it ends the call");
    let said = phone.words();
    assert_eq!(
        said[..4],
        [
            &opening(),
            "person: Yes, please.",
            "agent: Very well. Is Tuesday at ten all right?",
            "person: Tuesday is fine.",
        ],
        "{kind:?}"
    );
    // What is said before a tool and after it is one thing, or two.
    let last: &[&str] = match kind {
        Kind::Cascade => &["agent: Wonderful. See you on Tuesday!"],
        Kind::Realtime(..) => &["agent: Wonderful.", "agent: See you on Tuesday!"],
    };
    assert_eq!(said[4..], *last, "{kind:?}");
    let tools = phone.tools();
    let [Tool::ReportOutcome(verdict), Tool::EndCall] = &tools[..] else { panic!("{kind:?}: {tools:?}") };
    assert_eq!((verdict.conclusion, verdict.answers["day"].as_str()), (Conclusion::Success, "Tuesday"));
    let turns = phone.turns();
    assert_eq!(turns.len(), 3, "{kind:?}: one for the opening, and one for each time that they spoke");
    let used = phone.used().unwrap();
    let expected = match kind {
        Kind::Cascade => ("gpt-4.1-mini", 300, 30),
        Kind::Realtime(..) => ("gpt-realtime", 200, 80),
    };
    assert_eq!((used.model.as_str(), used.input_tokens, used.output_tokens), expected);
    // It is the tone that the server sent: 440 hertz, as loud as it was.
    let sound = phone.sound();
    let crossings = sound.windows(2).filter(|two| (two[0] < 0) != (two[1] < 0)).count();
    let hertz = crossings as f64 * 4_000.0 / sound.len() as f64;
    let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!(
        (435.0..445.0).contains(&hertz) && (5_500..6_800).contains(&loudest),
        "{kind:?}: {hertz} {loudest}"
    );
    models.are_content();
    if kind == Kind::Cascade {
        assert!(turns[0].first_sound_ms < 1_000, "{:?}", turns[0]);
        let stages = [turns[1].transcription_ms, turns[1].model_ms, turns[1].voice_ms];
        assert!(stages.iter().all(Option::is_some), "{:?}", turns[1]);
        // What is left of the turn is the pause that shows that somebody has finished.
        println!("first sound {:?}, then {:?}", turns[0], turns[1]);
        let memory = models.memory();
        let roles: Vec<&Value> = memory.iter().map(|message| &message["role"]).collect();
        let expected = ["system", "user", "assistant", "user", "assistant", "user", "assistant", "tool"];
        assert_eq!(roles, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_interrupted_falls_silent_and_remembers_only_what_was_heard() {
    each(WAYS, |kind| async move {
        let models = Models::start(|told| match told {
            "Stop." => words("Well, that is a very long story, and I am going to tell you all of it now."),
            _ => words("I see."),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief(), SPEED);
        let mut before = 0;
        for (nth, heard) in ["Stop.", "No!"].into_iter().enumerate() {
            phone.until("it speaks", |phone| phone.played() >= before + 8_000).await;
            models.will_hear(heard);
            let from = phone.frames.len();
            phone.speak(900).await;
            let silent = phone.frames[from..].iter().position(|sound| !sound).unwrap();
            assert!(silent <= 10, "{kind:?}: it speaks for another {} ms", silent * 20);
            if let Kind::Realtime(..) = kind {
                let truncated = models.told("conversation.item.truncate");
                assert_eq!(truncated.len(), nth + 1, "{kind:?}");
                let ms = truncated[nth]["audio_end_ms"].as_i64().unwrap();
                let heard_ms = (phone.hushed[nth] - before) as i64 / 8;
                assert!((ms - heard_ms).abs() <= 40, "{kind:?}: {ms} ms of {heard_ms}");
            }
            before = phone.hushed[nth];
        }
        phone.hear_out().await;
        let said = phone.words();
        assert!(said[0].ends_with('—') && said[2].ends_with('—'), "{kind:?}: {said:?}");
        assert!(opening().starts_with(said[0].trim_end_matches('—')), "{kind:?}: {said:?}");
        assert_eq!(
            [&said[1], &said[3], &said[4]],
            ["person: Stop.", "person: No!", "agent: I see."],
            "{kind:?}"
        );
        if kind == Kind::Cascade {
            let memory = models.memory();
            for (at, line) in [(2, &said[0]), (4, &said[2])] {
                let heard = line.trim_start_matches("agent: ");
                assert_eq!(memory[at]["content"], format!("{heard} [interrupted; the rest was not heard]"));
            }
        }
        let letters = phone.lines()[0].text.chars().count() as u64;
        let heard = phone.hushed[0] / 8 / LETTER_MS as u64;
        assert!((heard.saturating_sub(12)..=heard + 1).contains(&letters), "{kind:?}: {letters} of {heard}");
        models.are_content();
    })
    .await;
}

#[tokio::test]
async fn the_first_words_are_said_by_whom_the_settings_name() {
    for opener in ["voice", "model"] {
        for kind in KINDS {
            let models = Models::start(|_| words("Pardon?")).await;
            let (_folder, mut phone) = kind.calls(&models, json!({"opening": opener}), brief(), SPEED);
            phone.hear_out().await;
            assert_eq!(phone.words(), [opening()], "{kind:?} {opener}");
            models.are_content();
        }
    }
}

/// What goes wrong, with which server and when, and what is told of it.
struct Failure {
    kind: Kind,
    stage: Stage,
    manner: Manner,
    is_at_first: bool,
    told: [&'static str; 2],
}

/// Every stage, with every manner.
fn failures_of_a_chain() -> Vec<Failure> {
    let stages = [
        (Stage::Transcription, "the transcription"),
        (Stage::Chat, "the model"),
        (Stage::Speech, "the voice"),
    ];
    let manners = [
        Manner::Refuses(500),
        Manner::Refuses(401),
        Manner::Hangs,
        Manner::Drips,
        Manner::Nonsense,
        Manner::BreaksOff,
    ];
    let failure = |(stage, name), manner| {
        let told = [name, ""];
        Failure { kind: Kind::Cascade, stage, manner, is_at_first: false, told }
    };
    stages.into_iter().flat_map(|stage| manners.map(|manner| failure(stage, manner))).collect()
}

fn failures_of_a_model() -> Vec<Failure> {
    let failure = |(manner, is_at_first, why)| {
        let told = ["the realtime model", why];
        Failure { kind: REALTIME, stage: Stage::Realtime, manner, is_at_first, told }
    };
    [
        (Manner::Refuses(500), true, "answered 500"),
        (Manner::Refuses(500), false, "The server had an error"),
        (Manner::Refuses(401), true, "check its key"),
        (Manner::Refuses(401), false, "The server had an error"),
        (Manner::Refuses(429), true, "answered 429"),
        (Manner::Refuses(429), false, "Rate limit reached for *"),
        (Manner::Hangs, true, "took too long"),
        (Manner::Hangs, false, "took too long"),
        (Manner::Drips, false, "took too long"),
        (Manner::Nonsense, true, "took too long"),
        (Manner::Nonsense, false, "nobody understands"),
        (Manner::BreaksOff, true, ""),
        (Manner::BreaksOff, false, ""),
    ]
    .map(failure)
    .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_hangs_drips_or_answers_nonsense_ends_the_conversation_with_the_cause() {
    for failures in [failures_of_a_chain(), failures_of_a_model()] {
        let mut conversations = Vec::new();
        for failure in failures {
            // All agents are made before the first one talks: that takes the machine a while.
            let models = Models::start(|_| words("I see. And then? Tell me more about it.")).await;
            let limit = json!({"timeout_seconds": 4});
            let with = json!({"opening": "voice", "chat": limit, "transcription": limit, "realtime": limit});
            let clock = clock(SPEED);
            let (folder, agent) = failure.kind.agent(&models, with, &clock);
            conversations.push(async move {
                failure.happens(&models, &agent, &clock).await;
                drop(folder);
            });
        }
        conversations.into_iter().collect::<JoinSet<()>>().join_all().await;
    }
}

impl Failure {
    async fn happens(self, models: &Models, agent: &Arc<dyn Agent>, clock: &Arc<dyn Clock>) {
        let Failure { kind, stage, manner, is_at_first, told } = self;
        let what = format!("{stage:?} {manner:?} {}", if is_at_first { "at first" } else { "later" });
        if is_at_first {
            models.behave(stage, manner);
        }
        let mut phone = kind.answer(agent, clock, brief());
        if !is_at_first {
            phone.hear_out().await;
            models.behave(stage, manner);
            models.will_hear("Hello?");
            phone.speak(600).await;
        }
        let from = clock.steady();
        phone.until(&what, |phone| phone.is_over).await;
        let took = clock.steady() - from;
        assert!(took < TimeDelta::seconds(10), "{what} took {took}");
        let why = phone.failure().unwrap();
        assert!(told.iter().all(|told| why.contains(told)) && !why.contains("sk-te"), "{what}: {why}");
        if kind == Kind::Cascade {
            // Whatever happened, they were asked for a moment, and nothing else was said.
            let sound = phone.sound().len() / 8 / LETTER_MS;
            let moment = Phrases::of("en-US").moment;
            let said = brief().opening.chars().count() + moment.chars().count();
            assert_eq!(sound, said, "{what}: {:?}", phone.words());
        }
        phone.until("all is let go of", |_| models.busy() == 0).await;
    }
}

#[tokio::test]
async fn tools_that_are_none_or_are_used_wrongly_are_told_as_such_and_the_call_goes_on() {
    for kind in DIALECTS {
        let models = Models::start(|told| match told {
            "Go." => Answer {
                text: String::new(),
                tools: vec![
                    ("transfer_money", "{}".into()),
                    ("report_outcome", json!({"outcome": "bought everything"}).to_string()),
                    ("send_digits", json!({"digits": "call +1 900"}).to_string()),
                    ("schedule_callback", "{not json".into()),
                ],
            },
            "Done." => words("I am sorry."),
            _ => words("Pardon?"),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief(), SPEED);
        phone.hear_out().await;
        models.will_hear("Go.");
        phone.speak(600).await;
        phone.until("it goes on", |phone| phone.words().contains(&"agent: I am sorry.".into())).await;
        let tools = phone.tools();
        assert!(
            tools.len() == 4 && tools.iter().all(|tool| matches!(tool, Tool::Misused(_))),
            "{kind:?}: {tools:?}"
        );
        models.are_content();
    }
}

#[tokio::test]
async fn whoever_goes_on_talking_is_not_hung_up_on() {
    for kind in KINDS {
        let models = Models::start(|told| match told {
            "Bye." => tool("Goodbye and thank you very much for your time today.", "end_call", json!({})),
            "Wait!" => words("Yes?"),
            _ => words("Pardon?"),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief(), SPEED);
        phone.hear_out().await;
        models.will_hear("Bye.");
        phone.speak(600).await;
        let so_far = phone.played();
        phone.until("it says goodbye", |phone| phone.played() > so_far + 2_000).await;
        models.will_hear("Wait!");
        phone.speak(600).await;
        phone.until("it goes on", |phone| phone.words().contains(&"agent: Yes?".into())).await;
        assert_eq!(phone.tools(), [], "{kind:?}");
        models.are_content();
    }
}

#[tokio::test]
async fn a_verdict_and_the_end_in_one_answer_do_not_wait_for_each_other() {
    for kind in KINDS {
        let verdict = json!({"outcome": "declined", "reason": "No.", "answers": {}}).to_string();
        let models = Models::start(move |told| match told {
            "Bye." => Answer {
                text: "Goodbye!".into(),
                tools: vec![("report_outcome", verdict.clone()), ("end_call", "{}".into())],
            },
            _ => words("Pardon?"),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief_of("You ask.", "Hello!"), SPEED);
        phone.hear_out().await;
        models.will_hear("Bye.");
        phone.speak(600).await;
        phone.until("it says goodbye", |phone| phone.words().contains(&"agent: Goodbye!".into())).await;
        let from = phone.now();
        phone.until("it parts", |phone| phone.tools().contains(&Tool::EndCall)).await;
        let took = phone.now() - from;
        assert!(took < TimeDelta::seconds(1), "{kind:?}: {took}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_asked_twice_and_then_taken_leave_of() {
    for kind in KINDS {
        let models = Models::start(|told| match told.starts_with("[the person has said nothing") {
            true => words("Are you there?"),
            false => words("Pardon?"),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief_of("You ask.", "Hello!"), 20);
        phone.until("it gives up", |phone| phone.tools() == [Tool::EndCall]).await;
        let asked = "agent: Are you there?";
        assert_eq!(phone.words(), ["agent: Hello!", asked, asked, "agent: Thank you. Goodbye."], "{kind:?}");
        models.are_content();
    }
}

#[tokio::test]
async fn keys_and_the_end_of_the_time_are_told_to_the_model() {
    for kind in KINDS {
        let models = Models::start(|told| match told {
            "[caller pressed 1]" => words("You pressed one."),
            told if told.starts_with("[the call ends in 15 seconds") => {
                tool("Goodbye!", "end_call", json!({}))
            }
            _ => words("Pardon?"),
        })
        .await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief(), SPEED);
        phone.until("it speaks", |phone| phone.played() >= 8_000).await;
        phone.tell(Heard::Key('1'));
        phone.until("it answers", |phone| phone.words().contains(&"agent: You pressed one.".into())).await;
        phone.tell(Heard::TimeIsNearlyUp);
        phone.until("it parts", |phone| phone.tools() == [Tool::EndCall]).await;
        assert_eq!(phone.words().last().unwrap(), "agent: Goodbye!", "{kind:?}");
        models.are_content();
    }
}

#[tokio::test]
async fn a_model_that_only_wants_tools_is_not_asked_for_ever() {
    for kind in KINDS {
        let models = Models::start(|_| tool("", "send_digits", json!({"digits": "1"}))).await;
        let (_folder, mut phone) = kind.calls(&models, json!({}), brief_of("You ask.", "Hello!"), 20);
        phone.hear_out().await;
        phone.tell(Heard::Key('1'));
        phone.until("it gives up", |phone| phone.tools().contains(&Tool::EndCall)).await;
        assert_eq!(phone.words().last().unwrap(), "agent: Thank you. Goodbye.", "{kind:?}");
        match kind {
            Kind::Cascade => {
                let asked = models.asked(Stage::Chat).len();
                assert!((2..=6).contains(&asked), "asked {asked} times");
            }
            Kind::Realtime(..) => {
                let digits = phone.tools().iter().filter(|tool| matches!(tool, Tool::SendDigits(_))).count();
                assert_eq!(digits, 40, "as many tools as there may be on a call");
                assert!(models.told("response.create").len() <= 202);
            }
        }
        models.are_content();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_conversation_knows_of_another_one() {
    for kind in KINDS {
        let models = Models::start(|told| words(&format!("You said {told}"))).await;
        let clock = clock(SPEED);
        let (_folder, agent) = kind.agent(&models, json!({}), &clock);
        let mut conversations = JoinSet::new();
        for number in 0..6 {
            let (agent, clock) = (agent.clone(), clock.clone());
            conversations.spawn(async move {
                let brief =
                    brief_of(&format!("The secret is S{number}."), &format!("Hello number N{number}!"));
                let mut phone = kind.answer(&agent, &clock, brief);
                phone.hear_out().await;
                for key in ['1', '2'] {
                    phone.tell(Heard::Key(key));
                    phone.hear_out().await;
                }
                (number, phone.words())
            });
        }
        let known = |text: &str, letter: char| {
            (0..6).filter(|number| text.contains(&format!("{letter}{number}"))).collect::<Vec<_>>()
        };
        for (number, words) in conversations.join_all().await {
            let words = words.join(" ");
            assert_eq!((known(&words, 'S'), known(&words, 'N')), (vec![], vec![number]), "{kind:?}: {words}");
        }
        for asked in models.asked(Stage::Chat) {
            let asked = asked.to_string();
            let (secrets, names) = (known(&asked, 'S'), known(&asked, 'N'));
            assert!(secrets.len() == 1 && secrets == names, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_conversation_that_ended_without_a_verdict_is_judged() {
    for kind in KINDS {
        let verdict = json!({"outcome": "declined", "reason": "They said no.", "answers": []}).to_string();
        let models = Models::start(move |_| words(&verdict)).await;
        let (clock, fast) = (clock(SPEED), clock(20));
        let line = |by_agent: bool, text: &str| Line {
            by_agent,
            text: text.into(),
            began_at: clock.steady(),
            ended_at: clock.steady(),
            is_cut_off: false,
        };
        let lines = vec![line(true, "Will you come?"), line(false, "No.")];
        let (_folder, agent) = kind.agent(&models, json!({}), &clock);
        let verdict = agent.judge(brief(), lines.clone()).await.unwrap();
        assert_eq!((verdict.conclusion, verdict.reason.as_str()), (Conclusion::Declined, "They said no."));
        let asked = models.asked(Stage::Chat)[0].clone();
        assert_eq!(asked["response_format"]["json_schema"]["strict"], true);
        let (_fast_folder, hasty) = kind.agent(&models, json!({}), &fast);
        for manner in
            [Manner::Refuses(500), Manner::Hangs, Manner::Drips, Manner::Nonsense, Manner::BreaksOff]
        {
            models.behave(Stage::Chat, manner);
            let from = fast.steady();
            hasty.judge(brief(), lines.clone()).await.unwrap_err();
            assert!(fast.steady() - from < TimeDelta::seconds(12), "{kind:?} {manner:?}");
        }
        let models = Models::start(|_| words(r#"{"outcome": "they bought it all", "reason": ""}"#)).await;
        let (_folder, agent) = kind.agent(&models, json!({}), &clock);
        assert!(agent.judge(brief(), lines).await.unwrap_err().contains("outcome"), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_conversations_at_once_are_bounded_and_leave_nothing_behind() {
    // One after the other: the tasks are counted.
    for kind in KINDS {
        fifty(kind).await;
    }
}

async fn fifty(kind: Kind) {
    const COUNT: usize = 50;
    let models = Arc::new(Models::start(|_| words("I see. Tell me more.")).await);
    let clock = clock(2);
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let limits = json!({"max_concurrent": COUNT, "opening": "voice", "realtime": {"timeout_seconds": 20}});
    let (_folder, agent) = kind.agent(&models, limits, &clock);
    assert_eq!(agent.seats(), COUNT);
    (0..COUNT).for_each(|_| models.will_hear("Hello?"));
    let hold = |agent: Arc<dyn Agent>, clock: Arc<dyn Clock>| async move {
        let mut phone = kind.answer(&agent, &clock, brief_of("You ask.", "Hello!"));
        phone.hear_out().await;
        phone.speak(400).await;
        phone
            .until("it answers", |phone| phone.words().iter().any(|line| line.starts_with("agent: I see")))
            .await;
        phone.turns()[1].first_sound_ms
    };
    let phones: Vec<_> = (0..COUNT).map(|_| tokio::spawn(hold(agent.clone(), clock.clone()))).collect();
    let (mut latencies, mut most_tasks) = (Vec::new(), 0);
    for phone in phones {
        latencies.push(phone.await.unwrap());
        most_tasks = most_tasks.max(metrics.num_alive_tasks());
    }
    latencies.sort_unstable();
    let most = models.inner.most.load(Ordering::SeqCst);
    println!(
        "{kind:?}, {COUNT} at once: end of speech to first sound {} to {} ms; {most} connections, {most_tasks} tasks",
        latencies[0],
        latencies[COUNT - 1]
    );
    // The conversation and its telephone; for each connection one task on either side, and some of the runtime.
    assert!(most <= 4 * COUNT && most_tasks <= before + 2 * COUNT + 2 * most + 20, "{most} {most_tasks}");
    drop(agent);
    for _ in 0..500 {
        if models.alive() == 0 && metrics.num_alive_tasks() <= before + 1 {
            return;
        }
        clock.sleep_until(clock.steady() + TimeDelta::milliseconds(20)).await;
    }
    panic!("{} connections and {} tasks are left of {before}", models.alive(), metrics.num_alive_tasks());
}

#[tokio::test]
async fn where_nobody_listens_nothing_piles_up() {
    for kind in KINDS {
        let models = Models::start(|_| words("Pardon?")).await;
        let clock = clock(SPEED);
        let (_folder, agent) = kind.agent(&models, json!({"opening": "model"}), &clock);
        let long = brief_of("You ask.", &"and so on ".repeat(300));
        let conversation = agent.converse(long, Codec::Pcmu);
        let mut waiting = 0;
        while models.asked(Stage::Chat).len() + models.asked(Stage::Realtime).len() == 0 {
            clock.sleep_until(clock.steady() + TimeDelta::milliseconds(20)).await;
        }
        for _ in 0..10_000 {
            match conversation.heard.try_send(Heard::Sound(vec![0; 160])) {
                Ok(()) => waiting += 1,
                Err(_) => break,
            }
        }
        assert!(waiting < 600, "{kind:?}: {waiting} frames wait");
        drop(conversation);
        while models.busy() > 0 {
            clock.sleep_until(clock.steady() + TimeDelta::milliseconds(20)).await;
        }
    }
}

/// What of a turn is ours, with servers that answer at once: printed, and held to what is promised with room for a busy
/// machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_part_of_a_turn_is_short() {
    let kinds = [(Kind::Cascade, "voice"), (REALTIME, "model"), (REALTIME, "voice")];
    each(kinds, |(kind, opener)| async move {
        let models = Models::start(|_| words("Well, that is a long story, and I am going to tell it.")).await;
        let clock = clock(1);
        let (_folder, agent) = kind.agent(&models, json!({"opening": opener}), &clock);
        let answered = clock.steady();
        let mut phone: Phone = kind.answer(&agent, &clock, brief_of("You ask.", "Hello!"));
        phone.until("it speaks", |phone| phone.played() > 0).await;
        let is_sound = |said: &Said| matches!(said, Said::Play(_));
        let first = (phone.told_at(is_sound).unwrap() - answered).num_milliseconds();
        phone.until("it is silent", |phone| !phone.is_hearing()).await;
        models.will_hear("Yes?");
        phone.speak(400).await;
        phone.until("it answers", |phone| phone.turns().len() == 2 && phone.played() > 8_000).await;
        let turn = i64::from(phone.turns()[1].first_sound_ms) - kind.pause_ms();
        let spoke = clock.steady();
        phone.speak(200).await;
        let hush = (phone.told_at(|said| *said == Said::Hush).unwrap() - spoke).num_milliseconds();
        println!(
            "{kind:?}, opening by {opener}: answer to first sound {first} ms, end of turn to first sound {turn} ms, \
             barge-in to hush {hush} ms"
        );
        assert!(first < 1_000 && turn < 1_000 && hush < 200, "{kind:?}: {first} {turn} {hush}");
    })
    .await;
}
