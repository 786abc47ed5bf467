//! Everything at one look: what the server is doing, and how each campaign stands, those that need somebody first.

use super::answer::Answer;
use super::auth::ReadScope;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use super::{Settings, dialing, stats};
use crate::domain::analytics::{self, Slot, quarter};
use crate::domain::campaign::{Campaign, CampaignType, Priority, Status};
use crate::domain::fields::{Parsed, Words};
use crate::domain::gate::Dialing;
use crate::domain::money::Money;
use crate::domain::schedule::{self, format_instant};
use crate::domain::standing::{Standing, State};
use crate::store::pool::Db;
use crate::store::{CampaignFilter, Snapshot, StoreError};
use rocket::{Route, State as Managed, get, routes};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::cmp::Reverse;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Reference;

/// A campaign's place: how it stands, then the newest first.
type Place = (State, Reverse<i64>, Reverse<i64>);

/// Shows everything at one look.
///
/// What the server is doing, and how each campaign stands: those that need somebody first, then those that
/// are calling, waiting, paused, drafts and completed, the newest first.
#[utoipa::path(
    get,
    path = "/overview",
    operation_id = "show_overview",
    params(parameters::OverviewFilter),
    responses((status = 200, body = View, description = "The server and a page of campaigns."))
)]
#[get("/overview")]
async fn show(
    _caller: ReadScope,
    mut query: Query,
    settings: &Managed<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let state: Option<State> = query.take("state", query::word);
    let search = query.take("search", query::text).map(|text| text.to_lowercase());
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let after = query.take("cursor", read_cursor);
    query.finish()?;
    let carrier = settings.line.carrier();
    db.read_long(move |snapshot| {
        let all = snapshot.campaigns(&CampaignFilter::default())?;
        let looks = all.iter().map(|campaign| Look::at(snapshot, campaign));
        let looks = looks.collect::<Result<Vec<_>, StoreError>>()?;
        let today = |of: fn(&Slot) -> i64| looks.iter().flat_map(|look| &look.today).map(of).sum::<i64>();
        let mut view = View {
            carrier: CarrierView { driver: carrier.driver, real_calls: carrier.real_calls },
            in_progress_calls: snapshot.live_calls()?,
            lines: carrier.channels,
            calls_today: looks.iter().map(|look| look.calls_today).sum(),
            answered_today: today(|slot| slot.completed),
            spent_today: Money::from_ten_thousandths(today(|slot| slot.spent.ten_thousandths())),
            dialing: dialing::View::now(snapshot)?,
            counts: Counts::default(),
            campaigns: Vec::new(),
        };
        let mut shown: Vec<Look> =
            looks.into_iter().filter(|look| search.as_ref().is_none_or(|text| look.mentions(text))).collect();
        shown.iter().for_each(|look| view.counts.add(look.standing.state));
        shown.retain(|look| state.is_none_or(|state| look.standing.state == state));
        shown.sort_by_key(Look::place);
        shown.retain(|look| after.is_none_or(|after| look.place() > after));
        let (shown, has_more) = query::page(shown, limit);
        let next = shown.last().filter(|_| has_more).map(|look| write_cursor(look.place()));
        view.campaigns = shown.into_iter().map(|look| look.row(snapshot)).collect::<Result<_, _>>()?;
        let answer = Answer::ok(&view)?;
        Ok(match next {
            Some(cursor) => answer.with("Link", query.next_link(&cursor)),
            None => answer,
        })
    })
    .await
}

fn read_cursor(text: &str) -> Parsed<Place> {
    let parts: Vec<&str> = text.split('.').collect();
    let read = match parts.as_slice() {
        [state, created_at, id] => State::from_word(state)
            .and_then(|state| Some((state, Reverse(created_at.parse().ok()?), Reverse(id.parse().ok()?)))),
        _ => None,
    };
    read.ok_or_else(|| "is not one that was given here; take it from the `Link` of the page before".into())
}

fn write_cursor((state, Reverse(created_at), Reverse(id)): Place) -> String {
    format!("{state}.{created_at}.{id}")
}

/// What is known of a campaign before it is known whether it is shown.
struct Look<'c> {
    campaign: &'c Campaign,
    calls_today: i64,
    /// Ended calls of the campaign's present day.
    today: Vec<Slot>,
    dialing: Dialing,
    standing: Standing,
}

