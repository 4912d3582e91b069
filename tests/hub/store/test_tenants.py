"""Tenants are kept apart: tried on each table and view, with each role."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

from hub.orders.generate import generate
from hub.orders.plant import read_plant
from hub.orders.store import import_book, store_plant
from hub.sequencing import make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database, tenant
from tests.hub.orders import SAMPLE_PLANT

OWNER_ALONE = {
    "plant",
    "control_point",
    "order_book",
    "vehicle_order",
    "production_sequence",
    "sequence_position",
    "control_point_pass",
    "order_event",
    "takt",
    "api_key",
    "audit",
    "idempotency_key",
    "webhook",
    "webhook_message",
    "edi_partner",
    "edi_message",
    "part_forecast",
}
TO_SEATS = {"edi_file"}
"""What the car maker makes for one supplier."""
SEATS_ALONE = {
    *("gateway_status", "device", "tag", "stream_cursor", "gap", "quarantine", "birth"),
    *("inspection_result", "inspection_picture", "picture_part"),
}
SEATS_SECRETS = {"gateway_proposal", "enrolment_token", "gateway_certificate"}
"""What its customer does not see either."""
SEATS_OWN_PLANT = {"pass_through", "passed_on"}
"""What a supplier's own plant has, which its customer does not see."""
SHARED = {"jis_call", "call_outbox", "demand"}
SHARED_BY_LINE = {
    *("call_stream", "shipment", "shipment_slot", "receipt"),
    *("line_event", "exception", "line_mode", "line_stop", "part_change", "claim"),
    "stock_booking",
}
NOBODYS = {
    *("schema_migration", "unregistered_node", "hub_secret"),
    *("ingest_worker", "ingest_lease", "ingest_heard"),
}
"""Tables without a tenant, which the API does not see."""
FOR_ALL = {"net_status", "net_move"}
"""The rules of the trade, the same for everybody."""

