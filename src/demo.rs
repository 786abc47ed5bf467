//! The demonstration: a server with a throw-away data folder, three campaigns and simulated people who live
//! sixty times faster than others, so that there is something to see within seconds.

use crate::carrier::simulator;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Log};
use crate::domain::Instant;
use crate::domain::campaign::{Campaign, Request, Status};
use crate::domain::lead::NewLead;
use crate::server::Server;
use crate::store::{Scope, Snapshot, Store, StoreError, Tx};
use crate::token;
use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// Leads of the three campaigns; the first column says whose. All numbers are kept for fiction (555 01xx).
const LEADS: &str = include_str!("demo/leads.csv");

/// A folder that is removed when the answer is dropped.
pub(crate) fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("voice-campaigns-demo-")
        .tempdir()
        .context("cannot make a temporary folder")
}

/// Settings that file and environment may still change.
pub(crate) fn defaults() -> Config {
    Config {
        // Fewer lines than the campaigns want, so that the shares of high, medium and low show.
        simulator: simulator::Settings { speed: 60.0, channels: 4, ..simulator::Settings::default() },
        shutdown_grace_seconds: 0,
        log: Log { filter: "error".into() },
        ..Config::default()
    }
}

/// Runs the demonstration until somebody stops it.
pub(crate) async fn run(loaded: &Loaded, clock: Arc<dyn Clock>) -> Result<()> {
    let mut stop = Stop::new()?;
    let server = Server::start(loaded, clock).await?;
    let shown = show(&server, &mut stop).await;
    server.stop().await.and(shown)
}

async fn show(server: &Server, stop: &mut Stop) -> Result<()> {
    let store = server.store();
    let (token, hash) = token::generate().context("the system gives no random numbers")?;
    let campaigns: Vec<i64> = store
        .write(move |tx| {
            tx.create_token("demo", Scope::Admin, &hash)?;
            campaigns().into_iter().map(|(word, body)| insert(tx, word, body)).collect::<Result<_>>()
        })
        .await?;
    let mut screen = Screen { redraws: io::stdout().is_terminal(), drawn: Vec::new() };
    screen.say(&format!("{}/#token={token}\n\nThree campaigns call simulated people. Ctrl-C ends the demo and removes its data.\n", server.url()))?;
    let mut ticks = tokio::time::interval(if screen.redraws { REDRAW_EVERY } else { PRINT_EVERY });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => screen.draw(progress(store, campaigns.clone()).await?)?,
            () = stop.asked() => return screen.say("\nThe demo has ended; its data are removed."),
        }
    }
}

const REDRAW_EVERY: Duration = Duration::from_millis(250);
const PRINT_EVERY: Duration = Duration::from_secs(3);

/// Ctrl-C, a service manager, or the terminal that closes.
struct Stop([tokio::signal::unix::Signal; 3]);

