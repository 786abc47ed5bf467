//! A campaign as it is at one moment, with everything that its calls depend on. Never changes, so that it can be played many
//! times, and knows nobody's name that no script says.

use crate::domain::Instant;
use crate::domain::agent::AgentKind;
use crate::domain::call::Call;
use crate::domain::campaign::{Campaign, CampaignType, LeadTimeZonePolicy, Status};
use crate::domain::gate::{Gate, HoldReason, Rules};
use crate::domain::guard::Guard;
use crate::domain::lead::{DEFAULT_PRIORITY, Lead, LeadStatus, NewLead};
use crate::domain::money::Money;
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::rehearsal::Trunk;
use crate::domain::schedule::TimeOfDay;
use crate::domain::script::Template;
use crate::store::{Copied, Snapshot, StoreError, read_held};
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Leads of all campaigns that one copy has, at most.
pub const LEADS_MAX: usize = 500_000;

/// Why a campaign cannot be copied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyError {
    /// It is too large.
    #[error("the campaign has {0} leads to call; at most {LEADS_MAX} are rehearsed")]
    TooLarge(usize),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A campaign with its open leads, beside the active ones that share lines, money and numbers with it.
pub struct Copy {
    /// The one that is rehearsed comes first.
    pub(super) campaigns: Vec<Part>,
    pub(super) leads: Vec<Open>,
    pub(super) lead_index: HashMap<i64, u32>,
    /// When leads that were put aside may be called again.
    pub(super) again_at: HashMap<i64, Instant>,
    /// Of each lead, where its campaign, its zone and its number are.
    pub(super) places: Vec<Place>,
    pub(super) numbers: Vec<Known>,
    pub(super) number_of: HashMap<Phone, u32>,
    /// Which number was called when, in the last day and in milliseconds; in order.
    called: Vec<(u32, i64)>,
    pub(super) alive: Vec<Call>,
    pub(super) spent: Vec<(NaiveDate, Money, Money)>,
    pub(super) guard: Arc<Guard>,
    pub(super) trunk: Trunk,
    /// When it was made.
    pub(super) made_at: Instant,
    /// Other campaigns dial as well and are not in it.
    is_alone: bool,
    /// Conversations that its agent holds at one time, where one talks on its calls; none where nobody has said how many.
    seats: Option<i64>,
    has_agent: bool,
}

/// One campaign.
pub(super) struct Part {
    pub(super) campaign: Campaign,
    pub(super) rules: Arc<Rules>,
    /// The zones that its leads name, in order; the empty name stands for none.
    pub(super) zones: Vec<String>,
    pub(super) dialed: Vec<(NaiveDate, i64)>,
    said: Said,
}

/// An open lead, with no more of it than is asked for: there are many.
pub(super) struct Open {
    pub(super) id: i64,
    pub(super) phone: Phone,
    pub(super) status: LeadStatus,
    pub(super) outcome: Option<Outcome>,
    pub(super) attempts: i64,
    pub(super) next_call_at: Option<Instant>,
    pub(super) wait_reason: Option<HoldReason>,
    pub(super) held: Option<HoldReason>,
    pub(super) priority: u8,
    pub(super) best_time_to_call: Option<TimeOfDay>,
    time_zone: Option<Tz>,
    /// What the scripts say of it: the name's place in [`Said`], and its value.
    words: Box<[(u16, Box<str>)]>,
}

/// Where what belongs to a lead is found.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) campaign: u32,
    pub(super) zone: u32,
    pub(super) number: u32,
    /// Another lead with the same number; itself where there is no other.
    pub(super) same_number: u32,
}

/// What is known of a number.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub(super) is_suppressed: bool,
    pub(super) refusal: Option<HoldReason>,
    /// When it was called since the copy was made, the oldest first.
    pub(super) called: Vec<Instant>,
    /// The newest lead that has it.
    pub(super) lead: u32,
}

