-- What the plant does with its calls: their places in a line's order, what the supplier is asked,
-- takt and stops, orders that change, parts that are replaced at a break point, claims.

-- A call's place in its line's order: sequence number, rack and slot follow from it alone. Null: it
-- stands in none, since its car is out of the line, or it goes by itself (express).
ALTER TABLE supplier_line ADD COLUMN next_place bigint NOT NULL DEFAULT 1;
ALTER TABLE jis_call
    ADD COLUMN place        bigint,
    ADD COLUMN timed_from   timestamptz,                    -- from when its lead counts; null: called_at
    ADD COLUMN lead_s       double precision,               -- null: its line's
    ADD COLUMN asked_record jsonb,                          -- what it would become if the supplier agrees
    ADD COLUMN asked_at     timestamptz;
ALTER TABLE jis_call NO FORCE ROW LEVEL SECURITY;
ALTER TABLE supplier_line NO FORCE ROW LEVEL SECURITY;
UPDATE jis_call SET place = call_no, timed_from = called_at;
UPDATE supplier_line SET next_place = next_call_no;
ALTER TABLE jis_call FORCE ROW LEVEL SECURITY;
ALTER TABLE supplier_line FORCE ROW LEVEL SECURITY;
-- No two cars in one slot. Checked at the end of a transaction, so that calls can change places.
ALTER TABLE jis_call ADD UNIQUE (plant, line, place) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE vehicle_order
    ADD COLUMN pre_series     boolean NOT NULL DEFAULT false,
    ADD COLUMN day            date,                         -- when it is wanted, as far as is known
    ADD COLUMN blocked_at     timestamptz,
    ADD COLUMN blocked_reason text,
    ADD COLUMN cancelled_at   timestamptz;

-- What was done with an order before and beside its calls. Append-only.
CREATE TABLE order_event (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant         text NOT NULL,
    production_no text NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    kind          text NOT NULL,
    body          jsonb NOT NULL DEFAULT '{}',
    actor         text,
    message_id    text NOT NULL,
    source_at     timestamptz NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (plant, production_no, message_id),
    FOREIGN KEY (plant, production_no) REFERENCES vehicle_order,
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

-- The takt from an instant on; before the first, that of the plant. Leads are told at the plant's.
CREATE TABLE takt (
    plant      text NOT NULL,
    since      timestamptz NOT NULL,
    owner      text NOT NULL REFERENCES tenant,
    takt_s     double precision NOT NULL CHECK (takt_s > 0),
    set_by     text NOT NULL,
    message_id text NOT NULL,
    PRIMARY KEY (plant, since),
    UNIQUE (plant, message_id),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);
ALTER TABLE line_stop ADD COLUMN expected_end_at timestamptz;

-- From a break point on a part takes the place of another: a car, a place in the sequence in force,
-- or an instant. The old index is then not called any more.
CREATE TABLE part_change (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant           text NOT NULL,
    part_group      text NOT NULL,
    owner           text NOT NULL REFERENCES tenant,
    partner         text NOT NULL REFERENCES tenant,
    old_part_no     text NOT NULL,
    new_part_no     text NOT NULL CHECK (new_part_no <> old_part_no),
    from_production_no text,
    from_position   integer,
    from_at         timestamptz,
    reason          text NOT NULL,
    set_by          text NOT NULL,
    message_id      text NOT NULL,
    set_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (plant, part_group, old_part_no),
    UNIQUE (plant, message_id),
    CHECK (num_nonnulls(from_production_no, from_position, from_at) = 1),
    FOREIGN KEY (plant, part_group, owner, partner)
        REFERENCES part_group (plant, id, owner, partner)
);

-- What settlement will need to know: parts that were built in vain, or not in order. Append-only.
CREATE TABLE claim (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant     text NOT NULL,
    line      text NOT NULL,
    owner     text NOT NULL REFERENCES tenant,
    partner   text NOT NULL REFERENCES tenant,
    call      bigint REFERENCES jis_call,
    kind      text NOT NULL,                                -- obsolete, changed_late, nok_at_line, preview_broken
    by_whom   text NOT NULL CHECK (by_whom IN ('plant', 'supplier')), -- who has caused it
    part_no   text NOT NULL,
    quantity  integer NOT NULL,
    serial    text,
    reason    text NOT NULL,
    source_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE INDEX claim_by_call ON claim (call);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['order_event', 'takt'] LOOP
        EXECUTE format('CREATE POLICY owner_alone ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['part_change', 'claim'] LOOP
        EXECUTE format('CREATE POLICY owner_all ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('CREATE POLICY partner_reads ON %I FOR SELECT '
                       'USING (partner = current_tenant())', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['order_event', 'takt', 'part_change', 'claim'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO lineside_ingest', name);
    END LOOP;
END $$;
