//! The parameters that requests share, as the reference lists them. They are read elsewhere, by [`super::super::query`]
//! and the guards of headers.
#![allow(dead_code, reason = "nobody makes one: the reference is written from their fields")]

use super::schemas;
use crate::domain::analytics::Interval;
use crate::domain::call::Stage;
use crate::domain::campaign::{CampaignType, Priority, Status};
use crate::domain::delivery::DeliveryState;
use crate::domain::do_not_call::Source;
use crate::domain::gate::HoldReason;
use crate::domain::imports::OnDuplicate;
use crate::domain::lead::LeadStatus;
use crate::domain::outcome::Outcome;
use crate::domain::spreadsheet::Format;
use crate::domain::standing::State;
use utoipa::IntoParams;

/// The campaign that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct CampaignId {
    /// Id of the campaign.
    #[param(minimum = 1, example = 1)]
    id: i64,
}

/// The import that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct ImportId {
    /// Id of the campaign.
    #[param(minimum = 1, example = 1)]
    id: i64,
    /// Id of the import.
    #[param(minimum = 1, example = 3)]
    import_id: i64,
}

/// The prompt that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct PromptId {
    /// Id of the campaign.
    #[param(minimum = 1, example = 1)]
    id: i64,
    /// Id of the prompt.
    #[param(minimum = 1, example = 2)]
    prompt_id: i64,
}

/// The rehearsal that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct RehearsalId {
    /// Id of the campaign.
    #[param(minimum = 1, example = 1)]
    id: i64,
    /// Id of the rehearsal.
    #[param(minimum = 1, example = 3)]
    rehearsal_id: i64,
}

/// What a prompt is called.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PromptName {
    /// 1 to 200 characters.
    #[param(min_length = 1, max_length = 200, example = "Welcome")]
    name: String,
}

/// The lead that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct LeadId {
    /// Id of the lead.
    #[param(minimum = 1, example = 4)]
    id: i64,
}

/// The call that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct CallId {
    /// Id of the call.
    #[param(minimum = 1, example = 17)]
    id: i64,
}

/// The test call that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OtherCallId {
    /// Id of the call.
    #[param(minimum = 1, example = 3)]
    call_id: i64,
}

/// The conversation that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct ConversationId {
    /// Id of the conversation.
    #[param(minimum = 1, example = 5)]
    conversation_id: i64,
}

/// Of one batch.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OfBatch {
    /// Only those that were started together.
    #[param(minimum = 1)]
    batch_id: Option<i64>,
}

/// Of one lead.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OfLead {
    /// Only those of this lead.
    #[param(minimum = 1)]
    lead_id: Option<i64>,
}

/// The webhook that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct WebhookId {
    /// Id of the webhook.
    #[param(minimum = 1, example = 2)]
    id: i64,
}

/// The token that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct TokenId {
    /// Id of the token.
    #[param(minimum = 1, example = 2)]
    id: i64,
}

/// The trunk that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct TrunkId {
    /// Id of the trunk.
    #[param(minimum = 1, example = 2)]
    id: i64,
}

/// Whether what follows from a removal is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Confirm {
    /// That no phone rings any more, and all active campaigns are paused, is wanted.
    confirm: Option<bool>,
}

/// The delivery that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct DeliveryId {
    /// Id of the delivery.
    #[param(minimum = 1, example = 52)]
    id: i64,
}

/// The number that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct Number {
    /// The phone number, best with its country code. Without one it is read as a number of the server's default country.
    #[param(min_length = 1, example = "+12025550101")]
    number: String,
}

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Paging {
    /// Rows of a page; 100 unless said.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// Where the page begins: the cursor of the `Link` that the page before came with.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// A page of a list whose rows are told apart by their ids.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PagingById {
    /// Rows of a page; 100 unless said.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// Where the page begins: the cursor of the `Link` that the page before came with.
    #[param(minimum = 1)]
    cursor: Option<i64>,
}

/// Which campaigns, and in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CampaignFilter {
    /// Only those with this status.
    #[param(inline)]
    status: Option<Status>,
    /// Only those of this priority.
    #[param(inline)]
    priority: Option<Priority>,
    /// Only those of this type.
    #[param(inline)]
    campaign_type: Option<CampaignType>,
    /// Only those with this tag.
    #[param(min_length = 1)]
    tag: Option<String>,
    /// Only those with this text in their name or description.
    #[param(min_length = 1)]
    search: Option<String>,
    /// What they are sorted by; `created_at` unless said.
    #[param(inline)]
    sort: Option<schemas::Sort>,
    /// Upwards or downwards; `desc` unless said.
    #[param(inline)]
    order: Option<schemas::Order>,
    /// Rows of a page. Without `limit` and `cursor` all campaigns come at once.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// Where the page begins: the cursor of the `Link` that the page before came with.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Which leads of a campaign.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LeadFilter {
    /// Only those with this status.
    #[param(inline)]
    status: Option<LeadStatus>,
    /// Only those whose last call ended so.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Only those with this text in their number, names, email or company.
    #[param(min_length = 1)]
    search: Option<String>,
    /// Only those that this import brought.
    #[param(minimum = 1)]
    import_id: Option<i64>,
    /// Only those with this tag.
    #[param(min_length = 1)]
    tag: Option<String>,
    /// Only those that were put aside, or wait, for this reason.
    #[param(inline)]
    hold: Option<HoldReason>,
}

/// That a change is meant for all leads of a campaign.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AllLeads {
    /// Must be `true` to change all leads; left out where a filter says which.
    all: Option<bool>,
}

