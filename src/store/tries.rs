//! Conversations with a campaign's agent over text, to try it. They change no sum.

use super::row::{Cells, json_text, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::agent::Verdict;
use crate::domain::fields::Words;
use crate::domain::try_out::{self, Entry, Persona, Report, State, Talk, TryOut};
use rusqlite::{OptionalExtension, Row, named_params, params};
use serde_json::{Map, Value};

/// Which tries a list shows, newest first.
#[derive(Clone, Debug)]
pub struct TryFilter {
    /// Only those of this campaign.
    pub campaign_id: i64,
    /// Only those that were made together.
    pub batch_id: Option<i64>,
    /// Only those with a lower id.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// One that is to be written down.
#[derive(Clone, Debug)]
pub struct NewTry {
    /// Whose agent is tried.
    pub campaign_id: i64,
    /// Whose values it is told.
    pub lead_id: Option<i64>,
    /// Of those made together, the id of the first; the first itself has none yet.
    pub batch_id: Option<i64>,
    /// Who is played.
    pub persona: Option<Persona>,
    /// Where it is.
    pub state: State,
    /// Values that were sent along.
    pub variables: Value,
    /// What was said so far.
    pub talk: Talk,
    /// The model.
    pub model: String,
    /// The version of the instruction.
    pub prompt: String,
    /// Who makes it.
    pub by: String,
}

macro_rules! columns {
    () => {
        "t.id, t.campaign_id, t.lead_id, t.batch_id, t.persona, t.state, t.detail, t.variables, t.lines, t.verdict,
         t.report, t.model, t.prompt, t.input_tokens, t.output_tokens, t.made_by, t.created_at, t.updated_at FROM tries t"
    };
}

fn read(row: &Row) -> rusqlite::Result<TryOut> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    let (id, campaign_id, lead_id, batch_id) = (c.get()?, c.get()?, c.get()?, c.get()?);
    let persona = c.parse_optional(|word: String| Persona::from_word(&word))?;
    let (state, detail, variables): (State, _, _) = (c.word()?, c.get()?, c.json()?);
    let entries: Vec<Value> = c.json()?;
    let verdict: Option<(Verdict, bool)> = c.parse_optional(|text: String| verdict(&text))?;
    let report = c.parse_optional(|text: String| serde_json::from_str(&text).ok())?;
    let (model, prompt) = (c.get()?, c.get()?);
    let (input_tokens, output_tokens): (i64, i64) = (c.get()?, c.get()?);
    let is_judged = verdict.as_ref().is_some_and(|(_, is_judged)| *is_judged);
    let talk = Talk {
        entries: entries.iter().filter_map(Entry::read).collect(),
        verdict: verdict.map(|(verdict, _)| verdict),
        is_judged,
        is_over: state == State::Ended,
        input_tokens: input_tokens.unsigned_abs(),
        output_tokens: output_tokens.unsigned_abs(),
    };
    let (made_by, created_at, updated_at) = (c.get()?, c.instant()?, c.instant()?);
    Ok(TryOut {
        id,
        campaign_id,
        lead_id,
        batch_id,
        persona,
        state,
        detail,
        variables,
        talk,
        report,
        model,
        prompt,
        made_by,
        created_at,
        updated_at,
    })
}

fn verdict(text: &str) -> Option<(Verdict, bool)> {
    let stored: Map<String, Value> = serde_json::from_str(text).ok()?;
    let text = |name: &str| stored.get(name).and_then(Value::as_str);
    let answers = stored.get("answers").and_then(Value::as_object)?;
    let answer = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let verdict = Verdict {
        conclusion: Words::from_word(text("conclusion")?)?,
        reason: text("reason")?.to_owned(),
        answers: answers.iter().filter_map(answer).collect(),
    };
    Some((verdict, stored.get("judged_afterwards").and_then(Value::as_bool)?))
}

impl Snapshot<'_> {
    /// A try of a campaign.
    pub fn try_out(&self, campaign_id: i64, id: i64) -> Result<Option<TryOut>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " WHERE t.campaign_id = ?1 AND t.id = ?2");
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id, id], read).optional()?)
    }

    /// A page of tries, newest first.
    pub fn try_outs(&self, filter: &TryFilter) -> Result<Vec<TryOut>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " WHERE t.campaign_id = :campaign AND t.id < :before
              AND (:batch IS NULL OR t.batch_id = :batch) ORDER BY t.id DESC LIMIT :limit"
        );
        let params = named_params! {
            ":campaign": filter.campaign_id,
            ":before": filter.before.unwrap_or(i64::MAX),
            ":batch": filter.batch_id,
            ":limit": filter.limit as i64,
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Snapshot<'_> {
    /// Whether simulated callers talk with the agent of a campaign.
    pub fn is_trying(&self, campaign_id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM tries WHERE campaign_id = ?1 AND persona IS NOT NULL AND state = 'running'";
        Ok(self.connection.prepare_cached(sql)?.exists([campaign_id])?)
    }
}

impl Tx<'_> {
    /// Writes down a try; its id. One that is the first of a batch names the batch.
    pub fn insert_try(&self, new: &NewTry) -> Result<i64, StoreError> {
        let sql = "INSERT INTO tries (campaign_id, lead_id, batch_id, persona, state, variables, lines, model, prompt, made_by,
                     created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)";
        self.execute(
            sql,
            params![
                new.campaign_id,
                new.lead_id,
                new.batch_id,
                new.persona.map(Words::word),
                new.state.word(),
                json_text(&new.variables),
                json_text(&new.talk.entries),
                new.model,
                new.prompt,
                new.by,
                ms(self.now),
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        if new.persona.is_some() && new.batch_id.is_none() {
            self.execute("UPDATE tries SET batch_id = id WHERE id = ?1", [id])?;
        }
        Ok(id)
    }

    /// Takes a try that waits, so that nobody else goes on with it; false for one that does not wait.
    pub fn take_try(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE tries SET state = 'running', updated_at = ?2 WHERE id = ?1 AND state = 'open'";
        Ok(self.execute(sql, params![id, ms(self.now)])? > 0)
    }

    /// Writes down how far a try has come, and where it is now; one that is gone is left alone.
    pub fn keep_try(
        &self,
        id: i64,
        talk: &Talk,
        state: State,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE tries SET state = ?2, detail = ?3, lines = ?4, verdict = ?5, input_tokens = ?6, output_tokens = ?7,
                     updated_at = ?8 WHERE id = ?1";
        let verdict =
            talk.verdict.as_ref().map(|verdict| json_text(&try_out::shown(verdict, talk.is_judged)));
        let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.execute(
            sql,
            params![
                id,
                state.word(),
                detail,
                json_text(&talk.entries),
                verdict,
                tokens(talk.input_tokens),
                tokens(talk.output_tokens),
                ms(self.now),
            ],
        )?;
        Ok(())
    }

    /// Writes down how the agent did with a simulated caller.
    pub fn report_on_try(&self, id: i64, report: &Report) -> Result<(), StoreError> {
        self.execute("UPDATE tries SET report = ?2 WHERE id = ?1", params![id, json_text(report)])?;
        Ok(())
    }

    /// Ends the tries that were going on when the server stopped.
    pub fn end_interrupted_tries(&self) -> Result<usize, StoreError> {
        let sql = "UPDATE tries SET state = 'failed', detail = 'The server stopped during this conversation' WHERE state = 'running'";
        self.execute(sql, [])
    }
}
