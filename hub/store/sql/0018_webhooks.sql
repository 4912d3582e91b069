-- Webhooks: who is told of what, and what is still to be told. Messages are written by the tables
-- themselves, in the transaction of the change, so that no way of changing one can forget it.

CREATE TABLE webhook (
    id              text PRIMARY KEY,
    owner           text NOT NULL REFERENCES tenant,
    url             text NOT NULL,
    topics          text[] NOT NULL,                        -- calls, changes, events, exceptions, shipments
    note            text NOT NULL DEFAULT '',
    secret          bytea NOT NULL,                         -- signs, so it is kept as it is
    old_secret      bytea,                                  -- signs too, until the receiver knows the new one
    old_until       timestamptz,
    made_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by         text NOT NULL,
    disabled_at     timestamptz,
    disabled_reason text,
    failing_since   timestamptz,                            -- of the endpoint; null: its last answer was good
    failures        integer NOT NULL DEFAULT 0,             -- one after another
    last_error      text,
    retry_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until    timestamptz NOT NULL DEFAULT clock_timestamp() -- by the hub that delivers now
);
CREATE INDEX webhook_by_owner ON webhook (owner);

CREATE TABLE webhook_message (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id   text NOT NULL DEFAULT 'msg_' || replace(gen_random_uuid()::text, '-', ''),
    owner        text NOT NULL REFERENCES tenant,
    webhook      text NOT NULL REFERENCES webhook ON DELETE CASCADE,
    topic        text NOT NULL,
    subject      text NOT NULL,                             -- messages of one subject are told in order
    body         text NOT NULL,                             -- the very bytes that are signed
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     integer NOT NULL DEFAULT 0,
    last_status  integer,                                   -- of the last answer; null: none came
    last_error   text,
    delivered_at timestamptz
);
CREATE INDEX webhook_message_waiting ON webhook_message (webhook, subject, id)
    WHERE delivered_at IS NULL;
CREATE INDEX webhook_message_by_webhook ON webhook_message (webhook, id);
CREATE INDEX webhook_message_delivered ON webhook_message (delivered_at)
    WHERE delivered_at IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook', 'webhook_message'] LOOP
        EXECUTE format('CREATE POLICY owner_alone ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO lineside_ingest', name);
    END LOOP;
END $$;
GRANT SELECT (id, owner, url, topics, note, made_at, made_by, disabled_at, disabled_reason,
    failing_since, failures, last_error, retry_at) ON webhook TO lineside_api;
GRANT SELECT ON webhook_message TO lineside_api;

CREATE FUNCTION webhook_tell(tenants text[], about text, subject text, kind text, data jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := clock_timestamp();
BEGIN
    INSERT INTO webhook_message (owner, webhook, topic, subject, body)
    SELECT w.owner, w.id, about, webhook_tell.subject,
        jsonb_build_object('type', kind, 'timestamp', at, 'data', data)::text
    FROM webhook w
    WHERE w.owner = ANY (tenants) AND about = ANY (w.topics) AND w.disabled_at IS NULL
    ORDER BY w.id;
    IF FOUND THEN
        PERFORM pg_notify('lineside_webhooks', '');
    END IF;
END $$;

CREATE FUNCTION call_event_to_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    called record;
    name text := net_event(NEW.kind, NEW.body);
    about text := CASE WHEN name IN ('release', 'reorder') THEN 'calls'
        WHEN NEW.source = 'plant' THEN 'changes' ELSE 'events' END;
    content jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE owner IN (NEW.owner, NEW.partner)
            AND about = ANY (topics) AND disabled_at IS NULL) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO called FROM jis_call WHERE id = NEW.call;
    content := jsonb_build_object(
        'key', concat_ws('/', called.plant, called.line, called.production_no, called.part_group,
            called.reorder_index),
        'event', name, 'source', NEW.source, 'at', NEW.source_at, 'received_at', NEW.received_at,
        'car', NEW.car_after, 'part', NEW.part_after, 'applied', NEW.applied, 'serial', NEW.serial,
        'actor', NEW.actor, 'detail', NEW.body);
    IF about <> 'events' THEN
        content := content || jsonb_build_object('call', jsonb_build_object(
            'call_no', called.call_no, 'sequence_no', called.sequence_no, 'part_no', called.part_no,
            'quantity', called.quantity, 'colour', called.colour, 'rack', called.rack,
            'slot', called.slot, 'unloading_point', called.unloading_point,
            'control_point', called.control_point, 'called_at', called.called_at,
            'required_at', called.required_at, 'revision', called.revision,
            'priority', called.priority, 'vin', called.vin, 'model', called.model,
            'pre_series', called.pre_series));
    END IF;
    PERFORM webhook_tell(ARRAY[NEW.owner, NEW.partner], about, content ->> 'key', 'call.' || name,
        content);
    RETURN NULL;
END $$;
CREATE TRIGGER to_webhooks AFTER INSERT ON call_event
    FOR EACH ROW EXECUTE FUNCTION call_event_to_webhooks();

CREATE FUNCTION exception_to_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM webhook_tell(NEW.told, 'exceptions',
        CASE WHEN NEW.call IS NULL THEN concat_ws('/', NEW.plant, NEW.kind, NEW.subject)
            ELSE NEW.subject END,
        CASE WHEN TG_OP = 'INSERT' THEN 'exception.opened'
            WHEN NEW.closed_at IS NOT NULL THEN 'exception.closed' ELSE 'exception.changed' END,
        jsonb_build_object('id', NEW.id, 'plant', NEW.plant, 'line', NEW.line, 'kind', NEW.kind,
            'subject', NEW.subject, 'severity', NEW.severity, 'detail', NEW.detail,
            'at', NEW.source_at, 'opened_at', NEW.opened_at, 'closed_at', NEW.closed_at,
            'closed_by', NEW.closed_by, 'decision', NEW.decision));
    RETURN NULL;
END $$;
CREATE TRIGGER to_webhooks AFTER INSERT OR UPDATE ON exception
    FOR EACH ROW EXECUTE FUNCTION exception_to_webhooks();

CREATE FUNCTION shipment_to_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM webhook_tell(ARRAY[NEW.owner, NEW.partner], 'shipments',
        concat_ws('/', NEW.plant, NEW.line, NEW.id),
        CASE WHEN TG_OP = 'INSERT' AND NEW.arrived_at IS NULL THEN 'shipment.departed'
            WHEN NEW.unloaded_at IS NOT NULL THEN 'shipment.unloaded'
            WHEN NEW.arrived_at IS NOT NULL THEN 'shipment.arrived' ELSE 'shipment.changed' END,
        jsonb_build_object('plant', NEW.plant, 'line', NEW.line, 'shipment', NEW.id,
            'departed_at', NEW.departed_at, 'eta', NEW.eta, 'carrier', NEW.carrier,
            'vehicle', NEW.vehicle, 'arrived_at', NEW.arrived_at,
            'unloaded_at', NEW.unloaded_at));
    RETURN NULL;
END $$;
CREATE TRIGGER to_webhooks AFTER INSERT OR UPDATE ON shipment
    FOR EACH ROW EXECUTE FUNCTION shipment_to_webhooks();
