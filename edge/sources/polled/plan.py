"""Which blocks read the tags of one group, and how a refused tag is found and tried again.

A block that is refused is halved until the tags that are to blame stand alone; the others are read
on without them. A tag that stands alone is tried again by itself, ever more seldom; once it is
read, all refused tags of its space are tried, and the space is divided into blocks anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edge.sources.polled.link import Device
from protocols.plc import Block, Field, Item, Layout, Space, group

_SLOWEST = 16
"""A tag is tried again at the latest after so many times the first wait."""


@dataclass(slots=True, eq=False)
class Portion:
    """A block that is read again and again."""

    block: Block
    layout: Layout
    positions: tuple[int, ...]
    """Its tags, in the order of the layout."""
    last: bytes = b""
    """What its values were taken from last."""
    probe: bool = False
    """It is read to see whether a refused tag can be read again."""


@dataclass(slots=True)
class _Refusal:
    """A tag that stands alone and was refused."""

    portion: Portion
    wait_s: float
    due: float


@dataclass(slots=True)
class Plan:
    """The blocks of one group. Times are `time.monotonic()`."""

    device: Device
    items: Sequence[Item]
    retry_s: float
    _portions: list[Portion] = field(default_factory=list)
    _refused: dict[int, _Refusal] = field(default_factory=dict)
    _apart: set[int] = field(default_factory=set)
    """Tags with which a block begins, for one that went across was refused."""
    _max_size: Callable[[Space], int] = lambda _: 1

    def begin(self, max_size: Callable[[Space], int]) -> None:
        """A new link, on which a block may have so many units. All is tried again."""
        sizes = {item.space: max_size(item.space) for item in self.items}
        if {space: self._max_size(space) for space in sizes} != sizes:
            self._max_size = max_size
            self._portions = list(self._grouped(self.items))
            self._apart.clear()
            self._refused.clear()
        for refusal in self._refused.values():
            refusal.due = 0.0

    @property
    def refused(self) -> Iterable[int]:
        """Tags that are refused now."""
        return self._refused

    @property
    def first(self) -> Portion | None:
        """One that can be read, to see whether the device is there."""
        return self._portions[0] if self._portions else None

    def wanted(self, now: float) -> list[Portion]:
        """What is to be read now."""
        due = [refusal.portion for refusal in self._refused.values() if refusal.due <= now]
        return [*self._portions, *due] if due else list(self._portions)

    def refuse(self, portion: Portion, now: float) -> tuple[list[Portion], int | None]:
        """A portion was refused: what is to be read in its place at once, or the tag to blame."""
        if portion.probe:
            refusal = self._refused[portion.positions[0]]
            refusal.wait_s = min(refusal.wait_s * 2, self.retry_s * _SLOWEST)
            refusal.due = now + refusal.wait_s
            return [], portion.positions[0]
        if portion not in self._portions:  # the space was divided anew meanwhile
            return [], None
        self._portions.remove(portion)
        if len(portion.block.items) == 1:
            tag = portion.block.items[0].tag
            probe = self._portion(portion.block)
            probe.probe = True
            self._refused[tag] = _Refusal(probe, self.retry_s, now + self.retry_s)
            return [], tag
        left, right = portion.block.halves()
        self._apart.add(right.items[0].tag)
        halves = [self._portion(left), self._portion(right)]
        self._portions += halves
        return halves, None

    def accept(self, portion: Portion) -> None:
        """A portion was read."""
        if not portion.probe:
            return
        space = portion.block.space
        del self._refused[portion.positions[0]]
        for refusal in self._refused.values():
            if refusal.portion.block.space == space:
                refusal.due = 0.0
        # What was refused may have been the gap between two tags: whoever is healed may have healed
        # with it, and if not, the new blocks are halved once more.
        fresh = [i for i in self.items if i.space == space and i.tag not in self._refused]
        self._apart -= {item.tag for item in fresh}
        self._portions = [p for p in self._portions if p.block.space != space]
        self._portions += self._grouped(fresh)

    def _grouped(self, items: Sequence[Item]) -> Iterable[Portion]:
        for space in dict.fromkeys(item.space for item in items):
            for block in group(
                (item for item in items if item.space == space),
                max_gap=self.device.max_gap(space),
                max_size=self._max_size(space),
                apart=self._apart,
            ):
                yield self._portion(block)

    def _portion(self, block: Block) -> Portion:
        unit = self.device.unit_bytes(block.space)
        fields: list[tuple[int, Field]] = [
            ((item.start - block.start) * unit, self.device.fields[item.tag])
            for item in block.items
        ]
        return Portion(block, Layout(fields), tuple(item.tag for item in block.items))
