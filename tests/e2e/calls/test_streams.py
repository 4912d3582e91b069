"""Laws of the two call streams: a random plant, a hub on its real database and gateways on real
files, between them a channel that loses, doubles, reorders and delays. Once it is whole again both
sides know the same, and that is what they would know had it been whole all along; and every part
that was called ends once.

`make fuzz-calls EXAMPLES=…` tries as many plants as wanted.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import edge.calls.book
import edge.calls.lane
import hub.calls.events
import hub.calls.publisher
from hub.calls import commands, dock, reorders
from hub.calls.called import CalledCall, find_calls
from hub.calls.events import EventConsumer
from hub.calls.lane import Received
from hub.calls.publisher import CallPublisher
from hub.calls.refused import RefusedError
from hub.store import Database
from protocols.jis.messages import DeliveryKind
from protocols.jis.net import Pair
from tests.e2e.calls.channel import Channel, Clock, HubLink, PlantTime
from tests.e2e.calls.gateway import BROKER, Gateway, GatewayLink
from tests.e2e.calls.plc import Plc
from tests.hub.calls.plant import agree
from tests.hub.calls.supply import Supply
from tests.hub.calls.test_laws import (
    CARS,
    NET,
    PLANT_SAYS,
    Life,
    check_history,
    check_places,
)
from tests.hub.calls.world import OWNER, PLANT, make_world, passed_at

EXAMPLES = int(os.environ.get("FUZZ_CALLS_EXAMPLES", "15"))
LINES = (
    ("seatworks", "gw-seat", "SEAT1", ("SEAT-FRONT", "SEAT-REAR")),
    ("trimworks", "gw-trim", "TRIM1", ("DOOR-TRIM",)),
)
PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
"""To explain costs as much as to find."""
HEALING = 60
"""Rounds in which all that is under way arrives, until nobody has anything more to say."""
ENDING = 12
_WISHES = {
    "released": "build",
    "fitted": "build",
    "pulled_out": "hold",
    "cancelled": "cancel",
    "replaced": "cancel",
}
"""What a gateway is told by the status of a car."""

which = st.integers(0, 40)
lines = st.integers(0, len(LINES) - 1)
CHANNEL = st.one_of(
    st.tuples(
        st.just("message"),
        st.sampled_from(["up", "down"]),
        which,
        st.sampled_from(["deliver", "deliver", "deliver", "lose", "double"]),
    ),
    st.tuples(st.just("flow"), st.sampled_from(["up", "down"])),
    st.tuples(st.just("flow"), st.sampled_from(["up", "down"])),
    st.tuples(st.just("later"), st.sampled_from([1, 4, 20])),
    st.tuples(st.just("cut"), lines),
    st.tuples(st.just("restart_gateway"), lines),
    st.tuples(st.just("restart_hub")),
)
SUPPLIER = st.one_of(
    st.tuples(st.just("work"), lines, st.sampled_from([True, True, True, False]), st.booleans()),
    st.tuples(st.just("build"), lines, which, st.sampled_from([True, True, True, False])),
    st.tuples(st.just("build"), lines, which, st.just(True)),
    st.tuples(st.just("dock"), which, st.sampled_from(["arrived", "confirmed", "rejected"])),
)


class World(Life):
    """A plant, its hub, its suppliers' gateways and lines, and the channel between."""

    def __init__(self, supply: Supply, loop: asyncio.AbstractEventLoop, directory: Path) -> None:
        super().__init__(supply)
        self.channel = HubLink.channel = Channel()
        self.history: list[tuple[str, str]] = []
        """(key, event) in the order in which it happened, as a perfect channel would carry it."""
        self._seen = 0
        self._start_hub()
        self.gateways = [
            Gateway(
                loop, self.channel, directory, group, node, f"{PLANT}/{line}", groups, self._note
            )
            for group, node, line, groups in LINES
        ]
        self.plcs = [Plc(gateway) for gateway in self.gateways]

    def _note(self, key: str, event: str) -> None:
        self.history.append((key, event))

    def history_of(self, key: str) -> list[str]:
        """What has happened to a call, in order."""
        return [event for of, event in self.history if of == key]

    # --- what happens --------------------------------------------------------------------------

    def do(self, command: tuple[Any, ...]) -> None:
        super().do(command)
        self._take_history()

    def _take_history(self) -> None:
        rows = self.connection.execute(
            "SELECT concat_ws('/', c.plant, c.line, production_no, part_group, reorder_index),"
            " net_event(e.kind, e.body), e.id, e.source FROM call_event e"
            " JOIN jis_call c ON c.id = e.call WHERE e.id > %s ORDER BY e.id",
            (self._seen,),
        ).fetchall()
        for key, event, number, source in rows:
            self._seen = number
            if source in ("plant", "dock") and event not in ("release", "reorder"):
                self._note(key, event)

    def _message(self, way: Any, which: int, fate: Any, name: str) -> None:
        self._deliver(way, self.channel.take(way, which, fate))

    def _flow(self, way: Any, name: str) -> None:
        self._deliver(way, self.channel.take_all(way))

    def _later(self, seconds: int, name: str) -> None:
        self.channel.now += seconds
        self._turn()

    def _cut(self, line: int, name: str) -> None:
        self.gateways[line].cut()

    def _restart_gateway(self, line: int, name: str) -> None:
        self.gateways[line].restart()

    def _restart_hub(self, name: str) -> None:
        self._start_hub()

    def _work(self, line: int, accepts: bool, slow: bool, name: str) -> None:
        self.plcs[line].work(accepts, slow)

    def _build(self, line: int, which: int, ok: bool, name: str) -> None:
        self.plcs[line].build(which, ok)

    def _dock(self, which: int, what: DeliveryKind, name: str) -> None:
        shipped = [call for call in self.calls() if str(call.key) in self._shipped()]
        if shipped:
            self._say_at_dock(shipped[which % len(shipped)], what)

    def _say_at_dock(self, call: CalledCall, what: DeliveryKind) -> None:
        dock.report(
            *(self.connection, OWNER, call.key, what, passed_at(self.minute), "dock"),
            serial=None,
        )

    def _shipped(self) -> set[str]:
        return {key for plc in self.plcs for key in plc.shipped}

    # --- the hub -------------------------------------------------------------------------------

    def _start_hub(self) -> None:
        self._publisher = CallPublisher("", BROKER, "test")
        self._consumer = EventConsumer("", BROKER, "test")
        self._consumer._load_registry(self.connection)
        self._publisher._load(self.connection)
        for stream in self._publisher._streams.values():
            stream.writer.connected()
        self._consumer._tell_all(self.connection)
        self._turn_publisher([])

    def _deliver(self, way: str, messages: list[Received]) -> None:
        if way == "up":
            answers = [m for m in messages if m.topic.endswith("/calls/ack")]
            events = [m for m in messages if m.topic.endswith("/events")]
            if events:
                self._consumer._read(self.connection, events)
            self._turn_publisher(answers)
            return
        for message in messages:
            for gateway in self.gateways:
                if f"/{gateway.group}/{gateway.node}/" in message.topic:
                    gateway.hear(message)

    def _turn(self) -> None:
        """Both sides look at the clock."""
        self._turn_publisher([])
        for gateway in self.gateways:
            gateway.hear(None)

    def _turn_publisher(self, answers: list[Received]) -> None:
        self._publisher._load(self.connection)
        self._publisher._take_answers(self.connection, answers)
        self._publisher._send(self.connection)

    # --- the end -------------------------------------------------------------------------------

    def heal(self) -> None:
        """Let everything through until nobody has anything more to say."""
        for _ in range(HEALING):
            self.channel.now += 6.0
            self._turn()
            for _ in range(2):
                self._deliver("down", self.channel.take_all("down"))
                self._deliver("up", self.channel.take_all("up"))
            if self._is_quiet():
                return
        raise AssertionError("the streams do not come to rest")

    def _is_quiet(self) -> bool:
        self._publisher._load(self.connection)
        hub_done = all(s.writer.backlog == 0 for s in self._publisher._streams.values())
        lines_done = all(g.store.counts().events_pending == 0 for g in self.gateways)
        return hub_done and lines_done and not any(self.channel.under_way.values())

    def bring_to_an_end(self) -> None:
        """Let plant, lines and dock do what is left to do, until every part has ended."""
        for _ in range(ENDING):
            self.heal()
            busy = [plc.finish() for plc in self.plcs]
            self.heal()
            if not self._end_calls() and not any(busy):
                return
        raise AssertionError(
            [(str(c.key), c.pair) for c in self.calls() if c.situation.state != "done"]
        )

    def _end_calls(self) -> bool:
        """What people at the plant do about each call that has not ended; false: nothing."""
        done = False
        for number in range(1, CARS + 1):
            if any(c.car == "pulled_out" for c in self._of_car(number)):
                done |= self._try(commands.reinsert, f"{number:07d}")
        for call in self.calls():
            gone = call.part in ("rejected", "returned", "dropped", "scrapped", "stocked")
            stuck = call.part in ("refused", "unclear")
            if call.car == "released" and (gone or stuck):
                reorders.reorder(self.connection, OWNER, call.key, self._by())
                done = True
            elif call.car in ("cancelled", "replaced") and str(call.key) in self._shipped():
                if call.part in ("shipped", "arrived", "confirmed", "mismatched"):
                    self._say_at_dock(call, "returned")
                    done = True
            elif call.part in ("shipped", "arrived", "confirmed", "mismatched") or (
                # What was said to be fitted before it was built is taken when it is there.
                call.car == "fitted" and call.situation.state != "done"
            ):
                self._say_at_dock(call, "consumed")
                done = True
        for number in range(1, CARS + 1):
            calls = self._of_car(number)
            if calls and all(c.part == "consumed" for c in calls if c.car == "released"):
                done |= any(c.car == "released" for c in calls) and self._try(
                    commands.fit, f"{number:07d}"
                )
        self.minute += 1
        self._take_history()
        return done

    def _of_car(self, number: int) -> list[CalledCall]:
        return find_calls(self.connection, PLANT, cars=[f"{number:07d}"])

    def _try(self, command: Any, car: str) -> bool:
        try:
            command(self.connection, OWNER, PLANT, car, self._by())
        except RefusedError:
            return False
        return True

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.close()


