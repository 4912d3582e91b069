"""What must not lose or double a record: a killed worker, a restarted database, a second worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest, lifecycle
from hub.store import Database, migrate
from hub.store.embedded import EmbeddedPostgres
from hub.store.roles import bootstrap
from protocols.sparkplug import Payload, encode
from tests.fixtures.postgres import PASSWORDS
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import BASE_MS, Node, broker_settings

EPOCH = 4711


def values(hub: psycopg.Connection) -> list[float]:
    return [value for (value,) in rows(hub, "SELECT value FROM sample ORDER BY value")]


def test_worker_killed_between_commit_and_answer(
    database: Database, broker: LocalBroker, hub: psycopg.Connection
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hub.ingest.dying", database.conninfo, str(broker.port)]
    )
    with Node(broker) as node:
        node.asked_for_rebirth()
        node.birth(EPOCH, after=2)
        node.answered(EPOCH, 0)
        node.record(0, [1.0])
        assert process.wait(60) == -signal.SIGKILL
        assert values(hub) == [1.0]  # committed, and nobody told the gateway
        assert node.answers.empty()
        node.forget_rebirths()  # the first one may have asked more than once
        with Ingest(database, broker_settings(broker), FAST):
            node.asked_for_rebirth()
            node.birth(EPOCH, after=2)
            node.answered(EPOCH, 1)
            node.record(0, [1.0])
            node.record(1, [2.0])
            node.answered(EPOCH, 2)
    assert values(hub) == [1.0, 2.0]


def test_cursor_moved_by_another_worker_is_read_again(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    hub.execute("UPDATE stream_cursor SET watermark = 1, version = version + 1")
    node.record(0, [1.0])
    node.record(1, [2.0])
    node.answered(EPOCH, 2)
    assert values(hub) == [2.0]


def test_fault_of_the_hub_s_own_ends_nothing_for_good(
    hub: psycopg.Connection, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = iter([RuntimeError("a fault of our own")])
    died = lifecycle.device_died

    def faulty(*given: Any) -> None:
        for fault in faults:
            raise fault
        died(*given)

    monkeypatch.setattr(lifecycle, "device_died", faulty)
    node.birth(EPOCH)
    node.record(0)
    node.answered(EPOCH, 1)
    node.forget_rebirths()
    node.publish("DDEATH", encode(Payload(BASE_MS, [], node.seq.take())), "line")
    node.asked_for_rebirth()
    node.birth(EPOCH, after=2)
    node.record(0)
    node.record(1)
    node.answered(EPOCH, 2)
    assert values(hub) == [1.0, 1.0]


def test_broker_comes_back(hub: psycopg.Connection, broker: LocalBroker, ingest: Ingest) -> None:
    with Node(broker) as node:
        node.asked_for_rebirth()
        node.birth(EPOCH)
        node.answered(EPOCH, 0)
    broker.forget()
    with Node(broker) as node:
        node.asked_for_rebirth()
        node.birth(EPOCH)
        node.record(0)
        node.answered(EPOCH, 1)


@contextmanager
def served(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, {"fsync": "off"}) as server:
        yield server


@pytest.mark.slow
def test_database_restarted_under_load(broker: LocalBroker) -> None:
    """The server is stopped in mid-flight, twice, while a gateway sends what is not answered."""
    records = 300
    with tempfile.TemporaryDirectory(prefix="lineside-postgres-") as name:
        folder = Path(name)
        with served(folder) as server:
            bootstrap(server.dsn(), "lineside", PASSWORDS)
            host, port = server.address
            database = Database(make_conninfo(host=host, port=port, dbname="lineside"), PASSWORDS)
            with database.connect("owner") as connection:
                migrate(connection)
            with database.connect("ingest") as connection:
                connection.execute("INSERT INTO tenant VALUES ('a', 'A', 'supplier')")
                connection.execute(
                    "INSERT INTO gateway (owner, group_id, node_id)"
                    " VALUES ('a', 'seatworks', 'gw-seat')"
                )
            with Ingest(database, broker_settings(broker), FAST), Node(broker) as node:
                node.asked_for_rebirth()
                node.birth(EPOCH, after=records)
                node.answered(EPOCH, 0)
                for offset in range(100):
                    node.record(offset, [float(offset)])
                _stop_at_once(folder)
                for offset in range(100, 200):
                    node.record(offset, [float(offset)])
                with served(folder):
                    _stop_at_once(folder)
                for offset in range(200, records):
                    node.record(offset, [float(offset)])
                with served(folder), database.connect("ingest", autocommit=True) as hub:
                    node.answered(EPOCH, records)
                    for offset in range(records):
                        node.record(offset, [float(offset)])
                    eventually(
                        lambda: bool(rows(hub, "SELECT FROM gateway_traffic WHERE duplicates > 0")),
                        "what was sent again is counted",
                    )
                    assert values(hub) == [float(offset) for offset in range(records)]


def _stop_at_once(folder: Path) -> None:
    """Immediate shutdown, as in a crash: no checkpoint, connections cut."""
    lock = folder / "pgdata" / "postmaster.pid"
    os.kill(int(lock.read_text().split()[0]), signal.SIGQUIT)
    eventually(lambda: not lock.exists(), "the server is down")
