-- The telemetry journal, version 2. Times are microseconds since 1970, UTC; row_check is the CRC-32
-- of the columns before it (of a tag, of its first five).

-- Position of the stream: one row.
CREATE TABLE log (
    epoch      INTEGER NOT NULL,
    base       INTEGER NOT NULL,  -- offset in this file of the epoch's offset 0
    first_kept INTEGER NOT NULL,
    next       INTEGER NOT NULL,
    watermark  INTEGER NOT NULL,  -- the hub has committed all below
    reflected  INTEGER NOT NULL,  -- tag.last_us and tag.last_offset are right for all rows below
    set_aside  INTEGER NOT NULL,  -- damaged files before this one
    row_check  INTEGER NOT NULL
) STRICT;

CREATE TABLE record (
    offset      INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,  -- 0 samples, 1 gap
    device      TEXT NOT NULL,     -- '' for a gap of all devices
    class       INTEGER NOT NULL,  -- lowest is evicted first
    first_us    INTEGER NOT NULL,
    last_us     INTEGER NOT NULL,
    appended_us INTEGER NOT NULL,
    head_check  INTEGER NOT NULL,  -- CRC-32 of offset, kind, device, class, first_us, last_us
    body_check  INTEGER NOT NULL,  -- CRC-32 of body
    body        BLOB NOT NULL
) STRICT;
CREATE INDEX record_by_class ON record (class, offset);

-- Tombstones: offsets first … after - 1 are gone.
CREATE TABLE lost (
    first   INTEGER PRIMARY KEY,
    after   INTEGER NOT NULL,
    cause   TEXT NOT NULL,
    from_us INTEGER,
    to_us   INTEGER,
    row_check INTEGER NOT NULL
) STRICT;

CREATE TABLE tag (
    id          INTEGER PRIMARY KEY,
    device      TEXT NOT NULL,
    name        TEXT NOT NULL,
    datatype    INTEGER NOT NULL,
    unit        TEXT NOT NULL,
    last_us     INTEGER,
    last_offset INTEGER,
    row_check   INTEGER NOT NULL,
    UNIQUE (device, name, datatype)
) STRICT;

-- What the sources must know to go on after their last records.
CREATE TABLE bookmark (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    row_check INTEGER NOT NULL
) STRICT;
