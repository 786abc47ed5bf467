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
