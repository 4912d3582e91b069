"""The reading end of a stream: which records are new, and which epoch is in force.

All functions are pure. The caller stores the cursor they return in the same transaction as the
records they call fresh, and keeps the old cursor if that transaction fails.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from protocols.streams.position import Answer, State
from protocols.streams.ranges import Range, Ranges, merged, without


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What comes of an offer of records."""

    cursor: Cursor
    fresh: Ranges
    """Store these, and nothing else of the offer: the rest is committed or comes too early."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the reader has committed of one epoch: all below `watermark`, and the ranges `ahead`."""

    epoch: int
    watermark: int = 0
    ahead: Ranges = ()

    def accept(
        self, first: int, after: int, *, max_ahead: int = 0, backlog_in_order: bool = False
    ) -> Acceptance:
        """Offer the records first … after - 1 of this cursor's epoch.

        `max_ahead` is how many separate ranges may stand above the watermark. 0 is a stream that is
        strictly in order: an offer that begins above the watermark is then left alone, and the
        answer tells the writer where to go on. An offer that would need more ranges is left alone
        too, so that the cursor stays small whatever the way does.

        `backlog_in_order`: they are backlog that the writer sends oldest first. Those above the
        watermark are left alone then, whatever ranges there may be: one before them got lost, and
        will come again.
        """
        if not 0 <= first <= after:
            raise ValueError(f"not a range of offsets: {first}, {after}")
        if first == self.watermark < after and not self.ahead:  # as nearly always
            return Acceptance(Cursor(self.epoch, after), ((first, after),))
        fresh = without([(max(first, self.watermark), after)], self.ahead)
        if not fresh:
            return Acceptance(self, ())
        if backlog_in_order and first > self.watermark:
            return Acceptance(self, ())
        cursor = _cursor(self.epoch, [(0, self.watermark), *self.ahead, *fresh])
        return Acceptance(self, ()) if len(cursor.ahead) > max_ahead else Acceptance(cursor, fresh)

    def skip_to(self, first_kept: int) -> Acceptance:
        """The writer no longer has what lies below `first_kept`. `fresh` is what is lost by it."""
        lost = without([(self.watermark, first_kept)], self.ahead)
        below = (0, max(self.watermark, first_kept))
        return Acceptance(_cursor(self.epoch, [below, *self.ahead]), lost)

    def answer(self) -> Answer:
        """What to tell the writer after every receipt, a pure duplicate too."""
        return Answer(self.epoch, self.watermark, self.ahead)


def _cursor(epoch: int, committed: Iterable[Range]) -> Cursor:
    ranges = merged(committed)
    if ranges and ranges[0][0] == 0:
        return Cursor(epoch, ranges[0][1], ranges[1:])
    return Cursor(epoch, 0, ranges)


@dataclass(frozen=True, slots=True)
class Opening:
    """What comes of a writer's state."""

    cursor: Cursor | None
    """The cursor in force from now on; None only if nothing is open and the state was refused."""
    lost: Ranges = ()
    """Offsets of `cursor.epoch` that the writer no longer has: record them as a gap."""
    closes: int | None = None
    """The epoch that ends with this. It is never opened again."""
    refused: bool = False
    """The state is of an epoch that has ended: an old message, or two writers with one identity."""


def read_state(cursor: Cursor | None, closed: Container[int], state: State) -> Opening:
    """Read a writer's state: it goes on in the open epoch, or begins another.

    Only a state opens an epoch; records of an epoch that is not open are not read.
    """
    if cursor is not None and cursor.epoch == state.epoch:
        moved = cursor.skip_to(min(state.first_kept, state.next))
        return Opening(moved.cursor, lost=moved.fresh)
    if state.epoch in closed:
        return Opening(cursor, refused=True)
    begun = Cursor(state.epoch).skip_to(state.first_kept)
    return Opening(begun.cursor, lost=begun.fresh, closes=cursor.epoch if cursor else None)
