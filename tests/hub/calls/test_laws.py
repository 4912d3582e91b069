"""Laws of a plant's commands: whatever it does, in whatever order, with whatever its suppliers say
in between. Each example is a short life of a small plant on the real database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.calls import commands, content, reorders, resequenced, retime
from hub.calls.called import AT_SUPPLIER, CalledCall, find_calls
from hub.calls.history import add
from hub.calls.refused import RefusedError
from hub.calls.release import release
from hub.store import Database
from protocols.jis.messages import CallChange, Instruction
from protocols.jis.net import Pair, status_net
from tests.hub.calls.plant import agree, answer, by, told
from tests.hub.calls.supply import Supply
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at

NET = status_net()
CARS = 5
SUPPLIER = (
    *("accepted", "started", "missing", "produced", "inspected_ok", "inspected_nok", "packed"),
    *("unpacked", "parked", "loaded", "shipped", "dropped", "scrapped", "refused"),
)
DOCK = ("arrived", "confirmed", "mismatched", "consumed", "rejected")

cars = st.integers(1, CARS)
PLANT_SAYS = (
    st.tuples(st.just("pass")),
    st.tuples(st.sampled_from(["block", "unblock", "pull_out", "reinsert", "cancel", "fit"]), cars),
    st.tuples(st.just("reinsert_before"), cars, cars),
    st.tuples(st.just("swap"), cars, cars),
    st.tuples(st.just("follow"), st.permutations(range(1, CARS + 1)), st.integers(2, CARS)),
    st.tuples(st.sampled_from(["change", "reorder"]), st.integers(0, 30)),
    st.tuples(st.just("stop"), st.integers(1, 9)),
    st.tuples(st.just("takt"), st.sampled_from([30, 60, 120])),
)
COMMANDS = st.one_of(
    *PLANT_SAYS,
    st.tuples(st.just("say"), st.integers(0, 30), st.sampled_from([*SUPPLIER, *DOCK])),
    st.tuples(st.just("answer"), st.booleans()),
)


class Life:
    """One plant, and the clock of its commands."""

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        self.connection = supply.connection
        self.minute = 0
        self.passed = 0
        self.order = [f"{n:07d}" for n in range(1, CARS + 1)]

    def do(self, command: tuple[Any, ...]) -> None:
        """Carry it out, or see it refused."""
        self.minute += 1
        name, *given = command
        with suppress(RefusedError):
            getattr(self, f"_{name}" if hasattr(self, f"_{name}") else "_car")(*given, name=name)

    def _pass(self, name: str) -> None:
        if self.passed < CARS:
            self.passed += 1
            release(
                *(self.connection, OWNER, PLANT, POINT, f"{self.passed:07d}"),
                passed_at(self.minute),
            )

    def _car(self, car: int, name: str) -> None:
        getattr(commands, name)(self.connection, OWNER, PLANT, f"{car:07d}", self._by())

    def _reinsert_before(self, car: int, other: int, name: str) -> None:
        commands.reinsert(
            *(self.connection, OWNER, PLANT, f"{car:07d}", self._by()), before=f"{other:07d}"
        )

    def _swap(self, one: int, other: int, name: str) -> None:
        resequenced.swap(self.connection, OWNER, PLANT, f"{one:07d}", f"{other:07d}", self._by())

    def _follow(self, order: list[int], count: int, name: str) -> None:
        after = [f"{n:07d}" for n in order[:count]]
        resequenced.follow_sequence(self.connection, OWNER, PLANT, self.order, after, self._by())
        self.order = after

    def _change(self, which: int, name: str) -> None:
        call = self._pick(which)
        if call is not None:
            part = {"part_no": f"NEW-{self.minute}"}
            content.change_call(self.connection, OWNER, call.key, self._by(), part)

    def _reorder(self, which: int, name: str) -> None:
        call = self._pick(which)
        if call is not None:
            reorders.reorder(self.connection, OWNER, call.key, self._by())

    def _stop(self, minutes: int, name: str) -> None:
        stop = self._by()
        retime.begin_stop(self.connection, OWNER, PLANT, stop, "robot")
        self.minute += minutes
        retime.end_stop(self.connection, OWNER, PLANT, self._by(), stop.message_id)

    def _takt(self, takt_s: int, name: str) -> None:
        at = passed_at(self.minute)
        retime.set_takt(self.connection, OWNER, PLANT, self._by(), takt_s, at)

    def _say(self, which: int, event: str, name: str) -> None:
        call = self._pick(which)
        if call is not None:
            kind, _, verdict = event.partition("_") if "inspected" in event else (event, "", "")
            source = "dock" if event in DOCK else "supplier"
            self.supply.say(call.key, kind, source, verdict=verdict)

    def _answer(self, agrees: bool, name: str) -> None:
        for call in self.calls():
            if call.asked is not None:
                answer(self.supply, call.key, "confirmed_change" if agrees else "refused_change")
                return

    def _by(self) -> Any:
        return by(passed_at(self.minute))

    def _pick(self, which: int) -> CalledCall | None:
        calls = self.calls()
        return calls[which % len(calls)] if calls else None

    def calls(self) -> list[CalledCall]:
        return find_calls(self.connection, PLANT)


@pytest.fixture(scope="module")
def small_plant(database_server: Any) -> Iterator[Database]:
    """A plant without any call; each example undoes what it did."""
    database = database_server.create("laws")
    try:
        make_world(database, CARS)
        yield database
    finally:
        database_server.drop("laws")


def check_places(life: Life) -> None:
    """No two cars in one slot, and slots in the order of places; numbers without a gap."""
    calls = life.calls()
    for line in ("SEAT1", "TRIM1"):
        here = [call for call in calls if call.line == line]
        assert sorted(call.call_no for call in here) == list(range(1, len(here) + 1))
        placed = sorted((c for c in here if c.place is not None), key=lambda c: c.place or 0)
        slots = [(call.rack, call.slot) for call in placed]
        assert len(set(slots)) == len(slots)
        load = 1 if line == "SEAT1" else -1
        assert slots == sorted(slots, key=lambda s: (s[0], load * s[1]))
        express = [(call.rack, call.slot) for call in here if call.priority == "express"]
        assert len(set(express)) == len(express)
        # Of a car that was out and came back, a part on a truck or beyond stands where it stood.
        moving = [
            c for c in placed if c.car == "released" and c.part in AT_SUPPLIER and not c.asked
        ]
        assert [c.required_at for c in moving] == sorted(c.required_at for c in moving)


def check_history(life: Life) -> None:
    """Replaying a call's history gives its state, and no step of it is outside the table."""
    for call in life.calls():
        pair = Pair("released", "released")
        rows = life.connection.execute(
            "SELECT net_event(kind, body), car_after, part_after, applied FROM call_event "
            "WHERE call = %s ORDER BY id",
            (call.id,),
        ).fetchall()
        for event, car, part, applied in rows:
            if event in ("release", "reorder"):
                continue
            after = NET.after(pair, event)
            assert (after is not None) == applied
            pair = after or pair
            assert pair == (car, part)
        assert pair == call.pair


