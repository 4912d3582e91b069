-- The plant, its orders and sequence, and the calls they become.

CREATE TABLE plant (
    id     text PRIMARY KEY,
    owner  text NOT NULL REFERENCES tenant,
    takt_s double precision NOT NULL CHECK (takt_s > 0),
    UNIQUE (id, owner)
);

-- A supplier's line as the plant sees it. `next_call_no` is what makes call numbers gap-free: it is
-- moved in the transaction that writes the calls.
CREATE TABLE supplier_line (
    plant           text NOT NULL,
    id              text NOT NULL,
    owner           text NOT NULL REFERENCES tenant,        -- the car maker
    partner         text NOT NULL REFERENCES tenant,        -- the supplier
    gateway         integer NOT NULL,
    unloading_point text NOT NULL,
    lead_s          double precision NOT NULL CHECK (lead_s >= 0), -- control point to fitting, in plant time
    rack_slots      integer NOT NULL CHECK (rack_slots > 0),
    sequence_wrap   integer NOT NULL DEFAULT 9999 CHECK (sequence_wrap > 0), -- numbers run 1..wrap
    next_call_no    bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (plant, id),
    UNIQUE (plant, id, owner, partner),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner),
    FOREIGN KEY (gateway, partner) REFERENCES gateway (id, owner)   -- the supplier's own gateway
);

CREATE TABLE part_group (
    plant         text NOT NULL,
    id            text NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    partner       text NOT NULL REFERENCES tenant,
    line          text NOT NULL,
    control_point text NOT NULL,                            -- the point of fixation that releases the call
    derived_bom   boolean NOT NULL DEFAULT false,           -- its rules follow the options of imports
    coloured      boolean NOT NULL DEFAULT false,           -- derived part numbers end in the colour
    PRIMARY KEY (plant, id),
    UNIQUE (plant, id, owner, partner),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);

-- Bill of material as rules: the first rule (by rank) whose options and colours fit names the part.
-- No rule fits: the car has no part of this group. `{colour}` in part_no is replaced.
CREATE TABLE bom_rule (
    plant      text NOT NULL,
    part_group text NOT NULL,
    rank       integer NOT NULL,
    owner      text NOT NULL REFERENCES tenant,
    partner    text NOT NULL REFERENCES tenant,
    requires   text[] NOT NULL DEFAULT '{}',                -- options the car must have, all of them
    excludes   text[] NOT NULL DEFAULT '{}',                -- options it must not have, any of them
    colours    text[],                                      -- null: any
    part_no    text NOT NULL,
    quantity   integer NOT NULL DEFAULT 1 CHECK (quantity > 0),
    PRIMARY KEY (plant, part_group, rank),
    FOREIGN KEY (plant, part_group, owner, partner)
        REFERENCES part_group (plant, id, owner, partner)
);

-- One imported day: the rules its sequence is scored by, and the cars built before it, which the
-- first windows reach back into.
CREATE TABLE order_book (
    plant       text NOT NULL,
    source      text NOT NULL,                              -- file or folder the orders came from
    owner       text NOT NULL REFERENCES tenant,
    checksum    text NOT NULL,                              -- of what was imported, to tell a repeat
    rules       jsonb NOT NULL,                             -- ratios, objectives, paint batch limit
    yesterday   jsonb NOT NULL,                             -- cars in order: number, colour, options
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plant, source),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

CREATE TABLE vehicle_order (
    plant         text NOT NULL,
    production_no text NOT NULL,                            -- a string always: leading zeros matter
    owner         text NOT NULL REFERENCES tenant,
    vin           text,
    model         text NOT NULL,
    colour        text NOT NULL,
    options       text[] NOT NULL DEFAULT '{}',
    given_rank    integer NOT NULL,                         -- place in the imported order of the day
    source        text NOT NULL,                            -- the order book it came in
    imported_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plant, production_no),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

-- A production sequence (the pearl chain); the newest of a plant is in force.
CREATE TABLE production_sequence (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant   text NOT NULL,
    owner   text NOT NULL REFERENCES tenant,
    method  text NOT NULL,                                  -- how it was made
    score   jsonb NOT NULL DEFAULT '{}',
    made_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (plant, owner) REFERENCES plant (id, owner)
);

