-- Calls from forecast to fitted: the status net enforced here as in code, demand ahead of the calls,
-- changes, racks, shipments, exceptions, modes of a line, stops.

-- The status net, as `protocols/jis/net/net.md` has it; 0011 fills it, a test compares the two.
CREATE TABLE net_status (
    axis  text NOT NULL CHECK (axis IN ('car', 'part')),
    id    text NOT NULL,
    rank  integer NOT NULL,                                 -- in the order of the table: early ones first
    final boolean NOT NULL,
    PRIMARY KEY (axis, id)
);
CREATE TABLE net_move (
    event  text NOT NULL,
    origin text NOT NULL,                                   -- 'start': where a call is made
    axis   text NOT NULL,
    target text NOT NULL,
    source text NOT NULL CHECK (source IN ('plant', 'gateway', 'supplier', 'dock')),
    PRIMARY KEY (event, origin),
    FOREIGN KEY (axis, target) REFERENCES net_status
);
GRANT SELECT ON net_status, net_move TO lineside_api, lineside_ingest;

-- How plant and supplier work together at this line; `hub/orders/profile.py` says what may stand here.
ALTER TABLE supplier_line
    ADD COLUMN profile jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN load_order text NOT NULL DEFAULT 'forward' CHECK (load_order IN ('forward', 'reversed')),
    ADD COLUMN preview_version bigint NOT NULL DEFAULT 0;
-- Shifts, breaks and takt as `hub/sequencing/calendar.py` reads them; null: the line never rests.
ALTER TABLE plant ADD COLUMN calendar jsonb;

ALTER TABLE jis_call DROP CONSTRAINT jis_call_status_check;
ALTER TABLE jis_call
    ADD COLUMN car                   text NOT NULL DEFAULT 'released',
    ADD COLUMN revision              integer NOT NULL DEFAULT 1,   -- of its content, as last told
    ADD COLUMN acknowledged_revision integer,                       -- the newest on the gateway's disk
    ADD COLUMN confirmed_revision    integer,                       -- the newest the supplier took, where asked
    ADD COLUMN asked                 text,                          -- what the supplier is asked and has not answered
    ADD COLUMN priority              text NOT NULL DEFAULT 'normal' CHECK (priority IN ('normal', 'express')),
    ADD COLUMN reorder_of            bigint REFERENCES jis_call,
    ADD COLUMN pre_series            boolean NOT NULL DEFAULT false,
    ADD COLUMN vin                   text,
    ADD COLUMN model                 text,
    ADD COLUMN serial                text,                          -- of the last part built for it
    ADD COLUMN eta                   timestamptz,                   -- of missing material
    ADD COLUMN part_since            timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN fitted_at             timestamptz;
CREATE INDEX jis_call_by_car ON jis_call (plant, production_no);
CREATE INDEX jis_call_by_rack ON jis_call (plant, line, rack, slot);

-- The history of a call: append-only, and the only way in which its statuses move.
ALTER TABLE call_event ALTER COLUMN gateway DROP NOT NULL;
ALTER TABLE call_event ALTER COLUMN epoch DROP NOT NULL;
ALTER TABLE call_event ALTER COLUMN record_offset DROP NOT NULL;
ALTER TABLE call_event
    ADD COLUMN source      text NOT NULL DEFAULT 'supplier'
        CHECK (source IN ('plant', 'gateway', 'supplier', 'dock')),
    ADD COLUMN message_id  text,                            -- who did not come by a stream: key of its message
    ADD COLUMN actor       text,                            -- the person or system that said so
    ADD COLUMN car_before  text,
    ADD COLUMN part_before text,
    ADD COLUMN car_after   text,
    ADD COLUMN part_after  text,
    ADD COLUMN applied     boolean NOT NULL DEFAULT true,   -- false: the net does not take it from there
    ADD UNIQUE (call, source, message_id);
REVOKE UPDATE ON call_event FROM lineside_ingest;

