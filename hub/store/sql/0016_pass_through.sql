-- A supplier's line derives calls for its own suppliers from the calls that it gets: each call of the
-- line is a car of a plant of the supplier's own, so that the same net, streams and policies hold.

CREATE TABLE pass_through (
    plant         text NOT NULL,                            -- the customer's plant and the supplier's line
    line          text NOT NULL,
    customer      text NOT NULL REFERENCES tenant,
    owner         text NOT NULL REFERENCES tenant,          -- the supplier
    to_plant      text NOT NULL,                            -- its own plant, and where its calls enter it
    control_point text NOT NULL,
    before_s      double precision NOT NULL CHECK (before_s >= 0), -- they pass so long before the part is required
    PRIMARY KEY (plant, line),
    FOREIGN KEY (plant, line, customer, owner) REFERENCES supplier_line (plant, id, owner, partner),
    FOREIGN KEY (to_plant, owner) REFERENCES plant (id, owner),
    FOREIGN KEY (to_plant, control_point, owner) REFERENCES control_point (plant, id, owner)
);

-- What of a call has been passed on; what differs is still to be.
CREATE TABLE passed_on (
    call        bigint PRIMARY KEY REFERENCES jis_call,
    owner       text NOT NULL REFERENCES tenant,
    revision    integer NOT NULL,
    car         text NOT NULL,
    built       boolean NOT NULL DEFAULT false,             -- the supplier's own part is built: theirs are fitted
    required_at timestamptz NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['pass_through', 'passed_on'] LOOP
        EXECUTE format('CREATE POLICY owner_alone ON %I '
                       'USING (owner = current_tenant()) WITH CHECK (owner = current_tenant())', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO lineside_api', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO lineside_ingest', name);
    END LOOP;
END $$;
GRANT DELETE ON pass_through TO lineside_ingest;