CREATE TABLE sequence_position (
    sequence      bigint NOT NULL REFERENCES production_sequence,
    position      integer NOT NULL,                         -- 1, 2, 3 …
    plant         text NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    production_no text NOT NULL,
    PRIMARY KEY (sequence, position),
    UNIQUE (sequence, production_no),
    FOREIGN KEY (plant, production_no) REFERENCES vehicle_order
);

CREATE TABLE control_point_pass (
    plant         text NOT NULL,
    control_point text NOT NULL,
    production_no text NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    pass_no       bigint NOT NULL,                          -- 1, 2, 3 … per plant and control point
    passed_at     timestamptz NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plant, control_point, production_no),
    UNIQUE (plant, control_point, pass_no),
    FOREIGN KEY (plant, production_no) REFERENCES vehicle_order
);

-- The hub's outgoing stream of calls to one gateway. The reader's cursor comes back in its answers.
CREATE TABLE call_stream (
    gateway     integer NOT NULL REFERENCES gateway,
    epoch       bigint NOT NULL,
    owner       text NOT NULL REFERENCES tenant,
    partner     text NOT NULL REFERENCES tenant,
    first_kept  bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    watermark   bigint NOT NULL DEFAULT 0,
    closed      boolean NOT NULL DEFAULT false,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, epoch)
);
CREATE UNIQUE INDEX call_stream_open ON call_stream (gateway) WHERE NOT closed;

CREATE TABLE jis_call (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner           text NOT NULL REFERENCES tenant,
    partner         text NOT NULL REFERENCES tenant,
    plant           text NOT NULL,
    line            text NOT NULL,
    production_no   text NOT NULL,
    part_group      text NOT NULL,
    reorder_index   integer NOT NULL DEFAULT 0,
    call_no         bigint NOT NULL,                        -- gap-free per supplier line
    sequence_no     integer NOT NULL,                       -- short, wraps; never an identity
    part_no         text NOT NULL,
    quantity        integer NOT NULL,
    colour          text NOT NULL,
    unloading_point text NOT NULL,
    rack            text NOT NULL,
    slot            integer NOT NULL,
    control_point   text NOT NULL,
    called_at       timestamptz NOT NULL,
    required_at     timestamptz NOT NULL,
    -- The part's state at the supplier, from its events.
    status          text NOT NULL DEFAULT 'released'
        CHECK (status IN ('released', 'received', 'accepted', 'refused', 'unclear',
                          'produced', 'rework', 'inspected', 'packed', 'shipped')),
    released_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_at timestamptz,                            -- the gateway has it on disk
    UNIQUE (plant, line, production_no, part_group, reorder_index),
    UNIQUE (plant, line, call_no),
    FOREIGN KEY (plant, line, owner, partner) REFERENCES supplier_line (plant, id, owner, partner)
);

-- Transactional outbox: written with the call, read by the publisher.
CREATE TABLE call_outbox (
    gateway       integer NOT NULL,
    epoch         bigint NOT NULL,
    record_offset bigint NOT NULL,
    owner         text NOT NULL REFERENCES tenant,
    partner       text NOT NULL REFERENCES tenant,
    call          bigint NOT NULL REFERENCES jis_call,
    record        jsonb NOT NULL,                           -- protocols.jis record, as sent
    PRIMARY KEY (gateway, epoch, record_offset),
    FOREIGN KEY (gateway, epoch) REFERENCES call_stream
);

-- Append-only history of what suppliers reported.
CREATE TABLE call_event (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner         text NOT NULL REFERENCES tenant,          -- the car maker
    partner       text NOT NULL REFERENCES tenant,          -- the supplier
    gateway       integer NOT NULL REFERENCES gateway,
    epoch         bigint NOT NULL,
    record_offset bigint NOT NULL,
    call          bigint NOT NULL REFERENCES jis_call,
    kind          text NOT NULL,
    serial        text,
    body          jsonb NOT NULL,                           -- the whole event as it came
    source_at     timestamptz NOT NULL,                     -- clock of the PLC or of the gateway
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (gateway, epoch, record_offset)
);
CREATE INDEX call_event_by_call ON call_event (call);
CREATE INDEX call_event_by_serial ON call_event (serial) WHERE serial IS NOT NULL;
