-- What was answered to requests that carried an idempotency key, for a day: the same request again
-- gets the same answer, and nothing happens twice.

CREATE TABLE idempotency_key (
    owner       text NOT NULL REFERENCES tenant,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,                             -- of the request: another one under this key is refused
    begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed     boolean NOT NULL DEFAULT false,             -- set in the transaction of what the request changes
    status      integer,                                    -- of the answer; null: none yet
    headers     jsonb,
    body        bytea,                                      -- null beside a status: held a secret, or was too large
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (begun_at);
CREATE POLICY owner_alone ON idempotency_key
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
GRANT SELECT (owner, key, begun_at, changed, status) ON idempotency_key TO lineside_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO lineside_ingest;
