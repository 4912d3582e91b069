"""A plant in the middle of a busy shift: enough goes on, and wrong, to fill the control tower."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from hub.calls.release import release
from hub.calls.watch import look
from hub.orders.plant import read_plant
from hub.orders.store import store_plant
from hub.store import Database
from protocols.jis.messages import CallKey
from tests.hub.calls.supply import Supply, serial
from tests.hub.calls.world import PLANT

OWNER = "carmaker"
CARS = 120
CALLED = 46
TAKT = timedelta(seconds=72)
COLOURS = ("WHITE", "SILVER", "BLACK", "BLUE", "RED", "WHITE", "GREY", "GREEN", "BLACK", "WHITE")
MODELS = ("M5", "M5", "M7", "X3")

_PLANT = """
version: 1
tenants:
  - {id: carmaker, name: Car Maker, kind: oem}
  - {id: seatworks, name: Seatworks, kind: supplier}
  - {id: trimworks, name: Trimworks, kind: supplier}
  - {id: cockpits, name: Cockpit Systems, kind: supplier}
gateways:
  - {group: seatworks, node: gw-seat, owner: seatworks, partner: carmaker}
  - {group: trimworks, node: gw-trim, owner: trimworks, partner: carmaker}
  - {group: cockpits, node: gw-cockpit, owner: cockpits, partner: carmaker}
plant: {id: P1, owner: carmaker, takt_s: 72,
  control_points: [BODY, PAINT-OUT, TRIM-IN, LINE-OFF]}
lines:
  - {id: SEAT1, gateway: seatworks/gw-seat, unloading_point: DOCK-7, lead_s: 3600, rack_slots: 12,
     profile: {transport_s: 600, unload_s: 120, lineside_s: 180, safety_s: 300, produce_s: 300,
       late_yellow_s: 900, late_red_s: 120, emergency_stock: 8, loop_s: 7200},
     part_groups: [{id: SEAT-FRONT, control_point: TRIM-IN, bom: [{part_no: "SF-{colour}"}]}]}
  - {id: TRIM1, gateway: trimworks/gw-trim, unloading_point: DOCK-9, lead_s: 3600, rack_slots: 10,
     profile: {transport_s: 900, unload_s: 120, lineside_s: 180, safety_s: 300, produce_s: 240,
       late_yellow_s: 900, late_red_s: 120},
     part_groups: [{id: DOOR-TRIM, control_point: TRIM-IN, bom: [{part_no: "DT-{colour}"}]}]}
  - {id: COCKPIT1, gateway: cockpits/gw-cockpit, unloading_point: DOCK-9, lead_s: 3600,
     rack_slots: 8,
     profile: {transport_s: 300, unload_s: 60, lineside_s: 120, safety_s: 120, produce_s: 420,
       late_yellow_s: 900, late_red_s: 120, emergency_stock: 4},
     part_groups: [{id: COCKPIT, control_point: TRIM-IN, bom: [{part_no: CP-BASE}]}]}
