-- When the PLC's server had a sample, beside when its source had it, and whether it was read from
-- the history that the server keeps. Both storages take new columns, nullable or with a constant
-- default, without touching what is stored, compressed chunks included.

-- Null: the server gave no time, or the same to the millisecond.
ALTER TABLE sample ADD COLUMN server_time timestamptz;
ALTER TABLE sample ADD COLUMN from_history boolean NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW sample_view WITH (security_barrier) AS
SELECT s.tag_id, s.time, s.value, s.text, s.quality, s.historical, s.server_time, s.from_history
FROM sample s
JOIN tag t ON t.id = s.tag_id
WHERE current_tenant() IN (t.owner, t.partner);
