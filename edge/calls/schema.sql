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
    express  INTEGER NOT NULL,                  -- before all others
    body     TEXT NOT NULL,                     -- the call as it holds at the line
    revision INTEGER NOT NULL,                  -- of that content
    seen     INTEGER NOT NULL,                  -- newest revision of its content that has come
    state    TEXT NOT NULL CHECK (state IN
        ('received', 'offered', 'accepted', 'refused', 'unclear', 'dropped')),
    received_us INTEGER NOT NULL,
    decided_us  INTEGER,                        -- as its event is stored
    strobe_before INTEGER,                      -- of a PLC whose echo names no call: its strobe
    strobe        INTEGER,                      -- when this was offered, and the one to show it with
    -- Due: 0 nothing, 1 the PLC is to be told, 2 a person is to decide first.
    change_body   TEXT,                         -- a newer call that the line does not have yet
    change_due    INTEGER NOT NULL DEFAULT 0,
    change_reason TEXT NOT NULL DEFAULT '',
    wish          TEXT NOT NULL DEFAULT 'build' CHECK (wish IN ('build', 'hold', 'cancel')),
    wish_revision INTEGER NOT NULL DEFAULT 0,
    wish_due      INTEGER NOT NULL DEFAULT 0,
    wish_reason   TEXT NOT NULL DEFAULT '',
    keep_slot     INTEGER NOT NULL DEFAULT 1,   -- of a hold: its slot stays empty
    said_by       TEXT,                         -- the person who confirmed what is due
    redo          TEXT CHECK (redo IN ('rework', 'scrap')), -- a person's word that the PLC must hear
    shown         TEXT,                         -- a command that the PLC may have seen, unanswered
    -- How far its part is, by the status net, as our own events and the dock say.
    part      TEXT NOT NULL,
    part_us   INTEGER NOT NULL,
    serial    TEXT,
    eta       TEXT,                             -- of missing material
    note      TEXT,                             -- the last reason given of it
    version   INTEGER NOT NULL DEFAULT 0,       -- counts what a person must have seen before acting
    work      INTEGER NOT NULL GENERATED ALWAYS AS (
        CASE WHEN state = 'offered' OR shown IS NOT NULL THEN 3
             WHEN state = 'accepted' AND (change_due = 1 OR wish_due = 1 OR redo IS NOT NULL) THEN 2
             WHEN state = 'received' AND wish = 'build' THEN 1
             ELSE 0 END) STORED                 -- what the PLC is to be told next comes highest
) STRICT;
CREATE INDEX call_work ON call (line_key, work DESC, express DESC, call_no) WHERE work > 0;
CREATE INDEX call_at_line ON call (line_key, express DESC, call_no)
    WHERE part NOT IN ('shipped', 'arrived', 'mismatched', 'confirmed', 'consumed', 'rejected',
                       'returned', 'dropped', 'scrapped', 'stocked');

-- Instructions of calls that have not come yet.
CREATE TABLE instruction_ahead (
    key       TEXT PRIMARY KEY,
    revision  INTEGER NOT NULL,
    body      TEXT NOT NULL,
    stored_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE line (
    line_key TEXT PRIMARY KEY,
    state    TEXT,                              -- the newest LineState
    since_us INTEGER NOT NULL DEFAULT 0,        -- of that
    commands INTEGER,                           -- whether its PLC takes commands; null: not seen yet
    preview  INTEGER NOT NULL DEFAULT 0         -- version of its demand
) STRICT, WITHOUT ROWID;

-- Demand ahead of the calls, as of the line's preview version; and versions not complete yet.
CREATE TABLE demand (
    line_key      TEXT NOT NULL,
    production_no TEXT NOT NULL,
    part_group    TEXT NOT NULL,
    body          TEXT NOT NULL,
    PRIMARY KEY (line_key, production_no, part_group)
) STRICT, WITHOUT ROWID;
CREATE TABLE preview_part (
    line_key TEXT NOT NULL,
    version  INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (line_key, version, part)
) STRICT, WITHOUT ROWID;

-- What stands in racks that have not left, or whose truck's departure was not told yet.
CREATE TABLE rack_part (
    key      TEXT PRIMARY KEY,
    line_key TEXT NOT NULL,
    rack     TEXT NOT NULL,
    slot     INTEGER NOT NULL,
    serial   TEXT NOT NULL,
    shipment TEXT,
    stored_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rack_part_by_rack ON rack_part (line_key, rack, slot);

-- Racks that a person closed after the check of their serials.
CREATE TABLE closed_rack (
    line_key  TEXT NOT NULL,
    rack      TEXT NOT NULL,
    by        TEXT NOT NULL,
    closed_us INTEGER NOT NULL,
    PRIMARY KEY (line_key, rack)
) STRICT, WITHOUT ROWID;

-- Trucks under way, the newest some.
CREATE TABLE truck (
    line_key TEXT NOT NULL,
    shipment TEXT NOT NULL,
    departed_us INTEGER NOT NULL,               -- later than of each that was told before
    eta      TEXT,
    racks    TEXT NOT NULL,                     -- names, JSON
    PRIMARY KEY (line_key, shipment)
) STRICT, WITHOUT ROWID;

-- What people did, each once: the same press again finds itself here.
CREATE TABLE action (
    verb      TEXT NOT NULL,
    target    TEXT NOT NULL,
    seen      TEXT NOT NULL,                    -- what the person had before them
    by        TEXT NOT NULL,
    said      TEXT NOT NULL,                    -- what came of it
    stored_us INTEGER NOT NULL,
    PRIMARY KEY (verb, target, seen)
) STRICT, WITHOUT ROWID;

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
