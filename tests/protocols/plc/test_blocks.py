"""Grouping: each item once, limits kept, no more blocks than needed where items lie together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocols.plc import Block, Field, Item, Kind, Layout, group
from protocols.s7.types import TYPES, bit_field, scalar_field, text_field

SPACES = st.sampled_from([("DB", 1), ("DB", 2), ("M", 0)])
ITEMS = st.lists(st.tuples(SPACES, st.integers(0, 400), st.integers(1, 40)), max_size=60).map(
    lambda found: [Item(space, start, size, n) for n, (space, start, size) in enumerate(found)]
)


@given(ITEMS, st.integers(0, 30), st.integers(1, 100), st.sets(st.integers(0, 59)))
def test_each_item_is_in_one_block_and_limits_hold(
    items: list[Item], max_gap: int, max_size: int, apart: set[int]
) -> None:
    blocks = group(items, max_gap=max_gap, max_size=max_size, apart=apart)
    assert sorted(i.tag for b in blocks for i in b.items) == [i.tag for i in items]
    for block in blocks:
        check(block)
        assert (
            block.size <= max_size
            or len({(i.start, i.end) for i in block.items}) <= 1
            or (block.size <= max(i.size for i in block.items))
        )
        reached = block.items[0].end
        for item in block.items[1:]:
            assert item.start - reached <= max_gap
            assert item.tag not in apart
            reached = max(reached, item.end)


def check(block: Block) -> None:
    """It is the smallest one around its items, all of its space, in order."""
    assert {i.space for i in block.items} == {block.space}
    assert block.start == min(i.start for i in block.items) == block.items[0].start
    assert block.start + block.size == max(i.end for i in block.items)
    assert [i.start for i in block.items] == sorted(i.start for i in block.items)


@given(ITEMS.filter(lambda items: len(items) > 1))
def test_halves_hold_the_same_items(items: list[Item]) -> None:
    for block in group(items, max_gap=30, max_size=1000):
        if len(block.items) > 1:
            halves = block.halves()
            assert halves[0].items + halves[1].items == block.items
            for half in halves:
                check(half)


def test_neighbours_are_one_block() -> None:
    items = [Item(("DB", 1), 4 * n, 4, n) for n in range(100)]
    (block,) = group(items, max_gap=0, max_size=400)
    assert (block.start, block.size) == (0, 400)
    assert len(group(items, max_gap=0, max_size=399)) == 2


FIELDS = st.one_of(
    st.sampled_from([scalar_field(t) for t in TYPES.values() if t.code]),
    st.integers(0, 7).map(bit_field),
    st.integers(1, 9).map(lambda chars: text_field("CHAR", chars, "latin-1")),
)


@given(st.lists(st.tuples(st.integers(0, 60), FIELDS), max_size=20), st.binary(min_size=80))
def test_a_layout_reads_what_its_fields_read_one_by_one(
    fields: list[tuple[int, Field]], data: bytes
) -> None:
    layout = Layout(fields)
    assert layout.size <= 80
    one_by_one = [field.decode(data[at : at + field.size]) for at, field in fields]
    assert repr(list(layout.read(data))) == repr(one_by_one)  # by repr: NaN equals no NaN
    assert all(field.kind in Kind for _, field in fields)
