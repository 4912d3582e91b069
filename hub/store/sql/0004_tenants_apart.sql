-- Who sees what. Relational tables: forced row-level security by owner and partner. Samples: no
-- rights for tenants at all (compression and row-level security exclude each other on a
-- hypertable), read through security-barrier views.

-- The tenant this transaction speaks for; null (sees nothing) until it says so.
CREATE FUNCTION current_tenant() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('lineside.tenant', true), '');

GRANT USAGE ON SCHEMA lineside TO lineside_ingest, lineside_api;

DO $$
DECLARE
    name text;
BEGIN
    -- Owner alone.
    FOREACH name IN ARRAY ARRAY['plant', 'order_book', 'vehicle_order',
                                'production_sequence', 'sequence_position',
                                'control_point_pass'] LOOP
        EXECUTE format('CREATE POLICY owner_alone ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
    END LOOP;
    -- Owner, and the partner may read.
    FOREACH name IN ARRAY ARRAY['gateway', 'gateway_status', 'device', 'tag', 'stream_cursor', 'gap',
                                'quarantine', 'supplier_line', 'part_group', 'bom_rule',
                                'call_stream', 'jis_call', 'call_outbox', 'call_event'] LOOP
        EXECUTE format('CREATE POLICY owner_all ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('CREATE POLICY partner_reads ON %I FOR SELECT '
                       'USING (partner = current_tenant())', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['plant', 'order_book', 'vehicle_order', 'production_sequence',
                                'sequence_position', 'control_point_pass', 'gateway', 'gateway_status', 'device', 'tag',
                                'stream_cursor', 'gap', 'quarantine', 'supplier_line', 'part_group',
                                'bom_rule', 'call_stream', 'jis_call', 'call_outbox', 'call_event',
                                'tenant'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO lineside_ingest', name);
    END LOOP;
END $$;

-- A tenant sees itself, and the names of those it does business with.
CREATE POLICY itself ON tenant
    USING (id = current_tenant()) WITH CHECK (id = current_tenant());
CREATE POLICY partners_read ON tenant FOR SELECT
    USING (id IN (SELECT owner FROM supplier_line UNION SELECT partner FROM supplier_line));

-- What the services delete: rules of a bill of material that is loaded anew and records
-- of the outbox that are committed and past their keeping time.
GRANT DELETE ON bom_rule, call_outbox TO lineside_ingest;

-- No UPDATE: a sample that was stored stays as it is.
GRANT SELECT, INSERT ON sample TO lineside_ingest;
GRANT SELECT ON sample_minute, schema_migration TO lineside_ingest;
REVOKE EXECUTE ON FUNCTION sample_touched, sample_roll_up, sample_prepare, sample_drop_before
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sample_touched, sample_roll_up, sample_prepare, sample_drop_before
    TO lineside_ingest;

CREATE VIEW sample_view WITH (security_barrier) AS
SELECT s.tag_id, s.time, s.value, s.text, s.quality, s.historical
FROM sample s
JOIN tag t ON t.id = s.tag_id
WHERE current_tenant() IN (t.owner, t.partner);

CREATE VIEW sample_minute_view WITH (security_barrier) AS
SELECT m.tag_id, m.minute, m.samples, m.low, m.high, m.mean, m.last
FROM sample_minute m
JOIN tag t ON t.id = m.tag_id
WHERE current_tenant() IN (t.owner, t.partner);

GRANT SELECT ON sample_view, sample_minute_view TO lineside_api;
