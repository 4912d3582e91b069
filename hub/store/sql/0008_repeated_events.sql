-- A gateway that lost its memory (a replaced PC, a destroyed file) tells under a new epoch what the
-- PLC still shows, and may have told before. Such records are counted here and not stored again.
ALTER TABLE stream_cursor ADD COLUMN repeated bigint NOT NULL DEFAULT 0;
