//! `GET /metrics`: what a Prometheus server scrapes. Requests are counted by the pattern of their route, so that no label
//! comes from a client; nothing here tells who is called. Counting takes no lock, the rest is read when it is asked for.

use super::auth::{Gatekeeper, LocalOrReadScope};
use super::error::ApiError;
use super::openapi::schemas;
use crate::domain::fields::Words;
use crate::meter::{Counted, Durations};
use crate::store::pool::Db;
use crate::store::{FileSizes, Load, Tally, Worker};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use rocket::http::{ContentType, Method, Status};
use rocket::{Request, Route, State, get, routes};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The route.
pub(super) fn routes() -> Vec<Route> {
    routes![metrics]
}

/// Statuses that are counted one by one; all others together.
const STATUSES: [u16; 25] = [
    200, 201, 202, 204, 206, 303, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 416, 421, 422, 429,
    500, 502, 503, 504,
];

/// What was asked for, by pattern and method. All of them are there from the start and none is added.
pub(super) struct Requests {
    routes: HashMap<String, Vec<(Method, Arc<Answers>)>>,
    /// What no route wanted, or could not be read.
    others: Answers,
}

/// The answers of one route.
struct Answers {
    route: String,
    method: &'static str,
    statuses: [AtomicU64; STATUSES.len() + 1],
    took: Durations,
}

impl Answers {
    fn of(route: &str, method: &'static str) -> Answers {
        let statuses = std::array::from_fn(|_| AtomicU64::new(0));
        Answers { route: route.to_owned(), method, statuses, took: Durations::default() }
    }

    fn count(&self, status: Status, took: Duration) {
        let index = STATUSES.iter().position(|known| *known == status.code).unwrap_or(STATUSES.len());
        self.statuses[index].fetch_add(1, Ordering::Relaxed);
        self.took.add(took);
    }
}

impl Requests {
    /// Of these routes. The many files of the page are one.
    pub(super) fn of<'r>(mounted: impl Iterator<Item = &'r Route>) -> Requests {
        let mut known: BTreeMap<(String, &'static str), Arc<Answers>> = BTreeMap::new();
        let mut routes: HashMap<String, Vec<(Method, Arc<Answers>)>> = HashMap::new();
        for route in mounted.filter(|route| !route.uri.path().ends_with("..>")) {
            let pattern = route.uri.path();
            let is_call = ["/api", "/health", "/ready", "/metrics", "/docs"]
                .iter()
                .any(|prefix| pattern == *prefix || pattern.starts_with(&format!("{prefix}/")));
            let name = if is_call { pattern } else { "page" };
            let answers = known
                .entry((name.to_owned(), route.method.as_str()))
                .or_insert_with(|| Arc::new(Answers::of(name, route.method.as_str())))
                .clone();
            routes.entry(route.uri.as_str().to_owned()).or_default().push((route.method, answers));
        }
        Requests { routes, others: Answers::of("none", "any") }
    }

    fn answers(&self, request: &Request<'_>) -> &Answers {
        let route = request.route();
        let known = route.and_then(|route| {
            let methods = self.routes.get(route.uri.as_str())?;
            methods.iter().find(|(method, _)| *method == route.method)
        });
        known.map_or(&self.others, |(_, answers)| answers)
    }

    fn all(&self) -> Vec<Asked> {
        let mut by_name: BTreeMap<(&str, &str), &Answers> = BTreeMap::new();
        let known = self.routes.values().flatten().map(|(_, answers)| &**answers);
        for answers in known.chain([&self.others]) {
            by_name.insert((&answers.route, answers.method), answers);
        }
        let counted = |answers: &Answers| {
            let statuses = answers.statuses.iter().enumerate().filter_map(|(index, count)| {
                let count = count.load(Ordering::Relaxed);
                let name = STATUSES.get(index).map_or_else(|| "other".to_owned(), u16::to_string);
                (count > 0).then_some((name, count))
            });
            Asked {
                route: answers.route.clone(),
                method: answers.method,
                statuses: statuses.collect(),
                took: answers.took.counted(),
            }
        };
        by_name.into_values().map(counted).filter(|asked| asked.took.count > 0).collect()
    }
}

/// When a request arrived, in time since the start.
struct Arrived(Option<Duration>);

/// A request begins.
pub(super) fn arrived(request: &Request<'_>) {
    let now = request.rocket().state::<Gatekeeper>().map(|gatekeeper| gatekeeper.clock().monotonic());
    request.local_cache(|| Arrived(now));
}

/// A request is answered; of a stream this is its beginning.
pub(super) fn answered(request: &Request<'_>, status: Status) {
    let rocket = request.rocket();
    let (Some(requests), Some(gatekeeper)) = (rocket.state::<Requests>(), rocket.state::<Gatekeeper>())
    else {
        return;
    };
    let now = gatekeeper.clock().monotonic();
    let arrived = request.local_cache(|| Arrived(None)).0.unwrap_or(now);
    requests.answers(request).count(status, now.saturating_sub(arrived));
}