/// Which calls of a campaign.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CallFilter {
    /// Only those to this lead.
    #[param(minimum = 1)]
    lead_id: Option<i64>,
    /// Only those that ended so.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Only those that have come so far; `alive` for all that have not ended.
    #[param(inline)]
    state: Option<Stage>,
    /// Only those to a number or a name with this text in it.
    #[param(min_length = 1)]
    search: Option<String>,
    /// Only those placed from here on: an instant, or a date (UTC).
    #[param(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}", example = "2026-03-04")]
    from: Option<String>,
    /// Only those placed before: an instant, or a date (UTC) that is included.
    #[param(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}", example = "2026-03-04T17:00:00Z")]
    to: Option<String>,
}

/// Which days, and in which steps.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Days {
    /// The first day, on the campaign's clocks.
    #[param(format = Date, example = "2026-02-19")]
    from: Option<String>,
    /// The last day.
    #[param(format = Date, example = "2026-03-04")]
    to: Option<String>,
    /// How long the periods are; `day` unless said. There are 1,000 of them at most.
    #[param(inline)]
    interval: Option<Interval>,
}

/// Which campaigns are shown at one look.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OverviewFilter {
    /// Only those that stand so.
    #[param(inline)]
    state: Option<State>,
    /// Only those with this text in their name or description.
    #[param(min_length = 1)]
    search: Option<String>,
    /// Rows of a page; 100 unless said.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<u32>,
    /// Where the page begins: the cursor of the `Link` that the page before came with.
    #[param(pattern = "^[a-z]+\\.[0-9]{1,18}\\.[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// Whose webhooks are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Whose {
    /// `shared` for those that are told of every campaign, `all` for those of each campaign too; `shared` unless said.
    #[param(inline)]
    scope: Option<schemas::WebhookScope>,
}

/// Of one campaign.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OfCampaign {
    /// Only those of this campaign.
    #[param(minimum = 1)]
    campaign_id: Option<i64>,
}

/// Which kind of table.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct TableFormat {
    /// The kind of table; `csv` unless said.
    #[param(inline)]
    format: Option<Format>,
    /// Whether a CSV file begins with a byte-order mark, which Excel needs to see that it is UTF-8.
    bom: Option<bool>,
}

/// The country of numbers that name none.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct DefaultCountry {
    /// Country of numbers written without one, by its two letters; the server's default country unless said.
    #[param(pattern = "^[A-Za-z]{2}$", example = "US")]
    default_country: Option<String>,
}

/// How leads are imported.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ImportOptions {
    /// Country of numbers written without one, by its two letters; or `international` where all begin with their
    /// country code and only the `+` is missing, as spreadsheets leave them. The server's default country unless said.
    #[param(pattern = "^([A-Za-z]{2}|international)$", example = "US")]
    default_country: Option<String>,
    /// Only report what would become of the rows.
    dry_run: Option<bool>,
    /// What becomes of a row whose number the campaign has already; `skip` unless said.
    #[param(inline)]
    on_duplicate: Option<OnDuplicate>,
    /// Whether good rows come in when others are wrong; `true` for files and `false` for arrays unless said.
    partial: Option<bool>,
    /// Answer at once with 202 and work on; `Location` says where to look. Not for a dry run.
    r#async: Option<bool>,
    /// What columns become, by their heading, as a JSON object: a field of a lead, `full_name`, `variable:<name>` or
    /// `ignore`. Only for files.
    #[param(example = "{\"Handy\": \"phone\", \"Tarif\": \"variable:plan\", \"Id\": \"ignore\"}")]
    mapping: Option<String>,
    /// What separates the cells. Only for files; it is found out unless said.
    #[param(inline)]
    delimiter: Option<schemas::Delimiter>,
    /// Name of the sheet of a workbook; the first one with something in it unless said. Only for files.
    #[param(min_length = 1)]
    sheet: Option<String>,
}

/// Which deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct DeliveryFilter {
    /// Only those to this webhook.
    #[param(minimum = 1)]
    endpoint_id: Option<i64>,
    /// Only those that have come so far.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Only those of this type.
    #[param(inline)]
    r#type: Option<schemas::AnyEvent>,
}

/// Which changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AuditFilter {
    /// Only those made with this token.
    #[param(minimum = 1)]
    token_id: Option<i64>,
    /// Only those from then on: an instant, or a date in UTC.
    #[param(min_length = 1, example = "2026-03-04")]
    since: Option<String>,
}

/// Which numbers of the do-not-call list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ListFilter {
    /// Only those with these digits in them, or with this text in their reason.
    #[param(min_length = 1)]
    search: Option<String>,
    /// Only those that came so.
    #[param(inline)]
    source: Option<Source>,
}

/// Why a number comes off the do-not-call list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RemovalReason {
    /// Why the number may be called again; it is kept.
    #[param(min_length = 1, max_length = 500, example = "asked by letter to be called again")]
    reason: String,
}

/// A read that may be answered with 304.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct IfNoneMatch {
    /// An `ETag` that the client has; the answer is 304 while it is still the present one.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// A part of a file.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct Range {
    /// Which bytes, such as `bytes=0-99999`; several parts at once are answered with the whole.
    #[param(rename = "Range", example = "bytes=0-99999")]
    range: Option<String>,
    /// The `ETag` of the file that the part is wanted of; where it is another one now, all of it is sent.
    #[param(rename = "If-Range")]
    if_range: Option<String>,
}

/// A change of what the client saw.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct IfMatch {
    /// The `ETag` that the change is meant for; the answer is 412 when somebody else has changed it meanwhile.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// A request that may be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct IdempotencyKey {
    /// Makes it safe to send the request again: for 24 hours the same key is answered with the first answer.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!#-~]([ -~]{0,253}[!-~])?$",
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324"
    )]
    idempotency_key: Option<String>,
}

/// A listener that comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct LastEventId {
    /// The `id` of the last event that was heard; what came after it is told first.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}
