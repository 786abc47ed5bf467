//! Endpoints: who is told of events. What a client set for a campaign's is kept with the campaign as well, without the
//! secrets, so that showing a campaign takes one look. Secrets are sealed.

use super::row::{Cells, json_text, ms};
use super::seal::{self, Vault};
use super::{Change, Snapshot, StoreError, Tx};
use crate::domain::campaign::{EventType, Webhook};
use crate::domain::delivery::{DeliveryState, DisabledReason};
use crate::domain::endpoint::{self, Endpoint, EndpointRequest, EndpointSettings, PREVIOUS_SECRET_KEPT};
use crate::domain::fields::Words;
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

macro_rules! columns {
    () => {
        "SELECT e.id, e.campaign_id, c.name, e.url, e.events, e.description, e.disabled_reason, e.failing_since,
                e.last_success_at, CASE WHEN e.previous_until > ?2 THEN e.previous_until END, e.created_at,
                e.updated_at, e.secret FROM endpoints e LEFT JOIN campaigns c ON c.id = e.campaign_id
         WHERE e.deleted_at IS NULL AND c.deleted_at IS NULL AND "
    };
}

fn read(vault: &Vault) -> impl Fn(&Row) -> rusqlite::Result<Endpoint> {
    move |row| {
        let mut cells = Cells::of(row);
        let mut endpoint = read_known(&mut cells)?;
        let secret: String = cells.get()?;
        endpoint.is_locked = unsealed(vault, endpoint.id, &secret).is_none();
        Ok(endpoint)
    }
}

fn read_known(c: &mut Cells) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        id: c.get()?,
        campaign_id: c.get()?,
        campaign_name: c.get()?,
        settings: EndpointSettings { url: c.get()?, events: c.text(read_events)?, description: c.get()? },
        disabled_reason: c.parse_optional(|word: String| Words::from_word(&word))?,
        failing_since: c.instant_optional()?,
        last_success_at: c.instant_optional()?,
        previous_secret_until: c.instant_optional()?,
        created_at: c.instant()?,
        updated_at: c.instant()?,
        is_locked: false,
    })
}

/// What stands before what is sealed, as the column wants it.
const KIND: &str = "whsec_";

fn place(id: i64) -> String {
    format!("endpoints/{id}")
}

fn sealed(vault: &Vault, id: i64, secret: &str) -> Result<String, StoreError> {
    Ok(format!("{KIND}{}", vault.seal(&place(id), secret)?))
}

/// The secret of an endpoint; none where it was sealed under a key that is not here.
pub(super) fn unsealed(vault: &Vault, id: i64, column: &str) -> Option<String> {
    match column.strip_prefix(KIND).filter(|rest| seal::is_sealed(rest)) {
        Some(sealed) => vault.unseal(&place(id), sealed),
        None => Some(column.to_owned()),
    }
}

/// What became of the events of the last seven days for one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Week {
    /// Taken.
    pub delivered: i64,
    /// Given up.
    pub dead: i64,
    /// To be tried, or tried again.
    pub pending: i64,
}

fn read_events(text: &str) -> Option<Vec<EventType>> {
    let words: Vec<String> = serde_json::from_str(text).ok()?;
    words.iter().map(|word| EventType::from_word(word)).collect()
}

/// A new endpoint's secret: the client's own, or one made here and shown once.
struct Secret {
    text: String,
    is_made: bool,
}

impl Secret {
    fn or_new(own: Option<&String>) -> Secret {
        match own {
            Some(own) => Secret { text: own.clone(), is_made: false },
            None => Secret { text: endpoint::new_secret(rand::random()), is_made: true },
        }
    }

    fn made(self) -> Option<String> {
        self.is_made.then_some(self.text)
    }
}

