-- Partners by EDI: whom files go to and come from, each message that was, and files to be fetched.

-- 'edi': nobody listens on MQTT; what is told to this gateway becomes messages in files.
ALTER TABLE gateway ADD COLUMN transport text NOT NULL DEFAULT 'mqtt'
    CHECK (transport IN ('mqtt', 'edi'));

CREATE TABLE edi_partner (
    owner           text NOT NULL REFERENCES tenant,        -- whose files these are
    partner         text NOT NULL REFERENCES tenant,
    plant           text NOT NULL,                          -- what comes in is of this plant of the owner
    our_id          text NOT NULL,                          -- in UNB
    our_qualifier   text NOT NULL DEFAULT '',
    their_id        text NOT NULL,
    their_qualifier text NOT NULL DEFAULT '',
    profile         jsonb NOT NULL,                         -- protocols.edifact EdiProfile
    next_reference  bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (owner, partner),
    UNIQUE (our_id, their_id),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

-- Append-only.
CREATE TABLE edi_message (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner       text NOT NULL REFERENCES tenant,
    partner     text NOT NULL REFERENCES tenant,
    direction   text NOT NULL CHECK (direction IN ('in', 'out')),
    kind        text NOT NULL,                              -- DELJIT …; '' of a file that could not be read
    interchange text NOT NULL,                              -- UNB 0020
    reference   text NOT NULL,                              -- UNH 0062
    document_no text NOT NULL DEFAULT '',
    status      text NOT NULL CHECK (status IN ('taken', 'refused', 'duplicate', 'sent')),
    errors      jsonb NOT NULL DEFAULT '[]',
    checksum    bytea NOT NULL,                             -- SHA-256 of the file
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX edi_message_by_partner ON edi_message (owner, partner, direction, interchange);
CREATE INDEX edi_message_by_owner ON edi_message (owner, id);
CREATE UNIQUE INDEX edi_message_taken ON edi_message (owner, partner, interchange, reference)
    WHERE direction = 'in' AND status = 'taken';

-- What goes out, until somebody has fetched it, and after.
CREATE TABLE edi_file (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner      text NOT NULL REFERENCES tenant,
    partner    text NOT NULL REFERENCES tenant,
    name       text NOT NULL,
    body       bytea NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_at timestamptz                                  -- into the out folder
);
CREATE INDEX edi_file_to_write ON edi_file (id) WHERE written_at IS NULL;

-- What customers expect to need, part by part: the newest forecast replaces the one before.
CREATE TABLE part_forecast (
    plant       text NOT NULL,
    owner       text NOT NULL REFERENCES tenant,
    partner     text NOT NULL REFERENCES tenant,            -- who expects it
    part_no     text NOT NULL,
    first_day   date NOT NULL,
    last_day    date NOT NULL,
    firmness    text NOT NULL,
    quantity    numeric NOT NULL,
    cumulative  numeric,
    unloading_point text NOT NULL DEFAULT '',
    document_no text NOT NULL,
    issued_at   timestamptz NOT NULL,
    PRIMARY KEY (plant, partner, part_no, unloading_point, first_day, last_day, firmness),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['edi_partner', 'edi_message', 'edi_file', 'part_forecast'] LOOP
        EXECUTE format('CREATE POLICY owner_alone ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO lineside_ingest', name);
    END LOOP;
END $$;
GRANT UPDATE ON edi_partner TO lineside_ingest;
GRANT UPDATE (written_at) ON edi_file TO lineside_ingest;
GRANT UPDATE, DELETE ON part_forecast TO lineside_ingest;