/// Shows metrics.
///
/// In the text format of Prometheus. From this machine it needs no token, unless the server is behind a proxy; from
/// elsewhere a token of any scope. Counters begin with the start of the server.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    security(("token" = ["read"])),
    responses((status = 200, body = String, content_type = "text/plain", description = "The metrics.",
            example = "voice_campaigns_calls_live 3\n"),
        (status = 401, body = schemas::Error, description = "No valid token.", headers(("WWW-Authenticate" = String)),
            example = json!({"error": "A valid API token is required, as `Authorization: Bearer <token>`", "code": "unauthorized"})),
        (status = 429, body = schemas::Error, description = "Too many requests without a valid token.",
            example = json!({"error": "Rate limit exceeded", "code": "rate_limited"})),
        (status = 503, body = schemas::Error, description = "The database cannot be asked.",
            headers(("Retry-After" = u32)), example = json!({"error": "Temporarily unavailable; try again later", "code": "unavailable"})))
)]
#[get("/metrics")]
pub(super) async fn metrics(
    _caller: LocalOrReadScope,
    requests: &State<Requests>,
    db: &Db,
) -> Result<(ContentType, String), ApiError> {
    let scrape = Scrape {
        requests: requests.all(),
        load: db.load().await?,
        tally: db.tally(),
        files: db.file_sizes(),
        beats: Worker::all().iter().map(|worker| (*worker, db.since_beat(*worker))).collect(),
        is_clock_trusted: db.is_clock_trusted(),
    };
    let mut registry = Registry::with_prefix("voice_campaigns");
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)
        .map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    Ok((ContentType::new("text", "plain").with_params([("version", "0.0.4"), ("charset", "utf-8")]), text))
}

/// The answers of one route, as they are shown.
#[derive(Debug)]
struct Asked {
    route: String,
    method: &'static str,
    statuses: Vec<(String, u64)>,
    took: Counted,
}

/// Everything there is to show at a moment.
#[derive(Debug)]
struct Scrape {
    requests: Vec<Asked>,
    load: Load,
    tally: Tally,
    files: FileSizes,
    beats: Vec<(Worker, Option<Duration>)>,
    is_clock_trusted: bool,
}

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

fn counter<L: EncodeLabelSet>(encoder: &mut MetricEncoder<'_>, labels: &L, value: u64) -> fmt::Result {
    encoder.encode_family(labels)?.encode_counter(&value, NO_EXEMPLAR)
}

fn histogram<L: EncodeLabelSet>(
    encoder: &mut MetricEncoder<'_>,
    labels: &L,
    counted: &Counted,
) -> fmt::Result {
    let Counted { sum, count, buckets } = counted;
    encoder.encode_family(labels)?.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Scrape { requests, load, tally, files, beats, is_clock_trusted } = self;
        let mut family = encoder.encode_descriptor(
            "http_requests",
            "Requests, by route, method and status.",
            None,
            MetricType::Counter,
        )?;
        for Asked { route, method, statuses, .. } in requests {
            for (status, count) in statuses {
                let labels = [("method", *method), ("route", route), ("status", status)];
                counter(&mut family, &labels, *count)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "http_request_duration",
            "From the head of a request to the head of its answer.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for Asked { route, method, took, .. } in requests {
            histogram(&mut family, &[("method", *method), ("route", route)], took)?;
        }
        let help = "Dials, since the start.";
        encoder
            .encode_descriptor("calls_placed", help, None, MetricType::Counter)?
            .encode_counter(&tally.placed, NO_EXEMPLAR)?;
        let help = "Dials that ended, by outcome, since the start.";
        let mut family = encoder.encode_descriptor("calls_ended", help, None, MetricType::Counter)?;
        for (outcome, count) in &tally.ended {
            counter(&mut family, &[("outcome", outcome.word())], *count)?;
        }
        let help = "How long a commit took, with all the transactions in it.";
        let mut family = encoder.encode_descriptor(
            "commit_duration",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        let Counted { sum, count, buckets } = &tally.commits;
        family.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        let lag = load.delivery_lag_ms as f64 / 1_000.0;
        let whole = |value: i64| value as f64;
        let gauges: [(&str, &str, Option<Unit>, f64); 8] = [
            ("calls_live", "Calls alive.", None, whole(load.live_calls)),
            ("leads_due", "Leads of active campaigns whose time has come.", None, whole(load.leads_due)),
            (
                "dialing_stopped",
                "1 while somebody has stopped all dialing.",
                None,
                f64::from(load.is_stopped),
            ),
            (
                "woke_up",
                "1 while nothing is dialed because the server has woken up and nobody has looked.",
                None,
                f64::from(load.is_waking_up),
            ),
            (
                "clock_trusted",
                "0 while nothing is dialed because of the clock.",
                None,
                f64::from(*is_clock_trusted),
            ),
            ("webhook_deliveries_pending", "Deliveries on their way.", None, whole(load.deliveries_pending)),
            (
                "webhook_lag",
                "For how long the oldest delivery that is due has been.",
                Some(Unit::Seconds),
                lag,
            ),
            (
                "writer_queue_length",
                "Transactions that wait for the writer.",
                None,
                tally.writer_queue as f64,
            ),
        ];
        for (name, help, unit, value) in &gauges {
            encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(value)?;
        }
        let help = "Size of the database and of its write-ahead log.";
        let mut family = encoder.encode_descriptor("sqlite", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        for (file, bytes) in [("database", files.database), ("wal", files.log)] {
            family.encode_family(&[("file", file)])?.encode_gauge(&bytes)?;
        }
        let help = "How long ago each worker went round.";
        let mut family =
            encoder.encode_descriptor("worker_beat_age", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (worker, since) in beats {
            if let Some(since) = since {
                family.encode_family(&[("worker", worker.word())])?.encode_gauge(&since.as_secs_f64())?;
            }
        }
        let help = "The program.";
        encoder
            .encode_descriptor("build", help, None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}
