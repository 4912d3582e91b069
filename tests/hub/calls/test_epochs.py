"""A hub's database is put back from a backup: what it forgot was committed by the gateways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from hub.calls.epochs import begin_all_anew
from hub.calls.release import release
from hub.orders.profile import Profile
from hub.store import Database
from protocols.jis.messages import CALL_RECORD, LineState, Preview
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.postgres import DatabaseServer
from tests.hub.calls.conftest import CallLane, serving
from tests.hub.calls.world import (
    BUILD,
    OWNER,
    PLANT,
    POINT,
    Supplier,
    eventually,
    make_world,
    passed_at,
    tell,
)

OF_SEATS = "SELECT count(*) FROM jis_call WHERE line = 'SEAT1' AND acknowledged_at IS NULL"


@dataclass
class Backup:
    """A copy of the hub's database, made while nobody was connected to it."""

    server: DatabaseServer
    database: Database
    name: str = field(init=False)

    def __post_init__(self) -> None:
        with self.database.connect("owner") as connection:
            self.name = connection.info.dbname
        self.server.create(f"{self.name}_backup", self.name)

    def restore(self) -> None:
        """All that was written since is lost."""
        self.server.drop(self.name)
        self.server.create(self.name, f"{self.name}_backup")

    def drop(self) -> None:
        """It is of no more use."""
        self.server.drop(f"{self.name}_backup")


@contextmanager
def restored_hub(
    database: Database, server: DatabaseServer, settings: BrokerSettings, supplier: Supplier
) -> Iterator[None]:
    """The hub has forgotten cars 3 and 4, whose calls the gateway has."""
    make_world(database)
    with serving(database, settings) as lane:
        pass_and_wait(lane, 1, 2)
    backup = Backup(server, database)
    try:
        with serving(database, settings) as lane:
            pass_and_wait(lane, 3, 4)
        assert supplier.cursor is not None
        assert supplier.cursor.watermark == 8
        backup.restore()
        supplier.calls.clear()  # the next are those of another epoch
        yield
    finally:
        backup.drop()


def pass_and_wait(lane: CallLane, *cars: int) -> None:
    for number in cars:
        lane.pass_car(number)
    eventually(lambda: lane.one(OF_SEATS) == 0, "acknowledgement")


def cars_called(supplier: Supplier) -> list[int]:
    """Each car has two calls, one after the other."""
    numbers = [int(call.key.production_no) for call in supplier.calls]
    assert numbers[::2] == numbers[1::2]
    return numbers[::2]


@pytest.mark.parametrize("told", ["before any car", "after some"])
def test_cars_in_another_order_after_a_restore_are_called_once_each(
    told: str, database: Database, database_server: DatabaseServer, settings: BrokerSettings
) -> None:
    """Cars pass before the gateway is heard, until the stream is as long as it was, and longer:
    nothing that the gateway says shows then that it holds other calls."""
    with (
        Supplier(settings).running() as supplier,
        restored_hub(database, database_server, settings, supplier),
    ):
        lane = CallLane(database, settings)
        with database.connect("ingest") as connection:
            if told == "before any car":
                assert begin_all_anew(connection)["seatworks/gw-seat"].carried == 4
            for number in (5, 3, 4):
                lane.pass_car(number)
            if told == "after some":
                assert begin_all_anew(connection)["seatworks/gw-seat"].carried == 10
        with serving(database, settings):
            pass_and_wait(lane, 6)
    assert cars_called(supplier) == [1, 2, 5, 3, 4, 6]
    assert [call.call_no for call in supplier.calls] == list(range(1, 13))


def test_a_gateway_that_is_ahead_of_a_restored_hub_shows_it(
    database: Database, database_server: DatabaseServer, settings: BrokerSettings
) -> None:
    """The gateway is heard before as many cars have passed as were forgotten: no one need tell."""
    with (
        Supplier(settings).running() as supplier,
        restored_hub(database, database_server, settings, supplier),
    ):
        lane = CallLane(database, settings)
        lane.pass_car(5)
        with serving(database, settings):
            eventually(lambda: lane.one(OF_SEATS) == 0, "acknowledgement")
            pass_and_wait(lane, 4, 3)
    assert cars_called(supplier) == [1, 2, 5, 4, 3]


def test_each_gateway_begins_anew_with_what_is_open(database: Database) -> None:
    make_world(database)
    with database.connect("ingest") as connection:
        assert begin_all_anew(connection) == {}
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        tell(connection, "part_group = 'SEAT-REAR'", *BUILD)
        begun = begin_all_anew(connection)
        streams = connection.execute(
            "SELECT epoch, next_offset FROM call_stream WHERE NOT closed ORDER BY gateway"
        ).fetchall()
    assert list(begun) == ["seatworks/gw-seat", "trimworks/gw-trim"]
    assert streams == [(each.epoch, 2) for each in begun.values()]


def test_a_gateway_that_begins_anew_is_told_all_it_works_by(database: Database) -> None:
    """How its line works, and the whole demand ahead, though the line is told deltas."""
    make_world(database, 3)
    agreed = Profile(forecast_days=30, delivery="delta").model_dump_json()
    with database.connect("ingest") as connection:
        connection.execute("UPDATE supplier_line SET profile = %s WHERE id = 'SEAT1'", (agreed,))
        connection.execute(
            "INSERT INTO line_mode (plant, line, owner, partner, mode, since, set_by, reason) "
            "SELECT plant, id, owner, partner, 'buffer', now(), 'me', 'drill' FROM supplier_line"
        )
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        begin_all_anew(connection)
        rows = connection.execute(
            "SELECT o.record FROM call_outbox o JOIN call_stream s USING (gateway, epoch) "
            "WHERE NOT s.closed AND gateway = 1 AND o.call IS NULL ORDER BY record_offset"
        ).fetchall()
    state, preview = (CALL_RECORD.validate_python(row[0]) for row in rows)
    assert isinstance(state, LineState)
    assert (state.line, state.mode, state.takt_s, state.stopped) == ("SEAT1", "buffer", 60, False)
    assert isinstance(preview, Preview)
    assert (preview.version, preview.based_on) == (1, None)
    assert [d.production_no for d in preview.demands] == ["0000002"] * 2 + ["0000003"] * 2
