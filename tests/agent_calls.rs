//! Conversations of the agent on real calls, over real sockets on loopback: dialer, database, SIP, sound and the models'
//! servers together.

use crate::support::kinds::{KINDS, Kind, REALTIME};
use crate::support::models::{Answer, LETTER_MS, Manner, Models, Stage, spoken, tool, words};
use crate::support::phone::{settings, speaker, vowels};
use crate::support::uas::{Fast, Message, Peer, Step};
use crate::support::world::folder_in_memory;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use voice_campaigns::agent;
use voice_campaigns::agent::chat::Chat;
use voice_campaigns::carrier::Carrier;
use voice_campaigns::carrier::simulator::{self, Simulator};
use voice_campaigns::carrier::sip::{self, Sip};
use voice_campaigns::clock::Clock;
use voice_campaigns::dialer;
use voice_campaigns::domain::agent::AgentKind;
use voice_campaigns::domain::call::Call;
use voice_campaigns::domain::campaign::{Campaign, Request, Status};
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::wav;
use voice_campaigns::store::{CallFilter, Store, check};

/// How many times faster than in life.
const SPEED: u32 = 4;

/// A server with a trunk to a peer, and an agent whose models are here.
struct House {
    store: Store,
    peer: Peer,
    models: Models,
    campaign: i64,
    stop: watch::Sender<bool>,
    dialer: JoinHandle<()>,
    _folder: TempDir,
}

impl House {
    /// Whoever is called does this. The agent is of this kind and says that.
    async fn open(
        kind: Kind,
        changes: Value,
        mind: impl Fn(&str) -> Answer + Send + Sync + 'static,
        person: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> House {
        let (folder, clock): (_, Arc<dyn Clock>) = (folder_in_memory(), Arc::new(Fast::new(SPEED)));
        let (models, peer) = (Models::start(mind).await, Peer::start(clock.clone(), person).await);
        let speaker = speaker(&models, &folder.path().join("speech"), &clock);
        let about = json!({"name": "main", "host": peer.address, "channels": 10, "calls_per_second": 100});
        let sip_settings = sip::Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            rtp_ports: "20000-29999".parse().unwrap(),
            detect_machines: false,
            ..sip::Settings::default()
        };
        let trunks = [serde_json::from_value(about).unwrap()];
        let sip =
            Sip::start(sip_settings, &trunks, speaker.synthesizer.clone(), clock.clone()).await.unwrap();
        let limits = json!({"chat": {"timeout_seconds": 3}, "transcription": {"timeout_seconds": 3}});
        let agent = agent::open(&settings(&models, kind.word(), limits), Ok(speaker), clock.clone()).unwrap();
        sip.converse_with(agent.unwrap());
        assert_eq!(sip.check().await[0].problem, None);
        House::with(folder, clock, Arc::new(sip), models, peer, changes).await
    }

    /// Whoever is called is of the simulator's town, and a model plays the conversations.
    async fn of_a_town(changes: Value, mind: impl Fn(&str) -> Answer + Send + Sync + 'static) -> House {
        let (folder, clock): (_, Arc<dyn Clock>) = (folder_in_memory(), Arc::new(Fast::new(SPEED)));
        let (models, peer) = (Models::start(mind).await, Peer::start(clock.clone(), |_| Vec::new()).await);
        let town = simulator::Settings { speed: 20.0, agent: Some(AgentKind::Ai), ..Default::default() };
        let town = Simulator::new(town, clock.clone(), None).unwrap();
        let chat = Chat::new(&settings(&models, "cascade", json!({})), clock.clone()).unwrap();
        town.play_with(chat);
        let house = House::with(folder, clock, Arc::new(town.clone()), models, peer, changes).await;
        tokio::spawn(town.run(house.stop.subscribe()));
        house
    }

