"""The file of calls and events: what one transaction promises, whatever is offered to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calls.plc import SlotReading
from edge.calls.store import CallStore, Counts, LostEvent, TakenResult
from edge.calls.work import Work
from protocols.jis.messages import Call, Event
from protocols.streams import Answer, State
from tests.edge.plant import LINE, PART_GROUPS, PLANT, calls

NAME = f"{PLANT}/{LINE}"
ROUTES = {NAME: frozenset(PART_GROUPS)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def records(first: int, count: int) -> list[object]:
    return [call.model_dump(mode="json") for call in calls(first, count)]


def accepted(call: Call) -> Event:
    return Event(kind="accepted", key=call.key, at=datetime.now(UTC))


def result(no: int, kind: str = "produced", key: str | None = None) -> TakenResult:
    fields = {
        "No": no,
        "Kind": kind,
        "Key": str(calls(1, 1)[0].key) if key is None else key,
        "Serial": "S1",
        "Verdict": "",
        "Rack": "",
        "Slot": 0,
        "At": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return SlotReading(0, no, fields).taken(NAME)


@given(offers=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.booleans()), max_size=25))
@settings(max_examples=25, deadline=None)
def test_each_call_is_stored_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, offers: list[tuple[int, int, bool]]
) -> None:
    place = tmp_path_factory.mktemp("store") / "calls.sqlite"
    store = CallStore.open(place)
    store.read_state(State(5, 0, 10))
    watermark = 0
    for first, count, reopen in offers:
        if reopen:
            store.close()
            store = CallStore.open(place)
        answer = store.receive(5, first, records(first + 1, count), ROUTES).answer
        if first <= watermark:
            watermark = max(watermark, first + count)
        assert answer == Answer(5, watermark)
    numbers = []
    while (waiting := store.next_work(NAME)) is not None:
        numbers.append(waiting.call.call_no)
        assert store.decide(accepted(waiting.call))
        assert not store.decide(accepted(waiting.call)), "decided once"
    assert numbers == list(range(1, watermark + 1))
    store.close()


def test_records_of_an_epoch_that_is_not_open_are_left_alone(path: Path) -> None:
    store = CallStore.open(path)
    assert store.position() == Answer(None)
    assert store.receive(5, 0, records(1, 1), ROUTES).answer == Answer(None)
    store.read_state(State(5, 0, 1))
    assert store.receive(6, 0, records(1, 1), ROUTES).answer == Answer(5, 0)
    answer, refused = store.read_state(State(6, 0, 1))
    assert (answer, refused) == (Answer(6, 0), False)
    answer, refused = store.read_state(State(5, 0, 1))
    assert (answer, refused) == (Answer(6, 0), True)
    store.close()


def test_what_the_hub_lost_is_passed_over_and_named(path: Path) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 2, 9))
    assert store.lose(5, 2, 4, "evicted") == Answer(5, 4)
    assert store.lose(5, 6, 8, "evicted") == Answer(5, 4), "not before its turn"
    store.close()
    with sqlite3.connect(path) as database:
        gaps = database.execute("SELECT first_no, next_no, cause FROM gap").fetchall()
    database.close()
    assert gaps == [(0, 2, "not kept by the hub"), (2, 4, "evicted")]


def test_what_the_plc_reports_comes_after_its_acceptance(path: Path) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 0, 1))
    store.receive(5, 0, records(1, 1), ROUTES)
    store.offer(Work(calls(1, 1)[0], shown=False))
    store.take_results(NAME, [result(1), result(2, "inspected")])
    assert not store.decide(accepted(calls(1, 1)[0])), "the hand-over comes too late to say it"
    assert [event["kind"] for event in store.events(0, 9)] == ["accepted", "produced", "inspected"]
    assert store.last_result(NAME) == 2
    assert store.is_taken(NAME, 1, result(1).digest)
    assert not store.is_taken(NAME, 1, result(1, "packed").digest)
    store.close()


def test_a_result_that_makes_no_event_lies_in_quarantine(path: Path) -> None:
    store = CallStore.open(path)
    store.take_results(NAME, [result(1, "melted"), result(2, key="no key"), result(3)])
    assert store.last_result(NAME) == 3
    assert [event["kind"] for event in store.events(0, 9)] == ["produced"]
    assert store.counts().quarantined == 2
    store.close()


def test_committed_events_are_kept_for_a_while_and_then_let_go(path: Path) -> None:
    for hours, kept in ((1.0, 0), (0.0, 2)):
        store = CallStore.open(path, retain_committed_h=hours)
        if not store.event_state().next:
            store.take_results(NAME, [result(n) for n in (1, 2, 3)])
        assert store.commit_events(2) == kept
        assert store.event_state() == State(store.event_state().epoch, kept, 3)
        assert store.counts().events_pending == 1
        store.close()


def test_a_new_event_epoch_begins_with_what_is_not_known_committed(path: Path) -> None:
    store = CallStore.open(path)
    store.take_results(NAME, [result(n) for n in (1, 2, 3)])
    store.commit_events(1)
    before, last = store.event_state(), store.events(1, 3)
    state = store.reopen_events()
    assert state == State(state.epoch, 0, 2)
    assert state.epoch != before.epoch
    assert store.events(0, 2) == last
    store.close()


def test_results_that_are_missing_stand_as_a_lost_event_in_any_file(path: Path) -> None:
    store = CallStore.open(path)
    store.take_results(NAME, [result(1)])
    store.take_results(NAME, [result(5), result(6)])
    lost = LostEvent("results 2 … 4 of line P1/SEAT1: not stored here, and not held by the PLC")
    events = store.events(0, 9)
    assert events[1] == lost
    assert [event["kind"] for event in (events[0], *events[2:])] == ["produced"] * 3
    store.reopen_events()
    assert store.events(0, 9) == events
    store.begin_anew(sqlite3.DatabaseError("damaged"))
    assert store.events(0, 9) == events
    store.close()


def test_a_damaged_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CallStore.open(path)
    epoch = store.event_state().epoch
    store.close()
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
    store = CallStore.open(path)
    assert store.event_state().epoch != epoch
    assert store.position() == Answer(None), "the hub hears that the cursor is lost"
    assert "cannot be read" in caplog.text
    assert len(list(path.parent.glob("*.damaged-*"))) >= 1
    store.close()


def test_a_full_disk_moves_no_cursor(path: Path) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 0, 200))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.receive(5, 0, records(1, 200), ROUTES)
    assert store.position() == Answer(5, 0), "what is not stored is not acknowledged"
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert store.receive(5, 0, records(1, 200), ROUTES).answer == Answer(5, 200)
    store.close()


HOUR_US = 3_600_000_000


def rows_of(store: CallStore, table: str) -> int:
    (count,) = store._db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def age(store: CallStore, hours: float) -> None:
    """Let all that is stored have been so for longer."""
    for column, table in (
        ("received_us", "call"),
        ("decided_us", "call"),
        ("stored_us", "event"),
        ("stored_us", "quarantine"),
        ("stored_us", "gap"),
    ):
        store._db.execute(
            f"UPDATE {table} SET {column} = {column} - ?",
            (round(hours * HOUR_US),),
        )


def test_what_is_decided_is_forgotten_once_the_hub_knows_and_not_before(path: Path) -> None:
    store = CallStore.open(path, retain_committed_h=0, retain_decided_h=24)
    store.read_state(State(5, 0, 3))
    store.receive(5, 0, records(1, 3), ROUTES)
    for call in calls(1, 2):
        store.decide(accepted(call))
    age(store, 25)
    store._kept_up_us = 0
    store.commit_events(0)
    assert rows_of(store, "call") == 3, "the hub does not know yet"
    store._kept_up_us = 0
    assert store.commit_events(1) == 1
    assert rows_of(store, "call") == 2
    assert store.event_state().first_kept == 1
    store._kept_up_us = 0
    store.commit_events(2)
    assert rows_of(store, "call") == 1, "the open one stays, however old"
    assert store.next_work(NAME) is not None
    store.close()


def test_what_is_decided_is_remembered_for_its_time(path: Path) -> None:
    store = CallStore.open(path, retain_decided_h=24)
    store.read_state(State(5, 0, 3))
    store.receive(5, 0, records(1, 1), ROUTES)
    store.decide(accepted(calls(1, 1)[0]))
    age(store, 23)
    store._kept_up_us = 0
    store.commit_events(1)
    store.read_state(State(6, 0, 3))
    store.receive(6, 0, records(1, 1), ROUTES)
    assert store.next_work(NAME) is None, "it would be built a second time"
    store.close()


def test_notes_go_by_age_and_by_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.calls.store._NOTES_KEPT", 5)
    store = CallStore.open(path, retain_decided_h=24)
    store.read_state(State(5, 0, 100))
    store.receive(5, 0, [{"no": "call"}], ROUTES)
    store.receive(5, 1, [{"no": "call"}] * 7, ROUTES)
    store.lose(5, 8, 9, "the hub's disk")
    assert rows_of(store, "quarantine") == 8
    store._kept_up_us = 0
    store.receive(5, 9, [{"no": "call"}], ROUTES)
    assert rows_of(store, "quarantine") == 5
    assert rows_of(store, "gap") == 1
    age(store, 25)
    store._kept_up_us = 0
    store.receive(5, 10, [{"no": "call"}], ROUTES)
    assert (rows_of(store, "quarantine"), rows_of(store, "gap")) == (1, 0), "but the newest"
    store.close()


def test_a_file_of_the_release_before_is_taken_over(path: Path) -> None:
    waiting, built = calls(1, 2)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_VERSION_1)
        database.execute("INSERT INTO call_epoch VALUES (5, 2, 0)")
        database.execute("INSERT INTO event_stream VALUES (7, 0, 2, 0)")
        for call, state in ((waiting, "received"), (built, "accepted")):
            # That release knew no revisions.
            body = call.model_dump_json(exclude={"revision", "priority"})
            row = (str(call.key), NAME, call.call_no, body, state, 1)
            database.execute("INSERT INTO call VALUES (?, ?, ?, ?, ?, ?)", row)
        at = datetime(2026, 3, 2, tzinfo=UTC)
        produced = Event(kind="produced", key=built.key, at=at, serial="S1")
        for offset, event in enumerate((accepted(built), produced)):
            stored = (offset, event.model_dump_json(), 1)
            database.execute("INSERT INTO event VALUES (?, ?, ?)", stored)
        database.commit()
    store = CallStore.open(path)
    assert store.set_aside == 0
    assert store.position() == Answer(5, 2)
    assert store.counts() == Counts(1, 2, 0, 0)
    work = store.next_work(NAME)
    assert work is not None
    assert (work.call.key, work.command, work.revision) == (waiting.key, "build", 1)
    known = store.call(str(built.key))
    assert (known["part"], known["serial"]) == ("produced", "S1"), "from the events that it holds"
    assert [event["kind"] for event in store.events(0, 9)] == ["accepted", "produced"]
    store.close()


_VERSION_1 = """
CREATE TABLE call_epoch (epoch INTEGER PRIMARY KEY, watermark INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE call (key TEXT PRIMARY KEY, line_key TEXT NOT NULL, call_no INTEGER NOT NULL,
    body TEXT NOT NULL, state TEXT NOT NULL
        CHECK (state IN ('received', 'offered', 'accepted', 'refused', 'unclear')),
    received_us INTEGER NOT NULL) STRICT;
CREATE INDEX call_open ON call (line_key, call_no) WHERE state IN ('received', 'offered');
CREATE TABLE event_stream (epoch INTEGER NOT NULL, first_kept INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, watermark INTEGER NOT NULL) STRICT;
CREATE TABLE event (event_offset INTEGER PRIMARY KEY, body TEXT NOT NULL,
    stored_us INTEGER NOT NULL) STRICT;
CREATE TABLE result (line_key TEXT NOT NULL, result_no INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (line_key, result_no)) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, epoch INTEGER,
    record_offset INTEGER, reason TEXT NOT NULL, raw TEXT NOT NULL,
    stored_us INTEGER NOT NULL) STRICT;
