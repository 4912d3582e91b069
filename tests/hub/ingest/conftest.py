"""A registered plant in a real database, a real broker, and ingest between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest, IngestSettings
from hub.store import Database
from tests.hub.ingest.node import WAIT_S, Node, broker_settings

FAST = IngestSettings(
    commit_ms=5, reorder_s=0.15, rebirth_every_s=0.2, birth_grace_s=60.0, retry_max_s=0.3
)
"""Quick, but for the grace: within it a node is asked for its births again and again, however long
a busy machine takes until the node hears."""


@pytest.fixture
def hub(database: Database) -> Iterator[psycopg.Connection]:
    """A connection past the policies, to a database with two registered gateways."""
    with database.connect("ingest", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tenant VALUES ('carmaker', 'Car maker', 'oem'),"
            " ('seatworks', 'Seatworks', 'supplier'), ('trimworks', 'Trimworks', 'supplier')"
        )
        connection.execute(
            "INSERT INTO gateway (owner, partner, group_id, node_id) VALUES"
            " ('seatworks', 'carmaker', 'seatworks', 'gw-seat'),"
            " ('trimworks', 'carmaker', 'trimworks', 'gw-trim')"
        )
        yield connection


@pytest.fixture
def ingest(database: Database, broker: LocalBroker, hub: psycopg.Connection) -> Iterator[Ingest]:
    """Ingest, running, with short times."""
    with Ingest(database, broker_settings(broker), FAST) as running:
        yield running


@pytest.fixture
def node(broker: LocalBroker, ingest: Ingest) -> Iterator[Node]:
    """The gateway seatworks/gw-seat, connected and not born."""
    with Node(broker) as connected:
        connected.asked_for_rebirth()  # so the hub listens
        yield connected


def rows(conn: psycopg.Connection, query: str, *args: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return conn.execute(query, args).fetchall()


def eventually(check: Callable[[], bool], what: str) -> None:
    """Wait until `check` is true."""
    deadline = time.monotonic() + WAIT_S
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT_S:g} s: {what}")
        time.sleep(0.02)
