//! A campaign as it is at one moment, with everything that its calls depend on. Never changes, so that it can be played many
//! times, and knows nobody's name that no script says.

use crate::domain::Instant;
use crate::domain::agent::AgentKind;
use crate::domain::call::Call;
use crate::domain::campaign::{Campaign, CampaignType, LeadTimeZonePolicy, Status};
use crate::domain::gate::{Gate, HoldReason, Rules};
use crate::domain::guard::Guard;
use crate::domain::lead::{Lead, LeadStatus, NewLead};
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use crate::domain::rehearsal::Trunk;
use crate::domain::script::{self, Template};
use crate::store::{Copied, Snapshot, StoreError};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::Map;
use std::collections::{HashMap, HashSet};
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
    pub(super) leads: Vec<Lead>,
    /// When leads that were put aside may be called again.
    pub(super) again_at: HashMap<i64, Instant>,
    /// Of each lead, where its campaign, its zone and its number are.
    pub(super) places: Vec<Place>,
    pub(super) numbers: Vec<Known>,
    pub(super) number_of: HashMap<Phone, u32>,
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
    /// When it was called in the last day, the oldest first.
    pub(super) called: Vec<Instant>,
    /// The newest lead that has it.
    pub(super) lead: u32,
}

impl Copy {
    /// Copies a campaign, with these settings and as if it were active, beside all others that are.
    pub fn of(snapshot: &Snapshot, campaign: Campaign, trunk: Trunk) -> Result<Copy, CopyError> {
        let open = |id| snapshot.open_leads(id).map(|count| usize::try_from(count).unwrap_or(0));
        let mut count = open(campaign.id)?;
        if count > LEADS_MAX {
            return Err(CopyError::TooLarge(count));
        }
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
        }
        let overall = snapshot.overall()?;
        let seats = i64::try_from(overall.agents.seats).ok().filter(|seats| *seats > 0);
        let talks =
            |campaign: &Campaign| Gate::new(campaign, 0, overall, snapshot.now).agent() == AgentKind::Ai;
        let has_agent = talks(&campaign);
        let mut copy = Copy {
            campaigns: Vec::new(),
            leads: Vec::new(),
            again_at: HashMap::new(),
            places: Vec::new(),
            numbers: Vec::new(),
            number_of: HashMap::new(),
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
            let said = Said::of(&campaign);
            let copied = snapshot.copy_leads_of(campaign.id, |lead| said.trim(&mut lead.about))?;
            copy.add(campaign, copied);
        }
        let phones: HashSet<Phone> = copy.number_of.keys().copied().collect();
        for phone in snapshot.suppressed_among(&phones)? {
            copy.numbers[copy.number_of[&phone] as usize].is_suppressed = true;
        }
        for (phone, called) in snapshot.called_lately(&phones)? {
            copy.numbers[copy.number_of[&phone] as usize].called = called;
        }
        Ok(copy)
    }

    /// The same with leads that are not there yet, of whom only is known how many they are.
    pub fn with_assumed_leads(mut self, count: usize) -> Copy {
        let campaign = &self.campaigns[0].campaign;
        let zone = match campaign.settings.lead_time_zone_policy {
            LeadTimeZonePolicy::Lead => Some(campaign.settings.time_zone),
            LeadTimeZonePolicy::Campaign => None,
        };
        let said = Said::of(campaign);
        let (id, now) = (campaign.id, self.made_at);
        let leads = (0..count).map(|nth| Lead {
            id: -(nth as i64) - 1,
            campaign_id: id,
            about: NewLead { time_zone: zone, variables: said.stand_ins(), ..NewLead::bare(assumed(nth)) },
            status: LeadStatus::Pending,
            outcome: None,
            attempts: 0,
            next_call_at: Some(now),
            wait_reason: None,
            held: None,
            erased_at: None,
            import_id: None,
            created_at: now,
            updated_at: now,
        });
        let leads: Vec<Lead> = leads.collect();
        self.put_leads(0, leads, |_| None);
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

    fn add(&mut self, mut campaign: Campaign, copied: Copied) {
        let Copied { leads, again_at, mut alive, dialed } = copied;
        let known: HashSet<i64> = leads.iter().map(|lead| lead.id).collect();
        alive.retain(|call| known.contains(&call.lead_id));
        campaign.totals.in_progress_calls = alive.len() as i64;
        campaign.totals.reserved = alive.iter().fold(Money::ZERO, |sum, call| sum + call.price);
        let index = self.campaigns.len();
        self.campaigns.push(Part { rules: Rules::of(&campaign), campaign, zones: Vec::new(), dialed });
        self.alive.extend(alive);
        self.again_at.extend(again_at);
        let guard = self.guard.clone();
        self.put_leads(index, leads, move |phone| guard.refusal(phone));
    }

    fn put_leads(&mut self, index: usize, leads: Vec<Lead>, refusal: impl Fn(Phone) -> Option<HoldReason>) {
        let part = &mut self.campaigns[index];
        let name = |lead: &Lead| lead.about.time_zone.map_or("", Tz::name);
        let mut zones: Vec<&str> = leads.iter().map(name).collect();
        zones.extend(part.zones.iter().map(String::as_str));
        zones.sort_unstable();
        zones.dedup();
        let zones: Vec<String> = zones.into_iter().map(str::to_owned).collect();
        // Those of leads that are there already may have moved.
        for place in self.places.iter_mut().filter(|place| place.campaign as usize == index) {
            let name = &part.zones[place.zone as usize];
            place.zone = zones.binary_search(name).unwrap_or(0) as u32;
        }
        for lead in &leads {
            let at = self.places.len() as u32;
            let phone = lead.about.phone;
            let number = *self.number_of.entry(phone).or_insert_with(|| {
                self.numbers.push(Known { refusal: refusal(phone), lead: at, ..Known::default() });
                self.numbers.len() as u32 - 1
            });
            let same_number = std::mem::replace(&mut self.numbers[number as usize].lead, at);
            let zone = zones.binary_search_by(|known| known.as_str().cmp(name(lead))).unwrap_or(0) as u32;
            self.places.push(Place { campaign: index as u32, zone, number, same_number });
        }
        self.campaigns[index].zones = zones;
        self.leads.extend(leads);
    }
}