-- What an event is called in the net: an inspection's verdict makes two of it.
CREATE FUNCTION net_event(kind text, body jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'inspected' THEN 'inspected_' || coalesce(body ->> 'verdict', '') ELSE kind END;

CREATE FUNCTION call_event_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at record;
    move record;
    name text := net_event(NEW.kind, NEW.body);
BEGIN
    SELECT car, status INTO at FROM jis_call WHERE id = NEW.call FOR UPDATE;
    IF name IN ('release', 'reorder') THEN
        NEW.car_before := 'start'; NEW.part_before := 'start';
        NEW.car_after := at.car; NEW.part_after := at.status;
        RETURN NEW;
    END IF;
    NEW.car_before := at.car; NEW.part_before := at.status;
    NEW.car_after := at.car; NEW.part_after := at.status;
    SELECT axis, target INTO move FROM net_move
    WHERE event = name AND origin = CASE axis WHEN 'car' THEN at.car ELSE at.status END;
    NEW.applied := FOUND;
    IF NOT FOUND THEN
        IF NEW.source = 'plant' THEN
            RAISE EXCEPTION 'the status net takes no % of a call whose car is % and whose part is %',
                name, at.car, at.status USING ERRCODE = 'check_violation';
        END IF;
    ELSIF move.axis = 'car' THEN
        NEW.car_after := move.target;
    ELSE
        NEW.part_after := move.target;
    END IF;
    UPDATE jis_call SET car = NEW.car_after, status = NEW.part_after,
        part_since = CASE WHEN status = NEW.part_after THEN part_since ELSE clock_timestamp() END,
        serial = CASE WHEN NEW.applied THEN coalesce(NEW.serial, serial) ELSE serial END,
        fitted_at = CASE WHEN name = 'fit' AND NEW.car_after = 'fitted' THEN coalesce(fitted_at, NEW.source_at)
            ELSE fitted_at END
    WHERE id = NEW.call AND (car, status) IS DISTINCT FROM (NEW.car_after, NEW.part_after)
        OR id = NEW.call AND NEW.serial IS NOT NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER call_event_moves BEFORE INSERT ON call_event
    FOR EACH ROW EXECUTE FUNCTION call_event_moves();

CREATE FUNCTION call_moves_by_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a call''s statuses move by its history alone (call_event)'
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER call_moves_by_history BEFORE UPDATE OF car, status ON jis_call
    FOR EACH ROW WHEN (pg_trigger_depth() = 0
        AND (OLD.car IS DISTINCT FROM NEW.car OR OLD.status IS DISTINCT FROM NEW.status))
    EXECUTE FUNCTION call_moves_by_history();
CREATE TRIGGER call_begins_released BEFORE INSERT ON jis_call
    FOR EACH ROW WHEN (NEW.car <> 'released' OR NEW.status <> 'released')
    EXECUTE FUNCTION call_moves_by_history();

CREATE FUNCTION call_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO call_event (owner, partner, call, kind, body, source, message_id, source_at)
    VALUES (NEW.owner, NEW.partner, NEW.id,
        CASE WHEN NEW.reorder_index = 0 THEN 'release' ELSE 'reorder' END,
        '{}', 'plant', 'release', NEW.called_at);
    RETURN NULL;
END $$;
CREATE TRIGGER call_begins AFTER INSERT ON jis_call FOR EACH ROW EXECUTE FUNCTION call_begins();

-- A stream also carries what is not about one call: previews, the mode of a line.
ALTER TABLE call_outbox ALTER COLUMN call DROP NOT NULL;
ALTER TABLE call_outbox ADD COLUMN revision integer NOT NULL DEFAULT 1;

-- What will be called, as far as it is known. A row goes when its car is called or withdrawn.
CREATE TABLE demand (
    plant         text NOT NULL,
    production_no text NOT NULL,
    part_group    text NOT NULL,
    line          text NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    partner       text NOT NULL REFERENCES tenant,
    car           text NOT NULL CHECK (car IN ('forecast', 'planned', 'blocked')),
    part_no       text NOT NULL,
    quantity      integer NOT NULL,
    colour        text NOT NULL,
    model         text,
    place         integer,                                  -- in the line's planned sequence
    required_at   timestamptz,
    day           date,
    version       bigint NOT NULL,                          -- of the line's preview that last told of it
    PRIMARY KEY (plant, production_no, part_group),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE INDEX demand_by_line ON demand (plant, line, place);

-- A rack in its round: filled, closed, shipped, at the dock, empty again.
CREATE TABLE rack (
    plant      text NOT NULL,
    line       text NOT NULL,
    rack       text NOT NULL,
    owner      text NOT NULL REFERENCES tenant,
    partner    text NOT NULL REFERENCES tenant,
    slots      integer NOT NULL,
    load_order text NOT NULL,
    status     text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'closed', 'shipped', 'arrived', 'unloaded', 'returned')),
    opened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at  timestamptz,
    shipment   text,
    shipped_at timestamptz,
    arrived_at timestamptz,
    unloaded_at timestamptz,
    PRIMARY KEY (plant, line, rack),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);