FILL = """
INSERT INTO control_point_pass (plant, control_point, production_no, owner, pass_no, passed_at)
    SELECT 'P1', 'TRIM-IN', production_no, owner, 1, now() FROM vehicle_order LIMIT 1;
INSERT INTO webhook (id, owner, url, topics, secret, made_by)
    VALUES ('w', 'carmaker', 'https://x', '{calls}', 'x', 'me');
INSERT INTO edi_partner (owner, partner, plant, our_id, their_id, profile)
    VALUES ('carmaker', 'seatworks', 'P1', 'a', 'b', '{}');
INSERT INTO edi_message (owner, partner, direction, kind, interchange, reference, status, checksum)
    VALUES ('carmaker', 'seatworks', 'in', 'DESADV', '1', '1', 'taken', 'x');
INSERT INTO edi_file (owner, partner, name, body) VALUES ('carmaker', 'seatworks', 'f', 'x');
INSERT INTO part_forecast (plant, owner, partner, part_no, first_day, last_day, firmness, quantity,
        document_no, issued_at)
    VALUES ('P1', 'carmaker', 'seatworks', 'P', now(), now(), 'firm', 1, 'd', now());
INSERT INTO webhook_message (owner, webhook, topic, subject, body)
    VALUES ('carmaker', 'w', 'calls', 's', '{}');
INSERT INTO gateway_status (gateway, owner, partner, online, since)
    SELECT id, owner, partner, true, now() FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO gateway_traffic (gateway, owner, partner)
    SELECT id, owner, partner FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO enrolment_token (id, owner, gateway, secret_hash, made_by, expires_at)
    SELECT 't', owner, id, 'x', 'me', now() FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO gateway_certificate (serial, owner, gateway, public_key, pem, how, not_after)
    SELECT '1', owner, id, 'x', 'x', 'enrolled', now() FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO gateway_proposal (gateway, number, owner, proposal, signature, made_by)
    SELECT id, 1, owner, '{}', 'x', 'me' FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO birth (gateway, device, owner, partner, payload)
    SELECT id, '', owner, partner, 'x' FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO device (gateway, owner, partner, name, online, since)
    SELECT id, owner, partner, 'press', true, now() FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO tag (device, owner, partner, name, datatype)
    SELECT id, owner, partner, 'force', 10 FROM device;
INSERT INTO inspection_result (owner, partner, tag, key, characteristic, unit, verdict, measured_at,
        raw_sha256)
    SELECT owner, partner, id, '1', 'Torque', 'Nm', 'ok', now(), 'x' FROM tag;
INSERT INTO inspection_picture (owner, partner, tag, key, event, found_by, found_key, what,
        happened_at, state, reason)
    SELECT owner, partner, id, '1', 'nok', 'press', '1', 'Torque', now(), 'missed', 'x' FROM tag;
INSERT INTO picture_part (picture, at, owner, partner, data)
    SELECT id, 0, owner, partner, 'x' FROM inspection_picture;
INSERT INTO stream_cursor (gateway, owner, partner, stream, epoch)
    SELECT id, owner, partner, 'telemetry', 7 FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO gap (gateway, owner, partner, stream, cause)
    SELECT id, owner, partner, 'telemetry', 'cut' FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO quarantine (gateway, owner, partner, stream, reason, raw)
    SELECT id, owner, partner, 'telemetry', 'bad', 'x' FROM gateway WHERE node_id = 'gw-seat';
INSERT INTO call_stream (gateway, epoch, owner, partner)
    SELECT gateway, 7, owner, partner FROM supplier_line;
INSERT INTO jis_call (owner, partner, plant, line, production_no, part_group, call_no, sequence_no,
        part_no, quantity, colour, unloading_point, rack, slot, control_point, called_at,
        required_at)
    SELECT g.owner, g.partner, g.plant, g.line, o.production_no, g.id,
        row_number() OVER (PARTITION BY g.line), 1, 'P', 1, o.colour, 'D', 'R', 1, 'TRIM-IN', now(),
        now()
    FROM part_group g, vehicle_order o WHERE o.given_rank = 1;
INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record)
    SELECT l.gateway, 7, c.call_no, c.owner, c.partner, c.id, '{}'
    FROM jis_call c JOIN supplier_line l ON l.id = c.line;
INSERT INTO call_event (owner, partner, gateway, epoch, record_offset, call, kind, body, source_at)
    SELECT c.owner, c.partner, l.gateway, 7, c.call_no, c.id, 'produced', '{}', now()
    FROM jis_call c JOIN supplier_line l ON l.id = c.line;
INSERT INTO api_key (id, owner, name, role, secret_hash, made_by, expires_at)
    VALUES ('k', 'carmaker', 'mes', 'plant', 'x', 'me', now());
INSERT INTO audit (owner, actor, via, what) VALUES ('carmaker', 'me', 'cli', 'keys add');
INSERT INTO idempotency_key (owner, key, fingerprint) VALUES ('carmaker', 'k', 'x');
INSERT INTO hub_secret VALUES ('sessions', 'x');
INSERT INTO demand (plant, production_no, part_group, line, owner, partner, car, part_no, quantity,
        colour, version)
    SELECT plant, 'D1', id, line, owner, partner, 'planned', 'P', 1, 'RED', 1 FROM part_group;
INSERT INTO rack (plant, line, rack, owner, partner, slots, load_order)
    SELECT plant, id, 'R1', owner, partner, 4, 'forward' FROM supplier_line;
INSERT INTO shipment (plant, line, id, owner, partner, departed_at, body)
    SELECT plant, id, 'T1', owner, partner, now(), '{}' FROM supplier_line;
INSERT INTO shipment_slot (plant, line, shipment, rack, slot, owner, partner)
    SELECT plant, id, 'T1', 'R1', 1, owner, partner FROM supplier_line;
INSERT INTO receipt (plant, line, shipment, rack, slot, owner, partner, verdict, scanned_by,
        message_id, source_at)
    SELECT plant, id, 'T1', 'R1', 1, owner, partner, 'matched', 'me', 'm', now() FROM supplier_line;
INSERT INTO line_event (plant, line, owner, partner, gateway, epoch, record_offset, kind, body,
        source_at)
    SELECT plant, id, owner, partner, gateway, 7, 1, 'shipment', '{}', now() FROM supplier_line;
INSERT INTO exception (plant, line, owner, partner, kind, subject, severity, told, source_at)
    SELECT plant, id, owner, partner, 'gap', id, 'info', '{}', now() FROM supplier_line;
INSERT INTO line_mode (plant, line, owner, partner, mode, since, set_by, reason)
    SELECT plant, id, owner, partner, 'buffer', now(), 'me', 'drill' FROM supplier_line;
INSERT INTO order_event (plant, production_no, owner, kind, message_id, source_at)
    SELECT plant, production_no, owner, 'blocked', 'm1', now() FROM vehicle_order LIMIT 1;
INSERT INTO takt (plant, since, owner, takt_s, set_by, message_id)
    SELECT id, now(), owner, 60, 'me', 'm1' FROM plant;
INSERT INTO part_change (plant, part_group, owner, partner, old_part_no, new_part_no, from_position,
        reason, set_by, message_id)
    SELECT plant, min(id), owner, partner, 'A', 'B', 1, 'index', 'me', min(id)
    FROM part_group GROUP BY plant, line, owner, partner;
INSERT INTO claim (plant, line, owner, partner, kind, by_whom, part_no, quantity, reason, source_at)
    SELECT plant, id, owner, partner, 'obsolete', 'plant', 'P', 1, '', now() FROM supplier_line;
INSERT INTO stock_booking (plant, line, owner, partner, part_group, call, sets, part_no, actor,
        reason, source_at)
    SELECT plant, line, owner, partner, min(part_group), min(id), -1, 'P', 'me', '', now()
    FROM jis_call GROUP BY plant, line, owner, partner;
INSERT INTO line_stop (plant, line, owner, partner, cause, began_at, message_id)
    SELECT plant, id, owner, partner, 'parts', now(), id FROM supplier_line;
INSERT INTO plant (id, owner, takt_s) VALUES ('SW', 'seatworks', 60);
INSERT INTO control_point VALUES ('SW', 'CALLED', 'seatworks', 1);
INSERT INTO pass_through
    SELECT plant, id, owner, partner, 'SW', 'CALLED', 60 FROM supplier_line WHERE id = 'SEAT1';
INSERT INTO passed_on (call, owner, revision, car, required_at)
    SELECT min(id), 'seatworks', 1, 'released', now() FROM jis_call WHERE line = 'SEAT1';
"""


