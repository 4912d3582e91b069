"""Two batches under way and one that grows, when what is under way fails."""

from __future__ import annotations

import queue
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest
from hub.store import Database, tenant
from protocols.sparkplug import DataType, Metric
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import BASE_MS, WAIT_S, Node, broker_settings

EPOCH = 4711
_ONE_EACH = FAST.model_copy(update={"batch_bytes": 1024})
"""Each of the messages below makes a batch of its own."""


@pytest.fixture
def ingest(
    request: pytest.FixtureRequest,
    database: Database,
    broker: LocalBroker,
    hub: psycopg.Connection,
) -> Iterator[Ingest]:
    if "trim" not in request.fixturenames:
        # It would be asked for its births again and again, which the hub hears too, and counts.
        with database.connect("owner") as owner, tenant(owner, "trimworks"):
            assert owner.execute("DELETE FROM gateway WHERE node_id = 'gw-trim'").rowcount == 1
    with Ingest(database, broker_settings(broker), _ONE_EACH) as running:
        yield running


@pytest.fixture
def trim(broker: LocalBroker, ingest: Ingest) -> Iterator[Node]:
    with Node(broker, "trimworks", "gw-trim") as connected:
        yield connected


@pytest.fixture
def seat(hub: psycopg.Connection, node: Node) -> Node:
    born(node, hub)
    return node


def born(node: Node, hub: psycopg.Connection) -> None:
    """Its births are the last messages that the hub has heard."""
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    devices = "SELECT FROM device d JOIN gateway g ON g.id = d.gateway WHERE g.node_id = %s"
    eventually(lambda: bool(rows(hub, f"{devices} AND online", node.node)), "its device is born")


def record(node: Node, offset: int) -> None:
    """A record of a hundred values, all of them its offset."""
    node.record(offset, [float(offset)] * 100)


def stored(hub: psycopg.Connection) -> list[tuple[str, float, int]]:
    """Of each gateway and value, how often it is there."""
    return rows(
        hub,
        "SELECT g.node_id, value, count(*) FROM sample JOIN tag t ON t.id = tag_id"
        " JOIN device d ON d.id = t.device JOIN gateway g ON g.id = d.gateway"
        " GROUP BY 1, 2 ORDER BY 1, 2",
    )


@contextmanager
def held(database: Database) -> Iterator[None]:
    """No sample is stored until this ends."""
    with database.connect("owner") as holder:
        holder.execute("LOCK TABLE sample IN SHARE MODE")
        yield


def waiting(hub: psycopg.Connection) -> list[int]:
    """The backends that wait for what another has locked."""
    return [
        pid
        for (pid,) in rows(
            hub,
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()",
        )
    ]


def broken(hub: psycopg.Connection, ingest: Ingest) -> None:
    """End the connection of whoever waits, and wait until that is noticed."""
    for pid in waiting(hub):
        hub.execute("SELECT pg_terminate_backend(%s)", [pid])
    eventually(lambda: ingest.figures.failures > 0, "the connection broke")


def moved(conn: psycopg.Connection, node: str) -> None:
    """Have the cursor of a gateway be moved by another."""
    conn.execute(
        "UPDATE stream_cursor SET version = version + 1 WHERE gateway ="
        " (SELECT id FROM gateway WHERE node_id = %s)",
        [node],
    )


def filled(hub: psycopg.Connection, ingest: Ingest, before: int, messages: int) -> None:
    """Wait until so many messages are taken, and the first batch waits. What the hub says itself
    counts too if it comes back late, so it may be one less."""
    eventually(lambda: ingest.figures.messages >= before + messages, "all are read")
    eventually(lambda: len(waiting(hub)) == 1, "the first waits")


def test_what_is_under_way_is_gathered_again_when_the_connection_breaks(
    database: Database, hub: psycopg.Connection, ingest: Ingest, seat: Node
) -> None:
    before = ingest.figures.messages
    with held(database):
        for offset in range(3):
            record(seat, offset)
        filled(hub, ingest, before, 3)
        broken(hub, ingest)
    seat.answered(EPOCH, 3)
    record(seat, 3)
    seat.answered(EPOCH, 4)
    assert stored(hub) == [("gw-seat", float(offset), 100) for offset in range(4)]


def test_what_a_node_without_stream_says_is_not_stored_twice_by_that(
    database: Database, hub: psycopg.Connection, ingest: Ingest, node: Node
) -> None:
    node.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
    node.device_birth("pump", [Metric("note", None, BASE_MS, DataType.String, "born")])
    eventually(lambda: rows(hub, "SELECT text FROM sample") == [("born",)], "its birth")
    before = ingest.figures.messages
    with held(database):
        for n in range(3):
            said = Metric("note", None, BASE_MS + 1 + n, None, str(n) * 1200)
            node.device_data("pump", [said])
        filled(hub, ingest, before, 3)
        broken(hub, ingest)
    node.device_data("pump", [Metric("note", None, BASE_MS + 9, None, "last")])
    of_time = "SELECT text FROM sample ORDER BY time"
    eventually(lambda: rows(hub, of_time)[-1] == ("last",), "the last")
    assert [text[0] for (text,) in rows(hub, of_time)] == ["b", "0", "1", "2", "l"]


