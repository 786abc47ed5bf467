-- Lifts a file from version 5 to 6: what real calls need.
ALTER TABLE campaigns ADD COLUMN keys TEXT;
ALTER TABLE campaigns ADD COLUMN opt_out_sentence TEXT;
ALTER TABLE campaigns ADD COLUMN machine_detection INTEGER CHECK (machine_detection IN (0, 1));
ALTER TABLE campaigns ADD COLUMN transfer_number TEXT;
ALTER TABLE campaigns ADD COLUMN record_calls INTEGER NOT NULL DEFAULT 0 CHECK (record_calls IN (0, 1));
ALTER TABLE campaigns ADD COLUMN recording_announcement TEXT;
ALTER TABLE campaigns ADD COLUMN inbound_number TEXT CHECK (inbound_number IS NULL OR campaign_type = 'inbound');
ALTER TABLE campaigns ADD COLUMN script_prompt INTEGER;
ALTER TABLE campaigns ADD COLUMN fallback_prompt INTEGER;
CREATE UNIQUE INDEX campaigns_called ON campaigns (inbound_number) WHERE inbound_number IS NOT NULL AND deleted_at IS NULL;
CREATE TABLE prompts (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
  name        TEXT NOT NULL,
  sound       BLOB NOT NULL CHECK (length(sound) > 0),               -- G.711 mu-law, 8,000 samples a second
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX prompts_by_campaign ON prompts (campaign_id, id);