/// A number that stands for one that is not known yet.
fn assumed(nth: usize) -> Phone {
    const FIRST: u64 = 100_000_000_000;
    Phone::from_digits(FIRST + nth as u64).unwrap_or(Phone::erased(nth as i64))
}

/// What the scripts of a campaign say of a lead.
struct Said(Vec<String>);

impl Said {
    fn of(campaign: &Campaign) -> Said {
        let settings = &campaign.settings;
        let scripts = [Some(&settings.script_template), settings.fallback_script.as_ref()];
        let templates = scripts.into_iter().flatten().filter_map(|text| Template::parse(text).ok());
        let names = |template: &Template| {
            template.variables().iter().map(|variable| variable.name.clone()).collect::<Vec<_>>()
        };
        Said(templates.flat_map(|template| names(&template)).collect())
    }

    fn says(&self, names: &[&str]) -> bool {
        self.0.iter().any(|said| names.contains(&said.as_str()))
    }

    /// Takes away what is not said.
    fn trim(&self, about: &mut NewLead) {
        (about.notes, about.language, about.tags) = (None, None, Vec::new());
        about.variables.retain(|name, _| self.0.contains(&script::normal_name(name)));
        if !self.says(&["email"]) {
            about.email = None;
        }
        if !self.says(&["company_name"]) {
            about.company_name = None;
        }
        if !self.says(&["customer_name", "name", "first_name", "last_name"]) {
            (about.first_name, about.last_name) = (None, None);
        }
    }

    /// A word for everything that is said.
    fn stand_ins(&self) -> Map<String, serde_json::Value> {
        self.0.iter().map(|name| (name.clone(), "something".into())).collect()
    }
}
