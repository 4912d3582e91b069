"""Which tightenings the journal has, by their ids, and which are missing: for a bookmark.

Ids go from 1 to 2³²-1 and on from 1. A range of ids that lies between two that were seen is a hole;
it is closed by what is fetched of it, or by a gap for what the controller no longer holds. A
controller whose results were deleted begins anew with a low id: then what was missing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from protocols.open_protocol import ahead, is_after, step

MOST_FETCHED = 10_000
"""Ids of one hole that are asked for: the newest; the others are given up."""
_MOST_HOLES = 100


@dataclass(frozen=True, slots=True)
class Hole:
    """Ids that are missing, first to last, done between two times (µs since the epoch)."""

    first: int
    last: int
    from_us: int | None
    to_us: int | None

    @property
    def ids(self) -> Iterator[int]:
        """Each of them."""
        return (step(self.first, n) for n in range(self.count))

    @property
    def count(self) -> int:
        """How many they are."""
        return ahead(self.first, self.last) + 1

    def __contains__(self, tightening_id: int) -> bool:
        return ahead(self.first, tightening_id) < self.count

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(slots=True)
class Seen:
    """What is known of one controller's tightenings."""

    last: int | None = None
    """Id of the newest that was seen; None: none yet; 0: none, and the controller had none."""
    last_us: int | None = None
    """When it was done, by the controller."""
    holes: list[Hole] = field(default_factory=list)
    """Oldest first."""

    @classmethod
    def recall(cls, text: str) -> Seen:
        """What `dump` wrote; nothing is known for an empty text."""
        if not text:
            return cls()
        said = json.loads(text)
        return cls(said["last"], said["us"], [Hole(*hole) for hole in said["holes"]])

    def dump(self) -> str:
        """For a bookmark."""
        holes = [(hole.first, hole.last, hole.from_us, hole.to_us) for hole in self.holes]
        return json.dumps(
            {"last": self.last, "us": self.last_us, "holes": holes}, separators=(",", ":")
        )

    def note(
        self, tightening_id: int, at_us: int | None
    ) -> tuple[Literal["new", "again"], list[tuple[Hole, str]]]:
        """A result came. Whether the journal is known to have it already, and what is given up by
        it and why."""
        if any(tightening_id in hole for hole in self.holes):
            self.close(tightening_id, tightening_id)
            return "new", []
        if self._is_last(tightening_id, at_us):
            return "again", []
        return "new", self._advance(tightening_id, at_us, step(tightening_id, -1))

    def note_latest(self, tightening_id: int, at_us: int | None) -> list[tuple[Hole, str]]:
        """The controller says which is its newest, without that it was taken in. What is given up
        by it and why. Before anything was seen, what is there counts as seen."""
        if self._is_last(tightening_id, at_us):
            return []
        if self.last == 0 and tightening_id <= MOST_FETCHED:
            self.holes.append(Hole(1, tightening_id, self.last_us, at_us))
            self._go_on(tightening_id, at_us)
            return []
        return self._advance(tightening_id, at_us, tightening_id)

    def note_empty(self, now_us: int) -> None:
        """The controller holds no result: if none was seen before, all that come are missing."""
        if self.last is None:
            self.last, self.last_us = 0, now_us

    def begin_anew(self) -> list[tuple[Hole, str]]:
        """The controller numbers from 1 again; what was missing before is given up."""
        given_up = [(hole, "the controller has begun its numbers anew") for hole in self.holes]
        self.holes.clear()
        self.last = 0
        return given_up

    def close(self, first: int, last: int) -> None:
        """These ids, which lie in one hole, came or will not come."""
        left = []
        for hole in self.holes:
            if first not in hole:
                left.append(hole)
                continue
            if first != hole.first:
                left.append(replace(hole, last=step(first, -1)))
            if last != hole.last:
                left.append(replace(hole, first=step(last)))
        self.holes = left

    def _is_last(self, tightening_id: int, at_us: int | None) -> bool:
        """Whether it is the newest that was seen, and not another one with the same number."""
        if not tightening_id:
            return False  # the controller has no ids
        return tightening_id == self.last and (
            at_us is None or self.last_us is None or at_us == self.last_us
        )

    def _go_on(self, tightening_id: int, at_us: int | None) -> None:
        self.last = tightening_id
        self.last_us = self.last_us if at_us is None else at_us

    def _advance(
        self, tightening_id: int, at_us: int | None, missing_to: int
    ) -> list[tuple[Hole, str]]:
        """Go on to a newer one; what lies before it, up to `missing_to`, is missing."""
        given_up: list[tuple[Hole, str]] = []
        before_us = self.last_us
        if not self.last:
            first = None
        elif is_after(self.last, tightening_id):
            first = step(self.last)
        elif at_us is None or before_us is None or at_us <= before_us:
            return []  # one from before; what the hub has of it counts once
        else:
            given_up = self.begin_anew()
            first = 1
        self._go_on(tightening_id, at_us)
        if first is None or first == step(missing_to):
            return given_up
        hole = Hole(first, missing_to, before_us, at_us)
        if hole.count > MOST_FETCHED:
            begin = step(missing_to, 1 - MOST_FETCHED)
            why = f"only the last {MOST_FETCHED:,} missing ones are asked for"
            given_up.append((replace(hole, last=step(begin, -1)), why))
            hole = replace(hole, first=begin)
        self.holes.append(hole)
        if len(self.holes) > _MOST_HOLES:
            given_up.append((self.holes.pop(0), "too many other ones are missing"))
        return given_up
