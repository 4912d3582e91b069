from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from hub.calls.events import EventConsumer
from hub.calls.publisher import CallPublisher
from hub.calls.release import Release, release
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from tests.hub.calls.supply import Supply
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at


@dataclass
class CallLane:
    """Both ends of the hub's call lane, running."""

    database: Database
    broker: BrokerSettings

    def pass_car(self, number: int) -> Release:
        with self.database.connect("ingest") as connection:
            return release(connection, OWNER, PLANT, POINT, f"{number:07d}", passed_at(number))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.connect("ingest") as connection:
            return connection.execute(query).fetchall()

    def one(self, query: str) -> Any:
        return self.rows(query)[0][0]


@pytest.fixture
def settings(broker: LocalBroker) -> BrokerSettings:
    return BrokerSettings(host=broker.host, port=broker.port, tls=False)


@contextmanager
def serving(database: Database, settings: BrokerSettings) -> Iterator[CallLane]:
    """The call lane of a hub, for as long as this is open."""
    publisher = CallPublisher(database.dsn("ingest"), settings, "test")
    consumer = EventConsumer(database.dsn("ingest"), settings, "test")
    publisher.start()
    consumer.start()
    try:
        yield CallLane(database, settings)
    finally:
        consumer.stop()
        publisher.stop()


@pytest.fixture
def lane(database: Database, settings: BrokerSettings) -> Iterator[CallLane]:
    make_world(database)
    with serving(database, settings) as lane:
        yield lane


@pytest.fixture
def supply(database: Database) -> Iterator[Supply]:
    """Plant, supplier and dock on one connection, without broker and HTTP."""
    make_world(database)
    with database.connect("ingest", autocommit=True) as connection:
        yield Supply(connection)