def check_perfect_channel(world: World) -> None:
    """Each call stands where it would, had every message come at once."""
    at_once: dict[str, Pair] = {}
    for key, event in world.history:
        before = at_once.get(key, Pair("released", "received"))
        at_once[key] = NET.after(before, event) or before
    for call in world.calls():
        assert call.pair == at_once.get(str(call.key), Pair("released", "received")), call.key


def check_agreement(world: World) -> None:
    """Each gateway knows its calls as the hub does, and nothing was left behind."""
    for gateway in world.gateways:
        assert gateway.noted_trouble() == []
        known = gateway.knows()
        calls = {str(c.key): c for c in world.calls() if f"/{c.line}/" in f"/{gateway.line}/"}
        assert known.keys() == calls.keys()
        for key, call in calls.items():
            row = known[key]
            assert row["part"] == call.part, key
            if call.situation.state != "done" and call.part in ("received", "accepted"):
                wish = _WISHES[call.car]
                assert row["wish"] == wish, key
            gone = call.car in ("cancelled", "replaced")
            if not (gone or call.asked or row["change_due"] or _was_refused(world, call)):
                told = call.message().model_dump(mode="json")
                for name in ("part_no", "colour", "quantity", "rack", "slot", "sequence_no"):
                    assert row["body"][name] == told[name], (
                        *(key, name, call.pair, call.revision, row["revision"], row["seen"]),
                        world.history_of(key),
                    )
    assert _count(world.connection, "quarantine") == _count(world.connection, "gap") == 0


