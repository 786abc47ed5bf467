-- Lifts a file from version 6 to 7: the agent that talks.
ALTER TABLE campaigns ADD COLUMN agent TEXT CHECK (agent IN ('scripted', 'ai'));
ALTER TABLE campaigns ADD COLUMN agent_disclosure TEXT;
ALTER TABLE calls ADD COLUMN call_back_at INTEGER;
ALTER TABLE calls ADD COLUMN conversation TEXT;
ALTER TABLE other_calls ADD COLUMN conversation TEXT;
ALTER TABLE other_calls ADD COLUMN call_back_at INTEGER;
ALTER TABLE forecasts ADD COLUMN error TEXT;
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
