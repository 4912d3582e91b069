"""The law: whatever the way does, the reader ends with each record exactly once, in order.

A writer and a reader with real durable state each, joined by a network that loses, doubles, delays
and reorders at hypothesis' choice; both ends are restarted, the reader's transaction fails, the
writer evicts, the reader is restored from a backup. Then the network heals, and all must be there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.streams import (
    Answer,
    Cursor,
    Drain,
    Outcome,
    Ranges,
    State,
    Writer,
    read_state,
)

RESEND_AFTER_S = 1.0
MAX_AHEAD = 3

Message = State | tuple[int, int, int, bool]
"""A state, or records: epoch, first, after, late."""


@dataclass
class ReaderEnd:
    """A reader whose store is its only memory; every change is one transaction."""

    max_ahead: int
    backlog_in_order: bool = False
    cursor: Cursor | None = None
    closed: set[int] = field(default_factory=set)
    stored: list[tuple[int, int, bool]] = field(default_factory=list)  # epoch, offset, late
    lost: list[tuple[int, Ranges]] = field(default_factory=list)

    def on_state(self, state: State) -> Answer:
        opening = read_state(self.cursor, self.closed, state)
        if opening.refused:
            return self.answer()
        if opening.closes is not None:
            self.closed.add(opening.closes)
        self.cursor = opening.cursor
        if opening.lost:
            self.lost.append((state.epoch, opening.lost))
        return self.answer()

    def on_records(
        self, epoch: int, first: int, after: int, late: bool, *, fails: bool
    ) -> Answer | None:
        if self.cursor is None or self.cursor.epoch != epoch:
            return self.answer()
        accepted = self.cursor.accept(
            first,
            after,
            max_ahead=self.max_ahead,
            backlog_in_order=late and self.backlog_in_order,
        )
        if fails:
            return None  # the transaction is rolled back: nothing stored, nothing answered
        self.stored += [(epoch, o, late) for a, b in accepted.fresh for o in range(a, b)]
        self.cursor = accepted.cursor
        return self.answer()

    def answer(self) -> Answer:
        return self.cursor.answer() if self.cursor is not None else Answer(None)


class World:
    """Both ends, the network between them, and a clock."""

    def __init__(self, *, live_first: bool, drain: Drain | None = None) -> None:
        self.live_first = live_first
        self.drain = drain
        self.backlog_in_order = live_first and not (drain and drain.newest_first)
        self.now = 0.0
        self.log = State(41, 0, 0)  # what the writer has on disk
        self.reader = ReaderEnd(MAX_AHEAD if live_first else 0, self.backlog_in_order)
        self.to_reader: list[Message] = []
        self.to_writer: list[Answer] = []
        self.evicted: set[int] = set()
        self.restart_writer()

    def restart_writer(self) -> None:
        self.writer = Writer(
            self.log,
            window=6,
            resend_after_s=RESEND_AFTER_S,
            live_first=self.live_first,
            drain=self.drain,
            max_ahead=MAX_AHEAD,
        )
        self.writer.connected()

    def append(self, n: int) -> None:
        self.log = State(self.log.epoch, self.log.first_kept, self.log.next + n)
        self.writer.appended(self.log.next)

    def evict(self, n: int) -> None:
        """The quota drops the n oldest records that are kept, committed or not."""
        first_kept = min(self.log.next, self.log.first_kept + n)
        self.evicted |= set(range(self.log.first_kept, first_kept))
        self._let_go(first_kept)

    def _let_go(self, first_kept: int) -> None:
        self.log = State(self.log.epoch, first_kept, self.log.next)
        self.writer.trimmed(first_kept)

    def write(self) -> None:
        if self.writer.wants_state(self.now):
            self.to_reader.append(self.writer.state)
            self.writer.state_sent(self.now)
        while (sending := self.writer.to_send(self.now, 2)) is not None:
            records = (self.writer.epoch, sending.first, sending.after, sending.late)
            self.to_reader.append(records)

    def deliver_to_reader(self, at: int, *, fails: bool = False) -> None:
        message = self.to_reader.pop(at)
        answer: Answer | None
        if isinstance(message, State):
            answer = self.reader.on_state(message)
        else:
            answer = self.reader.on_records(*message, fails=fails)
        if answer is not None:
            self.to_writer.append(answer)

    def deliver_to_writer(self, at: int) -> None:
        answer = self.to_writer.pop(at)
        outcome = self.writer.on_answer(answer, self.now)
        assert outcome is not Outcome.ROLLED_BACK
        if outcome is Outcome.PROGRESS and self.writer.watermark > self.log.first_kept:
            self._let_go(self.writer.watermark)

    def lossy_round(self, n: int) -> None:
        """Write, and let every n-th message of each kind get lost."""
        self.write()
        for at in range(len(self.to_reader)):
            if at % (n + 1) == n:
                self.to_reader.pop(0)
            else:
                self.deliver_to_reader(0)
        for at in range(len(self.to_writer)):
            if at % (n + 1) == n:
                self.to_writer.pop(0)
            else:
                self.deliver_to_writer(0)

    def heal(self) -> None:
        """A network that works, for long enough."""
        for _ in range(400):
            self.write()
            while self.to_reader:
                self.deliver_to_reader(0)
            while self.to_writer:
                self.deliver_to_writer(0)
            done = Cursor(self.log.epoch, self.log.next)
            if self.reader.cursor == done and self.writer.backlog == 0:
                return
            self.now += RESEND_AFTER_S / 3
        pytest.fail(f"the stream has stalled: {self.writer.state}, {self.reader.cursor}")

    def check(self, *, way_keeps_order: bool = True) -> None:
        stored = [offset for _, offset, _ in self.reader.stored]
        assert len(stored) == len(set(stored)), "a record was stored twice"
        named: set[int] = set()
        for _, ranges in self.reader.lost:
            named |= {o for a, b in ranges for o in range(a, b)}
        assert set(stored) | named == set(range(self.log.next)), "a record is missing, unnamed"
        assert not set(stored) & named, "a record that came is called lost"
        assert named <= self.evicted, "a record is called lost that the writer had"
        live = [o for _, o, late in self.reader.stored if not late]
        assert live == sorted(live) or not way_keeps_order
        backlog = [o for _, o, late in self.reader.stored if late]
        assert backlog == sorted(backlog) or not self.backlog_in_order, "backlog out of order"
        if not self.live_first:
            assert stored == sorted(stored), "out of order"


STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.just("evict"), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.integers(1, 5)),
    st.tuples(
        st.sampled_from(
            [
                "write",
                "write",
                "to_reader",
                "to_reader",
                "to_writer",
                "to_writer",
                "lose_record",
                "lose_answer",
                "double_record",
                "double_answer",
                "lossy_round",
                "lossy_round",
                "fail",
                "reconnect",
                "reborn",
                "restart_writer",
            ]
        ),
        st.integers(0, 9),
    ),
)


@pytest.mark.parametrize("order", ["in_order", "live_first", "newest_first", "slow_newest_first"])
@settings(max_examples=250, deadline=None)
@given(steps=st.lists(STEP, min_size=10, max_size=80), reorders=st.booleans())
def test_each_record_arrives_exactly_once(
    order: str, steps: list[tuple[str, int]], reorders: bool
) -> None:
    drain = {
        "newest_first": Drain(newest_first=True),
        "slow_newest_first": Drain(per_s=9.0, burst=3, newest_first=True),
    }
    world = World(live_first=order != "in_order", drain=drain.get(order))
    for step, n in steps:
        records, answers = world.to_reader, world.to_writer
        at_record = n % len(records) if records and reorders else 0
        at_answer = n % len(answers) if answers and reorders else 0
        match step:
            case "append":
                world.append(n)
            case "evict":
                world.evict(n)
            case "lossy_round":
                world.lossy_round(n % 4)
            case "wait":
                world.now += n * RESEND_AFTER_S / 2
            case "write":
                world.write()
            case "to_reader" if records:
                world.deliver_to_reader(at_record)
            case "to_writer" if answers:
                world.deliver_to_writer(at_answer)
            case "lose_record" if records:
                records.pop(at_record)
            case "lose_answer" if answers:
                answers.pop(at_answer)
            case "double_record" if records:
                records.append(records[at_record])
            case "double_answer" if answers:
                answers.append(answers[at_answer])
            case "fail" if records:
                world.deliver_to_reader(at_record, fails=True)
            case "reconnect":
                world.writer.connected()
            case "reborn":
                world.writer.reborn()
            case "restart_writer":
                world.restart_writer()
    world.heal()
    world.check(way_keeps_order=not reorders and "double_record" not in dict(steps))


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest_first", "newest_first"])
@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["append", "append", "work", "work", "cut"]), st.integers(0, 8)),
        max_size=80,
    )
)
def test_however_often_the_connection_is_cut_the_reader_leaves_no_record_alone(
    newest_first: bool, steps: list[tuple[str, int]]
) -> None:
    """A connection keeps order, and a cut loses what is on its way at its end. The ranges that the
    writer counts on are then enough, and live and backlog each keep their own order."""
    world = World(live_first=True, drain=Drain(newest_first=newest_first))
    reader = world.reader

    def deliver(n: int) -> None:
        for _ in range(min(n, len(world.to_reader))):
            message = world.to_reader[0]
            before = len(reader.stored)
            world.deliver_to_reader(0)
            if isinstance(message, tuple):
                assert len(reader.stored) - before == message[2] - message[1], "left alone"

    for step, n in steps:
        match step:
            case "append":
                world.append(n)
            case "work":
                world.write()
                deliver(n)
                for _ in range(min(n, len(world.to_writer))):
                    world.deliver_to_writer(0)
            case "cut":
                deliver(n)
                world.to_reader.clear()
                world.to_writer.clear()
                world.writer.connected()
    world.heal()
    world.check()


@settings(max_examples=100, deadline=None)
@given(lost=st.lists(st.booleans(), min_size=4, max_size=60), appended=st.integers(0, 3))
def test_on_a_connection_that_stands_no_backlog_overtakes_what_was_lost(
    lost: list[bool], appended: int
) -> None:
    """QoS 0: a broker may drop single messages and go on."""
    world = World(live_first=True)
    world.append(20)
    world.restart_writer()
    ways = iter(lost)
    while (gone := next(ways, None)) is not None:
        world.append(appended)
        world.write()
        while world.to_reader:
            if gone:
                world.to_reader.pop(0)
            else:
                world.deliver_to_reader(0)
            gone = next(ways, False)
        while world.to_writer:
            world.deliver_to_writer(0)
        world.now += RESEND_AFTER_S / 2
    world.heal()
    world.check()


def test_a_reader_restored_within_what_is_kept_loses_nothing() -> None:
    world = World(live_first=True)
    world.append(5)
    world.write()
    backup = ReaderEnd(MAX_AHEAD, world.backlog_in_order)
    world.deliver_to_reader(0)
    world.deliver_to_writer(0)
    world.write()
    backup.cursor, backup.stored = world.reader.cursor, list(world.reader.stored)
    while world.to_reader:
        world.deliver_to_reader(0)
    while world.to_writer:
        world.writer.on_answer(world.to_writer.pop(0), world.now)  # retained, not trimmed
    world.reader = backup
    world.writer.connected()
    world.heal()
    world.check()


def test_a_new_log_under_the_same_name_never_mixes_with_the_old_one() -> None:
    world = World(live_first=False)
    world.append(3)
    world.heal()
    late = (41, 0, 3, True)
    world.log = State(42, 0, 0)
    world.restart_writer()
    world.append(2)
    world.to_reader.append(late)
    world.heal()
    world.to_reader += [late, State(41, 0, 3)]
    while world.to_reader:
        world.deliver_to_reader(0)
    assert [(e, o) for e, o, _ in world.reader.stored] == [
        (41, 0),
        (41, 1),
        (41, 2),
        (42, 0),
        (42, 1),
    ]
    assert world.reader.closed == {41}