CREATE TABLE shipment (
    plant       text NOT NULL,
    line        text NOT NULL,
    id          text NOT NULL,
    owner       text NOT NULL REFERENCES tenant,
    partner     text NOT NULL REFERENCES tenant,
    departed_at timestamptz NOT NULL,
    eta         timestamptz,                                -- as last told or computed
    carrier     text,
    vehicle     text,
    body        jsonb NOT NULL,                             -- the dispatch advice as it came
    arrived_at  timestamptz,
    unloaded_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (plant, line, id),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);

-- Records of the event stream that are not about one call: shipments, delays. Append-only.
CREATE TABLE line_event (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner         text NOT NULL REFERENCES tenant,
    partner       text NOT NULL REFERENCES tenant,
    plant         text NOT NULL,
    line          text NOT NULL,
    gateway       integer NOT NULL REFERENCES gateway,
    epoch         bigint NOT NULL,
    record_offset bigint NOT NULL,
    kind          text NOT NULL,
    body          jsonb NOT NULL,
    source_at     timestamptz NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (gateway, epoch, record_offset),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);

-- What wants somebody's attention. At most one of a kind is open for one subject.
CREATE TABLE exception (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner     text NOT NULL REFERENCES tenant,
    partner   text REFERENCES tenant,
    plant     text NOT NULL,
    line      text,
    kind      text NOT NULL,
    subject   text NOT NULL,                                -- key of the call, rack, shipment, car … it is about
    call      bigint REFERENCES jis_call,
    severity  text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    detail    jsonb NOT NULL DEFAULT '{}',
    told      text[] NOT NULL,                              -- tenants that see it on their screens and webhooks
    source_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    closed_by text,
    decision  text
);
CREATE UNIQUE INDEX exception_open ON exception (plant, kind, subject) WHERE closed_at IS NULL;
CREATE INDEX exception_by_call ON exception (call) WHERE call IS NOT NULL;

-- Emergency modes of a supplier line: who set which, when, why; the row without an end is in force.
CREATE TABLE line_mode (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant   text NOT NULL,
    line    text NOT NULL,
    owner   text NOT NULL REFERENCES tenant,
    partner text NOT NULL REFERENCES tenant,
    mode    text NOT NULL CHECK (mode IN ('normal', 'buffer', 'late_redelivery', 'manual')),
    since   timestamptz NOT NULL,
    until   timestamptz,
    set_by  text NOT NULL,
    reason  text NOT NULL,
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE UNIQUE INDEX line_mode_in_force ON line_mode (plant, line) WHERE until IS NULL;

-- The plant's line stands or runs at another takt; what is required behind it is timed anew.
CREATE TABLE line_stop (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant     text NOT NULL,
    owner     text NOT NULL REFERENCES tenant,
    partner   text REFERENCES tenant,                       -- the supplier that caused it, if one did
    line      text,
    cause     text NOT NULL,
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz,
    message_id text NOT NULL,
    UNIQUE (plant, message_id),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['demand', 'rack', 'shipment', 'line_event', 'exception', 'line_mode', 'line_stop'] LOOP
        EXECUTE format('CREATE POLICY owner_all ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('CREATE POLICY partner_reads ON %I FOR SELECT '
                       'USING (partner = current_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO lineside_ingest', name);
    END LOOP;
END $$;
GRANT DELETE ON demand TO lineside_ingest;
REVOKE UPDATE ON line_event FROM lineside_ingest;
