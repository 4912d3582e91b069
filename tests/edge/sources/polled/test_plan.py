"""The plan of a group against a memory of which some units cannot be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.sources.polled.link import Link
from edge.sources.polled.plan import Plan, Portion
from protocols.plc import Field, Item, Kind, Space, group

BYTE = Field(1, Kind.INT, "B", lambda raw: raw[0])
RETRY_S, MAX_GAP, MAX_SIZE = 10.0, 8, 60


class Memory:
    """A device whose units are refused, or not; it counts what it is asked."""

    def __init__(self, items: list[Item], bad: set[int]) -> None:
        self.items = items
        self.fields = [BYTE] * len(items)
        self.bad = bad
        self.asked = 0

    async def connect(self) -> Link:
        raise NotImplementedError

    def max_gap(self, _space: Space) -> int:
        return MAX_GAP

    def unit_bytes(self, _space: Space) -> int:
        return 1

    def party(self, _space: Space) -> str:
        return "device"

    def properties(self, _position: int) -> tuple[tuple[str, str], ...]:
        return ()

    def subject(self, position: int) -> str:
        return str(position)

    def readable(self, start: int, size: int) -> bool:
        return self.bad.isdisjoint(range(start, start + size))

    def poll(self, plan: Plan, now: float) -> list[int]:
        """Tags that one poll reads."""
        read: list[int] = []
        portions: list[Portion] = plan.wanted(now)
        while portions:
            again: list[Portion] = []
            for portion in portions:
                self.asked += 1
                if self.readable(portion.block.start, portion.block.size):
                    read += portion.positions
                    plan.accept(portion)
                else:
                    again += plan.refuse(portion, now)[0]
            portions = again
        return sorted(read)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 10)), min_size=1, max_size=40),
    st.sets(st.integers(0, 310), max_size=12),
)
def test_who_is_to_blame_is_found_and_heals(found: list[tuple[int, int]], bad: set[int]) -> None:
    items = [Item(("DB", 1), start, size, n) for n, (start, size) in enumerate(found)]
    memory = Memory(items, bad)
    plan = Plan(memory, items, RETRY_S)
    plan.begin(lambda _: MAX_SIZE)
    good = [i.tag for i in items if memory.readable(i.start, i.size)]
    assert memory.poll(plan, 0.0) == good  # at the first poll, all the others are read
    assert sorted(plan.refused) == [i.tag for i in items if i.tag not in good]
    memory.asked = 0
    assert memory.poll(plan, 1.0) == good
    assert memory.asked == len(plan.wanted(1.0))  # nothing is refused twice in a row
    # Tried again ever more seldom: 10, 30, 70, 150 s after the beginning.
    memory.asked = 0
    for second in range(2, 100):
        assert memory.poll(plan, float(second)) == good
    # And once it can be read again, all of it is, in as few blocks as at the beginning.
    memory.bad = set()
    assert memory.poll(plan, 1e6) == [i.tag for i in items]
    memory.poll(plan, 1e6)
    memory.asked = 0
    assert memory.poll(plan, 1e6) == [i.tag for i in items]
    if len(good) < len(items):
        assert memory.asked == len(group(items, max_gap=MAX_GAP, max_size=MAX_SIZE))


def test_a_hole_between_two_tags_is_not_read_again() -> None:
    items = [Item(("M", 0), 0, 4, 0), Item(("M", 0), 8, 4, 1)]
    memory = Memory(items, {5})
    plan = Plan(memory, items, RETRY_S)
    plan.begin(lambda _: MAX_SIZE)
    assert memory.poll(plan, 0.0) == [0, 1]
    assert not list(plan.refused)
    memory.asked = 0
    assert memory.poll(plan, 0.0) == [0, 1]
    assert memory.asked == 2


def test_a_refused_tag_is_tried_ever_more_seldom() -> None:
    memory = Memory([Item(("M", 0), 0, 4, 0)], {0})
    plan = Plan(memory, memory.items, RETRY_S)
    plan.begin(lambda _: MAX_SIZE)
    asked = []
    for second in range(1000):
        before = memory.asked
        memory.poll(plan, float(second))
        if memory.asked > before:
            asked.append(second)
    assert asked == [0, 10, 30, 70, 150, 310, 470, 630, 790, 950]


def test_a_new_link_tries_all_and_keeps_what_it_knows() -> None:
    items = [Item(("M", 0), n * 4, 4, n) for n in range(10)]
    memory = Memory(items, {5})
    plan = Plan(memory, items, RETRY_S)
    plan.begin(lambda _: MAX_SIZE)
    memory.poll(plan, 0.0)
    plan.begin(lambda _: MAX_SIZE)
    memory.asked = 0
    assert memory.poll(plan, 1.0) == [0, *range(2, 10)]
    assert list(plan.refused) == [1]
    plan.begin(lambda _: 8)  # a shorter PDU
    assert memory.poll(plan, 1.0) == [0, *range(2, 10)]
    assert all(portion.block.size <= 8 for portion in plan.wanted(1.0))
