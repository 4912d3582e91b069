-- A gateway that begins a new log knows nothing of the old one: it tells the present value of each tag
-- again, and not what changed before it began to read. The hub knows where each tag stood.

-- The tags of which no sample has come since their gateway began a new log.
CREATE TABLE sample_awaited (
    tag           integer PRIMARY KEY REFERENCES tag,
    gateway       integer NOT NULL REFERENCES gateway,
    newest        timestamptz NOT NULL,                     -- its newest sample of before
    device_newest timestamptz NOT NULL,                     -- that of its device
    since         timestamptz NOT NULL                      -- the last commit of the old log, by the hub's clock
);
CREATE INDEX sample_awaited_by_gateway ON sample_awaited (gateway);

-- Samples on their way in that may be stored already; empty outside of transactions.
CREATE UNLOGGED TABLE sample_first (LIKE sample);

GRANT SELECT, INSERT, UPDATE, DELETE ON sample_awaited TO lineside_ingest;
GRANT SELECT, INSERT, DELETE ON sample_first TO lineside_ingest;
