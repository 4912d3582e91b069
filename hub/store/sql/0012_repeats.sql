-- A gateway whose disk has lost what it had told last may tell some of that again: from its sources, and
-- under other offsets. Of such a tag the samples are compared with what is stored, until one is new.

ALTER TABLE sample_awaited ADD COLUMN repeats boolean NOT NULL DEFAULT false;