impl Copy {
    /// Copies a campaign, with these settings and as if it were active, beside all others that are.
    pub fn of(snapshot: &Snapshot, campaign: Campaign, trunk: Trunk) -> Result<Copy, CopyError> {
        let open = |id| snapshot.open_leads(id).map(|count| usize::try_from(count).unwrap_or(0));
        let own = open(campaign.id)?;
        if own > LEADS_MAX {
            return Err(CopyError::TooLarge(own));
        }
        let mut count = own;
        let mut siblings = snapshot.active_campaigns()?;
        siblings.retain(|other| {
            other.id != campaign.id && other.settings.campaign_type == CampaignType::Outbound
        });
        for sibling in &siblings {
            count += open(sibling.id)?;
        }
        let is_alone = count > LEADS_MAX;
        if is_alone {
            siblings.clear();
            count = own;
        }
        let overall = snapshot.overall()?;
        let seats = i64::try_from(overall.agents.seats).ok().filter(|seats| *seats > 0);
        let talks =
            |campaign: &Campaign| Gate::new(campaign, 0, overall, snapshot.now).agent() == AgentKind::Ai;
        let has_agent = talks(&campaign);
        let mut copy = Copy {
            campaigns: Vec::new(),
            leads: Vec::with_capacity(count),
            lead_index: HashMap::with_capacity(count),
            again_at: HashMap::new(),
            places: Vec::with_capacity(count),
            numbers: Vec::with_capacity(count),
            number_of: HashMap::with_capacity(count),
            called: Vec::new(),
            alive: Vec::new(),
            spent: snapshot.spent_since_today()?,
            guard: snapshot.guard(),
            trunk,
            made_at: snapshot.now,
            is_alone,
            seats: seats.filter(|_| has_agent),
            has_agent,
        };
        let campaign = Campaign { status: Status::Active, status_reason: None, ..campaign };
        for mut campaign in std::iter::once(campaign).chain(siblings) {
            // Where an agent talks, no more calls are alive than it holds conversations.
            if let Some(seats) = seats.filter(|_| talks(&campaign)) {
                let lines = &mut campaign.settings.max_concurrent_calls;
                *lines = seats.min(*lines);
            }
            copy.add(snapshot, campaign)?;
        }
        for phone in snapshot.suppressed_among(copy.number_of.keys().copied())? {
            copy.numbers[copy.number_of[&phone] as usize].is_suppressed = true;
        }
        let (called, number_of) = (&mut copy.called, &copy.number_of);
        snapshot.called_lately(|phone, at| {
            called.extend(number_of.get(&phone).map(|number| (*number, at.timestamp_millis())));
        })?;
        copy.called.sort_unstable();
        Ok(copy)
    }

    /// The same with leads that are not there yet, of whom only is known how many they are.
    pub fn with_assumed_leads(mut self, count: usize) -> Copy {
        let Part { campaign, said, .. } = &self.campaigns[0];
        let time_zone = match campaign.settings.lead_time_zone_policy {
            LeadTimeZonePolicy::Lead => Some(campaign.settings.time_zone),
            LeadTimeZonePolicy::Campaign => None,
        };
        let first = self.leads.len();
        self.leads.extend((0..count).map(|nth| Open {
            id: -(nth as i64) - 1,
            phone: assumed(nth),
            status: LeadStatus::Pending,
            outcome: None,
            attempts: 0,
            next_call_at: Some(self.made_at),
            wait_reason: None,
            held: None,
            priority: DEFAULT_PRIORITY as u8,
            best_time_to_call: None,
            time_zone,
            words: said.stand_ins(),
        }));
        self.place_leads(0, first, |_| None);
        self
    }

    /// Whether there are others that dial and are not in it, because they are too large.
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Whether an agent is to talk although none is there.
    pub fn lacks_agent(&self) -> bool {
        self.has_agent && self.seats.is_none()
    }

    /// Whether it is the agent that holds no more conversations, where the campaign has no more calls alive.
    pub(super) fn is_bound_by_agents(&self) -> bool {
        self.seats == Some(self.campaign().settings.max_concurrent_calls)
    }

    /// How many open leads the campaign has in it.
    pub fn leads(&self) -> usize {
        self.places.iter().filter(|place| place.campaign == 0).count()
    }

    /// The campaign that is rehearsed, as it is rehearsed.
    pub fn campaign(&self) -> &Campaign {
        &self.campaigns[0].campaign
    }

    /// The lines that it is rehearsed with.
    pub fn trunk(&self) -> Trunk {
        self.trunk
    }

    /// When a number was called in the last day before the copy was made, the newest first.
    pub(super) fn called(&self, number: u32) -> impl Iterator<Item = Instant> {
        let from = self.called.partition_point(|(known, _)| *known < number);
        let until = self.called.partition_point(|(known, _)| *known <= number);
        self.called[from..until].iter().rev().filter_map(|(_, at)| DateTime::from_timestamp_millis(*at))
    }

    /// A lead as the database would show it, with the words of its own that scripts say.
    pub(super) fn lead(&self, at: u32) -> Lead {
        let Open { id, phone, status, outcome, attempts, next_call_at, wait_reason, .. } =
            self.leads[at as usize];
        let Open { priority, best_time_to_call, time_zone, words, .. } = &self.leads[at as usize];
        let Part { campaign, said, .. } = &self.campaigns[self.places[at as usize].campaign as usize];
        let variables = words.iter().map(|(name, value)| (said.0[*name as usize].clone(), (&**value).into()));
        Lead {
            id,
            campaign_id: campaign.id,
            about: NewLead {
                time_zone: *time_zone,
                priority: i64::from(*priority),
                best_time_to_call: *best_time_to_call,
                variables: variables.collect(),
                ..NewLead::bare(phone)
            },
            status,
            outcome,
            attempts,
            next_call_at,
            wait_reason,
            held: None,
            erased_at: None,
            import_id: None,
            created_at: self.made_at,
            updated_at: self.made_at,
        }
    }