impl Snapshot<'_> {
    /// An endpoint of all campaigns, or of one that was not deleted.
    pub fn endpoint(&self, id: i64) -> Result<Option<Endpoint>, StoreError> {
        let mut statement = self.connection.prepare_cached(concat!(columns!(), "e.id = ?1"))?;
        Ok(statement.query_row(params![id, ms(self.now)], read(&self.watch.vault)).optional()?)
    }

    /// The endpoints of a campaign, or those of all campaigns, oldest first.
    pub fn endpoints(&self, campaign_id: Option<i64>) -> Result<Vec<Endpoint>, StoreError> {
        let sql = concat!(columns!(), "e.campaign_id IS ?1 ORDER BY e.id");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, ms(self.now)], read(&self.watch.vault))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The endpoints of all campaigns together and then those of each, oldest first.
    pub fn endpoints_of_all(&self) -> Result<Vec<Endpoint>, StoreError> {
        let sql = concat!(columns!(), "?1 IS NULL ORDER BY e.campaign_id, e.id");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![None::<i64>, ms(self.now)], read(&self.watch.vault))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What became of an endpoint's events of the last seven days.
    pub fn last_week(&self, endpoint_id: i64) -> Result<Week, StoreError> {
        let sql = "SELECT coalesce(sum(state = 'delivered'), 0), coalesce(sum(state = 'dead'), 0),
                          coalesce(sum(state = 'pending'), 0)
                   FROM deliveries WHERE endpoint_id = ?1 AND created_at > ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let since = ms(self.now - TimeDelta::days(7));
        let week = statement.query_row([endpoint_id, since], |row| {
            Ok(Week { delivered: row.get(0)?, dead: row.get(1)?, pending: row.get(2)? })
        })?;
        Ok(week)
    }
}

