//! The end of the retention time: deleted campaigns go for good, with everything that belongs to them.

use super::row::ms;
use super::{StoreError, Tx};
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, params};

/// Rows removed in one transaction, so that nobody else waits long.
const ROWS_MAX: i64 = 2_000;

impl Tx<'_> {
    /// Removes some rows of a campaign that was deleted longer ago than `retention`; true while there is more.
    pub fn purge_deleted(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let find = "SELECT id FROM campaigns WHERE deleted_at <= ?1 AND id NOT IN
                      (SELECT campaign_id FROM calls WHERE state <> 'ended'
                       UNION ALL SELECT campaign_id FROM other_calls WHERE state <> 'ended')
                     -- What is still on the disk has to be known of.
                     AND NOT EXISTS (SELECT 1 FROM calls k CROSS JOIN recordings r ON r.call_id = k.id
                                     WHERE k.campaign_id = campaigns.id AND r.has_file = 1)
                     AND NOT EXISTS (SELECT 1 FROM other_calls o CROSS JOIN recordings r ON r.call_id = -o.id
                                     WHERE o.campaign_id = campaigns.id AND r.has_file = 1) LIMIT 1";
        let before = ms(self.now - retention);
        let found: Option<i64> =
            self.connection.prepare_cached(find)?.query_row([before], |row| row.get(0)).optional()?;
        let Some(id) = found else { return Ok(false) };
        // Without its sums the campaign counts as being removed, and is not expected to add up.
        for sums in [
            "DELETE FROM dialed_days WHERE campaign_id = ?1",
            "DELETE FROM outcome_totals WHERE campaign_id = ?1",
            "DELETE FROM campaign_totals WHERE campaign_id = ?1",
            "DELETE FROM imports WHERE campaign_id = ?1",
            "DELETE FROM rehearsals WHERE campaign_id = ?1",
            "DELETE FROM prompts WHERE campaign_id = ?1",
            "DELETE FROM forecasts WHERE campaign_id = ?1",
        ] {
            self.execute(sums, [id])?;
        }
        let parts = [
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM endpoints WHERE id IN (SELECT id FROM endpoints WHERE campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM call_quarters WHERE campaign_id = ?1 AND quarter <= coalesce(
               (SELECT quarter FROM call_quarters WHERE campaign_id = ?1 ORDER BY quarter LIMIT 1 OFFSET ?2),
               9223372036854775807)",
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM recordings WHERE call_id IN (SELECT r.call_id FROM other_calls o CROSS JOIN recordings r
               ON r.call_id = -o.id WHERE o.campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM tries WHERE id IN (SELECT id FROM tries WHERE campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM other_calls WHERE id IN (SELECT id FROM other_calls WHERE campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM recordings WHERE call_id IN (SELECT r.call_id FROM calls k CROSS JOIN recordings r
               ON r.call_id = k.id WHERE k.campaign_id = ?1 LIMIT ?2)",
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE campaign_id = ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM leads WHERE id IN (SELECT id FROM leads WHERE campaign_id = ?1 LIMIT ?2)",
        ];
        let forget_money = "UPDATE spent_days SET spent = spent - removed.cost FROM
                              (SELECT date(placed_at / 1000, 'unixepoch') AS day, sum(cost) AS cost FROM calls
                               WHERE id IN (SELECT id FROM calls WHERE campaign_id = ?1 ORDER BY id LIMIT ?2)
                               GROUP BY 1) AS removed WHERE date = removed.day";
        for part in parts {
            if part.starts_with("DELETE FROM calls") {
                self.execute(forget_money, params![id, ROWS_MAX])?;
            }
            if self.execute(part, params![id, ROWS_MAX])? > 0 {
                return Ok(true);
            }
        }
        self.execute("DELETE FROM campaigns WHERE id = ?1", [id])?;
        Ok(true)
    }
}