@pytest.fixture
def world(database: Database) -> Database:
    """One row at least in every table: carmaker's plant, and its suppliers seatworks, trimworks."""
    with database.connect("ingest") as connection:
        store_plant(connection, read_plant(SAMPLE_PLANT))
        # Nothing is told ahead of the calls, so that each stream begins with what is put in below.
        connection.execute("UPDATE supplier_line SET profile = '{}'")
        connection.execute("INSERT INTO tenant VALUES ('stranger', 'Stranger', 'oem')")
        book = generate(3, 1)
        import_book(connection, "P1", book)
        store_sequence(connection, "P1", make_sequence(book.instance()))
        connection.execute(FILL.encode())
    return database


def tables(connection: psycopg.Connection) -> list[str]:
    """All tables but those of samples, which tenants never touch."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'lineside'::regnamespace "
        "AND relkind IN ('r', 'p') AND relname NOT LIKE 'sample%' ORDER BY 1"
    )
    return [str(name) for (name,) in rows]


def count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    ).fetchone()
    assert row is not None
    return int(row[0])


def seen_by(world: Database, name: str) -> dict[str, int]:
    """Rows the API sees for this tenant, by table."""
    with world.connect("api") as connection, tenant(connection, name):
        return {t: count(connection, t) for t in tables(connection) if t not in NOBODYS | FOR_ALL}


def test_every_table_forces_its_policies(world: Database) -> None:
    with world.connect("owner") as connection:
        for table in tables(connection):
            row = connection.execute(
                "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class "
                "WHERE oid = %s::regclass",
                [table],
            ).fetchone()
            assert row == (table not in NOBODYS | FOR_ALL,), table


def test_ingest_passes_the_policies_and_sees_all(world: Database) -> None:
    with world.connect("ingest") as connection:
        for table in set(tables(connection)) - NOBODYS:
            assert count(connection, table) > 0, table


@pytest.mark.parametrize("role", ["api", "owner"])
def test_without_a_tenant_nothing_is_seen(world: Database, role: str) -> None:
    with world.connect("api" if role == "api" else "owner") as connection:
        for table in set(tables(connection)) - NOBODYS - FOR_ALL:
            assert count(connection, table) == 0, table


def test_a_stranger_sees_itself_alone(world: Database) -> None:
    assert {t: n for t, n in seen_by(world, "stranger").items() if n} == {"tenant": 1}


def test_the_car_maker_sees_its_plant_and_what_suppliers_share(world: Database) -> None:
    seen = seen_by(world, "carmaker")
    assert {table for table, rows in seen.items() if not rows} == SEATS_OWN_PLANT | SEATS_SECRETS
    with world.connect("api") as connection, tenant(connection, "carmaker"):
        assert {n for (n,) in connection.execute("SELECT id FROM tenant")} == {
            "carmaker",
            "seatworks",
            "trimworks",
        }


def test_suppliers_see_their_own_and_no_order_of_the_plant(world: Database) -> None:
    seats, trim = seen_by(world, "seatworks"), seen_by(world, "trimworks")
    for table in OWNER_ALONE - {"plant", "control_point"}:
        assert (seats[table], trim[table]) == (0, 0), table
    for table in SEATS_OWN_PLANT | TO_SEATS | {"plant", "control_point"}:
        assert (seats[table], trim[table]) == (1, 0), table
    for table in SEATS_ALONE | SEATS_SECRETS | {"gateway_traffic"}:
        assert (seats[table], trim[table]) == (1, 0), table
    for table in SHARED:
        assert (seats[table], trim[table]) == (2, 3), table
    for table in SHARED_BY_LINE:
        assert (seats[table], trim[table]) == (1, 1), table
    assert (seats["rack"], trim["rack"]) == (2, 2)
    assert (seats["call_event"], trim["call_event"]) == (4, 6)
    assert (seats["tenant"], seats["gateway"], seats["supplier_line"]) == (2, 1, 1)


def test_the_api_writes_nowhere(world: Database) -> None:
    with world.connect("api") as connection:
        for table in tables(connection):
            for statement in ("DELETE FROM {}", "TRUNCATE {}", "INSERT INTO {} DEFAULT VALUES"):
                with pytest.raises(errors.InsufficientPrivilege), tenant(connection, "carmaker"):
                    connection.execute(sql.SQL(statement).format(sql.Identifier(table)))


def test_no_role_but_the_owner_defines_anything(world: Database) -> None:
    for role in ("api", "ingest"):
        with (
            world.connect("api" if role == "api" else "ingest") as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE mine (n integer)")


def test_a_tenant_ends_with_its_transaction(world: Database) -> None:
    with world.connect("api") as connection:
        with tenant(connection, "carmaker"):
            assert count(connection, "plant") == 1
        assert count(connection, "plant") == 0
        with pytest.raises(ZeroDivisionError), tenant(connection, "carmaker"):
            raise ZeroDivisionError
        assert count(connection, "plant") == 0


def test_a_tenant_is_a_value_never_sql(world: Database) -> None:
    with world.connect("api") as connection, tenant(connection, "x' OR owner = 'carmaker"):
        assert count(connection, "plant") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE supplier_line SET partner = 'trimworks' WHERE id = 'SEAT1'",
        "UPDATE jis_call SET partner = 'trimworks' WHERE line = 'SEAT1'",
        "UPDATE vehicle_order SET owner = 'stranger'",
        "UPDATE bom_rule SET partner = 'stranger'",
    ],
)
def test_a_row_belongs_to_those_its_parent_belongs_to(world: Database, statement: str) -> None:
    with world.connect("ingest") as connection, pytest.raises(errors.ForeignKeyViolation):
        connection.execute(statement.encode())