def check_told(life: Life) -> None:
    """Each gateway, taking the newest revision, knows each call at the supplier as it stands."""
    for line in ("SEAT1", "TRIM1"):
        known: dict[str, tuple[int, Any]] = {}
        for record in told(life.connection, line):
            if isinstance(record, CallChange):
                key, revision = str(record.call.key), record.call.revision
                content = known[key][1] if record.confirm else record.call
            elif isinstance(record, Instruction):
                key, revision = str(record.key), record.revision
                content = known[key][1]
            elif record.kind == "call":
                key, revision, content = str(record.key), record.revision, record
            else:
                continue
            assert key not in known or revision > known[key][0], "revisions count on"
            known[key] = revision, content
        for call in life.calls():
            if call.line != line or call.part not in ("released", "accepted", "started"):
                continue
            if call.asked is not None or call.car != "released":
                continue
            told_of = known[str(call.key)][1]
            if _was_asked(life, call):
                continue  # confirmed content is what the gateway has by its own word
            assert (told_of.rack, told_of.slot) == (call.rack, call.slot)
            assert (told_of.part_no, told_of.required_at) == (call.part_no, call.required_at)


def _was_asked(life: Life, call: CalledCall) -> bool:
    return call.confirmed_revision is not None


def check_can_end(life: Life) -> None:
    """Every released part can still end, each by itself, and what ends a chain is one call."""
    ends = _ending_pairs()
    for call in life.calls():
        assert call.pair in ends
    chains: dict[tuple[str, str, str], list[CalledCall]] = {}
    for call in life.calls():
        chains.setdefault((call.line, call.production_no, call.part_group), []).append(call)
    for chain in chains.values():
        assert [call.car == "replaced" for call in chain[:-1]] == [True] * (len(chain) - 1)
        assert chain[-1].car != "replaced"


