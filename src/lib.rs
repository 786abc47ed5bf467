//! Voice Campaigns: creates, schedules, runs and watches automated calling campaigns. One binary, one SQLite file.
//!
//! *HTTP writes facts into the store, the dialer turns due facts into calls and calls into facts, webhooks turn facts
//! into deliveries; the domain decides, the store remembers, the ports act.* HTTP, dialer and webhooks never call each
//! other: the store is the only meeting place. A commit wakes whoever waits; those of other processes are looked for once a second.
//!
//! ```text
//!             cli ── demo
//!              │
//!           server ───────────── composition root: builds everything, stops it in order
//!      ┌───────┼─────────┬───────────┐
//!    http    dialer   webhooks   housekeeping      (listener: passes connections on to http)
//!      │       │ └ carrier│
//!      │       │     ├ simulator
//!      │       │     └ sip ── media, speech
//!      └── store ─────────┘ (all SQL)
//!              │
//!            domain ── pure rules          clock ── the only reader of time
//! ```
//!
//! # Code map
//! | module | what it is for | what it must not know |
//! | --- | --- | --- |
//! | [`domain`] | rules: what a campaign, lead and call are, hours, scripts, retries, money, the gate, how a campaign stands, how likely it is that somebody picks up | I/O, async, SQL, the clock |
//! | [`store`] | the database: one writer with group commit, readers on snapshots, imports of files, invariants | HTTP, carriers |
//! | [`carrier`] | the port to whoever places calls: the simulator, and SIP for real calls | campaigns, the database |
//! | [`line`] | the telephone line at run time: which trunks there are, and who carries the next call | campaigns |
//! | [`agent`] | the port to whoever holds a conversation, and its drivers: a chain of servers, or one realtime model | calls, campaigns, the telephone |
//! | [`tries`] | conversations with an agent over text, to try it | the telephone, calls |
//! | [`speech`] | the port to whoever turns text into sound, a service or a program | calls |
//! | [`dialer`] | the engine: plan, claim, dial, settle, recover | HTTP |
//! | [`rehearsal`] | a campaign played to its end before anybody is called: the same engine on a copy in memory | HTTP |
//! | [`webhooks`] | deliveries: sign, send, write down what came back | who makes events, HTTP's routes |
//! | [`listener`] | connections: how many, of whom, how long, TLS | what is asked over them |
//! | [`http`] | the JSON API and its reference, the events stream and the page: parse, one store call, render | SQL, the dialer |
//! | [`media`] | sound on a telephone line: codecs, packets, keys, descriptions, machines and beeps | sockets, time |
//! | [`clock`] | the port to time; [`clock::Manual`] for tests and rehearsals | everything else |
//! | [`config`] | settings, validated once | what they are used for |
//! | [`housekeeping`] | what goes after its retention time | what it was good for |
//! | [`lives`] | a life that panics is followed by the next one | what it lived for |
//! | [`meter`] | counting without locks | what is counted |
//! | [`server`] | the composition root | how any part works |
//! | `log` | the log on standard error, with numbers masked | where it is written to from |
//! | [`cli`], `demo` | commands | how any part works |
//! | [`token`] | what an API token and the cookie of a session look like | who has one |
//!
//! `tests/tidy.rs` keeps these rules true.
//!
//! # What always holds
//! - A call row is committed before the carrier hears of the dial, and no dial is repeated: at most once per
//!   attempt, also across crashes. `dialer/engine.rs` is the only caller of [`carrier::Carrier::dial`].
//! - Once a transaction that forbids dialing (a pause, a deletion, a lowered limit) has answered, nothing it forbids
//!   is on its way: [`store::Store::write_and_wait_for_dials`].
//! - Whatever its settings say, no campaign dials a number on the do-not-call list or of an erased person, one that was
//!   called too often in 24 hours, or anybody while dialing is stopped: [`domain::guard`], asked by the gate.
//! - All that follows from the end of a call is decided as one value, [`domain::call::settle`], and written in one
//!   transaction with its events.
//! - An event is written with the fact it tells, and with it its delivery to everybody who wants it; each is tried at
//!   least once, under one id.
//! - Requests that a user of the API can direct leave from `webhooks/client.rs` alone, to addresses it has looked at
//!   itself. What the settings name, a speech service or a trunk, the operator has chosen.
//! - Clients reach the HTTP server through the [`listener`] alone, which bounds how many they are and how long they take;
//!   between the two there are pipes within this process, and no port.
//! - Sums equal a recount: [`store::check`].
//! - Nothing sleeps or reads the time except through [`clock::Clock`], but for the thread that sends sound and the SIP
//!   library; every worker is a `turn` that tests take by hand on a manual clock.
//!
//! # Two walks
//! **`POST /api/voice-campaigns`.** The [`listener`] passes its bytes on when the head is whole, `http/server.rs` makes a
//! request of them for Rocket → the request fairing in `http/edge.rs` finds the token and counts it against its
//! quota → the handler in `http/campaigns.rs` reads the body as [`domain::campaign::Request`], all problems at once →
//! one [`store::Store::write`]: was this idempotency key seen? else insert → the commit wakes the dialer if the
//! campaign is active → 201, `Location`, view.
//!
//! **A lead is dialed.** The dialer wakes (a due time, a change, a report) → in one transaction `dialer/plan.rs` asks
//! [`domain::gate::Gate`] about each campaign and each lead, in a fixed order, and claims those nothing objects to;
//! the rest say why and until when → after the commit the carrier is asked → its reports go through
//! [`domain::call::LiveCall`] → an ending is settled: call, lead, sums, money, events.

pub mod agent;
pub mod carrier;
pub mod cli;
pub mod clock;
pub mod config;
mod demo;
pub mod dialer;
pub mod domain;
pub mod housekeeping;
pub mod http;
pub mod line;
pub mod listener;
pub mod lives;
mod log;
pub mod media;
pub mod meter;
pub mod rehearsal;
pub mod server;
pub mod speech;
pub mod store;
pub mod token;
pub mod tries;
pub mod webhooks;
