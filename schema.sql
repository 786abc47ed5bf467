-- What a fresh database gets, and what every migrated one equals. Instants are integer milliseconds UTC,
-- money is integer ten-thousandths of the campaign's currency unit, enums are words under a CHECK.

-- Facts about this file: instance_id, created_at, last_seen_at, clock_confirmations, suppression_key_check,
-- dialing_stopped while it is, woke_up while nobody has looked, starts, former_instances, copied_at in a backup, hung_up_to, and how far the pruner has come (events_pruned_to, calls_pruned_to, other_calls_pruned_to).
CREATE TABLE facts (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL,
  scope        TEXT NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
  hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of the token; the token itself is never kept
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER,
  revoked_at   INTEGER,
  expires_at   INTEGER                                               -- NULL: never
) STRICT;

-- Who is signed in to the admin page.
CREATE TABLE sessions (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),           -- SHA-256 of the cookie
  token_id     INTEGER NOT NULL REFERENCES tokens (id),
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_token ON sessions (token_id);

-- Answers to POSTs with an Idempotency-Key, kept for 24 hours.
CREATE TABLE replies (
  token_id     INTEGER NOT NULL REFERENCES tokens (id),
  key          TEXT NOT NULL,
  request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
  status       INTEGER NOT NULL,
  location     TEXT,
  body         TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_by_age ON replies (created_at);

-- What the client set, and the status. What calls change is in campaign_totals, so that a call does not
-- rewrite the scripts.
CREATE TABLE campaigns (
  id                       INTEGER PRIMARY KEY AUTOINCREMENT,
  name                     TEXT NOT NULL,
  description              TEXT,
  status                   TEXT NOT NULL CHECK (status IN ('draft', 'active', 'paused', 'completed')),
  status_reason            TEXT,
  priority                 TEXT NOT NULL CHECK (priority IN ('low', 'medium', 'high')),
  campaign_type            TEXT NOT NULL CHECK (campaign_type IN ('outbound', 'inbound')),
  calls_per_day            INTEGER NOT NULL CHECK (calls_per_day BETWEEN 1 AND 1000000),
  calling_hours_start      INTEGER NOT NULL CHECK (calling_hours_start BETWEEN 0 AND 86399),  -- seconds of the day
  calling_hours_end        INTEGER NOT NULL CHECK (calling_hours_end BETWEEN 0 AND 86399),
  time_zone                TEXT NOT NULL,
  working_days             INTEGER NOT NULL CHECK (working_days BETWEEN 1 AND 127),           -- bit 0 is Monday
  ai_voice_id              TEXT,
  ai_voice_language        TEXT NOT NULL,
  ai_voice_gender          TEXT CHECK (ai_voice_gender IN ('male', 'female', 'neutral')),
  system_prompt            TEXT NOT NULL,
  script_template          TEXT NOT NULL,
  fallback_script          TEXT,
  max_attempts_per_lead    INTEGER NOT NULL CHECK (max_attempts_per_lead BETWEEN 1 AND 20),
  retry_delay_minutes      INTEGER NOT NULL CHECK (retry_delay_minutes BETWEEN 1 AND 43200),
  call_duration_limit      INTEGER NOT NULL CHECK (call_duration_limit BETWEEN 10 AND 14400),
  success_criteria         TEXT NOT NULL,
  cost_per_call            INTEGER NOT NULL CHECK (cost_per_call >= 0),
  budget                   INTEGER CHECK (budget >= 0),
  budget_alert_threshold   INTEGER NOT NULL CHECK (budget_alert_threshold BETWEEN 1 AND 100),
  max_concurrent_calls     INTEGER NOT NULL CHECK (max_concurrent_calls BETWEEN 1 AND 1000),
  ring_timeout_seconds     INTEGER NOT NULL CHECK (ring_timeout_seconds BETWEEN 15 AND 120),
  caller_id                TEXT,
  lead_time_zone_policy    TEXT NOT NULL CHECK (lead_time_zone_policy IN ('campaign', 'lead')),
  start_date               INTEGER,
  end_date                 INTEGER,
  recurrence_rule          TEXT,
  expected_completion_date TEXT,
  owner_id                 INTEGER,
  team_members             TEXT NOT NULL DEFAULT '[]',
  company_id               INTEGER,
  tags                     TEXT NOT NULL DEFAULT '[]',
  notes                    TEXT,
  webhooks                 TEXT NOT NULL DEFAULT '[]',
  version                  INTEGER NOT NULL DEFAULT 1,
  holds_stale              INTEGER NOT NULL DEFAULT 0 CHECK (holds_stale IN (0, 1)),          -- held leads want another look
  created_at               INTEGER NOT NULL,
  updated_at               INTEGER NOT NULL,
  deleted_at               INTEGER,
  status_changed_at        INTEGER,                                                           -- NULL: nobody knows any more
  status_changed_by        TEXT,                                                              -- a token's name, or `server`
  keys                     TEXT,                                                              -- JSON from key to action
  opt_out_sentence         TEXT,                                                              -- '' for none, NULL for the usual one
  machine_detection        INTEGER CHECK (machine_detection IN (0, 1)),                       -- NULL: as the settings say
  transfer_number          TEXT,
  record_calls             INTEGER NOT NULL DEFAULT 0 CHECK (record_calls IN (0, 1)),
  recording_announcement   TEXT,
  inbound_number           TEXT CHECK (inbound_number IS NULL OR campaign_type = 'inbound'),
  script_prompt            INTEGER,                                                           -- of this campaign's prompts
  fallback_prompt          INTEGER,
  agent                    TEXT CHECK (agent IN ('scripted', 'ai')),                          -- NULL: as the settings say
  agent_disclosure         TEXT,                                                              -- '' for none, NULL for the usual one
  CHECK (calling_hours_start <> calling_hours_end)
) STRICT;
CREATE INDEX campaigns_newest ON campaigns (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX campaigns_active ON campaigns (id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE UNIQUE INDEX campaigns_called ON campaigns (inbound_number) WHERE inbound_number IS NOT NULL AND deleted_at IS NULL;

-- Sums that always equal a recount of leads, calls and events.
CREATE TABLE campaign_totals (
  campaign_id       INTEGER PRIMARY KEY REFERENCES campaigns (id),
  total_leads       INTEGER NOT NULL DEFAULT 0 CHECK (total_leads >= 0),
  leads_pending     INTEGER NOT NULL DEFAULT 0 CHECK (leads_pending >= 0),
  leads_in_progress INTEGER NOT NULL DEFAULT 0 CHECK (leads_in_progress >= 0),
  leads_scheduled   INTEGER NOT NULL DEFAULT 0 CHECK (leads_scheduled >= 0),
  leads_completed   INTEGER NOT NULL DEFAULT 0 CHECK (leads_completed >= 0),
  leads_failed      INTEGER NOT NULL DEFAULT 0 CHECK (leads_failed >= 0),
  leads_canceled    INTEGER NOT NULL DEFAULT 0 CHECK (leads_canceled >= 0),
  leads_do_not_call INTEGER NOT NULL DEFAULT 0 CHECK (leads_do_not_call >= 0),
  completed_calls   INTEGER NOT NULL DEFAULT 0,
  successful_calls  INTEGER NOT NULL DEFAULT 0 CHECK (successful_calls >= 0),
  failed_calls      INTEGER NOT NULL DEFAULT 0 CHECK (failed_calls >= 0),
  attempts          INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  unanswered_calls  INTEGER NOT NULL DEFAULT 0 CHECK (unanswered_calls >= 0),
  error_calls       INTEGER NOT NULL DEFAULT 0 CHECK (error_calls >= 0),
  in_progress_calls INTEGER NOT NULL DEFAULT 0 CHECK (in_progress_calls >= 0),
  talk_ms           INTEGER NOT NULL DEFAULT 0 CHECK (talk_ms >= 0),
  spent             INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
  reserved          INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  alerted_percent   INTEGER NOT NULL DEFAULT 0,
  sequence          INTEGER NOT NULL DEFAULT 0,
  revision          INTEGER NOT NULL DEFAULT 0,
  CHECK (completed_calls = successful_calls + failed_calls),
  CHECK (attempts = completed_calls + unanswered_calls + error_calls + in_progress_calls),
  CHECK (total_leads = leads_pending + leads_in_progress + leads_scheduled + leads_completed
                     + leads_failed + leads_canceled + leads_do_not_call)
) STRICT;

CREATE TABLE outcome_totals (
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  outcome     TEXT NOT NULL,
  calls       INTEGER NOT NULL CHECK (calls >= 0),
  PRIMARY KEY (campaign_id, outcome)
) STRICT, WITHOUT ROWID;

-- Dials per local calendar day of the campaign's time zone.
CREATE TABLE dialed_days (
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  local_date  TEXT NOT NULL,
  dials       INTEGER NOT NULL DEFAULT 0 CHECK (dials >= 0),
  carried     INTEGER NOT NULL DEFAULT 0 CHECK (carried >= 0),       -- of this day, counted under another time zone
  PRIMARY KEY (campaign_id, local_date)
) STRICT, WITHOUT ROWID;

CREATE TABLE leads (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id       INTEGER NOT NULL REFERENCES campaigns (id),
  phone             TEXT NOT NULL CHECK (phone GLOB '+[1-9]*'),
  first_name        TEXT,
  last_name         TEXT,
  email             TEXT,
  company_name      TEXT,
  time_zone         TEXT NOT NULL DEFAULT '',                        -- '' where unknown
  language          TEXT,
  priority          INTEGER NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
  best_time_to_call INTEGER,                                         -- seconds of the local day
  variables         TEXT NOT NULL DEFAULT '{}',
  notes             TEXT,
  tags              TEXT NOT NULL DEFAULT '[]',
  status            TEXT NOT NULL DEFAULT 'pending' CHECK (status IN
                      ('pending', 'in_progress', 'scheduled', 'completed', 'failed', 'canceled', 'do_not_call')),
  outcome           TEXT,
  attempts          INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_call_at      INTEGER,                                         -- NULL: nothing to do, or held
  held              TEXT,                                            -- why it was put aside when its turn came
  import_id         INTEGER,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  deleted_at        INTEGER,
  wait_reason       TEXT CHECK (wait_reason IS NULL OR next_call_at IS NOT NULL),  -- why it is due when it is; NULL: a new lead or a retry
  erased_at         INTEGER,                                         -- the person asked to be forgotten; phone is no number then
  CHECK (next_call_at IS NULL OR status IN ('pending', 'scheduled')),
  CHECK (held IS NULL OR next_call_at IS NULL)
) STRICT;
CREATE UNIQUE INDEX leads_phone ON leads (phone, campaign_id) WHERE deleted_at IS NULL;
CREATE INDEX leads_status ON leads (campaign_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX leads_due ON leads (campaign_id, time_zone, priority, next_call_at, id) WHERE next_call_at IS NOT NULL;
CREATE INDEX leads_campaign ON leads (campaign_id, id);
CREATE INDEX leads_held ON leads (campaign_id, held, id) WHERE held IS NOT NULL;
CREATE INDEX leads_waiting ON leads (campaign_id, wait_reason, time_zone, next_call_at, id) WHERE wait_reason IS NOT NULL;
CREATE INDEX leads_preferred ON leads (campaign_id, time_zone, priority, best_time_to_call, next_call_at, id)
  WHERE best_time_to_call IS NOT NULL AND next_call_at IS NOT NULL;
CREATE INDEX leads_import ON leads (import_id, id) WHERE import_id IS NOT NULL;

-- One row per dial, written before the carrier hears of it.
CREATE TABLE calls (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id  INTEGER NOT NULL REFERENCES campaigns (id),
  lead_id      INTEGER NOT NULL REFERENCES leads (id),
  attempt      INTEGER NOT NULL CHECK (attempt >= 1),
  phone        TEXT NOT NULL,
  carrier      TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('placed', 'ringing', 'answered', 'ended')),
  outcome      TEXT,
  successful   INTEGER CHECK (successful IN (0, 1)),
  detail       TEXT,
  placed_at    INTEGER NOT NULL,
  answered_at  INTEGER,
  ended_at     INTEGER,
  price        INTEGER NOT NULL CHECK (price >= 0),
  cost         INTEGER NOT NULL DEFAULT 0 CHECK (cost IN (0, price)),
  max_attempts INTEGER NOT NULL,
  retry_delay  INTEGER NOT NULL,                                     -- milliseconds
  local_date   TEXT NOT NULL,                                        -- the day it counts on
  daily_limit  INTEGER NOT NULL,                                     -- in force when it was placed
  evidence     TEXT NOT NULL,
  timeline     TEXT NOT NULL DEFAULT '[]',
  hung_up_by   TEXT,                                                 -- who asked for its end while it was alive
  transcript   TEXT NOT NULL DEFAULT '[]',                           -- what was said and pressed, in seconds since the answer
  call_back_at INTEGER,                                              -- when the person was promised another call
  conversation TEXT,                                                 -- of an agent: verdict, answers, tools; NULL: none talked
  UNIQUE (lead_id, attempt),
  CHECK (attempt <= max_attempts),
  CHECK ((state = 'ended') = (outcome IS NOT NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  CHECK ((state = 'ended') = (successful IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX calls_one_alive ON calls (lead_id) WHERE state <> 'ended';
CREATE INDEX calls_alive_number ON calls (phone) WHERE state <> 'ended';
CREATE INDEX calls_by_campaign ON calls (campaign_id, id);
CREATE INDEX calls_by_number ON calls (phone, placed_at);
CREATE INDEX calls_by_time ON calls (placed_at);

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

-- Numbers that no campaign may dial.
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

-- The outbox: facts that other systems are told of, written in the transaction that makes them true.
CREATE TABLE events (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  sequence    INTEGER NOT NULL,
  type        TEXT NOT NULL,
  key         TEXT NOT NULL UNIQUE,
  data        TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  UNIQUE (campaign_id, sequence)
) STRICT;

-- Places that are told of events. The secrets are kept here alone.
CREATE TABLE endpoints (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id     INTEGER REFERENCES campaigns (id),                 -- NULL: told of the events of all campaigns
  url             TEXT NOT NULL,
  events          TEXT NOT NULL,
  description     TEXT,
  secret          TEXT NOT NULL CHECK (secret LIKE 'whsec_%'),           -- sealed, as all secrets are, under a key outside this file
  previous_secret TEXT,                                              -- signs as well until previous_until
  previous_until  INTEGER,
  disabled_reason TEXT CHECK (disabled_reason IN ('operator', 'gone', 'failing')),  -- NULL: enabled
  failing_since   INTEGER,                                           -- first failed try after the last success
  last_success_at INTEGER,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  deleted_at      INTEGER,
  CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
) STRICT;
CREATE INDEX endpoints_living ON endpoints (campaign_id, id) WHERE deleted_at IS NULL;

-- One event on its way to one endpoint, written in the transaction that writes the event. A test event is in no
-- campaign's sequence and has its text here.
CREATE TABLE deliveries (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  endpoint_id  INTEGER NOT NULL REFERENCES endpoints (id),
  campaign_id  INTEGER REFERENCES campaigns (id),
  event_id     INTEGER REFERENCES events (id) ON DELETE CASCADE,
  type         TEXT NOT NULL,
  test         TEXT,
  state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead', 'canceled')),
  tries        INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
  tries_before INTEGER NOT NULL DEFAULT 0 CHECK (tries_before BETWEEN 0 AND tries),  -- when it was last asked for by hand
  next_try_at  INTEGER,
  delivered_at INTEGER,
  created_at   INTEGER NOT NULL,
  CHECK ((event_id IS NULL) = (test IS NOT NULL)),
  CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
  CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
) STRICT;
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_try_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, id);
CREATE INDEX deliveries_by_campaign ON deliveries (campaign_id, id);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_recent ON deliveries (endpoint_id, created_at, state);

CREATE TABLE delivery_tries (
  delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
  nth         INTEGER NOT NULL CHECK (nth >= 1),
  at          INTEGER NOT NULL,                                      -- what it was signed with, in milliseconds
  ms          INTEGER NOT NULL CHECK (ms >= 0),
  signatures  INTEGER NOT NULL CHECK (signatures IN (1, 2)),
  status      INTEGER,
  error       TEXT,
  excerpt     TEXT NOT NULL DEFAULT '',                              -- the beginning of the answer, escaped
  PRIMARY KEY (delivery_id, nth),
  CHECK ((status IS NULL) = (error IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Who changed what, written with the change.
CREATE TABLE audit (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  token_id   INTEGER REFERENCES tokens (id),                         -- NULL: the command line
  by         TEXT NOT NULL,                                          -- the token's name then
  action     TEXT NOT NULL,                                          -- method and route, or the command
  target     TEXT NOT NULL,                                          -- what it was about, by id; never a number
  request_id TEXT                                                    -- what ties it to the log
) STRICT;
CREATE INDEX audit_by_token ON audit (token_id, id);

-- Sounds that were uploaded to be played on the calls of a campaign.
CREATE TABLE prompts (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  name        TEXT NOT NULL,
  sound       BLOB NOT NULL CHECK (length(sound) > 0),               -- G.711 mu-law, 8,000 samples a second
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX prompts_by_campaign ON prompts (campaign_id, id);

-- Calls that are no attempt of the dialer: tried by hand, or made to us. In no sum, budget or limit.
CREATE TABLE other_calls (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  kind        TEXT NOT NULL CHECK (kind IN ('test', 'inbound')),
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  lead_id     INTEGER REFERENCES leads (id) ON DELETE SET NULL,      -- whose values were said, or who called
  phone       TEXT,                                                  -- NULL: withheld, or erased
  carrier     TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('placed', 'ringing', 'answered', 'ended')),
  outcome     TEXT,
  detail      TEXT,
  asked_at    INTEGER NOT NULL,
  placed_at   INTEGER,                                               -- NULL: not handed to the carrier
  answered_at INTEGER,
  ended_at    INTEGER,
  timeline    TEXT NOT NULL DEFAULT '[]',
  placed_by   TEXT,                                                  -- a token's name; NULL: somebody called us
  variables   TEXT NOT NULL DEFAULT '{}',
  hung_up_by  TEXT,                                                  -- who asked for its end while it was alive
  transcript  TEXT NOT NULL DEFAULT '[]',
  erased_at   INTEGER,                                               -- the person asked to be forgotten
  conversation TEXT,
  call_back_at INTEGER,                                              -- when whoever called us was promised a call
  CHECK ((state = 'ended') = (outcome IS NOT NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  CHECK ((kind = 'test') = (placed_by IS NOT NULL))
) STRICT;
CREATE INDEX other_calls_by_campaign ON other_calls (campaign_id, id);
CREATE INDEX other_calls_by_lead ON other_calls (lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX other_calls_by_number ON other_calls (phone) WHERE phone IS NOT NULL;
CREATE INDEX other_calls_alive ON other_calls (id) WHERE state <> 'ended';
CREATE UNIQUE INDEX other_calls_one_test ON other_calls (campaign_id) WHERE kind = 'test' AND state <> 'ended';

-- The ways to carriers that were added while the server ran; those of its settings are not here.
CREATE TABLE trunks (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  position   INTEGER NOT NULL,
  settings   TEXT NOT NULL,
  password   TEXT,                                                   -- sealed
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

-- Recordings of calls. The sound is in recordings/<call_id>.wav of the data folder.
CREATE TABLE recordings (
  call_id    INTEGER PRIMARY KEY,                                    -- of calls; below zero, the id of one of other_calls
  ms         INTEGER NOT NULL CHECK (ms >= 0),
  bytes      INTEGER NOT NULL CHECK (bytes >= 0),
  peaks      BLOB NOT NULL,                                          -- how loud it is: pairs of a byte for us and one for them
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,                                                -- nobody hears it any more
  reason     TEXT CHECK (reason IN ('retention', 'request', 'erasure', 'campaign', 'missing')),
  has_file   INTEGER NOT NULL DEFAULT 1 CHECK (has_file IN (0, 1)),
  CHECK ((deleted_at IS NULL) = (reason IS NULL))
) STRICT;
CREATE INDEX recordings_by_age ON recordings (created_at, bytes) WHERE deleted_at IS NULL;
CREATE INDEX recordings_going ON recordings (call_id) WHERE has_file = 1 AND deleted_at IS NOT NULL;

-- Campaigns that were played to their ends on a copy.
CREATE TABLE rehearsals (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  made_at     INTEGER NOT NULL,
  made_by     TEXT NOT NULL,
  settings    TEXT NOT NULL,                                         -- what is assumed and changed
  status      TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'failed', 'canceled')),
  progress    REAL NOT NULL DEFAULT 0,
  result      TEXT,
  error       TEXT,
  CHECK ((status = 'done') = (result IS NOT NULL)),
  CHECK ((status = 'failed') = (error IS NOT NULL))
) STRICT;
CREATE INDEX rehearsals_by_campaign ON rehearsals (campaign_id, id);
CREATE INDEX rehearsals_open ON rehearsals (id) WHERE status IN ('queued', 'running');

-- Where campaigns lead: the newest forecast of each.
CREATE TABLE forecasts (
  campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id),
  computed_at INTEGER NOT NULL,
  version     INTEGER NOT NULL,                                      -- the rest says what the campaign was like then
  attempts    INTEGER NOT NULL,
  open_leads  INTEGER NOT NULL,
  leads       INTEGER NOT NULL,
  result      TEXT,                                                  -- NULL: it could not be played: too large, or
  error       TEXT                                                   -- why it failed
) STRICT;
-- Conversations with the agent of a campaign over text, to try it: nobody is called, and nothing counts.
CREATE TABLE tries (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  lead_id     INTEGER REFERENCES leads (id) ON DELETE SET NULL,      -- whose values the agent is told
  batch_id    INTEGER,                                               -- of those made together, the id of the first; NULL: made alone
  persona     TEXT,                                                  -- who is played; NULL: somebody types
  state       TEXT NOT NULL CHECK (state IN ('open', 'running', 'ended', 'failed')),
  detail      TEXT,                                                  -- why it failed
  variables   TEXT NOT NULL,
  lines       TEXT NOT NULL,                                         -- what was said and which tools were used
  verdict     TEXT,
  report      TEXT,                                                  -- how the agent did with whoever was played
  model       TEXT NOT NULL,
  prompt      TEXT NOT NULL,
  input_tokens  INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
  made_by     TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  CHECK ((state = 'failed') = (detail IS NOT NULL))
) STRICT;
CREATE INDEX tries_by_campaign ON tries (campaign_id, id);
CREATE INDEX tries_by_lead ON tries (lead_id, id) WHERE lead_id IS NOT NULL;
