-- Tenants, the gateway registry, and what each gateway has told us of itself.
-- Every row names its owning tenant and, where two parties share it, the partner.

CREATE TABLE tenant (
    id   text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('oem', 'supplier'))
);

-- The registry is the only place a gateway's tenant comes from; a message never says it.
CREATE TABLE gateway (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner         text NOT NULL REFERENCES tenant,          -- the supplier that runs it
    partner       text REFERENCES tenant,                   -- the car maker it delivers to
    group_id      text NOT NULL,                            -- Sparkplug group, which is the supplier
    node_id       text NOT NULL,                            -- Sparkplug edge node
    registered_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (group_id, node_id),
    UNIQUE (id, owner)
);

-- Latest state only; written when it changes.
CREATE TABLE gateway_status (
    gateway   integer PRIMARY KEY REFERENCES gateway,
    owner     text NOT NULL REFERENCES tenant,
    partner   text REFERENCES tenant,
    online    boolean NOT NULL,
    since     timestamptz NOT NULL,
    metrics   jsonb NOT NULL DEFAULT '{}',                  -- node metrics by name, from NBIRTH/NDATA
    conflict  text                                          -- set while two gateways share one identity
);

CREATE TABLE device (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner   text NOT NULL REFERENCES tenant,
    partner text REFERENCES tenant,
    gateway integer NOT NULL REFERENCES gateway,
    name    text NOT NULL,
    online  boolean NOT NULL,
    since   timestamptz NOT NULL,
    UNIQUE (gateway, name)
);

CREATE TABLE tag (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner    text NOT NULL REFERENCES tenant,
    partner  text REFERENCES tenant,
    device   integer NOT NULL REFERENCES device,
    name     text NOT NULL,
    datatype smallint NOT NULL,                             -- Sparkplug datatype of the last birth
    unit     text,
    UNIQUE (device, name)
);

-- Where each incoming stream stands: all below `watermark` is committed, and the ranges `ahead`.
-- Moved in the same transaction as the records, by compare-and-set on `version`.
CREATE TABLE stream_cursor (
    gateway   integer NOT NULL REFERENCES gateway,
    stream    text NOT NULL CHECK (stream IN ('telemetry', 'events')),
    epoch     bigint NOT NULL,
    owner     text NOT NULL REFERENCES tenant,
    partner   text REFERENCES tenant,
    watermark bigint NOT NULL DEFAULT 0,
    ahead     int8multirange NOT NULL DEFAULT '{}',
    closed    boolean NOT NULL DEFAULT false,               -- a closed epoch is never reopened
    opened_at timestamptz NOT NULL DEFAULT now(),
    version   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (gateway, stream, epoch)
);
CREATE UNIQUE INDEX stream_cursor_open ON stream_cursor (gateway, stream) WHERE NOT closed;

-- What is known to be missing: device (null: the whole gateway), from, to, cause.
CREATE TABLE gap (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner        text NOT NULL REFERENCES tenant,
    partner      text REFERENCES tenant,
    gateway      integer NOT NULL REFERENCES gateway,
    device       text,
    stream       text NOT NULL,
    epoch        bigint,
    first_offset bigint,                                    -- lost after it was written: which offsets
    next_offset  bigint,
    from_time    timestamptz,                               -- null: since ever
    to_time      timestamptz,                               -- null: not known yet
    cause        text NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX gap_by_gateway ON gap (gateway, device, from_time);

-- A record that could not be stored, raw, so that it neither stops its stream nor is lost.
CREATE TABLE quarantine (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner         text NOT NULL REFERENCES tenant,
    partner       text REFERENCES tenant,
    gateway       integer NOT NULL REFERENCES gateway,
    stream        text NOT NULL,
    epoch         bigint,
    record_offset bigint,
    reason        text NOT NULL,
    raw           bytea NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now()
);
