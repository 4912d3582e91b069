"""What the two ends of a stream tell one another."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from protocols.streams.ranges import Ranges

LEAST_AHEAD = 64
"""Separate ranges that every reader of a stream that is not strictly in order can hold above its
watermark; writers arrange what they send so that no more are needed."""
_EPOCHS = 2**53 - 1
"""Epochs and offsets stay exact in JSON readers that keep numbers as doubles."""


def draw_epoch() -> int:
    """A new epoch for a new log: 1 … 2**53 - 1, at random, so that no two logs share one."""
    return secrets.randbelow(_EPOCHS) + 1


@dataclass(frozen=True, slots=True)
class State:
    """The writer's position: it keeps the records first_kept … next - 1 of this epoch."""

    epoch: int
    first_kept: int
    next: int

    def __post_init__(self) -> None:
        if not 0 <= self.first_kept <= self.next:
            raise ValueError(f"not a writer's position: {self}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The reader's position: committed are all offsets below `watermark`, and the ranges `ahead`.

    `epoch` None means that the reader has lost its cursor: it knows no epoch.
    """

    epoch: int | None
    watermark: int = 0
    ahead: Ranges = ()
