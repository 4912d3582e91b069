-- The calls of a car are written by one statement: their histories, their racks and what webhooks are
-- told of them are too, in place of a statement each.

DROP TRIGGER call_begins ON jis_call;
CREATE OR REPLACE FUNCTION call_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO call_event (owner, partner, call, kind, body, source, message_id, source_at)
    SELECT owner, partner, id, CASE WHEN reorder_index = 0 THEN 'release' ELSE 'reorder' END,
        '{}', 'plant', 'release', called_at
    FROM made ORDER BY id;
    INSERT INTO rack (plant, line, rack, owner, partner, slots, load_order, kind)
    SELECT DISTINCT ON (m.plant, m.line, m.rack) m.plant, m.line, m.rack, m.owner, m.partner,
        l.rack_slots, l.load_order,
        CASE m.priority WHEN 'express' THEN 'emergency' ELSE 'regular' END
    FROM made m JOIN supplier_line l ON l.plant = m.plant AND l.id = m.line
    ORDER BY m.plant, m.line, m.rack, m.id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER call_begins AFTER INSERT ON jis_call REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION call_begins();

-- One that moves into another rack opens that.
DROP TRIGGER call_opens_rack ON jis_call;
CREATE TRIGGER call_opens_rack AFTER UPDATE OF rack ON jis_call
    FOR EACH ROW WHEN (OLD.rack IS DISTINCT FROM NEW.rack) EXECUTE FUNCTION call_opens_rack();

-- As 0013 has it, but that the first event of a call, which moves nothing, does not lock it.
CREATE OR REPLACE FUNCTION call_event_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at record;
    move record;
    name text := net_event(NEW.kind, NEW.body);
    told text := CASE NEW.source WHEN 'supplier' THEN NEW.serial END;
BEGIN
    IF name IN ('release', 'reorder') THEN
        SELECT car, status INTO at FROM jis_call WHERE id = NEW.call;
        NEW.car_before := 'start'; NEW.part_before := 'start';
        NEW.car_after := at.car; NEW.part_after := at.status;
        RETURN NEW;
    END IF;
    SELECT car, status INTO at FROM jis_call WHERE id = NEW.call FOR UPDATE;
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

DROP TRIGGER to_webhooks ON call_event;
CREATE OR REPLACE FUNCTION call_event_to_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event record;
    called record;
    name text;
    about text;
    content jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE disabled_at IS NULL) THEN
        RETURN NULL;
    END IF;
    FOR event IN SELECT * FROM said ORDER BY id LOOP
        name := net_event(event.kind, event.body);
        about := CASE WHEN name IN ('release', 'reorder') THEN 'calls'
            WHEN event.source = 'plant' THEN 'changes' ELSE 'events' END;
        CONTINUE WHEN NOT EXISTS (SELECT FROM webhook WHERE owner IN (event.owner, event.partner)
            AND about = ANY (topics) AND disabled_at IS NULL);
        SELECT * INTO called FROM jis_call WHERE id = event.call;
        content := jsonb_build_object(
            'key', concat_ws('/', called.plant, called.line, called.production_no,
                called.part_group, called.reorder_index),
            'event', name, 'source', event.source, 'at', event.source_at,
            'received_at', event.received_at, 'car', event.car_after, 'part', event.part_after,
            'applied', event.applied, 'serial', event.serial, 'actor', event.actor,
            'detail', event.body);
        IF about <> 'events' THEN
            content := content || jsonb_build_object('call', jsonb_build_object(
                'call_no', called.call_no, 'sequence_no', called.sequence_no,
                'part_no', called.part_no, 'quantity', called.quantity, 'colour', called.colour,
                'rack', called.rack, 'slot', called.slot,
                'unloading_point', called.unloading_point,
                'control_point', called.control_point, 'called_at', called.called_at,
                'required_at', called.required_at, 'revision', called.revision,
                'priority', called.priority, 'vin', called.vin, 'model', called.model,
                'pre_series', called.pre_series));
        END IF;
        PERFORM webhook_tell(ARRAY[event.owner, event.partner], about, content ->> 'key',
            'call.' || name, content);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER to_webhooks AFTER INSERT ON call_event REFERENCING NEW TABLE AS said
    FOR EACH STATEMENT EXECUTE FUNCTION call_event_to_webhooks();

-- A stream that has grown says so itself to those who carry it (`hub/calls/notify.py`).
CREATE FUNCTION call_stream_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lineside_call_stream', concat_ws(' ', NEW.gateway, NEW.epoch, NEW.next_offset));
    RETURN NULL;
END $$;
CREATE TRIGGER call_stream_grows AFTER INSERT OR UPDATE OF next_offset ON call_stream
    FOR EACH ROW WHEN (NEW.next_offset > 0) EXECUTE FUNCTION call_stream_grows();

-- What a control point releases, without a look at all part groups of the plant.
CREATE INDEX part_group_by_control_point ON part_group (plant, control_point);
