//! HTTP: thin. A handler parses, makes one store call and renders. There is no SQL here, and nothing is
//! decided here that the domain could decide.

mod analytics;
mod answer;
mod assets;
mod audit;
mod auth;
mod body;
mod calls;
mod campaigns;
mod carrier;
mod cors;
mod deliveries;
mod demo;
mod dialing;
mod do_not_call;
mod door;
mod duplicate;
mod edge;
mod error;
mod etag;
mod events;
mod export;
mod forecast;
mod idempotency;
mod imports;
mod lead_actions;
mod leads;
mod line;
mod metrics;
mod openapi;
mod other_calls;
mod overview;
mod people;
mod preview;
mod prompts;
mod query;
mod quota;
mod ready;
mod recordings;
mod rehearsals;
mod server;
mod server_settings;
mod session;
mod sheet;
mod stats;
mod suggestions;
mod tokens;
mod tries;
mod trunks;
mod voices;
mod wake_up;
mod webhooks;

pub use carrier::Trunk;
pub use line::{Carrier, FixedTrunk, Line, Step};
/// For whoever implements [`Line`].
pub use rocket::async_trait;
pub use server::Server;
pub use server_settings::Setting;
pub use tries::{Job, Tester};
pub use voices::{Say, Saying, Speaker};

use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::address::Network;
use crate::domain::phone::Country;
use crate::lives::{self, Who};
use crate::store::pool;
use answer::Answer;
pub use door::Door;
use error::ApiError;
use rocket::fairing::AdHoc;
use rocket::shield::Shield;
use rocket::{Build, Orbit, Rocket, get, routes};
use rocket_db_pools::Database;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// What can be set about the HTTP side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests that one token may send in an hour.
    pub requests_per_hour: u32,
    /// Requests of the admin page, of everybody who is signed in with one token, in an hour.
    pub session_requests_per_hour: u32,
    /// Requests without a valid token that one address may send in a minute.
    pub unauthenticated_per_minute: u32,
    /// The largest table of leads.
    pub csv_limit_bytes: u64,
    /// Where tables wait while they are imported.
    pub spool_dir: PathBuf,
    /// Country of numbers that name none, where the request does not say.
    pub default_country: Option<Country>,
    /// Networks that events may be sent to although they are not public.
    pub allowed_networks: Vec<Network>,
    /// Folder to read the page from, instead of what is part of the program.
    pub static_dir: Option<PathBuf>,
    /// Who places the calls, and the ways to the carriers.
    pub line: Arc<dyn Line>,
    /// Who speaks on the calls, or a sentence about why nobody can.
    pub speaker: Result<Speaker, String>,
    /// Who holds conversations that try an agent.
    pub tester: Arc<dyn Tester>,
    /// Every setting of the server, to be shown.
    pub in_force: Vec<Setting>,
    /// When the server was started.
    pub started_at: Instant,
    /// The way in.
    pub door: Door,
}

/// Mounts all routes, catchers and fairings. The store comes as [`crate::store::pool::Db`], managed or attached.
pub fn mount(rocket: Rocket<Build>, settings: Settings, clock: Arc<dyn Clock>) -> Rocket<Build> {
    let assets = assets::routes(settings.static_dir.as_deref());
    let rocket = rocket
        .manage(auth::Gatekeeper::new(&settings, clock))
        .manage(settings)
        .manage(body::LargeBodies::new())
        .manage(export::Exports::new())
        .manage(Arc::new(events::Feed::new()))
        .manage(imports::Importing::new())
        .manage(idempotency::Turns::default())
        .manage(ready::Probe::new())
        .manage(voices::Previews::new())
        .manage(trunks::Trials::new())
        .manage(tries::Waiting::new())
        .attach(Shield::new()) // empty: all headers are set in one place
        .attach(edge::Edge)
        .register("/", edge::catchers())
        .mount("/", assets)
        .mount("/", routes![health, docs])
        .mount("/", ready::routes())
        .mount("/", metrics::routes())
        .mount("/", edge::fallback())
        .mount("/api", campaigns::routes())
        .mount("/api", stats::routes())
        .mount("/api", duplicate::routes())
        .mount("/api", demo::routes())
        .mount("/api", overview::routes())
        .mount("/api", analytics::routes())
        .mount("/api", suggestions::routes())
        .mount("/api", forecast::routes())
        .mount("/api", leads::routes())
        .mount("/api", lead_actions::routes())
        .mount("/api", imports::routes())
        .mount("/api", calls::routes())
        .mount("/api", other_calls::routes())
        .mount("/api", tries::routes())
        .mount("/api", recordings::routes())
        .mount("/api", preview::routes())
        .mount("/api", prompts::routes())
        .mount("/api", rehearsals::routes())
        .mount("/api", export::routes())
        .mount("/api", dialing::routes())
        .mount("/api", wake_up::routes())
        .mount("/api", carrier::routes())
        .mount("/api", trunks::routes())
        .mount("/api", voices::routes())
        .mount("/api", server_settings::routes())
        .mount("/api", do_not_call::routes())
        .mount("/api", people::routes())
        .mount("/api", webhooks::routes())
        .mount("/api", deliveries::routes())
        .mount("/api", events::routes())
        .mount("/api", openapi::routes())
        .mount("/api", session::routes())
        .mount("/api", tokens::routes())
        .mount("/api", audit::routes())
        .attach(AdHoc::on_liftoff("tell listeners what changes", |rocket| Box::pin(start_feed(rocket))));
    let requests = metrics::Requests::of(rocket.routes());
    rocket.manage(requests)
}

async fn start_feed(rocket: &Rocket<Orbit>) {
    if let (Some(db), Some(feed)) = (pool::Db::fetch(rocket), rocket.state::<Arc<events::Feed>>()) {
        let (store, feed, shutdown) = ((***db).clone(), feed.clone(), rocket.shutdown());
        let who = Who {
            name: "feed",
            worker: None,
            message: "The stream of live changes failed and was restarted; pages that listen look again",
        };
        rocket::tokio::spawn(async move {
            lives::keep(&store, who, shutdown.clone(), || {
                events::run(store.clone(), feed.clone(), shutdown.clone())
            })
            .await;
        });
    }
}

/// Says whether the server is up.
///
/// Needs no token.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    security(()),
    responses((status = 200, body = openapi::schemas::Health, description = "It is up."))
)]
#[get("/health")]
fn health() -> Result<Answer, ApiError> {
    Answer::ok(&json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// The reference is a part of the page. The address is relative, for a proxy that serves all of this below a folder.
/// Leads to the reference on the page.
///
/// Needs no token.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    security(()),
    responses((status = 303, description = "Where it is.", headers(("Location" = String))))
)]
#[get("/docs")]
fn docs() -> Answer {
    Answer::see_other("./#/reference")
}
