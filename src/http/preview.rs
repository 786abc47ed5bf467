//! What a lead would hear, before anybody is called.

use super::answer::Answer;
use super::auth::ReadScope;
use super::body::{Body, BodyHead, JSON_MAX};
use super::campaigns;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::campaign::{self, Campaign};
use crate::domain::fields::{self, Fields, Parsed};
use crate::domain::invalid::Invalid;
use crate::domain::script_lint::{self, Occasion, Sample, Warning};
use crate::domain::script_preview::{Case, Preview, Scripts, Values};
use crate::store::Snapshot;
use crate::store::pool::Db;
use rocket::{Route, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![preview]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(preview))]
pub(super) struct Reference;

/// Shows what a lead would hear.
///
/// Nobody is called and nothing is changed.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/preview",
    operation_id = "preview_script",
    params(parameters::CampaignId),
    request_body = schemas::PreviewRequest,
    security(("token" = ["read"]), ("session" = ["read"])),
    responses((status = 200, body = View, description = "What would be said."))
)]
#[post("/voice-campaigns/<id>/preview", data = "<body>")]
async fn preview(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    head: BodyHead,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json(body, JSON_MAX).await?.value().await?;
    query.finish()?;
    let id = id.to_owned();
    let (filling, campaign) = db
        .read(move |snapshot| {
            let mut campaign = campaigns::existing(snapshot, &id)?;
            let asked = Asked::read(body, &mut campaign)?;
            Ok::<_, ApiError>((asked.found(snapshot, &campaign)?, campaign))
        })
        .await?;
    let leads = campaigns::sample(db, &campaign).await?;
    let scripts = Scripts::of(&campaign.settings)?;
    let previews = match filling {
        Filling::With(case, values) => vec![scripts.preview(case, &values, &leads)],
        Filling::WorstCases => {
            let longest = db.longest_values(campaign.id).await?;
            [
                (Case::LongestValues, longest),
                (Case::EmptyValues, Values::default()),
                (Case::OddCharacters, Values::odd(scripts.names().into_iter())),
            ]
            .map(|(case, values)| scripts.preview(case, &values, &leads))
            .into()
        }
    };
    let warnings = script_lint::lint(&campaign.settings, &leads, Occasion::Activated);
    Answer::ok(&View::of(previews, warnings, &leads))
}

/// What is to be shown.
enum Asked {
    Lead(i64),
    Values(Values),
    WorstCases,
}

/// The same, with the lead looked up.
enum Filling {
    With(Case, Values),
    WorstCases,
}

impl Asked {
    /// Reads the body. Scripts in it take the place of the campaign's own.
    fn read(body: Value, campaign: &mut Campaign) -> Result<Asked, Invalid> {
        let mut f = Fields::of(body)?;
        let lead_id =
            f.optional("lead_id", None, None, |value| fields::integer(1, i64::MAX)(value).map(Some));
        let values = f.optional("values", None, None, |value| Values::read(value).map(Some));
        let worst_cases = f.optional("worst_cases", false, false, flag);
        let settings = &mut campaign.settings;
        let (script, fallback) = (settings.script_template.clone(), settings.fallback_script.clone());
        settings.script_template = f.optional("script_template", script.clone(), script, campaign::template);
        settings.fallback_script = f.optional("fallback_script", fallback, None, campaign::optional_template);
        let asked = match (lead_id, values, worst_cases) {
            (Some(id), None, false) => Some(Asked::Lead(id)),
            (None, Some(values), false) => Some(Asked::Values(values)),
            (None, None, true) => Some(Asked::WorstCases),
            _ if f.has_problems() => None,
            _ => f.problem("body", "must have exactly one of `lead_id`, `values` and `worst_cases`: true"),
        };
        f.finish(asked)
    }

    fn found(self, snapshot: &Snapshot, campaign: &Campaign) -> Result<Filling, ApiError> {
        Ok(match self {
            Asked::Lead(id) => {
                let lead = snapshot.lead(id)?.filter(|lead| lead.campaign_id == campaign.id);
                let none = || Invalid::one("lead_id", format!("the campaign has no lead {id}"));
                Filling::With(Case::Lead, Values::of_lead(&lead.ok_or_else(none)?.about))
            }
            Asked::Values(values) => Filling::With(Case::Values, values),
            Asked::WorstCases => Filling::WorstCases,
        })
    }
}

fn flag(value: &Value) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| format!("must be true or false, not {}", fields::kind(value)))
}

/// What a lead would hear.
#[derive(Serialize, ToSchema)]
#[schema(as = Previews)]
struct View {
    /// What would be said, for each case.
    #[schema(value_type = Vec<schemas::Preview>)]
    previews: Vec<Preview>,
    /// What may be wrong with the scripts.
    #[schema(value_type = Vec<schemas::ScriptWarning>)]
    warnings: Vec<Warning>,
    /// Leads that `unknown` and the warnings are drawn from.
    leads_looked_at: usize,
    /// Leads there are.
    total_leads: i64,
}

impl View {
    fn of(previews: Vec<Preview>, warnings: Vec<Warning>, leads: &Sample) -> View {
        View { previews, warnings, leads_looked_at: leads.looked_at, total_leads: leads.total }
    }
}
