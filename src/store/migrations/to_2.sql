-- Lifts a file from version 1 to 2: imports, a do-not-call list with its history, spending per day, call-backs and
-- preferred times.
ALTER TABLE leads ADD COLUMN wait_reason TEXT CHECK (wait_reason IS NULL OR next_call_at IS NOT NULL);
ALTER TABLE leads ADD COLUMN erased_at INTEGER;
DROP INDEX leads_phone;
CREATE UNIQUE INDEX leads_phone ON leads (phone, campaign_id) WHERE deleted_at IS NULL;
CREATE INDEX leads_waiting ON leads (campaign_id, wait_reason, time_zone, next_call_at, id) WHERE wait_reason IS NOT NULL;
CREATE INDEX leads_preferred ON leads (campaign_id, time_zone, priority, best_time_to_call, next_call_at, id)
  WHERE best_time_to_call IS NOT NULL AND next_call_at IS NOT NULL;
CREATE INDEX leads_import ON leads (import_id, id) WHERE import_id IS NOT NULL;
CREATE INDEX calls_by_number ON calls (phone, placed_at);

-- Money of all campaigns together, per day (UTC) on which the calls were placed.
CREATE TABLE spent_days (
  date     TEXT PRIMARY KEY,
  spent    INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
  reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0)
) STRICT, WITHOUT ROWID;

-- Files and arrays of leads that were sent, with what became of every row.
CREATE TABLE imports (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id     INTEGER NOT NULL REFERENCES campaigns (id),
  state           TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'undone')),
  format          TEXT NOT NULL CHECK (format IN ('csv', 'xlsx', 'json')),
  file_name       TEXT,
  on_duplicate    TEXT NOT NULL CHECK (on_duplicate IN ('skip', 'update', 'reject')),
  default_country TEXT,
  made_by         TEXT NOT NULL,
  rows_total      INTEGER CHECK (rows_total >= 0),                   -- NULL until they are counted
  rows_done       INTEGER NOT NULL DEFAULT 0 CHECK (rows_done >= 0),
  imported        INTEGER NOT NULL DEFAULT 0 CHECK (imported >= 0),
  updated         INTEGER NOT NULL DEFAULT 0 CHECK (updated >= 0),
  skipped         INTEGER NOT NULL DEFAULT 0 CHECK (skipped >= 0),   -- duplicates, and numbers nobody may call
  rejected        INTEGER NOT NULL DEFAULT 0 CHECK (rejected >= 0),  -- no lead at all
  report          TEXT NOT NULL DEFAULT '{}',                        -- mapping, counts by reason, first rows of each
  error           TEXT,
  created_at      INTEGER NOT NULL,
  finished_at     INTEGER,
  CHECK (rows_done = imported + updated + skipped + rejected),
  CHECK ((state = 'running') = (finished_at IS NULL))
) STRICT;
CREATE INDEX imports_by_campaign ON imports (campaign_id, id);

INSERT INTO spent_days (date, spent, reserved)
  SELECT date(placed_at / 1000, 'unixepoch'), sum(cost), sum(CASE WHEN state <> 'ended' THEN price ELSE 0 END)
  FROM calls GROUP BY 1;

CREATE TEMP TABLE listed AS SELECT phone, reason, source, last_call_id, created_at FROM do_not_call;
DROP TABLE do_not_call;
CREATE TABLE do_not_call (
  phone        TEXT PRIMARY KEY,
  reason       TEXT NOT NULL,
  source       TEXT NOT NULL CHECK (source IN ('call', 'operator', 'api', 'import')),
  call_id      INTEGER,                                              -- the call on which it was asked for
  added_by     TEXT NOT NULL,                                        -- a token's name, or `server`
  last_call_id INTEGER NOT NULL,                                     -- the newest call there was; none after it may be to this number
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX do_not_call_newest ON do_not_call (created_at DESC, phone);

INSERT INTO do_not_call (phone, reason, source, call_id, added_by, last_call_id, created_at)
  SELECT phone, reason, CASE WHEN source LIKE 'call %' THEN 'call' ELSE 'api' END,
         CASE WHEN source LIKE 'call %' THEN CAST(substr(source, 6) AS INTEGER) END, 'server', last_call_id, created_at
  FROM temp.listed;

-- Every change of the list, for whoever asks why a number is or is no longer on it.
CREATE TABLE do_not_call_changes (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  phone      TEXT NOT NULL,
  change     TEXT NOT NULL CHECK (change IN ('added', 'removed')),
  reason     TEXT NOT NULL,
  source     TEXT NOT NULL CHECK (source IN ('call', 'operator', 'api', 'import')),
  changed_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX do_not_call_changes_by_number ON do_not_call_changes (phone, id);

-- Numbers of people who were erased: they stay suppressed, and nobody can read them (HMAC-SHA256 under a key that is
-- kept outside this file).
CREATE TABLE erased_numbers (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),
  last_call_id INTEGER NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_numbers_newest ON erased_numbers (last_call_id);
INSERT INTO do_not_call_changes (phone, change, reason, source, changed_by, created_at)
  SELECT phone, 'added', reason, source, added_by, created_at FROM do_not_call ORDER BY created_at;
DROP TABLE temp.listed;
