-- Control points are known by name, so that a misspelt one is refused instead of releasing nothing.

CREATE TABLE control_point (
    plant text NOT NULL,
    id    text NOT NULL,
    owner text NOT NULL REFERENCES tenant,
    rank  integer NOT NULL,                                 -- in the order cars pass them
    PRIMARY KEY (plant, id),
    UNIQUE (plant, id, owner),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);
CREATE POLICY owner_alone ON control_point
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
GRANT SELECT ON control_point TO lineside_api;
GRANT SELECT, INSERT, UPDATE ON control_point TO lineside_ingest;

-- The owner, who migrates, is bound by the policies too: it cannot see what it carries over.
ALTER TABLE part_group NO FORCE ROW LEVEL SECURITY;
ALTER TABLE control_point_pass NO FORCE ROW LEVEL SECURITY;
INSERT INTO control_point (plant, id, owner, rank)
SELECT plant, control_point, owner, row_number() OVER (PARTITION BY plant ORDER BY control_point)
FROM (SELECT plant, control_point, owner FROM part_group
      UNION SELECT plant, control_point, owner FROM control_point_pass) used;
ALTER TABLE part_group ADD FOREIGN KEY (plant, control_point, owner)
    REFERENCES control_point (plant, id, owner);
ALTER TABLE control_point_pass ADD FOREIGN KEY (plant, control_point, owner)
    REFERENCES control_point (plant, id, owner);
ALTER TABLE part_group FORCE ROW LEVEL SECURITY;
ALTER TABLE control_point_pass FORCE ROW LEVEL SECURITY;
ALTER TABLE control_point ENABLE ROW LEVEL SECURITY;
ALTER TABLE control_point FORCE ROW LEVEL SECURITY;

-- Which points a car has passed: asked of every car of the pearl chain.
CREATE INDEX control_point_pass_by_car ON control_point_pass (plant, production_no);

-- What a line has under way, and what has no acknowledgement yet. Both stay small while the calls
-- that are done with go on growing.
CREATE INDEX jis_call_not_shipped ON jis_call (plant, line, call_no) WHERE status <> 'shipped';
CREATE INDEX jis_call_unacknowledged ON jis_call (plant, line) WHERE acknowledged_at IS NULL;