CREATE TABLE gap (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, epoch INTEGER,
    first_no INTEGER NOT NULL, next_no INTEGER NOT NULL, cause TEXT NOT NULL,
    stored_us INTEGER NOT NULL) STRICT;
PRAGMA user_version = 1;
"""


def test_an_old_copy_is_noticed_however_often_it_was_opened_before_the_hub_answered(
    path: Path,
) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 0, 9))
    store.receive(5, 0, records(1, 8), ROUTES)
    for sent, call in enumerate(calls(1, 4)):
        store.decide(accepted(call))
        store.close()
        store = CallStore.open(path)
        assert not store.is_old_copy(sent), "it may have sent what it had when it was opened"
    for call in calls(5, 4):
        store.close()
        store = CallStore.open(path)
        store.decide(accepted(call))
    assert store.event_state().next == 8
    store.close()
    # Offsets 4 … 7 were appended without a word of the hub, so none of them was sent.
    for copy in ("spared", "old"):
        shutil.copy(path, path.with_name(copy))
    store = CallStore.open(path.with_name("spared"))
    assert not store.is_old_copy(4)
    assert not store.is_old_copy(8), "from now on they may be"
    store.close()
    store = CallStore.open(path.with_name("old"))
    assert store.is_old_copy(5)
    store.close()


def test_events_that_can_be_read_are_saved_from_a_damaged_file(path: Path) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 0, 3))
    store.receive(5, 0, records(1, 3), ROUTES)
    for call in calls(1, 3):
        store.decide(accepted(call))
    store.commit_events(1)
    epoch = store.event_state().epoch
    pending = store.events(1, 3)
    (page,) = store._db.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'result'"
    ).fetchone()
    store.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    store = CallStore.open(path)
    assert store.set_aside == 1
    assert store.lost_by is not None
    assert "2 events" in store.lost_by
    assert store.event_state().epoch != epoch
    assert store.events(0, 2) == pending
    assert store.position() == Answer(None)
    store.close()


def test_a_saved_decision_holds_when_its_call_comes_again(path: Path) -> None:
    """It is neither shown to the PLC a second time, nor is it told so when the part is built."""
    store = CallStore.open(path)
    store.read_state(State(5, 0, 3))
    store.receive(5, 0, records(1, 3), ROUTES)
    first, second, third = calls(1, 3)
    store.decide(accepted(first))
    store.decide(Event(kind="refused", key=second.key, at=datetime.now(UTC), reason="no"))
    store.begin_anew(sqlite3.DatabaseError("damaged"))
    store.read_state(State(6, 0, 3))
    store.receive(6, 0, records(1, 3), ROUTES)
    work = store.next_work(NAME)
    assert work is not None
    assert work.call.key == third.key
    assert store.call(str(first.key))["part"] == "accepted"
    store.take_results(NAME, [result(1)])
    told = [(event["kind"], event["key"]["production_no"]) for event in store.events(0, 9)]
    assert told == [
        ("accepted", first.key.production_no),
        ("refused", second.key.production_no),
        ("produced", first.key.production_no),
    ]
    store.close()


def test_a_bit_in_the_write_ahead_log_is_damage(path: Path, tmp_path: Path) -> None:
    store = CallStore.open(path)
    store.read_state(State(5, 0, 3))
    for n in range(3):
        store.receive(5, n, records(1 + n, 1), ROUTES)
    killed = tmp_path / "killed"
    killed.mkdir()
    content = bytearray(path.with_name("calls.sqlite-wal").read_bytes())
    content[len(content) // 2] ^= 1
    (killed / "calls.sqlite").write_bytes(path.read_bytes())
    (killed / "calls.sqlite-wal").write_bytes(content)
    store.close()
    store = CallStore.open(killed / "calls.sqlite")
    assert store.set_aside == 1
    assert store.position() == Answer(None)
    assert len(list(killed.glob("*.damaged-1*"))) >= 1
    store.close()
