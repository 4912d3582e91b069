"""A supplier's own suppliers are called by the calls it gets, and follow what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from hub.calls import commands, content
from hub.calls.called import By
from hub.calls.pass_through import pass_on
from hub.calls.release import release
from hub.orders.plant import read_plant
from hub.orders.problems import InputError
from hub.orders.store import store_plant
from hub.store import Database
from hub.store.connect import tenant
from protocols.jis.messages import CallKey
from tests.hub.calls.world import BUILD, OWNER, PLANT, POINT, make_world, passed_at, tell
from tests.hub.orders import SAMPLE_PLANT

TIER2 = SAMPLE_PLANT.with_name("tier2.yaml")
CAR = "0000001"
SEAT = "production_no = '0000001' AND part_group = 'SEAT-FRONT'"
FOAM = "0000001.SEAT-FRONT.0"
NOW = passed_at(5)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    make_world(database, 3)
    with database.connect("ingest", autocommit=True) as connection:
        store_plant(connection, read_plant(TIER2))
        release(connection, OWNER, PLANT, POINT, CAR, passed_at(1))
        pass_on(connection, NOW)
        yield connection


def by(what: str, at: datetime = NOW) -> By:
    return By("test", what, at, what)


def derived(connection: psycopg.Connection) -> dict[str, Any]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM jis_call WHERE plant = 'SEATWORKS' AND production_no = %s", (FOAM,)
        ).fetchone()
    assert row is not None
    return row


def pass_twice(connection: psycopg.Connection) -> None:
    """The second time must find nothing."""
    assert pass_on(connection, NOW) > 0
    assert pass_on(connection, NOW) == 0


def test_a_call_becomes_a_call_of_tier_2_with_its_lead(connection: psycopg.Connection) -> None:
    call = derived(connection)
    assert (call["part_no"], call["quantity"], call["line"]) == ("FOAM-BASE", 2, "FOAM1")
    assert (call["owner"], call["partner"]) == ("seatworks", "foamworks")
    seat = connection.execute(f"SELECT required_at FROM jis_call WHERE {SEAT}".encode()).fetchone()
    assert seat is not None
    assert call["required_at"] == seat[0] - timedelta(hours=2)
    # The rear seat takes no foam of this plant's: an order, and no call.
    others = connection.execute(
        "SELECT count(*) FROM vehicle_order WHERE plant = 'SEATWORKS'"
    ).fetchone()
    assert others == (2,)
    sent = connection.execute(
        "SELECT count(*) FROM call_outbox o JOIN gateway g ON g.id = o.gateway "
        "WHERE g.node_id = 'gw-foam'"
    ).fetchone()
    assert sent == (1,)


def test_only_the_parties_concerned_see_it(
    connection: psycopg.Connection, database: Database
) -> None:
    def seen(name: str) -> set[str]:
        with database.connect("api") as reading, tenant(reading, name):
            return {plant for (plant,) in reading.execute("SELECT plant FROM jis_call")}

    assert seen("carmaker") == {"P1"}
    assert seen("seatworks") == {"P1", "SEATWORKS"}
    assert seen("foamworks") == {"SEATWORKS"}
    assert seen("trimworks") == {"P1"}


def test_what_becomes_of_the_call_is_passed_on(connection: psycopg.Connection) -> None:
    assert derived(connection)["car"] == "released"
    commands.pull_out(connection, OWNER, PLANT, CAR, by("out"))
    pass_twice(connection)
    assert derived(connection)["car"] == "pulled_out"
    commands.reinsert(connection, OWNER, PLANT, CAR, by("in"))
    pass_twice(connection)
    assert derived(connection)["car"] == "released"
    key = CallKey(plant=PLANT, line="SEAT1", production_no=CAR, part_group="SEAT-FRONT")
    sport = {"part_no": "SF-SPORT", "quantity": 1, "colour": "RED"}
    content.change_call(connection, OWNER, key, by("sport"), sport)
    pass_twice(connection)
    assert derived(connection)["part_no"] == "FOAM-SPORT"
    commands.cancel(connection, OWNER, PLANT, CAR, by("cancelled"))
    pass_twice(connection)
    assert derived(connection)["car"] == "cancelled"


def test_a_built_part_has_used_up_what_it_took(connection: psycopg.Connection) -> None:
    tell(connection, SEAT, *BUILD[:2])
    pass_twice(connection)
    assert derived(connection)["car"] == "fitted"


def test_what_cannot_be_passed_on_is_said_and_stops_nothing(connection: psycopg.Connection) -> None:
    tell(connection, "plant = 'SEATWORKS'", *BUILD)
    commands.fit(connection, "seatworks", "SEATWORKS", FOAM, by("early"))
    commands.pull_out(connection, OWNER, PLANT, CAR, by("out"))
    release(connection, OWNER, PLANT, POINT, "0000002", passed_at(2))
    pass_twice(connection)
    told = connection.execute(
        "SELECT kind, told FROM exception WHERE plant = 'SEATWORKS' AND closed_at IS NULL "
        "AND kind LIKE 'pass%%'"
    ).fetchall()
    assert told == [("pass_through_refused", ["seatworks"])]
    count = connection.execute("SELECT count(*) FROM jis_call WHERE plant = 'SEATWORKS'")
    assert count.fetchone() == (2,)


def test_a_call_made_before_the_link_is_passed_on_too(database: Database) -> None:
    make_world(database, 1)
    with database.connect("ingest", autocommit=True) as connection:
        release(connection, OWNER, PLANT, POINT, CAR, passed_at(1))
        store_plant(connection, read_plant(TIER2))
        pass_twice(connection)
        assert derived(connection)["car"] == "released"


def test_a_line_of_somebody_else_is_refused(database: Database) -> None:
    make_world(database, 1)
    file = read_plant(TIER2)
    foreign = file.pass_through[0].model_copy(update={"line": "TRIM1"})
    with (
        database.connect("ingest") as connection,
        pytest.raises(InputError, match="P1/TRIM1 is no line of seatworks"),
    ):
        store_plant(connection, file.model_copy(update={"pass_through": [foreign]}))