    fn add(&mut self, snapshot: &Snapshot, mut campaign: Campaign) -> Result<(), StoreError> {
        let (said, first) = (Said::of(&campaign), self.leads.len());
        let copied = snapshot.copy_leads_of(campaign.id, |lead| self.leads.push(Open::of(&lead, &said)))?;
        let Copied { again_at, mut alive, dialed } = copied;
        let leads = &self.leads[first..];
        alive.retain(|call| leads.binary_search_by_key(&call.lead_id, |lead| lead.id).is_ok());
        campaign.totals.in_progress_calls = alive.len() as i64;
        campaign.totals.reserved = alive.iter().fold(Money::ZERO, |sum, call| sum + call.price);
        let index = self.campaigns.len();
        let rules = Rules::of(&campaign);
        self.campaigns.push(Part { rules, campaign, zones: Vec::new(), dialed, said });
        self.alive.extend(alive);
        self.again_at.extend(again_at);
        let guard = self.guard.clone();
        self.place_leads(index, first, move |phone| guard.refusal(phone));
        Ok(())
    }

    /// Finds the places of the leads of a campaign from the `first` on.
    fn place_leads(&mut self, index: usize, first: usize, refusal: impl Fn(Phone) -> Option<HoldReason>) {
        let part = &mut self.campaigns[index];
        let leads = &self.leads[first..];
        let name = |lead: &Open| lead.time_zone.map_or("", Tz::name);
        let mut zones: BTreeSet<&str> = leads.iter().map(name).collect();
        zones.extend(part.zones.iter().map(String::as_str));
        let zones: Vec<String> = zones.into_iter().map(str::to_owned).collect();
        // Those of leads that are there already may have moved.
        for place in self.places.iter_mut().filter(|place| place.campaign as usize == index) {
            let name = &part.zones[place.zone as usize];
            place.zone = zones.binary_search(name).unwrap_or(0) as u32;
        }
        for lead in leads {
            let at = self.places.len() as u32;
            let number = *self.number_of.entry(lead.phone).or_insert_with(|| {
                self.numbers.push(Known { refusal: refusal(lead.phone), lead: at, ..Known::default() });
                self.numbers.len() as u32 - 1
            });
            let same_number = std::mem::replace(&mut self.numbers[number as usize].lead, at);
            let zone = zones.binary_search_by(|known| known.as_str().cmp(name(lead))).unwrap_or(0) as u32;
            self.places.push(Place { campaign: index as u32, zone, number, same_number });
            self.lead_index.insert(lead.id, at);
        }
        self.campaigns[index].zones = zones;
    }
}

impl Open {
    fn of(lead: &Lead, said: &Said) -> Open {
        Open {
            id: lead.id,
            phone: lead.about.phone,
            status: lead.status,
            outcome: lead.outcome,
            attempts: lead.attempts,
            next_call_at: lead.next_call_at,
            wait_reason: lead.wait_reason,
            held: lead.held.as_deref().and_then(read_held).map(|(reason, _)| reason),
            priority: lead.about.priority.clamp(1, 5) as u8,
            best_time_to_call: lead.about.best_time_to_call,
            time_zone: lead.about.time_zone,
            words: said.words_of(&lead.about),
        }
    }
}

/// A number that stands for one that is not known yet.
fn assumed(nth: usize) -> Phone {
    const FIRST: u64 = 100_000_000_000;
    Phone::from_digits(FIRST + nth as u64).unwrap_or(Phone::erased(nth as i64))
}

/// What the scripts of a campaign say of a lead: names in their comparison form.
struct Said(Vec<String>);

impl Said {
    fn of(campaign: &Campaign) -> Said {
        let settings = &campaign.settings;
        let scripts = [Some(&settings.script_template), settings.fallback_script.as_ref()];
        let templates = scripts.into_iter().flatten().filter_map(|text| Template::parse(text).ok());
        let names = |template: &Template| {
            template.variables().iter().map(|variable| variable.name.clone()).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = templates.flat_map(|template| names(&template)).collect();
        Said(names.into_iter().collect())
    }

    fn words_of(&self, about: &NewLead) -> Box<[(u16, Box<str>)]> {
        let words = self.0.iter().enumerate();
        words.filter_map(|(name, said)| Some((name as u16, about.value(said)?.into_boxed_str()))).collect()
    }

    /// A word for everything that is said.
    fn stand_ins(&self) -> Box<[(u16, Box<str>)]> {
        (0..self.0.len()).map(|name| (name as u16, "something".into())).collect()
    }
}