def test_a_batch_that_fails_takes_none_of_those_before_it_along(
    database: Database,
    hub: psycopg.Connection,
    ingest: Ingest,
    seat: Node,
    trim: Node,
) -> None:
    born(trim, hub)
    before = ingest.figures.messages
    with held(database):
        record(seat, 0)
        filled(hub, ingest, before, 1)
        record(trim, 0)
        eventually(lambda: ingest.figures.messages >= before + 2, "the second is read")
        record(seat, 1)
        filled(hub, ingest, before, 3)
        hub.execute(
            "UPDATE stream_cursor SET watermark = 1, version = version + 1"
            " WHERE gateway = (SELECT id FROM gateway WHERE node_id = 'gw-trim')"
        )
    seat.answered(EPOCH, 2)
    record(trim, 1)
    trim.answered(EPOCH, 2)
    assert stored(hub) == [("gw-seat", 0.0, 100), ("gw-seat", 1.0, 100), ("gw-trim", 1.0, 100)]


def test_a_batch_behind_one_that_fails_is_not_committed_by_itself(
    database: Database,
    hub: psycopg.Connection,
    ingest: Ingest,
    seat: Node,
    trim: Node,
) -> None:
    """Else what a node without stream says would be stored twice."""
    trim.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
    trim.device_birth("pump", [Metric("note", None, BASE_MS, DataType.String, "born")])
    texts = "SELECT left(text, 1) FROM sample WHERE text IS NOT NULL ORDER BY time"
    eventually(lambda: rows(hub, texts) == [("b",)], "its birth")
    before = ingest.figures.messages
    with database.connect("ingest") as other:
        moved(other, "gw-seat")
        record(seat, 0)
        filled(hub, ingest, before, 1)
        trim.device_data("pump", [Metric("note", None, BASE_MS + 1, None, "0" * 1200)])
        eventually(lambda: ingest.figures.messages >= before + 2, "the second is read")
        record(seat, 1)
        filled(hub, ingest, before, 3)
    seat.answered(EPOCH, 2)
    assert rows(hub, texts) == [("b",), ("0",)]
    assert stored(hub)[:2] == [("gw-seat", 0.0, 100), ("gw-seat", 1.0, 100)]


def test_nobody_is_told_of_what_still_waits(
    database: Database, hub: psycopg.Connection, seat: Node
) -> None:
    """The table is given to the first, then held again before the second has it."""
    with (
        database.connect("owner") as next_holder,
        ThreadPoolExecutor(1) as aside,
    ):
        with held(database):
            record(seat, 0)
            eventually(lambda: len(waiting(hub)) == 1, "the first waits")
            holding = aside.submit(next_holder.execute, "LOCK TABLE sample IN SHARE MODE")
            eventually(lambda: len(waiting(hub)) == 2, "who holds next waits behind it")
            record(seat, 1)
            record(seat, 2)
        holding.result(WAIT_S)
        seat.answered(EPOCH, 1)
        assert seat.answers.empty()
        assert len(stored(hub)) == 1
        next_holder.rollback()
        seat.answered(EPOCH, 3)
    assert stored(hub) == [("gw-seat", float(offset), 100) for offset in range(3)]


def test_samples_go_ahead_while_the_batch_before_ends(
    database: Database, hub: psycopg.Connection, seat: Node
) -> None:
    """The first waits to move its cursor; meanwhile the second has copied, and waits for it."""
    record(seat, 0)  # the first row of a day may make a place for it, which others wait for
    seat.answered(EPOCH, 1)
    copied = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'idle in transaction' AND starts_with(query, 'COPY sample')"
    )
    with database.connect("ingest") as other:
        other.execute("SELECT FROM stream_cursor FOR UPDATE")
        record(seat, 1)
        eventually(lambda: len(waiting(hub)) == 1, "the first waits")
        assert rows(hub, copied) == []
        record(seat, 2)
        eventually(lambda: rows(hub, copied) == [()], "the second has copied its rows")
        assert len(stored(hub)) == 1
    seat.answered(EPOCH, 3)
    assert stored(hub) == [("gw-seat", float(offset), 100) for offset in range(3)]


