-- What ingest says of itself: how each node delivers, what came of its messages, who is not known.

ALTER TABLE gateway_status
    -- 'stream': offsets, committed end to end. 'standard': a Sparkplug node that is not ours; its
    -- data are taken as the standard offers them, and what is lost on the way is not noticed.
    ADD COLUMN delivery text NOT NULL DEFAULT 'unknown'
        CHECK (delivery IN ('unknown', 'stream', 'standard'));

-- When something of an epoch was last committed: from then on records may be missing if it ends.
ALTER TABLE stream_cursor ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now();

-- Counted since registration; written in the transaction of what they count.
CREATE TABLE gateway_traffic (
    gateway     integer PRIMARY KEY REFERENCES gateway,
    owner       text NOT NULL REFERENCES tenant,
    partner     text REFERENCES tenant,
    messages    bigint NOT NULL DEFAULT 0,                  -- received
    records     bigint NOT NULL DEFAULT 0,                  -- committed
    samples     bigint NOT NULL DEFAULT 0,                  -- rows committed
    duplicates  bigint NOT NULL DEFAULT 0,                  -- records that were committed before
    quarantined bigint NOT NULL DEFAULT 0,                  -- records kept raw
    refused     bigint NOT NULL DEFAULT 0                   -- messages not taken: foreign epoch, no birth, no Sparkplug
);

-- Nodes that speak without being registered. Not a tenant's business: nobody owns them.
CREATE TABLE unregistered_node (
    group_id text NOT NULL,
    node_id  text NOT NULL,
    messages bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, node_id)
);

CREATE POLICY owner_all ON gateway_traffic
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON gateway_traffic FOR SELECT USING (partner = current_tenant());
ALTER TABLE gateway_traffic ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_traffic FORCE ROW LEVEL SECURITY;
GRANT SELECT ON gateway_traffic TO lineside_api;
GRANT SELECT, INSERT, UPDATE ON gateway_traffic, unregistered_node TO lineside_ingest;
