-- What the hub itself sees of a gateway, beside what the gateway says of itself.
ALTER TABLE gateway_status
    ADD COLUMN heard_at timestamptz,                        -- it last said how it is
    ADD COLUMN clock_offset_ms bigint;                      -- its clock less the hub's, the way included
