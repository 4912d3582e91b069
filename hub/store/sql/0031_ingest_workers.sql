-- Ingest shared by several workers: who lives, and which of them has which Sparkplug group.

CREATE TABLE ingest_worker (
    id         uuid PRIMARY KEY,                            -- drawn anew at each start
    expires_at timestamptz NOT NULL                         -- from then on others may take what it has
);

-- A lease may name a worker that is no longer there: then it is free.
CREATE TABLE ingest_lease (
    name   text PRIMARY KEY,                                -- a group; or STATE, as no group may be called
    worker uuid,
    token  bigint NOT NULL DEFAULT 0                        -- grows whenever it changes hands
);

-- FOR SHARE within a commit needs the right to update.
GRANT SELECT, INSERT, UPDATE, DELETE ON ingest_worker, ingest_lease TO lineside_ingest;
