//! Prompts: sounds that were uploaded to be played on the calls of a campaign.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::campaign::Campaign;
use rusqlite::{OptionalExtension, params};
use std::sync::Arc;

/// A sound, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Never reused.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Its length.
    pub samples: i64,
    /// When it was uploaded.
    pub created_at: Instant,
}

impl Snapshot<'_> {
    /// The prompts of a campaign, the newest first.
    pub fn prompts(&self, campaign_id: i64) -> Result<Vec<Prompt>, StoreError> {
        let sql =
            "SELECT id, name, length(sound), created_at FROM prompts WHERE campaign_id = ?1 ORDER BY id DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([campaign_id], |row| {
            let mut cells = Cells::of(row);
            Ok(Prompt {
                id: cells.get()?,
                name: cells.get()?,
                samples: cells.get()?,
                created_at: cells.instant()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sound of a campaign's prompt: G.711 mu-law, 8,000 samples a second.
    pub fn prompt_sound(&self, campaign_id: i64, id: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        let sql = "SELECT sound FROM prompts WHERE id = ?1 AND campaign_id = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let sound: Option<Vec<u8>> =
            statement.query_row(params![id, campaign_id], |row| row.get(0)).optional()?;
        Ok(sound.map(Into::into))
    }
}

impl Tx<'_> {
    /// Keeps a sound; the answer is its id.
    pub fn insert_prompt(&self, campaign_id: i64, name: &str, sound: &[u8]) -> Result<i64, StoreError> {
        let sql = "INSERT INTO prompts (campaign_id, name, sound, created_at) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![campaign_id, name, sound, ms(self.now)])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Removes a prompt of a campaign; false if there is none.
    pub fn delete_prompt(&self, campaign_id: i64, id: i64) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM prompts WHERE id = ?1 AND campaign_id = ?2", [id, campaign_id])? > 0)
    }

    /// Gives a copy that was just made of a campaign the prompts that the original plays.
    pub fn copy_prompts(&self, original: &Campaign, mut copy: Campaign) -> Result<Campaign, StoreError> {
        let take = |id: Option<i64>| {
            let Some(id) = id else { return Ok(None) };
            let sql = "INSERT INTO prompts (campaign_id, name, sound, created_at)
                       SELECT ?2, name, sound, ?3 FROM prompts WHERE id = ?1";
            let copied = self.execute(sql, params![id, copy.id, ms(self.now)])?;
            Ok::<_, StoreError>((copied > 0).then(|| self.connection.last_insert_rowid()))
        };
        let (script, fallback) = (original.settings.script_prompt, original.settings.fallback_prompt);
        let script_prompt = take(script)?;
        let fallback_prompt = if fallback == script { script_prompt } else { take(fallback)? };
        let sql = "UPDATE campaigns SET script_prompt = ?2, fallback_prompt = ?3 WHERE id = ?1";
        self.execute(sql, params![copy.id, script_prompt, fallback_prompt])?;
        copy.settings.script_prompt = script_prompt;
        copy.settings.fallback_prompt = fallback_prompt;
        Ok(copy)
    }
}
