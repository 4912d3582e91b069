-- Who may ask, and the log of what they changed.

CREATE TABLE api_key (
    id           text PRIMARY KEY,                          -- part of the key, and what it is revoked by
    owner        text NOT NULL REFERENCES tenant,           -- whom it speaks for
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('plant', 'supplier', 'auditor', 'admin')),
    secret_hash  bytea NOT NULL,                            -- SHA-256 of 32 random bytes
    made_at      timestamptz NOT NULL DEFAULT now(),
    made_by      text NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_used_at timestamptz                                -- to the minute
);
CREATE POLICY owner_alone ON api_key
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
GRANT SELECT (id, owner, name, role, made_at, made_by, expires_at, revoked_at, last_used_at)
    ON api_key TO lineside_api;
GRANT SELECT, INSERT, UPDATE ON api_key TO lineside_ingest;

-- Append-only. What the hub's own operator did has no owner.
CREATE TABLE audit (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text REFERENCES tenant,
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    via   text NOT NULL CHECK (via IN ('api', 'cli', 'edi')),
    what  text NOT NULL
);
CREATE INDEX audit_by_owner ON audit (owner, id);
CREATE POLICY owner_alone ON audit
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
GRANT SELECT ON audit TO lineside_api;
GRANT SELECT, INSERT ON audit TO lineside_ingest;

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;

-- What the hub's processes share and nobody else may know: the key that signs browsers' sessions.
CREATE TABLE hub_secret (
    name  text PRIMARY KEY,
    value text NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON hub_secret TO lineside_ingest;
