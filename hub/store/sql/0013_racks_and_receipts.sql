-- Racks as calls and scans make them, what each shipment held, goods receipt slot by slot, and word
-- of all of it to those who watch.

-- Regular racks hold calls in their order; emergency racks what follows out of it.
ALTER TABLE rack
    ADD COLUMN kind        text NOT NULL DEFAULT 'regular' CHECK (kind IN ('regular', 'emergency')),
    ADD COLUMN returned_at timestamptz;
CREATE INDEX rack_under_way ON rack (plant, line) WHERE status IN ('open', 'closed', 'shipped');

-- Where the supplier's scanner says that a call's part stands; null: in no rack.
ALTER TABLE jis_call
    ADD COLUMN packed_rack   text,
    ADD COLUMN packed_slot   integer,
    ADD COLUMN packed_serial text,
    ADD COLUMN packed_at     timestamptz;
CREATE INDEX jis_call_by_packed_rack ON jis_call (plant, line, packed_rack)
    WHERE packed_rack IS NOT NULL;

-- A rack opens with its first call.
CREATE FUNCTION call_opens_rack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rack (plant, line, rack, owner, partner, slots, load_order, kind)
    SELECT NEW.plant, NEW.line, NEW.rack, NEW.owner, NEW.partner, l.rack_slots, l.load_order,
        CASE NEW.priority WHEN 'express' THEN 'emergency' ELSE 'regular' END
    FROM supplier_line l WHERE l.plant = NEW.plant AND l.id = NEW.line
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER call_opens_rack AFTER INSERT OR UPDATE OF rack ON jis_call
    FOR EACH ROW EXECUTE FUNCTION call_opens_rack();
-- Those called before this release.
ALTER TABLE jis_call NO FORCE ROW LEVEL SECURITY;
ALTER TABLE supplier_line NO FORCE ROW LEVEL SECURITY;
ALTER TABLE rack NO FORCE ROW LEVEL SECURITY;
INSERT INTO rack (plant, line, rack, owner, partner, slots, load_order, status)
SELECT c.plant, c.line, c.rack, c.owner, c.partner, l.rack_slots, l.load_order,
    CASE WHEN bool_and(c.status = 'shipped') THEN 'shipped' ELSE 'open' END
FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
GROUP BY c.plant, c.line, c.rack, c.owner, c.partner, l.rack_slots, l.load_order
ON CONFLICT DO NOTHING;
ALTER TABLE jis_call FORCE ROW LEVEL SECURITY;
ALTER TABLE supplier_line FORCE ROW LEVEL SECURITY;
ALTER TABLE rack FORCE ROW LEVEL SECURITY;

-- The serial of a call is that of the part built for it: neither a wrong scan at the rack nor one
-- at the dock makes another of it.
CREATE OR REPLACE FUNCTION call_event_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at record;
    move record;
    name text := net_event(NEW.kind, NEW.body);
    told text := CASE NEW.source WHEN 'supplier' THEN NEW.serial END;
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
        serial = CASE WHEN NOT NEW.applied THEN serial
            WHEN name = 'produced' THEN coalesce(told, serial) ELSE coalesce(serial, told) END,
        fitted_at = CASE WHEN name = 'fit' AND NEW.car_after = 'fitted' THEN coalesce(fitted_at, NEW.source_at)
            ELSE fitted_at END
    WHERE id = NEW.call AND (car, status) IS DISTINCT FROM (NEW.car_after, NEW.part_after)
        OR id = NEW.call AND told IS NOT NULL;
    RETURN NEW;
END $$;

-- A dock may know of a truck before the supplier's line to the hub is back.
ALTER TABLE shipment ALTER COLUMN departed_at DROP NOT NULL;
CREATE INDEX shipment_under_way ON shipment (plant, line) WHERE arrived_at IS NULL;

-- What a shipment held, slot by slot, against what was called.
CREATE TABLE shipment_slot (
    plant    text NOT NULL,
    line     text NOT NULL,
    shipment text NOT NULL,
    rack     text NOT NULL,
    slot     integer NOT NULL,
    owner    text NOT NULL REFERENCES tenant,
    partner  text NOT NULL REFERENCES tenant,
    key      text,                                          -- of the call, as told; null: left empty
    call     bigint REFERENCES jis_call,                    -- null: none of this line
    serial   text,
    problem  text,                                          -- foreign, doubled, wrong_slot, wrong_serial
    PRIMARY KEY (plant, line, shipment, rack, slot),
    FOREIGN KEY (plant, line, shipment) REFERENCES shipment (plant, line, id),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE INDEX shipment_slot_by_call ON shipment_slot (call) WHERE call IS NOT NULL;

-- Goods receipt: each scan at the dock. Append-only.
CREATE TABLE receipt (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant           text NOT NULL,
    line            text NOT NULL,
    shipment        text NOT NULL,
    rack            text NOT NULL,
    slot            integer NOT NULL,
    owner           text NOT NULL REFERENCES tenant,
    partner         text NOT NULL REFERENCES tenant,
    call            bigint REFERENCES jis_call,
    expected_serial text,
    serial          text,                                   -- null: the slot was found empty
    verdict         text NOT NULL CHECK (verdict IN ('matched', 'unmatched')),
    reason          text,
    scanned_by      text NOT NULL,
    message_id      text NOT NULL,
    source_at       timestamptz NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (plant, line, message_id),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE INDEX receipt_by_shipment ON receipt (plant, line, shipment, rack, slot);

-- A decision may come before the cause is gone.
ALTER TABLE exception
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by text,
    ADD COLUMN note       text;
CREATE INDEX exception_by_plant ON exception (plant, id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['shipment_slot', 'receipt'] LOOP
        EXECUTE format('CREATE POLICY owner_all ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('CREATE POLICY partner_reads ON %I FOR SELECT '
                       'USING (partner = current_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO lineside_ingest', name);
    END LOOP;
END $$;

-- Who watches is told by the tables themselves, so that no way of changing one can forget it.
-- `hub/calls/notify.py` says what a change looks like.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lineside_changes', json_build_array(TG_ARGV[0], NEW.plant, NEW.line,
        array_remove(ARRAY[NEW.owner, NEW.partner], NULL))::text);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON rack
    FOR EACH ROW EXECUTE FUNCTION tell_change('racks');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON shipment
    FOR EACH ROW EXECUTE FUNCTION tell_change('shipments');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON exception
    FOR EACH ROW EXECUTE FUNCTION tell_change('exceptions');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON line_mode
    FOR EACH ROW EXECUTE FUNCTION tell_change('modes');
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON line_stop
    FOR EACH ROW EXECUTE FUNCTION tell_change('stops');
