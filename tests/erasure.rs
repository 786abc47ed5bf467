//! A person who was erased: nothing in any file of the data folder tells of them, and nobody calls them again.

use crate::support::evidence;
use crate::support::world::{MONDAY_NOON, World, lenient, numbers, story, suppression};
use crate::support::{ADMIN, TestServer, WRITER};
use chrono::TimeDelta;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use voice_campaigns::domain::lead::LeadStatus;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::{Erasure, RememberedReply, data_file};

fn phone(number: &str) -> Phone {
    Phone::from_e164(number).unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

/// Which canaries are where in the files of a folder.
fn sightings(folder: &Path, canaries: &[&str]) -> Vec<String> {
    let mut seen = Vec::new();
    for file in files_below(folder) {
        let text: String = fs::read(&file).unwrap().into_iter().map(char::from).collect();
        for canary in canaries {
            let count = text.matches(canary).count();
            if count > 0 {
                seen.push(format!("{canary}: {count} in {}", file.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    seen
}

/// The number that is erased, tells the story of somebody who presses 1, and all that goes with it.
const NUMBER: &str = "+12025550110";
const CANARIES: [&str; 12] = [
    "12025550110",
    "2025550110",
    "202-555-0110",
    "(202) 555-0110",
    "202 555 0110",
    "Xanthippe",
    "Quackenbush",
    "xq@canary.example",
    "Canary & Sons",
    "canary plan",
    "canary note",
    "canary tag",
];

#[tokio::test]
async fn what_was_said_on_calls_goes_because_nobody_can_tell_whose_names_are_in_it() {
    let world = World::new(MONDAY_NOON).await;
    let folder = world.folder.path().join("speech");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("0a1b.wav"), b"RIFF").unwrap();
    world.store.erase(phone(NUMBER)).await.unwrap();
    assert!(files_below(&folder).is_empty());
}

fn canary_lead() -> Value {
    json!({
        "phone": NUMBER, "first_name": "Xanthippe", "last_name": "Quackenbush", "email": "xq@canary.example",
        "company_name": "Canary & Sons", "variables": {"plan": "canary plan"}, "notes": "canary note",
        "tags": ["canary tag"], "language": "en-US", "best_time_to_call": "10:00",
    })
}

/// Writes into the database what only other requests would.
fn beside(world: &World, write: impl FnOnce(&Connection)) {
    let connection = Connection::open(data_file(world.folder.path())).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    write(&connection);
}

/// Leaves traces of the number wherever there can be some.
async fn leave_traces(world: &mut World) {
    let script = json!({"script_template": "Hello {name|there}, your {plan|usual} plan ends. Press 1.",
                        "success_criteria": "sale_made", "max_attempts_per_lead": 1});
    let campaigns = [
        world.campaign(script.clone()).await,
        world.campaign(script.clone()).await,
        world.campaign(json!({"status": "paused"})).await,
    ];
    for campaign in &campaigns {
        let others = numbers(400).map(|number| json!({"phone": number, "first_name": "Somebody"}));
        let mut leads: Vec<Value> = others.collect();
        leads.insert(200, canary_lead());
        world.add(campaign, leads).await;
    }
    world.run_for(TimeDelta::hours(2)).await;
    let deleted = campaigns[1].id;
    world.write(move |tx| tx.delete_campaign(deleted, "test")).await;
    world
        .write(|tx| {
            tx.add_to_do_not_call_list(phone(NUMBER), &suppression("Xanthippe asked"))?;
            tx.remove_from_do_not_call_list(phone(NUMBER), &suppression("Quackenbush asked again"))?;
            tx.add_to_do_not_call_list(phone(NUMBER), &suppression("Xanthippe asked once more"))?;
            let hash = [7; 32];
            let id = tx.create_token("token", voice_campaigns::store::Scope::Write, None, &[1; 32])?;
            let reply = |body: &str, location: Option<&str>| RememberedReply {
                request_hash: hash,
                status: 201,
                tag: None,
                location: location.map(str::to_owned),
                body: body.to_owned(),
            };
            tx.remember_reply(id, "a", &reply(&canary_lead().to_string(), None))?;
            tx.remember_reply(id, "b", &reply(r#"{"rejected":[{"value":"(202) 555-0110"}]}"#, None))?;
            tx.remember_reply(id, "c", &reply("{}", Some("/api/do-not-call/+12025550110")))?;
            tx.remember_reply(id, "d", &reply(r#"{"phone":"+12025550199"}"#, None))
        })
        .await;
    let report = json!({
        "columns": [{"column": "Phone", "sample": "202-555-0110"}, {"column": "Name", "sample": "Xanthippe"}],
        "first_rows": [{"row": 7, "field": "email", "value": "xq@canary.example", "message": "is no e-mail"}],
    });
    beside(world, |connection| {
        connection
            .execute(
                "INSERT INTO imports (id, campaign_id, state, format, on_duplicate, made_by, report, created_at, finished_at)
                 VALUES (3, 1, 'completed', 'csv', 'skip', 'test', ?1, 0, 0)",
                [report.to_string()],
            )
            .unwrap();
    });
    let folder = world.folder.path().join("imports");
    fs::create_dir(&folder).unwrap();
    let rows = "row,reason,Phone,Name\r\n7,x,202 555 0110,Xanthippe Quackenbush\r\n8,y,+12025550199,\"Some, body\"\r\n";
    fs::write(folder.join("3-skipped.csv"), rows).unwrap();
}

#[tokio::test]
async fn after_an_erasure_no_file_has_the_number_or_the_names_in_it() {
    let mut world = World::new(MONDAY_NOON).await;
    leave_traces(&mut world).await;
    let seen = sightings(world.folder.path(), &CANARIES);
    assert!(CANARIES.iter().all(|canary| seen.iter().any(|line| line.starts_with(canary))), "{seen:#?}");
    let before = world.store.read(|s| s.campaign_even_deleted(1)).await.unwrap().unwrap();

    let Erasure::Erased(traces) = world.store.erase(phone(NUMBER)).await.unwrap() else { panic!("hindered") };
    assert_eq!(sightings(world.folder.path(), &CANARIES), [] as [String; 0]);
    let found = json!({"leads": 3, "calls": 2, "events": 2, "do_not_call": 4, "imports": 1, "replies": 3, "file_rows": 3, "recordings": 0});
    assert_eq!(serde_json::to_value(traces).unwrap(), found);

    let after = world.store.read(|s| s.campaign_even_deleted(1)).await.unwrap().unwrap();
    assert_eq!(after.totals, before.totals, "what was counted stays");
    world.check().await;
    let skipped = fs::read_to_string(world.folder.path().join("imports/3-skipped.csv")).unwrap();
    assert_eq!(skipped, "row,reason,Phone,Name\n8,y,+12025550199,\"Some, body\"\n");
    let Erasure::Erased(again) = world.store.erase(phone(NUMBER)).await.unwrap() else { panic!("hindered") };
    assert_eq!(again, Default::default());

    world.store.close().await;
    assert_eq!(sightings(world.folder.path(), &CANARIES), [] as [String; 0], "nor after a stop");
}

#[tokio::test]
async fn an_erased_number_that_is_imported_again_is_not_called() {
    let mut world = World::new(MONDAY_NOON).await;
    leave_traces(&mut world).await;
    world.store.erase(phone(NUMBER)).await.unwrap();
    let calls = |world: &World| {
        let connection = world.store.pool().get().unwrap();
        connection.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = calls(&world);
    let again = world.campaign(json!({})).await;
    world.leads(&again, [NUMBER.to_owned()]).await;
    world.restart().await;
    world.run_for(TimeDelta::days(2)).await;
    assert_eq!(calls(&world), before);
    assert_eq!(world.all_leads(&again).await[0].status, LeadStatus::DoNotCall);
    let listed = world
        .store
        .write(|tx| tx.add_to_do_not_call_list(phone(NUMBER), &suppression("asked")))
        .await
        .unwrap();
    assert!(!listed, "the number is not written down again");
    world.check().await;
}

#[tokio::test]
async fn a_call_to_somebody_who_is_to_be_erased_is_ended_first() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"retry_delay_minutes": 1})).await;
    world.leads(&campaign, [story(104, 0)]).await;
    world.run_for(TimeDelta::seconds(2)).await;
    let number = phone(&story(104, 0));
    assert_eq!(world.store.erase(number).await.unwrap(), Erasure::InCall);
    world.run_for(TimeDelta::seconds(1)).await;
    assert_eq!(world.outcomes(&campaign).await, [("canceled".to_owned(), 1)].into());
    assert!(matches!(world.store.erase(number).await.unwrap(), Erasure::Erased(_)));
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn erasing_somebody_whose_lead_was_deleted_counts_nothing_twice() {
    let mut world = World::new(MONDAY_NOON).await;
    world.set_guard(lenient());
    let campaign = world.campaign(json!({"retry_delay_minutes": 600, "max_attempts_per_lead": 3})).await;
    world.leads(&campaign, (0..3).map(|nth| story(105, nth))).await;
    world.run_for(TimeDelta::minutes(5)).await;
    let waiting = world.all_leads(&campaign).await;
    assert!(waiting.iter().all(|lead| (lead.status, lead.attempts) == (LeadStatus::Scheduled, 1)));
    for lead in &waiting {
        let id = lead.id;
        world.store.write(move |tx| tx.delete_lead(id)).await.unwrap();
        if id != waiting[2].id {
            assert!(matches!(world.store.erase(lead.about.phone).await.unwrap(), Erasure::Erased(_)));
        }
        world.check().await;
    }
}

#[tokio::test]
async fn the_numbers_that_are_left_are_called_as_before() {
    let mut world = World::new(MONDAY_NOON).await;
    world.set_guard(lenient());
    let campaign = world.campaign(json!({"retry_delay_minutes": 10, "max_attempts_per_lead": 3})).await;
    world.leads(&campaign, (0..6).map(|nth| story(105, nth))).await;
    world.run_for(TimeDelta::minutes(5)).await;
    for nth in 0..3 {
        let erased = world.store.erase(phone(&story(105, nth))).await.unwrap();
        assert!(matches!(erased, Erasure::Erased(_)));
    }
    world.run_for(TimeDelta::days(1)).await;
    let mut attempts: Vec<_> =
        world.all_leads(&campaign).await.iter().map(|lead| (lead.status, lead.attempts)).collect();
    attempts.sort();
    assert_eq!(attempts[..3], [(LeadStatus::Failed, 3); 3]);
    assert_eq!(attempts[3..], [(LeadStatus::Canceled, 1); 3]);
    world.check().await;
}

#[test]
fn an_admin_erases_a_person_and_what_is_left_says_nothing() {
    let server = TestServer::start();
    let campaign = server.campaign(json!({"status": "active"}));
    let lead = server.lead(campaign, NUMBER);
    let call = server.place_call(lead);
    let erase = |spelling: &str, token: &str| {
        server.request("DELETE", &format!("/api/people/{spelling}")).token(token).send()
    };
    assert_eq!(
        erase(NUMBER, WRITER).expect(403),
        json!({"error": "This token lacks the scope `admin`", "code": "forbidden"})
    );
    let busy = erase(NUMBER, ADMIN);
    assert_eq!((busy.status, busy.json()["code"].as_str()), (409, Some("in_progress")));
    server.end_call(call, voice_campaigns::domain::outcome::Outcome::Canceled, None);
    let erased = erase("%2B1%20(202)%20555-0110", ADMIN).expect(200);
    let expected = json!({"erased": {"leads": 1, "calls": 1, "events": 1, "do_not_call": 0, "imports": 0, "replies": 0,
                                     "file_rows": 0, "recordings": 0}, "suppressed": true});
    assert_eq!(erased, expected);
    let lead = server.get(&format!("/api/leads/{lead}")).send().expect(200);
    for field in ["phone", "first_name", "last_name", "email", "company_name", "language", "notes", "hold"] {
        assert_eq!(lead[field], Value::Null, "{field}");
    }
    assert_eq!(lead["status"], "do_not_call", "its call ended after the number was suppressed");
    let call = server.get(&format!("/api/calls/{call}")).send().expect(200);
    assert_eq!((&call["phone"], &call["timeline"]), (&Value::Null, &json!([])));
    let entry = server.get(&format!("/api/do-not-call/{NUMBER}")).send().expect(200);
    assert_eq!((&entry["reason"], &entry["added_by"]), (&json!("the person was erased"), &Value::Null));
    let refused = server.delete(&format!("/api/do-not-call/{NUMBER}?reason=x")).send();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("erased")));
    assert_eq!(
        erase("+442079460958", ADMIN).expect(200)["erased"]["leads"],
        0,
        "an unknown number is suppressed too"
    );
    assert_eq!(erase("nobody", ADMIN).status, 400, "what is no number is nobody's");
}

#[test]
fn whoever_answers_for_it_sees_all_that_is_kept_of_a_person_and_after_an_erasure_nothing() {
    let server = TestServer::start();
    let (first, second) = (server.campaign(json!({"status": "active"})), server.campaign(json!({})));
    let (lead, other) = (server.lead(first, NUMBER), server.lead(second, NUMBER));
    server.lead(first, "+12025550111");
    let call = server.place_call(lead);
    server.end_call(call, voice_campaigns::domain::outcome::Outcome::Success, None);
    server
        .post("/api/do-not-call", &json!({"phone": NUMBER, "reason": "asked by letter"}))
        .send()
        .expect(201);
    server.delete(&format!("/api/voice-campaigns/{second}")).send().expect(204);
    let known = |spelling: &str, token: &str| {
        server.request("GET", &format!("/api/people/{spelling}")).token(token).send()
    };
    assert_eq!(known(NUMBER, WRITER).status, 403);
    let kept = known("%2B1%20(202)%20555-0110", ADMIN).expect(200);
    assert_eq!(kept["phone"], NUMBER);
    let ids: Vec<&Value> = kept["leads"].as_array().unwrap().iter().map(|lead| &lead["id"]).collect();
    assert_eq!(ids, [lead, other], "also of a campaign that was deleted");
    assert_eq!(kept["leads"][0], server.get(&format!("/api/leads/{lead}")).send().expect(200));
    assert_eq!(kept["calls"], json!([server.get(&format!("/api/calls/{call}")).send().expect(200)]));
    assert_eq!(kept["other_calls"], json!([]));
    assert_eq!(kept["do_not_call"], server.get(&format!("/api/do-not-call/{NUMBER}")).send().expect(200));
    server.request("DELETE", &format!("/api/people/{NUMBER}")).token(ADMIN).send().expect(200);
    let kept = known(NUMBER, ADMIN).expect(200);
    assert_eq!((&kept["leads"], &kept["calls"]), (&json!([]), &json!([])));
    assert_eq!(kept["do_not_call"]["reason"], "the person was erased");
    assert_eq!(known("nobody", ADMIN).status, 400);
}

#[tokio::test]
async fn nothing_is_left_behind_in_pages_that_were_split_and_joined() {
    let world = World::new(MONDAY_NOON).await;
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let mut all: Vec<u64> = (0..12_000).collect();
    all.shuffle(&mut chance);
    let number = |n: u64| format!("+1202{}{:04}", 600 + n / 10_000, n % 10_000);
    let name = |n: u64| format!("Canary{n:05}bird");
    let lead = |n: &u64| json!({"phone": number(*n), "first_name": name(*n), "notes": "x".repeat((*n % 300) as usize)});
    let campaigns = [
        world.campaign(json!({"status": "paused"})).await,
        world.campaign(json!({"status": "paused"})).await,
    ];
    for some in all.chunks(500) {
        for campaign in &campaigns {
            world.add(campaign, some.iter().map(lead).collect()).await;
        }
        // Pages lose and gain rows all the while.
        let ids: Vec<i64> = world.all_leads(&campaigns[0]).await.iter().map(|lead| lead.id).collect();
        let gone: Vec<i64> = ids.iter().copied().filter(|_| chance.random_range(0..20) == 0).collect();
        world.write(move |tx| gone.into_iter().try_for_each(|id| tx.delete_lead(id).map(drop))).await;
    }
    let erased: Vec<u64> = all.into_iter().take(40).collect();
    for n in &erased {
        assert!(matches!(world.store.erase(phone(&number(*n))).await.unwrap(), Erasure::Erased(_)));
    }
    let canaries: Vec<String> = erased.iter().flat_map(|n| [number(*n)[2..].to_owned(), name(*n)]).collect();
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
    assert_eq!(sightings(world.folder.path(), &canaries), [] as [String; 0]);
    world.check().await;
}

/// A file of rows that did not come in.
fn write_skipped(world: &World, id: i64, rows: impl IntoIterator<Item = String>) -> PathBuf {
    let folder = world.folder.path().join("imports");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{id}-skipped.csv"));
    let rows = rows.into_iter().fold("row,reason,Phone\n".to_owned(), |all, row| all + "1,x," + &row + "\n");
    fs::write(&path, rows).unwrap();
    path
}

#[tokio::test]
async fn people_who_are_erased_at_the_same_time_are_all_gone_from_the_rows_that_did_not_come_in() {
    let world = World::new(MONDAY_NOON).await;
    let erased: Vec<String> = (0..4).map(|n| format!("+1202555011{n}")).collect();
    for _ in 0..5 {
        let path = write_skipped(&world, 3, numbers(5_000).chain(erased.iter().cloned()));
        let at_once = erased.iter().map(|number| {
            let (store, phone) = (world.store.clone(), phone(number));
            tokio::spawn(async move { store.erase(phone).await.unwrap() })
        });
        for erasure in at_once.collect::<Vec<_>>() {
            assert!(matches!(erasure.await.unwrap(), Erasure::Erased(_)));
        }
        let left = fs::read_to_string(&path).unwrap();
        let found: Vec<&String> = erased.iter().filter(|number| left.contains(*number)).collect();
        assert_eq!((found, left.lines().count()), (vec![], 5_001));
    }
}

#[tokio::test]
async fn an_erasure_does_not_stumble_over_files_of_imports_that_come_and_go() {
    let world = World::new(MONDAY_NOON).await;
    write_skipped(&world, 3, [NUMBER.to_owned()]);
    let folder = world.folder.path().join("imports");
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (others, is_noticed) = (folder.clone(), is_over.clone());
    let others = std::thread::spawn(move || {
        let all: Vec<PathBuf> = (100..200)
            .flat_map(|id| [format!("{id}.lock"), format!("{id}-skipped.csv")])
            .map(|name| others.join(name))
            .collect();
        while !is_noticed.load(std::sync::atomic::Ordering::Relaxed) {
            all.iter().for_each(|path| fs::write(path, "row\n").unwrap());
            all.iter().for_each(|path| fs::remove_file(path).unwrap());
        }
    });
    for n in 0..200 {
        let erased = world.store.erase(phone(&format!("+1202555{n:04}"))).await;
        assert!(matches!(erased, Ok(Erasure::Erased(_))), "{erased:?}");
    }
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    others.join().unwrap();
}

#[tokio::test]
async fn what_a_cleaning_that_was_cut_off_left_behind_goes_with_the_next_one() {
    let world = World::new(MONDAY_NOON).await;
    let path = write_skipped(&world, 3, ["+12025550199".to_owned()]);
    let left_behind = path.with_file_name(".tmpA1b2C3");
    fs::write(&left_behind, format!("1,x,{NUMBER}\n")).unwrap();
    world.store.erase(phone("+12025550111")).await.unwrap();
    assert!(path.exists() && !left_behind.exists());
}