def check_answers(world: World) -> None:
    """What the plant asked, or told of a call that the line has, is answered once."""
    twice = world.connection.execute(
        "SELECT call, body ->> 'revision' FROM call_event"
        " WHERE kind IN ('confirmed_change', 'refused_change') GROUP BY 1, 2 HAVING count(*) > 1"
    ).fetchall()
    assert twice == []


def check_ends(world: World) -> None:
    """Every part that was called has ended, once, and so has each chain of reorders."""
    for plc in world.plcs:
        assert max(Counter(plc.taken).values(), default=1) == 1, "a call was taken twice"
        assert max(Counter(plc.shipped + plc.ended).values(), default=1) == 1
        assert not plc.parts
    chains: dict[tuple[str, str, str], list[CalledCall]] = {}
    for call in world.calls():
        assert call.situation.state == "done", (call.key, call.pair)
        chains.setdefault((call.line, call.production_no, call.part_group), []).append(call)
    for chain in chains.values():
        fitted = [call for call in chain if call.car == "fitted"]
        cancelled = [call for call in chain if call.car == "cancelled"]
        assert len(fitted) + len(cancelled) == 1, [(str(c.key), c.pair) for c in chain]
        assert chain[-1].car != "replaced"
        assert all(call.part == "consumed" for call in fitted)