"""


def number(car: int) -> str:
    return f"{4200 + car:07d}"


def make_day(database: Database, now: datetime) -> Supply:
    """Fill an empty database; `now` is the middle of it. Returns who goes on speaking."""
    connection = psycopg.connect(database.dsn("ingest"), autocommit=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plant.yaml"
        file.write_text(_PLANT)
        store_plant(connection, read_plant(file))
    _order(connection)
    _pass(connection, now)
    supply = Supply(connection)
    _build(supply, "SEAT1", "SEAT-FRONT", packed=33)
    _build(supply, "TRIM1", "DOOR-TRIM", packed=27)
    _build(supply, "COCKPIT1", "COCKPIT", packed=19)
    _drive(supply, now)
    _disturb(supply, connection, now)
    look(connection, now)
    return supply


def _order(connection: psycopg.Connection) -> None:
    for car in range(1, CARS + 1):
        connection.execute(
            "INSERT INTO vehicle_order (plant, production_no, owner, model, colour, options,"
            " given_rank, source, vin) VALUES ('P1', %s, 'carmaker', %s, %s, %s, %s, 'day', %s)",
            (
                number(car),
                MODELS[car % len(MODELS)],
                COLOURS[(car * 7 // 3) % len(COLOURS)],
                ["SUNROOF"] if car % 3 == 0 else [],
                car,
                f"LSVAA4187E2{car:06d}",
            ),
        )
    connection.execute(
        "WITH s AS (INSERT INTO production_sequence (plant, owner, method)"
        " VALUES ('P1', 'carmaker', 'search') RETURNING id)"
        " INSERT INTO sequence_position SELECT s.id, given_rank, 'P1', 'carmaker', production_no"
        " FROM vehicle_order, s"
    )
    connection.execute(
        "UPDATE vehicle_order SET blocked_at = now(), blocked_reason = 'paint run'"
        " WHERE production_no = ANY (%s)",
        ([number(CALLED + 9), number(CALLED + 21)],),
    )


def _pass(connection: psycopg.Connection, now: datetime) -> None:
    for point, ahead in (("BODY", 34), ("PAINT-OUT", 16), ("TRIM-IN", 0), ("LINE-OFF", -44)):
        for car in range(1, CALLED + ahead + 1):
            passed = now - (CALLED + ahead - car) * TAKT - timedelta(seconds=20)
            release(connection, OWNER, PLANT, point, number(car), passed)
    connection.execute("UPDATE jis_call SET acknowledged_at = released_at + interval '0.2 s'")
    connection.execute(
        "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
        " SELECT id, owner, partner, node_id <> 'gw-cockpit', %s FROM gateway",
        (now - timedelta(minutes=7),),
    )


def _build(supply: Supply, line: str, group: str, packed: int) -> None:
    keys = [
        CallKey(plant=PLANT, line=line, production_no=number(car), part_group=group)
        for car in range(1, CALLED + 1)
    ]
    supply.pack(*keys[:packed])
    supply.inspect(*keys[packed : packed + 2])
    supply.say(keys[packed + 2], "accepted")
    supply.say(keys[packed + 2], "started")
    for key in keys[packed + 3 : -3]:
        supply.say(key, "accepted")
    first, second = f"{line}-00001", f"{line}-00002"
    supply.ship(f"{line[:2]}-0301", [first], line)
    if line != "COCKPIT1":
        supply.ship(f"{line[:2]}-0302", [second], line)


def _drive(supply: Supply, now: datetime) -> None:
    supply.connection.execute(
        "UPDATE shipment SET departed_at = %s, eta = %s WHERE id LIKE '%%-0301'",
        (now - timedelta(minutes=16), now - timedelta(minutes=4)),
    )
    supply.connection.execute(
        "UPDATE shipment SET departed_at = %s, eta = %s WHERE id = 'SE-0302'",
        (now - timedelta(minutes=6), now + timedelta(minutes=4)),
    )
    supply.connection.execute(
        "UPDATE shipment SET departed_at = %s, eta = %s WHERE id = 'TR-0302'",
        (now - timedelta(minutes=9), now + timedelta(minutes=19)),
    )
    for line in ("SEAT1", "TRIM1", "COCKPIT1"):
        supply.arrive(f"{line[:2]}-0301", line)
        group = {"SEAT1": "SEAT-FRONT", "TRIM1": "DOOR-TRIM", "COCKPIT1": "COCKPIT"}[line]
        for car in range(1, 9):
            key = CallKey(plant=PLANT, line=line, production_no=number(car), part_group=group)
            supply.scan(f"{line[:2]}-0301", f"{line}-00001", car, serial(key), line)


def _disturb(supply: Supply, connection: psycopg.Connection, now: datetime) -> None:
    seat = CallKey(plant=PLANT, line="SEAT1", production_no=number(38), part_group="SEAT-FRONT")
    supply.say(seat, "missing", eta=(now + timedelta(minutes=25)).isoformat())
    trim = CallKey(plant=PLANT, line="TRIM1", production_no=number(31), part_group="DOOR-TRIM")
    supply.inspect(trim)
    supply.say(trim, "packed", serial="S-WRONG", rack="TRIM1-00004", slot=1)
    out = CallKey(plant=PLANT, line="SEAT1", production_no=number(41), part_group="SEAT-FRONT")
    supply.say(out, "pull_out", "plant")
    supply.scan("TR-0301", "TRIM1-00001", 9, "S-4711", "TRIM1")
    connection.execute(
        "INSERT INTO line_mode (plant, line, owner, partner, mode, since, set_by, reason)"
        " VALUES ('P1', 'COCKPIT1', 'carmaker', 'cockpits', 'manual', %s, 'shift lead', %s)",
        (now - timedelta(minutes=5), "WAN cut"),
    )
    connection.execute(
        "INSERT INTO line_stop (plant, owner, partner, cause, began_at, ended_at, message_id)"
        " VALUES ('P1', 'carmaker', 'trimworks', 'missing part', %s, %s, 'stop-1')",
        (now - timedelta(minutes=50), now - timedelta(minutes=46)),
    )
