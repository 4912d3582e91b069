-- The emergency stock that a plant keeps of a line's parts: sets taken out of it for a call whose
-- part is not there, and put back when that comes after all. Append-only; how many sets there are to
-- be stands in the line's profile.
CREATE TABLE stock_booking (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant      text NOT NULL,
    line       text NOT NULL,
    owner      text NOT NULL REFERENCES tenant,
    partner    text NOT NULL REFERENCES tenant,
    part_group text NOT NULL,
    call       bigint NOT NULL REFERENCES jis_call,
    sets       smallint NOT NULL CHECK (sets IN (-1, 1)),   -- -1: taken for the call; 1: it filled up
    part_no    text NOT NULL,
    actor      text NOT NULL,
    reason     text NOT NULL,
    source_at  timestamptz NOT NULL,
    booked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (call, sets),                                    -- each call's part once, either way
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);
CREATE INDEX stock_booking_by_line ON stock_booking (plant, line, id);

CREATE POLICY owner_all ON stock_booking
    USING (owner = current_tenant()) WITH CHECK (owner = current_tenant());
CREATE POLICY partner_reads ON stock_booking FOR SELECT USING (partner = current_tenant());
ALTER TABLE stock_booking ENABLE ROW LEVEL SECURITY;
ALTER TABLE stock_booking FORCE ROW LEVEL SECURITY;
GRANT SELECT ON stock_booking TO lineside_api;
GRANT SELECT, INSERT ON stock_booking TO lineside_ingest;
