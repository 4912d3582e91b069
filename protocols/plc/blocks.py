"""Many small values, few requests: neighbours are read in one block, across small gaps.

Positions and sizes are in the unit in which the protocol addresses, such as bytes or registers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

Space = tuple[str, int]
"""What is addressed from 0 on: a data block, a table of one unit."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value that is wanted: `size` units from `start` on in an address space."""

    space: Space
    start: int
    size: int
    tag: int
    """Which value it is, for whoever asks."""

    @property
    def end(self) -> int:
        """The first unit after it."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Block:
    """Units that are read together, and the items in them, by their start."""

    space: Space
    start: int
    size: int
    items: tuple[Item, ...]

    @classmethod
    def around(cls, items: tuple[Item, ...]) -> Block:
        """The smallest block that holds these items of one space, ordered by their start."""
        start = items[0].start
        return cls(items[0].space, start, max(i.end for i in items) - start, items)

    def halves(self) -> tuple[Block, Block]:
        """Its items in two blocks: to find the one for which the whole is refused."""
        middle = len(self.items) // 2
        return Block.around(self.items[:middle]), Block.around(self.items[middle:])


def group(
    items: Iterable[Item],
    *,
    max_gap: int,
    max_size: int,
    apart: Collection[int] = frozenset(),
) -> list[Block]:
    """Blocks that hold each item exactly once.

    A block has at most `max_size` units, unless one item alone is larger, and reads at most
    `max_gap` units in a row that nobody wants. With a tag of `apart` a block begins.
    """
    blocks: list[Block] = []
    run: list[Item] = []
    start = end = 0
    for item in sorted(items, key=lambda i: (i.space, i.start, -i.size, i.tag)):
        joins = (
            bool(run)
            and item.space == run[0].space
            and item.start - end <= max_gap
            and max(end, item.end) - start <= max_size
            and item.tag not in apart
        )
        if not joins:
            if run:
                blocks.append(Block.around(tuple(run)))
            run, start, end = [], item.start, item.end
        run.append(item)
        end = max(end, item.end)
    if run:
        blocks.append(Block.around(tuple(run)))
    return blocks
