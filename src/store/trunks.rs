//! Trunks that were added while the server runs, in the order in which they are asked. Their passwords are sealed.

use super::history::CARRIER_SINCE;
use super::row::{Cells, json_text, ms};
use super::seal::Vault;
use super::{Snapshot, StoreError, Tx};
use crate::domain::campaign::Status;
use crate::domain::event::Event;
use crate::domain::trunk::{Password, Trunk, TrunkSettings};
use rusqlite::{OptionalExtension, Row, params};

macro_rules! columns {
    () => {
        "SELECT id, settings, password, created_at, updated_at FROM trunks "
    };
}

fn place(id: i64) -> String {
    format!("trunks/{id}")
}

fn read(vault: &Vault) -> impl Fn(&Row) -> rusqlite::Result<Trunk> {
    move |row| {
        let mut cells = Cells::of(row);
        let c = &mut cells;
        let id = c.get()?;
        Ok(Trunk {
            id,
            settings: c.text(|text| serde_json::from_str(text).ok())?,
            password: match c.get::<Option<String>>()? {
                None => Password::None,
                Some(sealed) => match vault.unseal(&place(id), &sealed) {
                    Some(text) => Password::Known(crate::domain::secret::Secret::new(text)),
                    None => Password::Locked,
                },
            },
            created_at: c.instant()?,
            updated_at: c.instant()?,
        })
    }
}

impl Snapshot<'_> {
    /// All trunks, in the order in which they are asked.
    pub fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        let mut statement = self.connection.prepare_cached(concat!(columns!(), "ORDER BY position, id"))?;
        let rows = statement.query_map([], read(&self.watch.vault))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One of them.
    pub fn trunk(&self, id: i64) -> Result<Option<Trunk>, StoreError> {
        let mut statement = self.connection.prepare_cached(concat!(columns!(), "WHERE id = ?1"))?;
        Ok(statement.query_row([id], read(&self.watch.vault)).optional()?)
    }

    fn existing_trunk(&self, id: i64) -> Result<Trunk, StoreError> {
        self.trunk(id)?.ok_or_else(|| StoreError::Failed(format!("trunk {id} vanished")))
    }
}

impl Tx<'_> {
    /// Adds a trunk, the last one.
    pub fn insert_trunk(
        &self,
        settings: &TrunkSettings,
        password: Option<&Password>,
    ) -> Result<Trunk, StoreError> {
        let sql = "INSERT INTO trunks (position, settings, created_at, updated_at)
                   SELECT coalesce(max(position), 0) + 1, ?1, ?2, ?2 FROM trunks";
        self.execute(sql, params![json_text(settings), ms(self.now)])?;
        let id = self.connection.last_insert_rowid();
        self.put_password(id, password)?;
        self.existing_trunk(id)
    }

    /// Changes a trunk. Without a password it keeps the one that it has.
    pub fn update_trunk(
        &self,
        id: i64,
        settings: &TrunkSettings,
        password: Option<&Password>,
    ) -> Result<Trunk, StoreError> {
        let sql = "UPDATE trunks SET settings = ?2, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![id, json_text(settings), ms(self.now)])?;
        self.put_password(id, password)?;
        self.existing_trunk(id)
    }

    fn put_password(&self, id: i64, password: Option<&Password>) -> Result<(), StoreError> {
        let sealed = match password {
            None | Some(Password::Locked) => return Ok(()),
            Some(Password::None) => None,
            Some(Password::Known(secret)) => Some(self.watch.vault.seal(&place(id), secret.reveal())?),
        };
        self.execute("UPDATE trunks SET password = ?2 WHERE id = ?1", params![id, sealed])?;
        Ok(())
    }

    /// Puts a trunk in this place among all of them, beginning with 1.
    pub fn move_trunk(&self, id: i64, position: usize) -> Result<(), StoreError> {
        let mut ids: Vec<i64> =
            self.trunks()?.iter().map(|trunk| trunk.id).filter(|other| *other != id).collect();
        ids.insert(position.saturating_sub(1).min(ids.len()), id);
        for (index, id) in ids.into_iter().enumerate() {
            self.execute("UPDATE trunks SET position = ?2 WHERE id = ?1", params![id, index as i64 + 1])?;
        }
        Ok(())
    }

    /// Removes a trunk.
    pub fn delete_trunk(&self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM trunks WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Pauses all active campaigns until a person says that they go on: those that were rehearsed must not ring real phones,
    /// nor the other way round, because another carrier takes the calls. The answer is how many.
    pub fn pause_for_another_carrier(&self, last: &str, carrier: &str) -> Result<usize, StoreError> {
        // What the other one's calls were like says nothing about those to come.
        self.set_fact(CARRIER_SINCE, &ms(self.now).to_string())?;
        let campaigns = self.active_campaigns()?;
        for campaign in &campaigns {
            let message = format!("The last calls were carried by {last}; from now on it is {carrier}");
            let action = "Look at the campaign and its leads, then set it to active again";
            let key = self.now.timestamp_millis().to_string();
            self.emit_once(campaign.id, &Event::error(campaign, "carrier_changed", &message, action, &key))?;
            self.change_status_because(campaign, Status::Paused, "carrier_changed")?;
        }
        Ok(campaigns.len())
    }
}