def test_what_is_refused_is_found_with_others_behind_it(
    database: Database, hub: psycopg.Connection, ingest: Ingest, seat: Node
) -> None:
    before = ingest.figures.messages
    with held(database):
        seat.record(0, [0.0] * 100, at_ms=10**16)  # a year that the database does not have
        record(seat, 1)
        record(seat, 2)
        filled(hub, ingest, before, 3)
    seat.answered(EPOCH, 3)
    assert stored(hub) == [("gw-seat", 1.0, 100), ("gw-seat", 2.0, 100)]
    assert rows(hub, "SELECT record_offset FROM quarantine") == [(0,)]
    assert ingest.figures.failures == 0


def test_told_to_stop_it_commits_what_is_under_way(
    broker: LocalBroker, database: Database, hub: psycopg.Connection
) -> None:
    with Ingest(database, broker_settings(broker), _ONE_EACH) as ingest, Node(broker) as node:
        node.asked_for_rebirth()
        born(node, hub)
        before = ingest.figures.messages
        with held(database):
            for offset in range(3):
                record(node, offset)
            filled(hub, ingest, before, 3)
    assert stored(hub) == [("gw-seat", float(offset), 100) for offset in range(3)]


def test_a_fault_of_its_own_leaves_cursors_where_those_under_way_have_moved_them(
    database: Database,
    hub: psycopg.Connection,
    ingest: Ingest,
    seat: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, committer = ingest.figures.messages, ingest._worker._committer
    whole = committer.commit_due

    def faulty() -> None:
        if len(committer._under_way) == 2:
            monkeypatch.undo()
            raise RuntimeError("a fault of ours")
        whole()

    with held(database):
        monkeypatch.setattr(committer, "commit_due", faulty)
        record(seat, 0)
        filled(hub, ingest, before, 1)
        record(seat, 1)
        eventually(lambda: committer.commit_due == whole, "the fault")
    eventually(lambda: len(stored(hub)) == 2, "those under way")
    seat.asked_for_rebirth()
    seat.birth(EPOCH, 0, 2)
    seat.answered(EPOCH, 2)
    for offset in range(4):
        record(seat, offset)
    seat.answered(EPOCH, 4)
    assert stored(hub) == [("gw-seat", float(offset), 100) for offset in range(4)]


def test_no_message_is_missed_where_more_than_a_circle_of_them_is_gathered_again(
    broker: LocalBroker, database: Database, hub: psycopg.Connection
) -> None:
    """Read once more, the first of them would be ahead of the last."""
    with Ingest(database, broker_settings(broker), FAST) as ingest, Node(broker) as node:
        node.asked_for_rebirth()
        born(node, hub)
        before = ingest.figures.messages
        with held(database):
            for offset in range(200):
                node.record(offset)
            filled(hub, ingest, before, 200)
            broken(hub, ingest)
        node.answered(EPOCH, 200)
        assert ingest._worker._sessions["seatworks", "gw-seat"].seq.missing == 0


def test_whatever_fails_in_between_each_record_is_stored_once_and_told_of_once_it_is(
    database: Database,
    hub: psycopg.Connection,
    ingest: Ingest,
    seat: Node,
    trim: Node,
) -> None:
    chance = random.Random(0)
    born(trim, hub)
    nodes = (seat, trim)
    count = 0
    for _ in range(15):
        match chance.choice(["", "killed", "moved", "held", "held and killed"]):
            case "killed":
                kill(hub)
            case "moved":
                moved(hub, chance.choice(nodes).node)
            case "":
                pass
            case how:
                with held(database):
                    for node in nodes:
                        record(node, count)
                    eventually(lambda: len(waiting(hub)) == 1, "the first waits")
                    if how == "held and killed":
                        kill(hub)
                count += 1
        for _ in range(chance.randrange(4)):
            for node in nodes:
                record(node, count)
            count += 1
        for node in nodes:
            assert told(node) <= committed(hub, node)
    for node in nodes:
        record(node, count)
        node.answered(EPOCH, count + 1)
    assert stored(hub) == [
        (name, float(offset), 100) for name in ("gw-seat", "gw-trim") for offset in range(count + 1)
    ]


def kill(hub: psycopg.Connection) -> None:
    """End the connection of whoever stores samples."""
    hub.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
        " AND datname = current_database() AND pid <> pg_backend_pid()"
    )


def told(node: Node) -> int:
    """How far a node has been told, at last."""
    furthest = 0
    try:
        while True:
            furthest = max(furthest, node.answers.get_nowait().watermark)
    except queue.Empty:
        return furthest


def committed(hub: psycopg.Connection, node: Node) -> int:
    ((watermark,),) = rows(
        hub,
        "SELECT watermark FROM stream_cursor WHERE gateway ="
        " (SELECT id FROM gateway WHERE node_id = %s)",
        node.node,
    )
    return int(watermark)
