-- Pictures that somebody has asked for, on their way from the gateway and here. `here` counts the bytes
-- that have come, from the first on.
ALTER TABLE inspection_picture
    ADD COLUMN fetch_state text
        CHECK (fetch_state IN ('asked', 'arriving', 'there', 'gone', 'failed')),
    ADD COLUMN fetch_reason text NOT NULL DEFAULT '',
    ADD COLUMN here integer NOT NULL DEFAULT 0 CHECK (here >= 0),
    ADD COLUMN asked_by text,
    ADD COLUMN asked_at timestamptz,
    ADD COLUMN asked_to integer NOT NULL DEFAULT 0,         -- up to which byte the gateway was asked
    ADD COLUMN sent_at timestamptz,                         -- when it was asked last
    ADD COLUMN heard_at timestamptz,                        -- when a part came last
    ADD COLUMN there_at timestamptz,
    ADD CONSTRAINT inspection_picture_owned UNIQUE (id, owner),
    ADD CHECK (fetch_state IS NULL OR (asked_at IS NOT NULL AND size IS NOT NULL AND here <= size));
CREATE INDEX inspection_picture_under_way ON inspection_picture (asked_at)
    WHERE fetch_state IN ('asked', 'arriving');
CREATE INDEX inspection_picture_there ON inspection_picture (owner, there_at) WHERE fetch_state = 'there';
CREATE INDEX inspection_picture_newest ON inspection_picture (owner, id);

CREATE TABLE picture_part (
    picture bigint NOT NULL,
    at      integer NOT NULL CHECK (at >= 0),               -- its first byte's place
    owner   text NOT NULL,
    partner text REFERENCES tenant,
    data    bytea NOT NULL,
    PRIMARY KEY (picture, at),
    FOREIGN KEY (picture, owner) REFERENCES inspection_picture (id, owner)
);
-- A JPEG does not become smaller.
ALTER TABLE picture_part ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE POLICY owner_all ON picture_part
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON picture_part FOR SELECT USING (partner = current_tenant());
ALTER TABLE picture_part ENABLE ROW LEVEL SECURITY;
ALTER TABLE picture_part FORCE ROW LEVEL SECURITY;
GRANT SELECT ON picture_part TO lineside_api;
GRANT SELECT, INSERT, DELETE ON picture_part TO lineside_ingest;
