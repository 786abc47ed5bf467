//! The demonstration: a server with a throw-away data folder, three campaigns and simulated people who live
//! sixty times faster than others, so that there is something to see within seconds.

use crate::carrier::simulator;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Log};
use crate::domain::Instant;
use crate::domain::campaign::{Campaign, Request, Status};
use crate::domain::fictional;
use crate::server::Server;
use crate::store::{Scope, Snapshot, Store, StoreError, Tx};
use crate::token;
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// Why it has no trunk, and gets none.
const RINGS_NOBODY: &str = "the demonstration rings nobody, so it takes no trunk: start `voice-campaigns` without `demo` for real calls, or \
                            take `trunks` out of the settings";

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
    let server = Server::start_without_trunks(loaded, clock, RINGS_NOBODY).await?;
    let shown = show(&server, &mut stop).await;
    server.stop().await.and(shown)
}

async fn show(server: &Server, stop: &mut Stop) -> Result<()> {
    let store = server.store();
    let (token, hash) = token::generate().context("the system gives no random numbers")?;
    let campaigns: Vec<i64> = store
        .write(move |tx| {
            tx.create_token("demo", Scope::Admin, None, &hash)?;
            fictional::campaigns()
                .into_iter()
                .map(|(word, body)| insert(tx, word, body))
                .collect::<Result<_>>()
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

fn insert(tx: &Tx, word: &str, body: Value) -> Result<i64> {
    let request = Request::read(body, None)?;
    let campaign = tx.insert_campaign(&request, "demo")?;
    tx.insert_leads(campaign.id, &fictional::leads(word)?)?;
    tx.change_status(&campaign, Status::Active, "demo")?.map_err(|refused| anyhow!("{refused}"))?;
    Ok(campaign.id)
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

    #[test]
    fn a_line_fits_into_a_terminal() {
        let (_, body) = &fictional::campaigns()[0];
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
