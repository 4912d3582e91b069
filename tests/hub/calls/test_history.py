"""The database keeps the status net as the code does, whoever writes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from hub.calls.history import FoundCall, add, find_call
from hub.calls.release import release
from hub.store import Database
from protocols.jis.messages import CallKey
from protocols.jis.net import Pair, status_net
from protocols.jis.net.check import reachable_pairs
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at

NET = status_net()
KEY = CallKey(plant=PLANT, line="SEAT1", production_no="0000001", part_group="SEAT-FRONT")


PUT = """
CREATE TEMP TABLE put (car text, status text);
CREATE FUNCTION pg_temp.put() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN UPDATE jis_call SET car = NEW.car, status = NEW.status
    WHERE production_no = ''0000001'' AND part_group = ''SEAT-FRONT''; RETURN NEW; END';
CREATE TRIGGER put BEFORE INSERT ON put FOR EACH ROW EXECUTE FUNCTION pg_temp.put();
"""


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    make_world(database, 1)
    with database.connect("ingest", autocommit=True) as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        yield connection


def found(connection: psycopg.Connection) -> FoundCall:
    call = find_call(connection, KEY)
    assert call is not None
    return call


def tell(connection: psycopg.Connection, event: str) -> Pair:
    """Add an event under its net's name; returns the pair as it is read back."""
    kind, _, verdict = event.partition("_") if event.startswith("inspected") else (event, "", "")
    call = found(connection)
    count = connection.execute("SELECT count(*) FROM call_event").fetchone()
    body = {"verdict": verdict} if verdict else {}
    add(connection, call, NET.source(event), kind, passed_at(2), body=body, message_id=str(count))
    return found(connection).pair


def test_the_table_in_the_database_is_the_net(connection: psycopg.Connection) -> None:
    statuses = connection.execute("SELECT axis, id, final FROM net_status ORDER BY rank")
    assert statuses.fetchall() == [(s.axis, s.id, s.final) for s in NET.statuses]
    moves = connection.execute(
        "SELECT event, origin, axis, target, source FROM net_move"
    ).fetchall()
    assert set(moves) == {(m.event, m.origin, m.axis, m.target, m.source) for m in NET.moves()}


def test_every_event_from_every_pair_goes_as_the_net_says(connection: psycopg.Connection) -> None:
    events = [e for e in NET.events if e not in ("release", "reorder", "call", "announce")]
    checked = 0
    connection.execute(PUT)
    for pair in sorted(reachable_pairs(NET)):
        if pair.part == "announced" or pair.car in ("forecast", "planned", "blocked"):
            continue
        for event in events:
            with connection.transaction(force_rollback=True):
                _put(connection, pair)
                want = NET.after(pair, event)
                if want is None and NET.source(event) == "plant":
                    with pytest.raises(errors.CheckViolation), connection.transaction():
                        tell(connection, event)
                else:
                    assert tell(connection, event) == (want or pair), (pair, event)
                checked += 1
    assert checked > 2000


def _put(connection: psycopg.Connection, pair: Pair) -> None:
    """Bring the call to a pair, as nobody but the history's trigger can."""
    connection.execute("INSERT INTO put VALUES (%s, %s)", pair)


def test_a_status_cannot_be_written_past_the_history(connection: psycopg.Connection) -> None:
    for statement in (
        "UPDATE jis_call SET status = 'shipped'",
        "UPDATE jis_call SET car = 'fitted'",
    ):
        with pytest.raises(errors.CheckViolation, match="by its history alone"):
            connection.execute(statement.encode())
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute("UPDATE call_event SET applied = true")
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute("DELETE FROM call_event")


def test_replaying_the_history_gives_the_state(connection: psycopg.Connection) -> None:
    story = ["acknowledged", "accepted", "packed", "produced", "inspected_nok", "produced"]
    story += ["inspected_ok", "pull_out", "parked", "reinsert", "unparked", "packed", "loaded"]
    story += ["confirmed", "shipped", "fit"]
    for event in story:
        tell(connection, event)
    rows = connection.execute(
        "SELECT net_event(kind, body), car_before, part_before, car_after, part_after, applied "
        "FROM call_event e JOIN jis_call c ON c.id = e.call "
        "WHERE c.part_group = 'SEAT-FRONT' ORDER BY e.id"
    ).fetchall()
    pair = Pair("released", "released")
    assert rows[0][0] == "release"
    for event, car, part, car_after, part_after, applied in rows[1:]:
        assert pair == Pair(car, part)
        after = NET.after(pair, event)
        assert applied == (after is not None)
        pair = after or pair
        assert pair == Pair(car_after, part_after)
    assert pair == found(connection).pair == Pair("fitted", "confirmed")


def test_a_message_said_again_is_one_event(connection: psycopg.Connection) -> None:
    call = found(connection)
    first = add(connection, call, "dock", "arrived", passed_at(2), message_id="m1")
    again = add(connection, call, "dock", "arrived", passed_at(2), message_id="m1")
    assert first is not None
    assert again is None


def test_exceptions_open_and_close_with_the_situation(connection: psycopg.Connection) -> None:
    def kinds() -> list[tuple[str, bool]]:
        return connection.execute(
            "SELECT kind, closed_at IS NULL FROM exception ORDER BY id"
        ).fetchall()

    tell(connection, "missing")
    assert kinds() == [("missing_part", True)]
    tell(connection, "supplied")
    assert kinds() == [("missing_part", False)]
    tell(connection, "pull_out")
    tell(connection, "cancel")
    assert kinds() == [("missing_part", False), ("pulled_out", False), ("cancelled", True)]
