"""All that was measured of one serial, with the call and the car it was for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.store import Database

SERIAL = "#45G/1 A"
"""With what an address must escape."""


@pytest.fixture
def measured(world: Database) -> None:
    """Five results of the serial by two devices, one of another; a call that built it."""
    with world.connect("ingest") as connection:
        connection.execute(
            """
            WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
                SELECT 'seatworks', 'carmaker', 1, name, true, now()
                FROM unnest('{TIGHT1,LEAK1}'::text[]) AS name RETURNING id, name),
            t AS (INSERT INTO tag (owner, partner, device, name, datatype)
                SELECT 'seatworks', 'carmaker', id, 'Inspection/Result', 12 FROM d
                RETURNING id, device)
            INSERT INTO inspection_result (owner, partner, tag, key, serial, characteristic, value,
                lower, upper, unit, verdict, tool, measured_at, raw_sha256)
            SELECT 'seatworks', 'carmaker', t.id, n::text, v.serial, v.characteristic, v.value,
                v.lower, v.upper, v.unit, v.verdict, 'gauge 3',
                timestamptz '2026-03-02 07:00Z' + v.after, '\\xff'
            FROM t JOIN d ON d.id = t.device JOIN (VALUES
                (1, 'TIGHT1', '#45G/1 A', 'Torque', 25.5, 23, 27, 'Nm', 'ok', interval '2 min'),
                (2, 'TIGHT1', '#45G/1 A', 'Angle', 91, 0, 90, 'deg', 'nok', interval '2 min'),
                (3, 'LEAK1', '#45G/1 A', 'Leak rate', 0.2, NULL, 1, 'l', 'ok', interval '1 min'),
                (4, 'LEAK1', 'S-2', 'Leak rate', 0.3, NULL, 1, 'l', 'ok', interval '1 min')
            ) AS v (n, device, serial, characteristic, value, lower, upper, unit, verdict, after)
                ON v.device = d.name
            """
        )
        connection.execute(
            """
            WITH c AS (INSERT INTO jis_call (owner, partner, plant, line, production_no, part_group,
                    call_no, sequence_no, part_no, quantity, colour, unloading_point, rack, slot,
                    control_point, called_at, required_at, vin)
                VALUES ('carmaker', 'seatworks', 'P1', 'SEAT1', '0000001', 'SEAT-FRONT', 1, 1,
                    'SF-BASE', 1, 'RED', 'DOCK-1', 'SEAT1-00001', 1, 'TRIM-IN', now(), now(),
                    'WVWZZZ1JZXW000001')
                RETURNING id)
            INSERT INTO call_event (owner, partner, call, kind, serial, body, source, message_id,
                source_at)
            SELECT 'carmaker', 'seatworks', id, kind, '#45G/1 A', '{}', 'supplier', kind, now()
            FROM c, unnest('{received,accepted,started,produced}'::text[]) AS kind
            """
        )


def asked(client: httpx.Client, serial: str, **params: Any) -> httpx.Response:
    address = httpx.URL(client.base_url).copy_with(
        raw_path=f"/v1/parts/{_escaped(serial)}/results".encode()
    )
    return client.get(address, params=params)


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.usefixtures("measured")
def test_everything_of_a_serial(client: httpx.Client) -> None:
    found = asked(client, SERIAL).raise_for_status().json()
    assert [
        (r["device"], r["characteristic"], r["value"], r["lower"], r["upper"], r["verdict"])
        for r in found["results"]
    ] == [
        ("LEAK1", "Leak rate", 0.2, None, 1.0, "ok"),
        ("TIGHT1", "Torque", 25.5, 23.0, 27.0, "ok"),
        ("TIGHT1", "Angle", 91.0, 0.0, 90.0, "nok"),
    ]
    first = found["results"][0]
    assert (first["gateway"], first["tool"], first["raw_sha256"], first["measured_at"]) == (
        "seatworks/gw-seat", "gauge 3", "ff", "2026-03-02T07:01:00Z",
    )  # fmt: skip
    assert found["next"] is None
    (call,) = found["calls"]
    assert (call["key"], call["production_no"], call["vin"], call["its_part"], call["part"]) == (
        "P1/SEAT1/0000001/SEAT-FRONT/0", "0000001", "WVWZZZ1JZXW000001", True, "produced",
    )  # fmt: skip


@pytest.mark.usefixtures("measured")
def test_what_a_camera_saw_of_it(world: Database, client: httpx.Client) -> None:
    with world.connect("ingest") as connection:
        connection.execute(
            """
            INSERT INTO inspection_picture (owner, partner, tag, key, event, found_by, found_key,
                what, serial, happened_at, state, reason, media_type, size, sha256)
            SELECT 'seatworks', 'carmaker', t.id, s.state, 'nok', 'TIGHT1', '2', 'Angle', s.serial,
                '2026-03-02 07:02Z', s.state, '', 'image/jpeg', 4711, '\\xff'
            FROM tag t JOIN device d ON d.id = t.device AND d.name = 'LEAK1', (VALUES
                ('#45G/1 A', 'kept'), ('S-2', 'missed'), ('S-3', 'dropped')) AS s (serial, state)
            """
        )
    (seen,) = asked(client, SERIAL).raise_for_status().json()["pictures"]
    assert (seen["device"], seen["found_by"], seen["found_key"], seen["what"], seen["state"]) == (
        "LEAK1", "TIGHT1", "2", "Angle", "kept",
    )  # fmt: skip
    assert (seen["size"], seen["sha256"], seen["media_type"]) == (4711, "ff", "image/jpeg")
    alone = asked(client, "S-3").raise_for_status().json()
    assert ([each["state"] for each in alone["pictures"]], alone["results"]) == (["dropped"], [])


@pytest.mark.usefixtures("measured")
def test_page_by_page(client: httpx.Client) -> None:
    seen, after = [], 0
    while True:
        page = asked(client, SERIAL, limit=1, after=after).raise_for_status().json()
        seen += [result["characteristic"] for result in page["results"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["Leak rate", "Torque", "Angle"]


@pytest.mark.usefixtures("measured")
def test_a_serial_that_nobody_has_told_is_not_found(client: httpx.Client) -> None:
    for serial in ("S-9", "A\0B"):
        assert asked(client, serial).status_code == 404
