-- Calls and events of one gateway: apart from telemetry, and never evicted.
-- One row in event_stream; event offsets are of its epoch. Instants are microseconds since 1970, UTC.

CREATE TABLE call_epoch (
    epoch     INTEGER PRIMARY KEY,
    watermark INTEGER NOT NULL,
    closed    INTEGER NOT NULL DEFAULT 0        -- never opened again
) STRICT;

CREATE TABLE call (
    key      TEXT PRIMARY KEY,                  -- plant/line/production_no/part_group/reorder_index
    line_key TEXT NOT NULL,                     -- plant/line
    call_no  INTEGER NOT NULL,
    body     TEXT NOT NULL,                     -- the call as it came
    state    TEXT NOT NULL
        CHECK (state IN ('received', 'offered', 'accepted', 'refused', 'unclear')),
    received_us INTEGER NOT NULL,
    decided_us  INTEGER,                        -- as its event is stored
    strobe_before INTEGER,                      -- of a PLC whose echo names no call: its strobe
    strobe        INTEGER                       -- when this was offered, and the one to show it with
) STRICT;
CREATE INDEX call_open ON call (line_key, call_no) WHERE state IN ('received', 'offered');

CREATE TABLE event_stream (
    epoch       INTEGER NOT NULL,
    first_kept  INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    watermark   INTEGER NOT NULL,               -- all below is committed by the hub
    unheard_from INTEGER                        -- offset of the first event appended after an
                                                -- opening of the file, until the hub answers
) STRICT;

CREATE TABLE event (
    event_offset INTEGER PRIMARY KEY,
    body         TEXT NOT NULL,                 -- as it travels; {"lost": cause} if it never can
    stored_us    INTEGER NOT NULL
) STRICT;

-- Results taken from a line's PLC: its last numbers, with a digest that tells a result seen before
-- from one of a PLC whose numbers began anew.
CREATE TABLE result (
    line_key  TEXT NOT NULL,
    result_no INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    PRIMARY KEY (line_key, result_no)
) STRICT, WITHOUT ROWID;

-- What could not be read, raw: a record of the call stream (stream 'calls', its epoch and offset) or
-- a result of a PLC (stream 'results/<line>').
CREATE TABLE quarantine (
    id            INTEGER PRIMARY KEY,
    stream        TEXT NOT NULL,
    epoch         INTEGER,
    record_offset INTEGER,
    reason        TEXT NOT NULL,
    raw           TEXT NOT NULL,
    stored_us     INTEGER NOT NULL
) STRICT;

-- Calls the hub no longer had: what is missing, and why.
CREATE TABLE gap (
    id        INTEGER PRIMARY KEY,
    stream    TEXT NOT NULL,
    epoch     INTEGER,
    first_no  INTEGER NOT NULL,
    next_no   INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    stored_us INTEGER NOT NULL
) STRICT;
