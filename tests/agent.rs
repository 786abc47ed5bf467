//! Conversations of the agent with servers that behave, and with such as do not.

use crate::support::models::{Answer, LETTER_MS, Manner, Models, Stage, tool, words};
use crate::support::phone::{Phone, agent, brief, brief_of};
use crate::support::uas::Fast;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use voice_campaigns::agent::{Agent, Heard, Said};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::agent::{Conclusion, Line, Tool};
use voice_campaigns::media::g711::Codec;

/// How many times faster than in life these telephones are.
const SPEED: u32 = 5;

fn clock() -> Arc<dyn Clock> {
    Arc::new(Fast::new(SPEED))
}

fn opening() -> String {
    format!("agent: {}", brief().opening)
}

/// What the model was told last.
fn memory(models: &Models) -> Vec<Value> {
    let asked = models.asked(Stage::Chat);
    asked.last().unwrap()["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_chain_of_servers_holds_a_conversation_to_its_end() {
    let models = Models::start(|told| match told {
        "Yes, please." => words("Very well. Is Tuesday at ten all right?"),
        "Tuesday is fine." => tool(
            "Wonderful.",
            "report_outcome",
            json!({"outcome": "success", "reason": "They come on Tuesday.", "answers": {"day": "Tuesday"}}),
        ),
        "Done." => tool("See you on Tuesday, goodbye!", "end_call", json!({})),
        _ => words("Pardon?"),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.hear_out().await;
    models.will_hear("Yes, please.");
    phone.speak(900).await;
    phone.hear_out().await;
    models.will_hear("Tuesday is fine.");
    phone.speak(900).await;
    phone.until("it parts", |phone| phone.tools().contains(&Tool::EndCall)).await;
    assert!(!phone.is_hearing(), "all has been heard before it ends the call");
    assert_eq!(
        phone.words(),
        [
            &opening(),
            "person: Yes, please.",
            "agent: Very well. Is Tuesday at ten all right?",
            "person: Tuesday is fine.",
            "agent: Wonderful. See you on Tuesday, goodbye!",
        ]
    );
    let tools = phone.tools();
    let [Tool::ReportOutcome(verdict), Tool::EndCall] = &tools[..] else { panic!("{tools:?}") };
    assert_eq!((verdict.conclusion, verdict.answers["day"].as_str()), (Conclusion::Success, "Tuesday"));
    let first = phone.turns()[0];
    assert!(first.first_sound_ms < 1_000, "{first:?}");
    let second = phone.turns()[1];
    assert!(second.transcription_ms.is_some() && second.model_ms.is_some() && second.voice_ms.is_some());
    // What is left of the turn is the pause that shows that somebody has finished.
    println!("first sound {first:?}, then {second:?}");
    let used = phone.used().unwrap();
    assert_eq!((used.model.as_str(), used.input_tokens, used.output_tokens), ("gpt-4.1-mini", 300, 30));
    let roles: Vec<Value> = memory(&models).iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant", "user", "assistant", "tool"]);
}

#[tokio::test]
async fn who_is_interrupted_falls_silent_and_remembers_only_what_was_heard() {
    let models = Models::start(|_| words("I see.")).await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.until("it speaks", |phone| phone.played() >= 8_000).await;
    let before = phone.frames.len();
    models.will_hear("Stop.");
    phone.speak(900).await;
    let silent = phone.frames[before..].iter().position(|sound| !sound).unwrap();
    assert!(silent <= 10, "it speaks for another {} ms", silent * 20);
    phone.hear_out().await;
    let said = phone.words();
    assert!(said[0].ends_with('—') && opening().starts_with(said[0].trim_end_matches('—')), "{said:?}");
    assert_eq!(said[1..], ["person: Stop.", "agent: I see."]);
    let remembered = memory(&models)[2]["content"].as_str().unwrap().to_owned();
    let heard = said[0].trim_start_matches("agent: ");
    assert_eq!(remembered, format!("{heard} [interrupted; the rest was not heard]"));
    let letters = phone.lines()[0].text.chars().count() as u64;
    let heard = phone.hushed[0] / 8 / LETTER_MS as u64;
    assert!((heard.saturating_sub(12)..=heard + 1).contains(&letters), "{letters} of {heard}");
}

#[tokio::test]
async fn a_cough_does_not_make_it_forget_what_it_was_saying() {
    let models = Models::start(|_| words("Never asked.")).await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.until("it speaks", |phone| phone.played() >= 8_000).await;
    models.will_hear("[coughs]");
    phone.speak(300).await;
    phone.hear_out().await;
    let said = phone.words();
    assert_eq!(said.len(), 2, "{said:?}");
    let whole = format!("{} {}", said[0].trim_end_matches('—'), &said[1]["agent: ".len()..]);
    assert_eq!(whole, opening());
    assert!(models.asked(Stage::Chat).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_fails_hangs_drips_or_answers_nonsense_ends_the_conversation_with_the_cause() {
    let manners = [
        Manner::Refuses(500),
        Manner::Refuses(401),
        Manner::Hangs,
        Manner::Drips,
        Manner::Nonsense,
        Manner::BreaksOff,
    ];
    let mut conversations = Vec::new();
    for stage in [Stage::Transcription, Stage::Chat, Stage::Speech] {
        for manner in manners {
            // All agents are made before the first one talks: that takes the machine a while.
            let models = Models::start(|_| words("I see. And then?")).await;
            let clock = clock();
            let limits = json!({"chat": {"timeout_seconds": 4}, "transcription": {"timeout_seconds": 4}});
            let (folder, agent) = agent(&models, "cascade", limits, &clock);
            conversations.push(async move {
                fails(&models, &agent, &clock, stage, manner).await;
                drop(folder);
            });
        }
    }
    conversations.into_iter().collect::<JoinSet<()>>().join_all().await;
}

async fn fails(
    models: &Models,
    agent: &Arc<dyn Agent>,
    clock: &Arc<dyn Clock>,
    stage: Stage,
    manner: Manner,
) {
    let what = match stage {
        Stage::Transcription => "the transcription",
        Stage::Chat => "the model",
        Stage::Speech => "the voice",
        Stage::Realtime => unreachable!(),
    };
    let mut phone = Phone::answer(agent, clock);
    phone.hear_out().await;
    models.behave(stage, manner);
    models.will_hear("Hello?");
    phone.speak(600).await;
    let from = clock.steady();
    phone.until(&format!("{stage:?} {manner:?}"), |phone| phone.is_over).await;
    let took = clock.steady() - from;
    assert!(took < TimeDelta::seconds(10), "{stage:?} {manner:?} took {took}");
    let why = phone.failure().unwrap();
    assert!(why.contains(what) && !why.contains("sk-te"), "{stage:?} {manner:?}: {why}");
    // Whatever happened, they were asked for a moment, and nothing else was said.
    let sound = phone.sound().len() / 8 / LETTER_MS;
    let said = brief().opening.chars().count() + MOMENT.chars().count();
    assert_eq!(sound, said, "{stage:?} {manner:?}: {:?}", phone.words());
    phone.until("all requests are let go of", |_| models.busy() == 0).await;
}

const MOMENT: &str = "One moment, please.";

#[tokio::test]
async fn a_stage_that_fails_once_is_asked_again_while_the_person_is_asked_for_a_moment() {
    let stages = [Stage::Transcription, Stage::Chat, Stage::Speech];
    stages.into_iter().map(fails_once).collect::<JoinSet<()>>().join_all().await;
}

async fn fails_once(stage: Stage) {
    let models = Models::start(|_| words("I see.")).await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.hear_out().await;
    models.behave_once(stage, Manner::Refuses(503));
    models.will_hear("Hello?");
    models.will_hear("Really?");
    phone.speak(600).await;
    phone.hear_out().await;
    let said = phone.words().join(" ");
    assert!(said.contains(MOMENT) && said.ends_with("I see."), "{stage:?}: {said}");
    // The model never said so itself, and is not told that it did.
    phone.speak(600).await;
    phone.hear_out().await;
    assert!(!Value::Array(memory(&models)).to_string().contains(MOMENT), "{:?}", memory(&models));
    assert_eq!(phone.failure(), None);
}

#[tokio::test]
async fn whoever_waits_for_a_slow_answer_is_asked_for_a_moment_once() {
    let models = Models::start(|_| words("I see.")).await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.hear_out().await;
    models.behave_once(Stage::Transcription, Manner::Late(700));
    models.behave_once(Stage::Chat, Manner::Late(700));
    models.will_hear("Hello?");
    phone.speak(600).await;
    phone.until("it answers", |phone| phone.words().iter().any(|line| line.ends_with("I see."))).await;
    let said = phone.words().join(" ");
    assert_eq!(said.matches(MOMENT).count(), 1, "{said}");
}

#[tokio::test]
async fn tools_that_are_none_or_are_used_wrongly_are_told_as_such_and_the_call_goes_on() {
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
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.hear_out().await;
    models.will_hear("Go.");
    phone.speak(600).await;
    phone.until("it goes on", |phone| phone.words().contains(&"agent: I am sorry.".into())).await;
    let tools = phone.tools();
    assert!(tools.len() == 4 && tools.iter().all(|tool| matches!(tool, Tool::Misused(_))), "{tools:?}");
}

#[tokio::test]
async fn whoever_goes_on_talking_is_not_hung_up_on() {
    let models = Models::start(|told| match told {
        "Bye." => tool("Goodbye and thank you very much for your time today.", "end_call", json!({})),
        "Wait!" => words("Yes?"),
        _ => words("Pardon?"),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.hear_out().await;
    models.will_hear("Bye.");
    phone.speak(600).await;
    let so_far = phone.played();
    phone.until("it says goodbye", |phone| phone.played() > so_far + 4_000).await;
    models.will_hear("Wait!");
    phone.speak(600).await;
    phone.until("it goes on", |phone| phone.words().contains(&"agent: Yes?".into())).await;
    assert_eq!(phone.tools(), []);
}

#[tokio::test]
async fn who_says_nothing_is_asked_twice_and_then_taken_leave_of() {
    let models = Models::start(|told| match told.starts_with("[the person has said nothing") {
        true => words("Are you there?"),
        false => words("Pardon?"),
    })
    .await;
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(20));
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.until("it gives up", |phone| phone.tools() == [Tool::EndCall]).await;
    let asked = "agent: Are you there?";
    assert_eq!(phone.words(), ["agent: Hello!", asked, asked, "agent: Thank you. Goodbye."]);
}

#[tokio::test]
async fn a_model_that_only_wants_tools_is_not_asked_for_ever() {
    let models = Models::start(|_| tool("", "send_digits", json!({"digits": "1"}))).await;
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(20));
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.hear_out().await;
    phone.tell(Heard::Key('1'));
    phone.until("it gives up", |phone| phone.tools().contains(&Tool::EndCall)).await;
    let asked = models.asked(Stage::Chat).len();
    assert!((2..=6).contains(&asked), "asked {asked} times");
    assert_eq!(phone.words().last().unwrap(), "agent: Thank you. Goodbye.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_conversation_knows_of_another_one() {
    let models = Arc::new(Models::start(|told| words(&format!("You said {told}"))).await);
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut conversations = JoinSet::new();
    for number in 0..6 {
        let (agent, clock) = (agent.clone(), clock.clone());
        conversations.spawn(async move {
            let brief = brief_of(&format!("The secret is S{number}."), &format!("Hello number N{number}!"));
            let mut phone = Phone::answer_on(&agent, &clock, brief, Codec::Pcmu);
            phone.hear_out().await;
            for key in ['1', '2'] {
                phone.tell(Heard::Key(key));
                phone.hear_out().await;
            }
            (number, phone.words())
        });
    }
    let known = |text: &str| (0..6).filter(|number| text.contains(&format!("S{number}"))).collect::<Vec<_>>();
    let named = |text: &str| (0..6).filter(|number| text.contains(&format!("N{number}"))).collect::<Vec<_>>();
    for (number, words) in conversations.join_all().await {
        let words = words.join(" ");
        assert_eq!((known(&words), named(&words)), (vec![], vec![number]), "{words}");
    }
    for asked in models.asked(Stage::Chat) {
        let asked = asked.to_string();
        assert!(known(&asked).len() == 1 && known(&asked) == named(&asked), "{asked}");
    }
}

#[tokio::test]
async fn keys_and_the_end_of_the_time_are_told_to_the_model() {
    let models = Models::start(|told| match told {
        "[caller pressed 1]" => words("You pressed one."),
        told if told.starts_with("[the call ends in 15 seconds") => tool("Goodbye!", "end_call", json!({})),
        _ => words("Pardon?"),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.until("it speaks", |phone| phone.played() >= 8_000).await;
    phone.tell(Heard::Key('1'));
    phone.until("it answers", |phone| phone.words().contains(&"agent: You pressed one.".into())).await;
    phone.tell(Heard::TimeIsNearlyUp);
    phone.until("it parts", |phone| phone.tools() == [Tool::EndCall]).await;
    assert_eq!(phone.words().last().unwrap(), "agent: Goodbye!");
}

#[tokio::test]
async fn the_model_can_say_the_first_words() {
    let models = Models::start(|told| {
        let (_, opening) = told.split_once("as your first words: ").unwrap_or_default();
        words(opening)
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({"opening": "model"}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.hear_out().await;
    assert_eq!(phone.words(), [opening()]);
}

#[tokio::test]
async fn a_conversation_that_ended_without_a_verdict_is_judged() {
    let verdict = json!({"outcome": "declined", "reason": "They said no.", "answers": []}).to_string();
    let models = Models::start(move |_| words(&verdict)).await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "cascade", json!({}), &clock);
    let line = |by_agent: bool, text: &str| Line {
        by_agent,
        text: text.into(),
        began_at: clock.steady(),
        ended_at: clock.steady(),
        is_cut_off: false,
    };
    let lines = vec![line(true, "Will you come?"), line(false, "No.")];
    let verdict = agent.judge(brief(), lines.clone()).await.unwrap();
    assert_eq!((verdict.conclusion, verdict.reason.as_str()), (Conclusion::Declined, "They said no."));
    let asked = models.asked(Stage::Chat)[0].clone();
    assert_eq!(asked["response_format"]["json_schema"]["strict"], true);
    for manner in [Manner::Refuses(500), Manner::Hangs, Manner::Drips, Manner::Nonsense, Manner::BreaksOff] {
        let clock: Arc<dyn Clock> = Arc::new(Fast::new(20));
        let (_folder, agent) = self::agent(&models, "cascade", json!({}), &clock);
        models.behave(Stage::Chat, manner);
        let from = clock.steady();
        agent.judge(brief(), lines.clone()).await.unwrap_err();
        assert!(clock.steady() - from < TimeDelta::seconds(12), "{manner:?}");
    }
    let models = Models::start(|_| words(r#"{"outcome": "they bought it all", "reason": ""}"#)).await;
    let (_folder, agent) = self::agent(&models, "cascade", json!({}), &clock);
    assert!(agent.judge(brief(), lines).await.unwrap_err().contains("outcome"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_conversations_at_once_are_bounded_and_leave_nothing_behind() {
    for kind in ["cascade", "realtime"] {
        fifty(kind).await;
    }
}

async fn fifty(kind: &'static str) {
    const COUNT: usize = 50;
    let models = Arc::new(Models::start(|_| words("I see. Tell me more.")).await);
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(2));
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let limits = json!({"max_concurrent": COUNT, "opening": "voice", "realtime": {"timeout_seconds": 20}});
    let (_folder, agent) = agent(&models, kind, limits, &clock);
    assert_eq!(agent.seats(), COUNT);
    (0..COUNT).for_each(|_| models.will_hear("Hello?"));
    let hold = |agent: Arc<dyn Agent>, clock: Arc<dyn Clock>| async move {
        let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
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
    let most = models.inner.most.load(std::sync::atomic::Ordering::SeqCst);
    println!(
        "{kind}, {COUNT} at once: end of speech to first sound {} to {} ms; {most} connections, {most_tasks} tasks",
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
    for kind in ["cascade", "realtime"] {
        let models = Models::start(|_| words(&"and so on ".repeat(300))).await;
        let clock = clock();
        let (_folder, agent) = agent(&models, kind, json!({"opening": "model"}), &clock);
        let conversation = agent.converse(brief(), Codec::Pcmu);
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
        assert!(waiting < 600, "{kind}: {waiting} frames wait");
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
    let mut kinds = JoinSet::new();
    for (kind, opening) in [("cascade", "voice"), ("realtime", "model"), ("realtime", "voice")] {
        kinds.spawn(async move {
            let models = Models::start(|_| words("Well, that is a long story, and I am going to tell it.")).await;
            let clock: Arc<dyn Clock> = Arc::new(Fast::new(1));
            let (_folder, agent) = agent(&models, kind, json!({"opening": opening}), &clock);
            let answered = clock.steady();
            let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
            phone.until("it speaks", |phone| phone.played() > 0).await;
            let is_sound = |said: &Said| matches!(said, Said::Play(_));
            let first = (phone.told_at(is_sound).unwrap() - answered).num_milliseconds();
            phone.until("it is silent", |phone| !phone.is_hearing()).await;
            models.will_hear("Yes?");
            phone.speak(400).await;
            phone.until("it answers", |phone| phone.turns().len() == 2 && phone.played() > 8_000).await;
            let pause = if kind == "cascade" { 600 } else { 500 };
            let turn = i64::from(phone.turns()[1].first_sound_ms) - pause;
            let spoke = clock.steady();
            phone.speak(200).await;
            let hush = (phone.told_at(|said| *said == Said::Hush).unwrap() - spoke).num_milliseconds();
            println!(
                "{kind}, opening by {opening}: answer to first sound {first} ms, end of turn to first sound {turn} ms, \
                 barge-in to hush {hush} ms"
            );
            assert!(first < 1_000 && turn < 1_000 && hush < 200, "{kind}: {first} {turn} {hush}");
        });
    }
    kinds.join_all().await;
}
