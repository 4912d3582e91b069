-- What gateways have taken of events with their cameras: references; a picture stays with its gateway
-- until it is asked for. Shared and seen as results are.
CREATE TABLE inspection_picture (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner       text NOT NULL REFERENCES tenant,            -- the supplier
    partner     text REFERENCES tenant,                     -- the car maker
    tag         integer NOT NULL REFERENCES tag,            -- of the camera
    key         text NOT NULL,                              -- identity at the gateway
    event       text NOT NULL CHECK (event IN ('nok', 'wrong_part')),
    found_by    text NOT NULL,                              -- device, or plant/line
    found_key   text NOT NULL,                              -- of the result at that device
    what        text NOT NULL,
    serial      text,
    happened_at timestamptz NOT NULL,                       -- by the station's clock
    state       text NOT NULL CHECK (state IN ('kept', 'dropped', 'missed')),
    reason      text NOT NULL,                              -- why there is none
    media_type  text,
    size        integer,                                    -- bytes
    sha256      bytea,
    frames      integer,
    taken_from  timestamptz,                                -- by the gateway's clock
    taken_to    timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    -- A gateway tells again what a stop had cut off: each counts once.
    UNIQUE (tag, key),
    CHECK (state = 'missed' OR (size > 0 AND sha256 IS NOT NULL AND media_type IS NOT NULL))
);
CREATE INDEX inspection_picture_by_serial ON inspection_picture (serial, happened_at, id)
    WHERE serial IS NOT NULL;

CREATE POLICY owner_all ON inspection_picture
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON inspection_picture FOR SELECT USING (partner = current_tenant());
ALTER TABLE inspection_picture ENABLE ROW LEVEL SECURITY;
ALTER TABLE inspection_picture FORCE ROW LEVEL SECURITY;
GRANT SELECT ON inspection_picture TO lineside_api;
GRANT SELECT, INSERT, UPDATE ON inspection_picture TO lineside_ingest;
