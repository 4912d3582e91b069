-- How a gateway comes to its certificate, and which it has.

-- Set while a gateway is let in by nothing; a new enrolment lets it in again.
ALTER TABLE gateway ADD COLUMN shut_out_at timestamptz;

CREATE TABLE enrolment_token (
    id          text PRIMARY KEY,                           -- part of the token
    owner       text NOT NULL,
    gateway     integer NOT NULL,
    secret_hash bytea NOT NULL,                             -- SHA-256 of 16 random bytes
    made_at     timestamptz NOT NULL DEFAULT now(),
    made_by     text NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    public_key  bytea,                                      -- SHA-256 of the key that it was used for
    FOREIGN KEY (gateway, owner) REFERENCES gateway (id, owner)
);
CREATE INDEX enrolment_token_by_gateway ON enrolment_token (gateway);

CREATE TABLE gateway_certificate (
    serial      text PRIMARY KEY,                           -- hexadecimal, as the certificate has it
    owner       text NOT NULL,
    gateway     integer NOT NULL,
    public_key  bytea NOT NULL,                             -- SHA-256 of its key
    pem         text NOT NULL,
    how         text NOT NULL CHECK (how IN ('enrolled', 'renewed')),
    issued_at   timestamptz NOT NULL DEFAULT now(),
    not_after   timestamptz NOT NULL,
    revoked_at  timestamptz,
    FOREIGN KEY (gateway, owner) REFERENCES gateway (id, owner)
);
CREATE INDEX gateway_certificate_by_gateway ON gateway_certificate (gateway, issued_at);

CREATE POLICY owner_alone ON enrolment_token
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY owner_alone ON gateway_certificate
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
ALTER TABLE enrolment_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrolment_token FORCE ROW LEVEL SECURITY;
ALTER TABLE gateway_certificate ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_certificate FORCE ROW LEVEL SECURITY;
GRANT SELECT (id, owner, gateway, made_at, made_by, expires_at, used_at)
    ON enrolment_token TO lineside_api;
GRANT SELECT ON gateway_certificate TO lineside_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON enrolment_token TO lineside_ingest;
GRANT SELECT, INSERT, UPDATE ON gateway_certificate TO lineside_ingest;
