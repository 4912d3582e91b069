-- What stations found, one row per characteristic. A plain table with row security, not a hypertable:
-- it is asked by serial, for as long as the part is on the road, and two parties share it.
CREATE TABLE inspection_result (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner          text NOT NULL REFERENCES tenant,         -- the supplier
    partner        text REFERENCES tenant,                  -- the car maker
    tag            integer NOT NULL REFERENCES tag,         -- of the device that measured
    key            text NOT NULL,                           -- identity at the device
    serial         text,
    characteristic text NOT NULL,
    value          double precision,
    lower          double precision,
    upper          double precision,
    nominal        double precision,
    unit           text NOT NULL,
    verdict        text NOT NULL CHECK (verdict IN ('ok', 'nok', 'unknown')),
    tool           text,
    programme      text,
    operator       text,
    measured_at    timestamptz NOT NULL,
    raw_sha256     bytea NOT NULL,                          -- of the device's own message
    received_at    timestamptz NOT NULL DEFAULT now(),
    -- A gateway that lost its disk reads results again from the device: each counts once.
    UNIQUE (tag, key, characteristic)
);
CREATE INDEX inspection_result_by_serial ON inspection_result (serial, measured_at, id)
    WHERE serial IS NOT NULL;

CREATE POLICY owner_all ON inspection_result
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON inspection_result FOR SELECT USING (partner = current_tenant());
ALTER TABLE inspection_result ENABLE ROW LEVEL SECURITY;
ALTER TABLE inspection_result FORCE ROW LEVEL SECURITY;
GRANT SELECT ON inspection_result TO lineside_api;
-- No UPDATE: what was found stays as it is.
GRANT SELECT, INSERT ON inspection_result TO lineside_ingest;
