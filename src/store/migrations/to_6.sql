-- Lifts a file from version 5 to 6: what real calls need; and changes are written down without an index over ids
-- that come in no order, which cost a page of the file for each.
ALTER TABLE audit RENAME TO audit_before;
DROP INDEX audit_by_token;
CREATE TABLE audit (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  token_id   INTEGER REFERENCES tokens (id),                         -- NULL: the command line
  by         TEXT NOT NULL,                                          -- the token's name then
  action     TEXT NOT NULL,                                          -- method and route, or the command
  target     TEXT NOT NULL,                                          -- what it was about, by id; never a number
  request_id TEXT                                                    -- what ties it to the log
) STRICT;
INSERT INTO audit SELECT * FROM audit_before;
DROP TABLE audit_before;
CREATE INDEX audit_by_token ON audit (token_id, id);
ALTER TABLE campaigns ADD COLUMN keys TEXT;
ALTER TABLE campaigns ADD COLUMN opt_out_sentence TEXT;
ALTER TABLE campaigns ADD COLUMN machine_detection INTEGER CHECK (machine_detection IN (0, 1));
ALTER TABLE campaigns ADD COLUMN transfer_number TEXT;
ALTER TABLE campaigns ADD COLUMN record_calls INTEGER NOT NULL DEFAULT 0 CHECK (record_calls IN (0, 1));
ALTER TABLE campaigns ADD COLUMN recording_announcement TEXT;
ALTER TABLE campaigns ADD COLUMN inbound_number TEXT CHECK (inbound_number IS NULL OR campaign_type = 'inbound');
ALTER TABLE campaigns ADD COLUMN script_prompt INTEGER;
ALTER TABLE campaigns ADD COLUMN fallback_prompt INTEGER;
ALTER TABLE campaigns ADD COLUMN agent TEXT CHECK (agent IN ('scripted', 'ai'));
ALTER TABLE campaigns ADD COLUMN agent_disclosure TEXT;
CREATE UNIQUE INDEX campaigns_called ON campaigns (inbound_number) WHERE inbound_number IS NOT NULL AND deleted_at IS NULL;
CREATE TABLE prompts (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  name        TEXT NOT NULL,
  sound       BLOB NOT NULL CHECK (length(sound) > 0),               -- G.711 mu-law, 8,000 samples a second
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX prompts_by_campaign ON prompts (campaign_id, id);
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
  conversation TEXT,
  CHECK ((state = 'ended') = (outcome IS NOT NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  CHECK ((kind = 'test') = (placed_by IS NOT NULL))
) STRICT;
CREATE INDEX other_calls_by_campaign ON other_calls (campaign_id, id);
CREATE INDEX other_calls_by_lead ON other_calls (lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX other_calls_by_number ON other_calls (phone) WHERE phone IS NOT NULL;
CREATE INDEX other_calls_alive ON other_calls (id) WHERE state <> 'ended';
CREATE UNIQUE INDEX other_calls_one_test ON other_calls (campaign_id) WHERE kind = 'test' AND state <> 'ended';
CREATE TABLE trunks (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  position   INTEGER NOT NULL,
  settings   TEXT NOT NULL,
  password   TEXT,                                                   -- sealed
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
ALTER TABLE calls ADD COLUMN transcript TEXT NOT NULL DEFAULT '[]';
ALTER TABLE calls ADD COLUMN call_back_at INTEGER;
ALTER TABLE calls ADD COLUMN conversation TEXT;
CREATE TABLE recordings (
  call_id    INTEGER PRIMARY KEY REFERENCES calls (id),
  ms         INTEGER NOT NULL CHECK (ms >= 0),
  bytes      INTEGER NOT NULL CHECK (bytes >= 0),
  peaks      BLOB NOT NULL,                                          -- how loud it is: pairs of a byte for us and one for them
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,                                                -- nobody hears it any more
  reason     TEXT CHECK (reason IN ('retention', 'request', 'erasure', 'campaign', 'missing')),
  has_file   INTEGER NOT NULL DEFAULT 1 CHECK (has_file IN (0, 1)),
  CHECK ((deleted_at IS NULL) = (reason IS NULL))
) STRICT;
CREATE INDEX recordings_by_age ON recordings (created_at) WHERE deleted_at IS NULL;
CREATE INDEX recordings_going ON recordings (call_id) WHERE has_file = 1 AND deleted_at IS NOT NULL;
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
