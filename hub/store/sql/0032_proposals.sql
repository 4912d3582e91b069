-- Configurations that the hub proposes to gateways, and what came of each. Only decided on once.
CREATE TABLE gateway_proposal (
    gateway    integer NOT NULL,
    number     integer NOT NULL CHECK (number > 0),         -- 1, 2, 3 … per gateway
    owner      text NOT NULL,
    proposal   text NOT NULL,                               -- as it is signed
    signature  bytea NOT NULL,                              -- by the hub's authority
    made_at    timestamptz NOT NULL DEFAULT now(),
    made_by    text NOT NULL,
    fetched_at timestamptz,
    decision   text CHECK (decision IN ('applied', 'refused', 'rolled_back', 'superseded')),
    reason     text NOT NULL DEFAULT '',
    decided_at timestamptz,
    PRIMARY KEY (gateway, number),
    FOREIGN KEY (gateway, owner) REFERENCES gateway (id, owner),
    CHECK ((decision IS NULL) = (decided_at IS NULL))
);
CREATE POLICY owner_alone ON gateway_proposal
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
ALTER TABLE gateway_proposal ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_proposal FORCE ROW LEVEL SECURITY;
GRANT SELECT ON gateway_proposal TO lineside_api;
GRANT SELECT, INSERT, UPDATE ON gateway_proposal TO lineside_ingest;
