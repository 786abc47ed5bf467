-- Lifts a file from version 7 to 8: tokens that end by themselves.
ALTER TABLE tokens ADD COLUMN expires_at INTEGER;