impl<'c> Look<'c> {
    fn at(snapshot: &Snapshot, campaign: &'c Campaign) -> Result<Look<'c>, StoreError> {
        let zone = campaign.settings.time_zone;
        let calls_today = if campaign.totals.attempts > 0 { snapshot.dials_today(campaign)? } else { 0 };
        let midnight = schedule::day_start(schedule::local_date(snapshot.now, zone), zone);
        let has_called = calls_today > 0;
        let today =
            if has_called { snapshot.calls_since(campaign.id, quarter(midnight))? } else { Vec::new() };
        let (dialing, standing) = stats::doing(snapshot, campaign, calls_today)?;
        Ok(Look { campaign, calls_today, today, dialing, standing })
    }

    fn place(&self) -> Place {
        let created_at = self.campaign.created_at.timestamp_millis();
        (self.standing.state, Reverse(created_at), Reverse(self.campaign.id))
    }

    /// Whether name or description have a text, in any case.
    fn mentions(&self, lowercase: &str) -> bool {
        let settings = &self.campaign.settings;
        let texts = [Some(&settings.name), settings.description.as_ref()];
        texts.into_iter().flatten().any(|text| text.to_lowercase().contains(lowercase))
    }

    fn row(self, snapshot: &Snapshot) -> Result<Row<'c>, StoreError> {
        let Look { campaign, calls_today, today, dialing, standing } = self;
        let settings = &campaign.settings;
        let zone = settings.time_zone;
        let midnight = schedule::day_start(schedule::local_date(snapshot.now, zone), zone);
        let is_calling = campaign.totals.in_progress_calls > 0;
        let alive = if is_calling { snapshot.alive_since(midnight)? } else { Vec::new() };
        let alive = alive.into_iter().filter(|(id, _)| *id == campaign.id).map(|(_, quarter)| (quarter, 1));
        let dials = today.iter().map(|slot| (slot.quarter, slot.calls)).chain(alive);
        Ok(Row {
            id: campaign.id,
            name: &settings.name,
            status: campaign.status,
            campaign_type: settings.campaign_type,
            priority: settings.priority,
            time_zone: zone.name(),
            calls_per_day: settings.calls_per_day,
            max_concurrent_calls: settings.max_concurrent_calls,
            budget: settings.budget,
            created_at: format_instant(campaign.created_at),
            updated_at: format_instant(campaign.updated_at),
            stats: stats::view_of(snapshot, campaign, calls_today, dialing, standing)?,
            today_by_hour: analytics::by_hour_of_day(zone, dials),
        })
    }
}

/// How many campaigns stand so.
#[derive(Default)]
struct Counts(Vec<State>);

impl Counts {
    fn add(&mut self, state: State) {
        self.0.push(state);
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::all().len()))?;
        for state in State::all() {
            map.serialize_entry(state, &self.0.iter().filter(|counted| *counted == state).count())?;
        }
        map.end()
    }
}

/// Everything at one look.
#[derive(Serialize, ToSchema)]
#[schema(as = Overview)]
struct View<'c> {
    /// Who places the calls.
    carrier: CarrierView,
    /// Calls alive now.
    #[schema(minimum = 0)]
    in_progress_calls: i64,
    /// Calls that may be alive at one time.
    lines: usize,
    /// Dials of each campaign on its own present day.
    #[schema(minimum = 0)]
    calls_today: i64,
    /// Those of them that have ended and were picked up.
    #[schema(minimum = 0)]
    answered_today: i64,
    /// What these cost.
    spent_today: Money,
    /// Whether the server dials.
    dialing: dialing::View,
    /// How many campaigns stand so, of those that the search finds.
    #[schema(schema_with = schemas::counts::<State>)]
    counts: Counts,
    /// The campaigns.
    campaigns: Vec<Row<'c>>,
}

/// Who places the calls.
#[derive(Serialize, ToSchema)]
#[schema(as = OverviewCarrier)]
struct CarrierView {
    /// The word stored with every call.
    driver: &'static str,
    /// Whether anybody's phone rings.
    real_calls: bool,
}

/// A campaign at one look.
#[derive(Serialize, ToSchema)]
#[schema(as = OverviewCampaign)]
struct Row<'c> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// What it is called.
    name: &'c str,
    /// Where it is in its life.
    status: Status,
    /// Who calls whom.
    campaign_type: CampaignType,
    /// Its share of scarce lines beside others.
    priority: Priority,
    /// Its own clock, an IANA name.
    time_zone: &'static str,
    /// Dials per calendar day of its time zone.
    calls_per_day: i64,
    /// Calls alive at one time.
    max_concurrent_calls: i64,
    /// What may be spent in all; null for no limit.
    budget: Option<Money>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last edited or changed status.
    #[schema(format = DateTime)]
    updated_at: String,
    /// What it has done and is doing.
    stats: stats::View,
    /// Dials of its present day by hour.
    #[schema(value_type = Vec<i64>, min_items = 24, max_items = 24)]
    today_by_hour: [i64; 24],
}
