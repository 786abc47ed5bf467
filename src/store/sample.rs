//! What the leads of a campaign have values for, from some of them: a script is looked over while somebody waits.

use super::leads::{lead_columns, read};
use super::{Snapshot, Store, StoreError};
use crate::domain::fields::Words;
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::script_lint::Sample;
use crate::domain::script_preview::Values;
use rusqlite::params;

/// Leads of each status that are looked at from either end.
const AT_EACH_END: usize = 2_000;
/// Leads among which the longest values are looked for.
const LONGEST_AMONG: usize = 100_000;
const PAGE: usize = 500;

impl Snapshot<'_> {
    /// What a campaign's leads have: of each status the oldest and the newest are looked at.
    pub fn lead_sample(&self, campaign_id: i64) -> Result<Sample, StoreError> {
        let mut sample = Sample::default();
        for (status, count) in self.lead_counts(campaign_id)? {
            sample.total += count;
            if count == 0 {
                continue;
            }
            let oldest = self.leads_at_end(OLDEST, campaign_id, status, 0)?;
            let last = oldest.last().map_or(0, |lead| lead.id);
            let newest = match oldest.len() {
                AT_EACH_END => self.leads_at_end(NEWEST, campaign_id, status, last)?,
                _ => Vec::new(),
            };
            for lead in oldest.iter().chain(&newest) {
                sample.add(&lead.about, status.is_open());
            }
        }
        Ok(sample)
    }

    fn leads_at_end(
        &self,
        sql: &str,
        campaign_id: i64,
        status: LeadStatus,
        after: i64,
    ) -> Result<Vec<Lead>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(params![campaign_id, status.word(), after, AT_EACH_END as i64], read)?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    fn leads_after(&self, campaign_id: i64, after: i64) -> Result<Vec<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.id > ?2 AND l.deleted_at IS NULL AND l.erased_at IS NULL
             ORDER BY l.id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, after, PAGE as i64], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

macro_rules! at_end {
    ($direction:literal) => {
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.status = ?2 AND l.deleted_at IS NULL AND l.id > ?3
             AND l.erased_at IS NULL ORDER BY l.id ",
            $direction,
            " LIMIT ?4"
        )
    };
}

const OLDEST: &str = at_end!("ASC");
const NEWEST: &str = at_end!("DESC");

impl Store {
    /// Of every name the value that a lead of a campaign has and that takes longest to say, among the oldest hundred
    /// thousand leads. Reads page by page, so that other reads come in between.
    pub async fn longest_values(&self, campaign_id: i64) -> Result<Values, StoreError> {
        let (mut longest, mut after) = (Values::default(), 0);
        for _ in 0..LONGEST_AMONG / PAGE {
            let page = self.read(move |snapshot| {
                let leads = snapshot.leads_after(campaign_id, after)?;
                leads.iter().for_each(|lead| longest.keep_longest(&lead.about));
                let next = leads.last().filter(|_| leads.len() == PAGE).map(|lead| lead.id);
                Ok::<_, StoreError>((longest, next))
            });
            let next;
            (longest, next) = page.await?;
            match next {
                Some(last) => after = last,
                None => break,
            }
        }
        Ok(longest)
    }
}