    async fn with(
        folder: TempDir,
        clock: Arc<dyn Clock>,
        carrier: Arc<dyn Carrier>,
        models: Models,
        peer: Peer,
        changes: Value,
    ) -> House {
        let store = Store::open(&folder.path().join("data"), clock).unwrap();
        let mut body = json!({
            "name": "Appointments", "status": "active", "calls_per_day": 1_000, "cost_per_call": 0.25,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Arrange an appointment.", "success_criteria": "verdict", "max_concurrent_calls": 1,
            "script_template": "Good morning {first_name}, this is the practice of Doctor Brown.",
            "fallback_script": "We are sorry, something went wrong. Goodbye.", "max_attempts_per_lead": 1,
        });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let request = Request::read(body, None).unwrap();
        let campaign = store.write(move |tx| tx.insert_campaign(&request, "test")).await.unwrap().id;
        let (stop, stopped) = watch::channel(false);
        let dialer = tokio::spawn(dialer::run(store.clone(), carrier, TimeDelta::seconds(5), stopped));
        House { store, peer, models, campaign, stop, dialer, _folder: folder }
    }

    /// Adds so many leads to be called.
    async fn leads(&self, count: usize) {
        let lead = |n| json!({"phone": format!("+1212555{:04}", 100 + n), "first_name": "Ada"});
        let leads: Vec<_> = (0..count).map(|n| NewLead::read(lead(n), None).unwrap()).collect();
        let campaign = self.campaign;
        self.store.write(move |tx| tx.insert_leads(campaign, &leads).map(drop)).await.unwrap();
    }