def _ending_pairs() -> set[Pair]:
    """The pairs from which a pair that is done can be reached."""
    pairs = {
        Pair(car, part)
        for car in NET.names("car")
        for part in NET.names("part")
        if any(s.fits(Pair(car, part)) for s in NET.situations)
    }
    ends = {pair for pair in pairs if NET.situation(pair).state == "done"}
    while True:
        more = {p for p in pairs - ends if any(NET.after(p, e) in ends for e in NET.events)}
        if not more:
            return ends
        ends |= more


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    series=st.lists(COMMANDS, min_size=5, max_size=25),
    policy=st.sampled_from(["keep_empty", "compress"]),
    frozen_s=st.sampled_from([0, 300]),
    tolerance_s=st.sampled_from([0, 90]),
)
@example(  # the stop moves nobody by more than is tolerated, and the car comes before one not told
    series=[("pass",), ("pull_out", 1), ("stop", 1), ("reinsert_before", 1, 2)],
    policy="keep_empty",
    frozen_s=0,
    tolerance_s=90,
)
@example(  # the car whose part is at the dock is out and comes back, timed later than its slot
    series=[
        *[("pass",), ("pass",), ("pass",), ("say", 2, "mismatched")],
        *[("follow", [1, 2, 5, 3, 4], 4), ("follow", [5, 4, 2, 3, 1], 4)],
        ("follow", [2, 1, 4, 3, 5], 3),
    ],
    policy="keep_empty",
    frozen_s=0,
    tolerance_s=90,
)
def test_no_series_of_commands_breaks_a_law(
    small_plant: Database,
    series: list[tuple[Any, ...]],
    policy: str,
    frozen_s: int,
    tolerance_s: int,
) -> None:
    with small_plant.connect("ingest") as connection:
        connection.execute("UPDATE supplier_line SET load_order = 'reversed' WHERE id = 'TRIM1'")
        for line in ("SEAT1", "TRIM1"):
            agree(
                *(connection, line),
                slot_policy=policy,
                frozen_s=frozen_s,
                retime_tolerance_s=tolerance_s,
                delivery="delta",
            )
        life = Life(Supply(connection))
        life.do(("pass",))
        life.do(("pass",))
        for command in series:
            life.do(command)
            check_places(life)
        check_history(life)
        check_told(life)
        check_can_end(life)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        connection.rollback()


def test_history_replayed_over_and_over_changes_nothing(supply: Supply) -> None:
    """What a source says again by the same message stands once in the history."""
    supply.pass_cars(1)
    (call, *_) = find_calls(supply.connection, PLANT)
    for _ in range(3):
        for kind in ("accepted", "produced"):
            add(
                *(supply.connection, call, "supplier", kind, passed_at(2)),
                message_id=f"same {kind}",
            )
    count: psycopg.Cursor[Any] = supply.connection.execute(
        "SELECT count(*) FROM call_event WHERE call = %s", (call.id,)
    )
    assert count.fetchone() == (3,)