impl Stop {
    fn new() -> io::Result<Stop> {
        Ok(Stop([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn asked(&mut self) {
        let Stop([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The campaigns by the word that stands for them in [`LEADS`]. Open around the clock, so that the demo runs
/// at any hour; tried again after a minute, the shortest delay there is.
fn campaigns() -> [(&'static str, Value); 3] {
    let always = json!({
        "status": "draft",
        "calls_per_day": 2000,
        "calling_hours_start": "00:00:00",
        "calling_hours_end": "23:59:59",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "retry_delay_minutes": 1,
        "max_attempts_per_lead": 3,
        "tags": ["demo"]
    });
    let with = |own: Value| match (always.clone(), own) {
        (Value::Object(mut all), Value::Object(own)) => {
            all.extend(own);
            Value::Object(all)
        }
        (_, own) => own,
    };
    [
        (
            "survey",
            with(json!({
                "name": "Customer survey",
                "description": "How content are customers three months after the line was installed?",
                "priority": "high",
                "system_prompt": "You are Ada, a friendly caller for Northwind Internet. Ask the survey questions one at a time, thank the person and never argue.",
                "script_template": "Hello {customer_name|there}, this is Ada from Northwind Internet with a very short survey. You have had our {plan} plan in {city} for three months now. If you are content with it, you need do nothing; if something is not right, stay on the line and tell us what. Thank you for your time, and have a good day.",
                "success_criteria": "call_completed",
                "cost_per_call": 0.12,
                "budget": 40,
                "budget_alert_threshold": 25
            })),
        ),
        (
            "renewal",
            with(json!({
                "name": "Plan renewal",
                "description": "Customers whose contract ends next month are offered a better one.",
                "priority": "medium",
                "system_prompt": "You are Leo, who looks after contracts at Northwind Internet. Explain the offer once, clearly, and take no for an answer.",
                "script_template": "Hello {name|there}, this is Leo from Northwind Internet in {city}. Your {plan} plan ends next month. You can keep it for another year at ten percent less. Press 1 if you would like that, or 2 if you would not.",
                "fallback_script": "Hello {name|there}, this is Leo from Northwind Internet. Your {plan} plan ends next month; call us back and keep it at ten percent less.",
                "success_criteria": "sale_made",
                "cost_per_call": 0.15
            })),
        ),
        (
            "visit",
            with(json!({
                "name": "Visit reminder",
                "description": "The technician comes this week; a message on the machine is as good as a person.",
                "priority": "low",
                "system_prompt": "You remind people of the technician's visit. Be brief; if they cannot be at home, tell them how to move the visit.",
                "script_template": "Hello {customer_name|there}, this is Northwind Internet. Our technician visits you in {city} on {appointment}. If that does not suit you, please call us. Goodbye.",
                "fallback_script": "Hello {customer_name|there}, Northwind Internet's technician visits you on {appointment}. If that does not suit you, please call us.",
                "success_criteria": "message_left",
                "cost_per_call": 0.08
            })),
        ),
    ]
}

fn insert(tx: &Tx, word: &str, body: Value) -> Result<i64> {
    let request = Request::read(body, None)?;
    let campaign = tx.insert_campaign(&request, "demo")?;
    tx.insert_leads(campaign.id, &leads(word)?)?;
    tx.change_status(&campaign, Status::Active, "demo")?.map_err(|refused| anyhow!("{refused}"))?;
    Ok(campaign.id)
}

/// The leads of one campaign.
fn leads(word: &str) -> Result<Vec<NewLead>> {
    let mut reader = csv::Reader::from_reader(LEADS.as_bytes());
    let mut leads = Vec::new();
    for row in reader.deserialize::<HashMap<String, String>>() {
        let filled = row?.into_iter().filter(|(_, value)| !value.is_empty());
        let mut row: Map<String, Value> = filled.map(|(name, value)| (name, value.into())).collect();
        if row.remove("campaign").is_some_and(|campaign| campaign == word) {
            let variables = ["city", "plan", "appointment"];
            let variables: Map<String, Value> =
                variables.into_iter().filter_map(|name| Some((name.to_owned(), row.remove(name)?))).collect();
            row.insert("variables".into(), variables.into());
            leads.push(NewLead::read(row.into(), None)?);
        }
    }
    Ok(leads)
}

/// One line per campaign.
async fn progress(store: &Store, campaigns: Vec<i64>) -> Result<Vec<String>> {
    let lines = store.read(move |snapshot| {
        let line = |id: &i64| line(snapshot, *id).transpose();
        campaigns.iter().filter_map(line).collect::<Result<Vec<_>, StoreError>>()
    });
    Ok(lines.await?)
}

fn line(snapshot: &Snapshot, id: i64) -> Result<Option<String>, StoreError> {
    let Some(campaign) = snapshot.campaign(id)? else { return Ok(None) };
    let queue = snapshot.queue(&campaign)?;
    let due_at = queue.zones.iter().map(|(_, due_at)| *due_at).min();
    Ok(Some(format_line(&campaign, queue.open_leads, due_at, snapshot.now)))
}

/// Fits into 80 columns.
fn format_line(campaign: &Campaign, open_leads: i64, due_at: Option<Instant>, now: Instant) -> String {
    const BAR: i64 = 10;
    let totals = &campaign.totals;
    let (total, done) = (totals.total_leads.max(1), totals.total_leads - open_leads);
    let bar = (done * BAR / total).clamp(0, BAR) as usize;
    let wait = due_at.map_or(0, |at| (at - now).num_seconds());
    let state = match (campaign.status, totals.in_progress_calls) {
        (Status::Active, 0) if wait > 0 => format!("in {wait} s"),
        (Status::Active, live) => format!("{live} live"),
        (status, _) => status.to_string(),
    };
    format!(
        "{:<15} {}{} {:>3}%  {done:>3}/{} leads  {:>3} calls  {:>3} good  {state}",
        campaign.settings.name,
        "█".repeat(bar),
        "░".repeat(BAR as usize - bar),
        done * 100 / total,
        totals.total_leads,
        totals.attempts,
        totals.successful_calls,
    )
}

/// The terminal, or whatever stands in for it.
struct Screen {
    redraws: bool,
    drawn: Vec<String>,
}

impl Screen {
    fn say(&mut self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// On a terminal the lines replace those before; elsewhere those that changed are printed.
    fn draw(&mut self, lines: Vec<String>) -> Result<()> {
        let mut text = String::new();
        match self.redraws {
            true => {
                if !self.drawn.is_empty() {
                    text += &format!("\x1b[{}A", self.drawn.len());
                }
                // No wrapping while drawing: a line that takes two rows would break the counting.
                text += "\x1b[?7l";
                lines.iter().for_each(|line| text += &format!("\r{line}\x1b[K\n"));
                text += "\x1b[?7h";
            }
            false => lines
                .iter()
                .filter(|line| !self.drawn.contains(line))
                .for_each(|line| text += &format!("{line}\n")),
        }
        self.drawn = lines;
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phone;
    use crate::domain::script::Template;
    use std::collections::HashSet;

    #[test]
    fn every_campaign_is_valid_and_its_script_can_be_filled_in_for_every_lead() {
        for (word, body) in campaigns() {
            let settings = Request::read(body, None).unwrap().settings;
            let leads = leads(word).unwrap();
            assert_eq!(leads.len(), 160, "{word}");
            let scripts = [Some(settings.script_template), settings.fallback_script];
            for template in scripts.into_iter().flatten() {
                let template = Template::parse(&template).unwrap();
                for lead in &leads {
                    template.render(&|name| lead.value(name).map(Into::into)).unwrap();
                }
            }
        }
    }

    #[test]
    fn all_numbers_are_fictional_and_none_appears_twice() {
        let leads: Vec<_> = campaigns().iter().flat_map(|(word, _)| leads(word).unwrap()).collect();
        let phones: HashSet<_> = leads.iter().map(|lead| lead.phone).collect();
        assert_eq!(phones.len(), leads.len());
        assert!(phones.iter().all(|phone| phone::fictional_story(*phone).is_some()));
        let stories: HashSet<_> = phones.iter().filter_map(|phone| phone::fictional_story(*phone)).collect();
        assert!((101..=111).all(|story| stories.contains(&story)));
        // 0112 never says another word: it would keep a line of the demo for minutes.
        assert!(!stories.contains(&112));
    }

    #[test]
    fn a_line_fits_into_a_terminal() {
        let (_, body) = &campaigns()[0];
        let mut campaign = Campaign {
            id: 1,
            status: Status::Active,
            status_reason: None,
            status_changed_at: None,
            status_changed_by: None,
            settings: Request::read(body.clone(), None).unwrap().settings,
            totals: Default::default(),
            version: 1,
            has_stale_holds: false,
            created_at: Instant::UNIX_EPOCH,
            updated_at: Instant::UNIX_EPOCH,
            deleted_at: None,
        };
        campaign.totals.total_leads = 160;
        campaign.totals.attempts = 240;
        campaign.totals.successful_calls = 100;
        let in_a_minute = Some(Instant::UNIX_EPOCH + chrono::TimeDelta::seconds(60));
        let waiting = format_line(&campaign, 80, in_a_minute, Instant::UNIX_EPOCH);
        assert_eq!(waiting, "Customer survey █████░░░░░  50%   80/160 leads  240 calls  100 good  in 60 s");
        campaign.status = Status::Completed;
        let done = format_line(&campaign, 0, None, Instant::UNIX_EPOCH);
        assert!(done.ends_with("completed") && done.chars().count() < 80, "{done}");
    }
}
