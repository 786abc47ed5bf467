-- Lifts a file from version 3 to 4: sessions of the admin page, ended calls by quarter of an hour, who changed a status
-- and who ended a call.
CREATE TABLE sessions (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),           -- SHA-256 of the cookie
  token_id     INTEGER NOT NULL REFERENCES tokens (id),
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_token ON sessions (token_id);

ALTER TABLE campaigns ADD COLUMN status_changed_at INTEGER;
ALTER TABLE campaigns ADD COLUMN status_changed_by TEXT;
ALTER TABLE calls ADD COLUMN hung_up_by TEXT;
CREATE INDEX calls_by_time ON calls (placed_at);
CREATE INDEX deliveries_recent ON deliveries (endpoint_id, created_at, state);

-- Ended calls by the quarter of an hour (UTC) in which they were placed, so that the hours and days of any time zone
-- are sums of rows.
CREATE TABLE call_quarters (
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  quarter     INTEGER NOT NULL,                                      -- placed_at / 900000
  outcome     TEXT NOT NULL,
  calls       INTEGER NOT NULL CHECK (calls >= 0),
  completed   INTEGER NOT NULL CHECK (completed BETWEEN 0 AND calls),  -- somebody, or a machine, picked up
  successful  INTEGER NOT NULL CHECK (successful BETWEEN 0 AND calls),
  spent       INTEGER NOT NULL CHECK (spent >= 0),
  talk_ms     INTEGER NOT NULL CHECK (talk_ms >= 0),
  PRIMARY KEY (campaign_id, quarter, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO call_quarters (campaign_id, quarter, outcome, calls, completed, successful, spent, talk_ms)
  SELECT campaign_id, placed_at / 900000, outcome, count(*), sum(answered_at IS NOT NULL), sum(successful), sum(cost),
         sum(max(coalesce(ended_at - answered_at, 0), 0))
  FROM calls WHERE state = 'ended' AND campaign_id IN (SELECT campaign_id FROM campaign_totals) GROUP BY 1, 2, 3;

-- The last change that is still told of; a draft was never anything else.
UPDATE campaigns SET status_changed_at = last.at, status_changed_by = last.by FROM
  (SELECT campaign_id, max(id), created_at AS at, data ->> '$.by' AS by FROM events
   WHERE type = 'campaign.status_changed' GROUP BY campaign_id) AS last WHERE campaigns.id = last.campaign_id;
UPDATE campaigns SET status_changed_at = created_at WHERE status = 'draft' AND status_changed_at IS NULL;