def _was_refused(world: World, call: CalledCall) -> bool:
    """Whether the line has kept an older content than it was told, as it may."""
    return "refused_change" in world.history_of(str(call.key))


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else 0


@pytest.fixture(scope="module")
def small_plant(database_server: Any) -> Iterator[Database]:
    """A plant without any call; each example undoes what it did."""
    database = database_server.create("streams")
    try:
        make_world(database, CARS)
        yield database
    finally:
        database_server.drop("streams")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def channel_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends' links end in the test's channel, and their clocks in its clock."""

    monkeypatch.setattr(hub.calls.publisher, "Link", HubLink)
    monkeypatch.setattr(hub.calls.events, "Link", HubLink)
    monkeypatch.setattr(edge.calls.lane, "Link", GatewayLink)
    monkeypatch.setattr(edge.calls.book, "datetime", PlantTime)
    monkeypatch.setattr(hub.calls.publisher, "time", Clock)
    monkeypatch.setattr(edge.calls.lane, "time", Clock)


@settings(
    max_examples=EXAMPLES,
    phases=PHASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    series=st.lists(
        st.one_of(st.one_of(PLANT_SAYS), SUPPLIER, SUPPLIER, CHANNEL, CHANNEL),
        min_size=10,
        max_size=60,
    ),
    policy=st.sampled_from(["keep_empty", "compress"]),
    frozen_s=st.sampled_from([0, 300]),
)
def test_both_sides_come_to_what_a_perfect_channel_would_have_made(
    small_plant: Database,
    loop: asyncio.AbstractEventLoop,
    series: list[tuple[Any, ...]],
    policy: str,
    frozen_s: int,
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="lineside-streams-") as directory,
        small_plant.connect("ingest") as connection,
    ):
        connection.execute("UPDATE supplier_line SET load_order = 'reversed' WHERE id = 'TRIM1'")
        for line in ("SEAT1", "TRIM1"):
            agree(connection, line, slot_policy=policy, frozen_s=frozen_s, delivery="delta")
        world = World(Supply(connection), loop, Path(directory))
        try:
            world.do(("pass",))
            world.do(("pass",))
            for command in series:
                world.do(command)
            world.heal()
            check_history(world)
            check_places(world)
            check_perfect_channel(world)
            check_agreement(world)
            world.bring_to_an_end()
            check_history(world)
            check_perfect_channel(world)
            check_agreement(world)
            check_answers(world)
            check_ends(world)
        finally:
            world.close()
            connection.rollback()
