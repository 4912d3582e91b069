-- Births as they came, so that a worker that takes a group over knows what the aliases of its nodes mean.
-- Written where several share ingest, in the transaction of what the birth changes; a death deletes them.
CREATE TABLE birth (
    gateway  integer NOT NULL REFERENCES gateway,
    device   text NOT NULL,                                 -- '': the node itself
    owner    text NOT NULL REFERENCES tenant,
    partner  text REFERENCES tenant,
    payload  bytea NOT NULL,                                -- Sparkplug; of one gateway bounded in all
    next_seq smallint,                                      -- of a node without stream: all before it is stored
    PRIMARY KEY (gateway, device)
);

-- All births of a group that were said before are in `birth`, or are not known and must be asked for.
CREATE TABLE ingest_heard (
    name     text PRIMARY KEY,                              -- a group
    heard_at timestamptz NOT NULL
);

CREATE POLICY owner_all ON birth
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON birth FOR SELECT USING (partner = current_tenant());
ALTER TABLE birth ENABLE ROW LEVEL SECURITY;
ALTER TABLE birth FORCE ROW LEVEL SECURITY;
GRANT SELECT ON birth TO lineside_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON birth, ingest_heard TO lineside_ingest;
