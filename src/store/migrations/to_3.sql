-- Lifts a file from version 2 to 3: endpoints with their secrets, and the deliveries of events.
-- Places that are told of events. The secrets are kept here alone.
CREATE TABLE endpoints (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id     INTEGER REFERENCES campaigns (id),                 -- NULL: told of the events of all campaigns
  url             TEXT NOT NULL,
  events          TEXT NOT NULL,
  description     TEXT,
  secret          TEXT NOT NULL CHECK (secret LIKE 'whsec_%'),
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

-- A webhook that never got a secret gets one now; hexadecimal digits are base64 as well.
INSERT INTO endpoints (campaign_id, url, events, description, secret, created_at, updated_at)
  SELECT c.id, json_extract(w.value, '$.url'), json_extract(w.value, '$.events'),
         json_extract(w.value, '$.description'),
         coalesce(json_extract(w.value, '$.secret'), 'whsec_' || hex(randomblob(24))), c.updated_at, c.updated_at
  FROM campaigns c, json_each(c.webhooks) w ORDER BY c.id, w.key;
UPDATE campaigns SET webhooks =
  (SELECT json_group_array(json_remove(value, '$.secret') ORDER BY key) FROM json_each(campaigns.webhooks))
  WHERE webhooks <> '[]';