    /// The calls, once so many have ended.
    async fn ended(&self, count: usize) -> Vec<Call> {
        let campaign = self.campaign;
        for _ in 0..6_000 {
            let filter = CallFilter { campaign_id: Some(campaign), limit: 1_000, ..CallFilter::default() };
            let mut calls = self.store.read(move |snapshot| snapshot.calls(&filter)).await.unwrap();
            calls.reverse();
            if calls.iter().filter(|call| call.ended_at.is_some()).count() >= count {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the calls do not end: {:?}", self.models.asked(Stage::Chat).last());
    }

    async fn conversation(&self, call: &Call) -> Value {
        let id = call.id;
        self.store.read(move |snapshot| snapshot.conversation(id)).await.unwrap().unwrap()
    }

    /// What was said, `agent: …` and `person: …`.
    async fn words(&self, call: &Call) -> Vec<String> {
        let id = call.id;
        let transcript = self.store.read(move |snapshot| snapshot.transcript(id)).await.unwrap();
        let line = |line: &Value| {
            format!("{}: {}", line["speaker"].as_str().unwrap(), line["text"].as_str().unwrap())
        };
        transcript.as_array().unwrap().iter().map(line).collect()
    }

    /// What the model was told to say first.
    async fn opening(&self) -> String {
        let told = self.models.asked(Stage::Realtime).into_iter().map(|event| event.to_string());
        let mut told = told.filter_map(|told| Some(told.split_once("as your first words: ")?.1.to_owned()));
        told.next().unwrap().split('"').next().unwrap().to_owned()
    }

    async fn campaign(&self) -> Campaign {
        let id = self.campaign;
        self.store.read(move |snapshot| snapshot.campaign(id)).await.unwrap().unwrap()
    }

    /// Samples that the person heard of a text, from its beginning on; none if nothing.
    fn heard(&self, text: &str, codec: Codec) -> usize {
        let sound = wav::read(&spoken(text, 8_000)).unwrap().samples;
        let expected: Vec<u8> = sound.into_iter().map(|sample| codec.encode(sample)).collect();
        let heard = self.peer.heard();
        let lengths = heard.windows(100).enumerate().filter(|(_, part)| *part == &expected[..100]);
        let length =
            |at: usize| heard[at..].iter().zip(&expected).take_while(|(one, other)| one == other).count();
        lengths.map(|(at, _)| length(at)).max().unwrap_or_default()
    }

    /// All is in order when it is over.
    async fn close(self) {
        self.stop.send_replace(true);
        self.dialer.await.unwrap();
        let findings = check::run(&self.store, None).await.unwrap();
        let broken: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        self.store.close().await;
    }
}

/// Rings, picks up and then does this.
fn picks_up(rest: Vec<Step>) -> Vec<Step> {
    [vec![Step::Reply(180, ""), Step::Wait(300), Step::ReplyWithSound(200, "")], rest].concat()
}

/// Hears somebody out and says something for so long.
fn then_says(ms: u32) -> [Step; 2] {
    [Step::HearAnswer(700), Step::Play(vowels(ms))]
}

/// Samples of a text.
fn samples(text: &str) -> usize {
    text.chars().count() * LETTER_MS * 8
}

const TUESDAY: &str = "Is Tuesday at ten all right?";
const GOODBYE: &str = "See you on Tuesday, goodbye!";

fn appointment(told: &str) -> Answer {
    match told {
        "Yes, please." => words(TUESDAY),
        "Tuesday is fine." => tool(
            "",
            "report_outcome",
            json!({"outcome": "success", "reason": "They come on Tuesday.", "answers": {"day": "Tuesday"}}),
        ),
        told if told.starts_with("Written down.") => tool(GOODBYE, "end_call", json!({})),
        told => words(&format!("Pardon? I heard {told}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_on_a_real_call_comes_to_its_end_and_is_kept() {
    let codecs = [Codec::Pcmu, Codec::Pcma];
    for (kind, codec) in KINDS.into_iter().flat_map(|kind| codecs.map(|codec| (kind, codec))) {
        let rest = [then_says(900), then_says(900), [Step::HearAnswer(5_000), Step::Bye]].concat();
        let person = move |_: &Message| [vec![Step::Speaks(codec)], picks_up(rest.clone())].concat();
        let house = House::open(kind, json!({}), appointment, person).await;
        house.models.will_hear("Yes, please.");
        house.models.will_hear("Tuesday is fine.");
        house.leads(1).await;
        let call = house.ended(1).await.remove(0);
        let said = house.words(&call).await;
        let opening = said[0].trim_start_matches("agent: ").to_owned();
        assert!(opening.contains("automated") && opening.contains("Good morning Ada"), "{kind:?}: {opening}");
        assert_eq!(
            said[1..],
            [
                "person: Yes, please.",
                &format!("agent: {TUESDAY}"),
                "person: Tuesday is fine.",
                &format!("agent: {GOODBYE}"),
            ],
            "{kind:?}"
        );
        for text in [&opening, TUESDAY, GOODBYE] {
            assert_eq!(house.heard(text, codec), samples(text), "{kind:?} {codec:?}: {text}");
        }
        assert_eq!(call.outcome, Some(Outcome::Success));
        assert_eq!(call.detail.as_deref(), Some("They come on Tuesday."));
        let kept = house.conversation(&call).await;
        assert_eq!(kept["answers"], json!({"day": "Tuesday"}));
        assert_eq!(kept["verdict"]["judged_afterwards"], false);
        let first = kept["turns"][0]["first_sound_ms"].as_u64().unwrap();
        println!("{kind:?} {codec:?}: answer to first sound {first} ms, then {}", kept["turns"][1]);
        assert!(first < 1_000, "{kind:?}: {first}");
        house.close().await;
    }
}

/// The letters of a text of which so many samples were heard.
fn letters(samples: usize) -> usize {
    samples / (LETTER_MS * 8)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_interrupts_is_listened_to_at_once_and_what_they_did_not_hear_is_not_kept() {
    let rest = vec![Step::Wait(2_000), Step::Play(vowels(900)), Step::HearAnswer(1_500), Step::Bye];
    let person = move |_: &Message| picks_up(rest.clone());
    let house = House::open(Kind::Cascade, json!({}), |_| words("I see."), person).await;
    house.models.will_hear("Stop.");
    house.leads(1).await;
    let call = house.ended(1).await.remove(0);
    let said = house.words(&call).await;
    assert_eq!(said[1..3], ["person: Stop.", "agent: I see."], "{said:?}");
    let cut = said[0].trim_start_matches("agent: ");
    // The rest of the opening was said to nobody, so its sound is what the person has heard of it.
    let heard = house.heard(cut.trim_end_matches('—'), Codec::Pcmu);
    let before = 2_000 * 8;
    println!(
        "interrupted after {} ms of sound, it said {} ms more",
        before / 8,
        (heard as i64 - before as i64) / 8
    );
    assert!(heard <= before + 300 * 8, "it speaks for {} samples more", heard - before);
    assert!(letters(heard).abs_diff(cut.chars().count()) <= 12, "{} of {cut}", letters(heard));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_more_calls_is_listed_before_they_are_told_so() {
    let rest = [&then_says(900)[..], &[Step::HearAnswer(8_000), Step::Bye]].concat();
    let person = move |_: &Message| picks_up(rest.clone());
    let mind = |told: &str| match told {
        "Never call me again." => tool("", "opt_out", json!({})),
        _ => words("Pardon?"),
    };
    let house = House::open(Kind::Cascade, json!({"max_attempts_per_lead": 3}), mind, person).await;
    house.models.will_hear("Never call me again.");
    house.leads(1).await;
    let call = house.ended(1).await.remove(0);
    assert_eq!(call.outcome, Some(Outcome::OptedOut));
    let phone = call.phone;
    let number = house.store.read(move |snapshot| snapshot.number(phone)).await.unwrap();
    assert!(number.is_suppressed);
    let said = house.words(&call).await;
    let goodbye = said.last().unwrap().trim_start_matches("agent: ").to_owned();
    assert!(goodbye.contains("not be called again"), "{said:?}");
    assert_eq!(house.heard(&goodbye, Codec::Pcmu), samples(&goodbye));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_without_a_verdict_is_read_once_more_and_one_that_cannot_be_is_judged_by_the_facts() {
    for (manner, outcome) in [(Manner::Well, Outcome::Success), (Manner::Refuses(500), Outcome::HungUp)] {
        let rest = [&then_says(900)[..], &[Step::HearAnswer(700), Step::Bye]].concat();
        let person = move |_: &Message| picks_up(rest.clone());
        let mind = |told: &str| match told {
            "Yes, I will be there on Tuesday." => words("Wonderful."),
            told if told.starts_with('[') => {
                words(r#"{"outcome": "success", "reason": "They come.", "answers": []}"#)
            }
            _ => words("Pardon?"),
        };
        let house = House::open(Kind::Cascade, json!({}), mind, person).await;
        house.models.will_hear("Yes, I will be there on Tuesday.");
        house.leads(1).await;
        house.models.when_asked(Stage::Chat, 1).await;
        house.models.behave(Stage::Chat, manner);
        let call = house.ended(1).await.remove(0);
        let kept = house.conversation(&call).await;
        assert_eq!(call.outcome, Some(outcome), "{manner:?}: {kept}");
        let verdict = match manner {
            Manner::Well => {
                json!({"conclusion": "success", "reason": "They come.", "judged_afterwards": true})
            }
            _ => Value::Null,
        };
        assert_eq!(kept["verdict"], verdict);
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_never_again_and_hangs_up_is_listed_with_the_end_of_the_call() {
    const NEVER: &str = "Never call me again.";
    let judged = |wish: bool| {
        let words = if wish { NEVER } else { "" };
        json!({"outcome": "declined", "reason": "No.", "answers": [], "no_more_calls": wish,
               "no_more_calls_words": words})
    };
    // What they said as they hung up, and what whoever read it once more made of it.
    for (kind, said, wish, outcome) in [
        (Kind::Cascade, NEVER, true, Outcome::OptedOut),
        (REALTIME, NEVER, true, Outcome::OptedOut),
        (Kind::Cascade, "Wrong number, bye.", false, Outcome::Declined),
    ] {
        let rest = vec![Step::HearAnswer(700), Step::Play(vowels(900)), Step::Bye];
        let person = move |_: &Message| picks_up(rest.clone());
        let answer = judged(wish).to_string();
        let mind = move |told: &str| if told.starts_with('[') { words(&answer) } else { words("Pardon?") };
        let house = House::open(kind, json!({"max_attempts_per_lead": 3}), mind, person).await;
        house.models.will_hear(said);
        house.models.behave(Stage::Transcription, Manner::Late(200));
        house.leads(1).await;
        let call = house.ended(1).await.remove(0);
        let heard = house.words(&call).await;
        assert!(heard.contains(&format!("person: {said}")), "{kind:?}: {heard:?}");
        assert_eq!(call.outcome, Some(outcome), "{kind:?} {said}");
        let phone = call.phone;
        let number = house.store.read(move |snapshot| snapshot.number(phone)).await.unwrap();
        assert_eq!(number.is_suppressed, wish, "{kind:?} {said}");
        let request = format!("person: asked not to be called again: \"{NEVER}\"");
        assert_eq!(heard.contains(&request), wish, "{kind:?}: {heard:?}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_no_more_calls_is_looked_for_also_where_the_agent_has_said_how_it_came_out() {
    let rest = [&then_says(900)[..], &[Step::HearAnswer(8_000), Step::Bye]].concat();
    let person = move |_: &Message| picks_up(rest.clone());
    let mind = |told: &str| match told {
        told if told.starts_with('[') => words(
            r#"{"outcome": "no_decision", "reason": "", "answers": [], "no_more_calls": true, "no_more_calls_words": ""}"#,
        ),
        told if told.starts_with("Written down.") => tool(GOODBYE, "end_call", json!({})),
        _ => tool("", "report_outcome", json!({"outcome": "success", "reason": "They come.", "answers": {}})),
    };
    let house = House::open(Kind::Cascade, json!({}), mind, person).await;
    house.models.will_hear("Yes, I come. But do not call me again.");
    house.leads(1).await;
    let call = house.ended(1).await.remove(0);
    assert_eq!(call.outcome, Some(Outcome::OptedOut));
    let phone = call.phone;
    assert!(house.store.read(move |snapshot| snapshot.number(phone)).await.unwrap().is_suppressed);
    let kept = house.conversation(&call).await;
    let verdict = json!({"conclusion": "success", "reason": "They come.", "judged_afterwards": false});
    assert_eq!(kept["verdict"], verdict);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_fails_on_two_calls_stops_the_campaign_and_nobody_is_left_in_silence() {
    let rest = [&then_says(900)[..], &[Step::HearAnswer(8_000), Step::Bye]].concat();
    let person = move |_: &Message| picks_up(rest.clone());
    let house = House::open(Kind::Cascade, json!({}), |_| words("I see."), person).await;
    house.models.behave(Stage::Chat, Manner::Refuses(500));
    for _ in 0..2 {
        house.models.will_hear("Hello?");
    }
    house.leads(3).await;
    let calls = house.ended(2).await;
    for call in &calls {
        assert_eq!(call.outcome, Some(Outcome::CarrierError));
        let detail = call.detail.as_deref().unwrap();
        assert!(detail.contains("the model") && detail.contains("500"), "{detail}");
        let said = house.words(call).await;
        assert_eq!(said.last().unwrap(), "agent: We are sorry, something went wrong. Goodbye.");
    }
    let campaign = house.campaign().await;
    assert_eq!((campaign.status, campaign.status_reason.as_deref()), (Status::Paused, Some("agent_failed")));
    assert_eq!(calls.len(), 2, "the third is not called");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_hears_of_keys_and_presses_some_itself() {
    let rest = vec![Step::HearAnswer(700), Step::Keys("5"), Step::HearAnswer(1_500), Step::Bye];
    let person = move |_: &Message| picks_up(rest.clone());
    let mind = |told: &str| match told {
        "[caller pressed 5]" => tool("", "send_digits", json!({"digits": "12#"})),
        told if told.starts_with("Pressed.") => words("I have pressed what was asked for."),
        _ => words("Pardon?"),
    };
    let house = House::open(Kind::Cascade, json!({}), mind, person).await;
    house.leads(1).await;
    let call = house.ended(1).await.remove(0);
    assert_eq!(house.peer.pressed(), "12#");
    let said = house.words(&call).await;
    assert_eq!(said[1..], ["person: 5", "agent: I have pressed what was asked for."]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_plays_a_town_talks_with_itself_and_the_tools_do_what_they_do_on_a_call() {
    let mind = |told: &str| match told {
        "Yes, please." => {
            tool("", "report_outcome", json!({"outcome": "success", "reason": "They come.", "answers": {}}))
        }
        told if told.starts_with("Written down.") => tool(GOODBYE, "end_call", json!({})),
        "Never again." => tool("", "opt_out", json!({})),
        told if told.contains("Good morning Eve") => words("Never again."),
        _ => words("Yes, please."),
    };
    let house = House::of_a_town(json!({}), mind).await;
    let campaign = house.campaign;
    let lead =
        |phone: &str, name: &str| NewLead::read(json!({"phone": phone, "first_name": name}), None).unwrap();
    let leads = vec![lead("+12025550110", "Ada"), lead("+12025550101", "Eve")];
    house.store.write(move |tx| tx.insert_leads(campaign, &leads).map(drop)).await.unwrap();
    let mut calls = house.ended(2).await;
    calls.sort_by_key(|call| call.phone.to_string());
    assert_eq!([calls[0].outcome, calls[1].outcome], [Some(Outcome::OptedOut), Some(Outcome::Success)]);
    let said = house.words(&calls[1]).await;
    assert_eq!(said[1..], ["person: Yes, please.".to_owned(), format!("agent: {GOODBYE}")], "{said:?}");
    let kept = house.conversation(&calls[1]).await;
    assert_eq!((&kept["model"], &kept["input_tokens"]), (&json!("gpt-4.1-mini"), &json!(300)));
    let plays = |asked: &Value| {
        asked["messages"][0]["content"]
            .as_str()
            .is_some_and(|told| told.contains("agrees gladly") || told.contains("Agree gladly"))
    };
    assert!(house.models.asked(Stage::Chat).iter().any(plays), "who presses 1 elsewhere agrees gladly");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_interrupted_on_a_real_call_is_told_what_was_heard_within_forty_milliseconds() {
    let rest = vec![Step::Wait(2_000), Step::Play(vowels(900).to_vec()), Step::HearAnswer(1_500), Step::Bye];
    let person = move |_: &Message| picks_up(rest.clone());
    let house = House::open(REALTIME, json!({}), |_| words("I see."), person).await;
    house.models.will_hear("Stop.");
    house.leads(1).await;
    let call = house.ended(1).await.remove(0);
    let said = house.words(&call).await;
    let kept = &said[0]["agent: ".len()..];
    let opening = house.opening().await;
    assert!(opening.starts_with(kept.trim_end_matches('—')), "{said:?}");
    let heard = house.heard(&opening, Codec::Pcmu) / 8;
    let truncated = house.models.told("conversation.item.truncate");
    let told = truncated.last().unwrap()["audio_end_ms"].as_u64().unwrap() as usize;
    println!("{told} ms of {heard} that the far end has heard");
    assert!(told.abs_diff(heard) <= 40, "{told} ms of {heard}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_more_calls_is_listed_although_the_server_stops_before_that_was_understood() {
    let rest = [&then_says(900)[..], &[Step::Wait(60_000), Step::Bye]].concat();
    let person = move |_: &Message| picks_up(rest.clone());
    let verdict = json!({
        "outcome": "declined", "reason": "", "answers": [], "no_more_calls": true,
        "no_more_calls_words": "Never call me again.",
    });
    let mind = move |told: &str| match told {
        told if told.starts_with("[{") => words(&verdict.to_string()),
        _ => words("I see."),
    };
    let house = House::open(Kind::Cascade, json!({"max_attempts_per_lead": 3}), mind, person).await;
    house.models.will_hear("Never call me again.");
    house.leads(1).await;
    house.models.when_asked(Stage::Chat, 1).await;
    // Longer than other calls have to end in.
    house.models.behave(Stage::Chat, Manner::Late(3_200 / u64::from(SPEED)));
    house.stop.send_replace(true);
    let call = house.ended(1).await.remove(0);
    let phone = call.phone;
    let number = house.store.read(move |snapshot| snapshot.number(phone)).await.unwrap();
    assert!(number.is_suppressed, "{:?}", call.outcome);
    house.close().await;
}