impl Tx<'_> {
    /// Makes an endpoint that is told of the events of all campaigns. The second answer is its secret, where it was
    /// made here.
    pub fn insert_endpoint(
        &self,
        request: &EndpointRequest,
    ) -> Result<(Endpoint, Option<String>), StoreError> {
        let secret = Secret::or_new(request.secret.as_ref());
        let id = self.write_endpoint(None, &request.settings, &secret.text)?;
        if request.enabled == Some(false) {
            self.disable_endpoint(id, DisabledReason::Operator)?;
        }
        Ok((self.existing_endpoint(id)?, secret.made()))
    }

    fn write_endpoint(
        &self,
        campaign_id: Option<i64>,
        settings: &EndpointSettings,
        secret: &str,
    ) -> Result<i64, StoreError> {
        let sql =
            "INSERT INTO endpoints (campaign_id, url, events, description, secret, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
        let EndpointSettings { url, events, description } = settings;
        self.execute(sql, params![campaign_id, url, json_text(events), description, KIND, ms(self.now)])?;
        let id = self.connection.last_insert_rowid();
        let secret = sealed(&self.watch.vault, id, secret)?;
        self.execute("UPDATE endpoints SET secret = ?2 WHERE id = ?1", params![id, secret])?;
        Ok(id)
    }

    /// Changes an endpoint; one that is enabled again begins anew.
    pub fn update_endpoint(
        &self,
        before: &Endpoint,
        request: &EndpointRequest,
    ) -> Result<Endpoint, StoreError> {
        let id = before.id;
        if request.settings != before.settings {
            self.write_endpoint_settings(id, &request.settings)?;
            self.copy_webhooks(before)?;
        }
        if let Some(secret) = &request.secret {
            self.put_secret(id, secret)?;
        }
        match (request.enabled, before.is_enabled()) {
            (Some(true), false) => {
                let sql = "UPDATE endpoints SET disabled_reason = NULL, failing_since = NULL, updated_at = ?2
                           WHERE id = ?1";
                self.execute(sql, params![id, ms(self.now)])?;
            }
            (Some(false), true) => self.disable_endpoint(id, DisabledReason::Operator)?,
            (Some(true), true) | (Some(false), false) | (None, _) => {}
        }
        self.existing_endpoint(id)
    }

    fn write_endpoint_settings(&self, id: i64, settings: &EndpointSettings) -> Result<(), StoreError> {
        let sql =
            "UPDATE endpoints SET url = ?2, events = ?3, description = ?4, updated_at = ?5 WHERE id = ?1";
        let EndpointSettings { url, events, description } = settings;
        self.execute(sql, params![id, url, json_text(events), description, ms(self.now)])?;
        Ok(())
    }

    /// Gives an endpoint a new secret, which is the answer; the one before signs as well for a day.
    pub fn rotate_secret(&self, id: i64) -> Result<String, StoreError> {
        let secret = endpoint::new_secret(rand::random());
        self.put_secret(id, &secret)?;
        Ok(secret)
    }

    fn put_secret(&self, id: i64, secret: &str) -> Result<(), StoreError> {
        let vault = &self.watch.vault;
        let sql = "SELECT secret FROM endpoints WHERE id = ?1";
        let before: String = self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        let opened = unsealed(vault, id, &before);
        if opened.as_deref() == Some(secret) {
            return Ok(());
        }
        // One that nobody can open signs nothing.
        let (before, until) = opened.map(|_| (before, ms(self.now + PREVIOUS_SECRET_KEPT))).unzip();
        let sql =
            "UPDATE endpoints SET previous_secret = ?3, previous_until = ?4, secret = ?2, updated_at = ?5
                   WHERE id = ?1";
        self.execute(sql, params![id, sealed(vault, id, secret)?, before, until, ms(self.now)])?;
        // What it is to be told may have waited for this.
        self.wake_webhooks();
        Ok(())
    }

    /// Seals the secrets that an older version wrote down as they are; whether there were any.
    pub(super) fn seal_plain_endpoints(&self) -> Result<bool, StoreError> {
        let sql = "SELECT id, secret, previous_secret FROM endpoints
                   WHERE secret NOT LIKE 'whsec_sealed:%'
                      OR (previous_secret IS NOT NULL AND previous_secret NOT LIKE 'whsec_sealed:%')";
        let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(i64, String, Option<String>)> =
            self.connection.prepare(sql)?.query_map([], read)?.collect::<Result<_, _>>()?;
        let vault = &self.watch.vault;
        let seal = |id: i64, text: &String| match text.strip_prefix(KIND).is_some_and(seal::is_sealed) {
            true => Ok(text.clone()),
            false => sealed(vault, id, text),
        };
        for (id, secret, previous) in &rows {
            let previous = previous.as_ref().map(|previous| seal(*id, previous)).transpose()?;
            let sql = "UPDATE endpoints SET secret = ?2, previous_secret = ?3 WHERE id = ?1";
            self.execute(sql, params![id, seal(*id, secret)?, previous])?;
        }
        Ok(!rows.is_empty())
    }

    /// Removes an endpoint; what it has not been told it will not be told.
    pub fn delete_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.hide_endpoint(endpoint.id)?;
        self.copy_webhooks(endpoint)
    }

    fn hide_endpoint(&self, id: i64) -> Result<(), StoreError> {
        self.execute("UPDATE endpoints SET deleted_at = ?2 WHERE id = ?1", params![id, ms(self.now)])?;
        self.retire_deliveries(id, DeliveryState::Canceled)
    }

    /// Sends nothing more to an endpoint; what it has not been told can be delivered again by hand.
    pub(super) fn disable_endpoint(&self, id: i64, reason: DisabledReason) -> Result<(), StoreError> {
        let sql = "UPDATE endpoints SET disabled_reason = ?2, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![id, reason.word(), ms(self.now)])?;
        self.retire_deliveries(id, DeliveryState::Dead)
    }

    /// After an edit of one endpoint the campaign shows its endpoints as they are.
    fn copy_webhooks(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let Some(campaign_id) = endpoint.campaign_id else { return Ok(()) };
        let webhooks: Vec<Webhook> = self
            .endpoints(Some(campaign_id))?
            .into_iter()
            .map(|Endpoint { settings: EndpointSettings { url, events, description }, .. }| Webhook {
                url,
                events,
                secret: None,
                description,
            })
            .collect();
        let sql = "UPDATE campaigns SET webhooks = ?2, version = version + 1, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![campaign_id, json_text(&webhooks), ms(self.now)])?;
        self.touch(Change::Campaign(campaign_id));
        Ok(())
    }

    /// Makes the endpoints of a campaign what its webhooks say: the same URL is the same endpoint, of several in their
    /// order. Leaves in the webhooks just those secrets that were made here.
    pub(super) fn put_webhooks(&self, campaign_id: i64, webhooks: &mut [Webhook]) -> Result<(), StoreError> {
        let mut left = self.endpoints(Some(campaign_id))?;
        for webhook in webhooks {
            let settings = EndpointSettings {
                url: webhook.url.clone(),
                events: webhook.events.clone(),
                description: webhook.description.clone(),
            };
            let own = webhook.secret.take();
            match left.iter().position(|endpoint| endpoint.settings.url == settings.url) {
                Some(position) => {
                    let endpoint = left.remove(position);
                    if endpoint.settings != settings {
                        self.write_endpoint_settings(endpoint.id, &settings)?;
                    }
                    if let Some(own) = own {
                        self.put_secret(endpoint.id, &own)?;
                    }
                }
                None => {
                    let secret = Secret::or_new(own.as_ref());
                    self.write_endpoint(Some(campaign_id), &settings, &secret.text)?;
                    webhook.secret = secret.made();
                }
            }
        }
        left.iter().try_for_each(|endpoint| self.hide_endpoint(endpoint.id))
    }

    fn existing_endpoint(&self, id: i64) -> Result<Endpoint, StoreError> {
        self.endpoint(id)?.ok_or_else(|| StoreError::Failed(format!("endpoint {id} vanished")))
    }
}
