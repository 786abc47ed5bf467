-- Lifts a file from version 4 to 5: who changed what.
CREATE TABLE audit (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  token_id   INTEGER REFERENCES tokens (id),                         -- NULL: the command line
  by         TEXT NOT NULL,                                          -- the token's name then
  action     TEXT NOT NULL,                                          -- method and route, or the command
  target     TEXT NOT NULL,                                          -- what it was about, by id; never a number
  request_id TEXT UNIQUE                                             -- one row for a request, however many transactions
) STRICT;
CREATE INDEX audit_by_token ON audit (token_id, id);
