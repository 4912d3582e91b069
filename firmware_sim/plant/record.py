"""What a simulated plant did, written down by itself: the truth a verifier compares the hub with.

One append-only JSONL file; each line is an object with `at` (µs since the epoch, UTC), `what`, and
those of the other fields that have a meaning. `planned` comes first, once for each car of the
sequence, in its order; `refused` says what the hub would not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from firmware_sim.line.clock import instant_us

What = Literal[
    "planned",
    "passed",
    "blocked",
    "unblocked",
    "pulled_out",
    "reinserted",
    "cancelled",
    "swapped",
    "stopped",
    "moved_on",
    "arrived",
    "received",
    "consumed",
    "rejected",
    "reordered",
    "returned",
    "fitted",
    "refused",
]


@dataclass(frozen=True, slots=True)
class PlantEntry:
    """One thing that happened in the plant. `key` is a call's as its label says; `detail` is the
    other car of a swap, the cause and message of a stop, or why something was refused."""

    at: int
    what: What
    car: str = ""
    key: str = ""
    serial: str = ""
    shipment: str = ""
    rack: str = ""
    slot: int = 0
    detail: str = ""

    @property
    def instant(self) -> datetime:
        return instant_us(self.at)


class PlantRecord:
    """The writing end; None for a path writes nothing."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = None if path is None else path.open("a", encoding="utf-8", buffering=1)

    def add(self, entry: PlantEntry) -> None:
        """Append one entry."""
        if self._file is not None:
            said = {name: value for name, value in asdict(entry).items() if value}
            self._file.write(json.dumps(said) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def read_record(path: Path) -> Iterator[PlantEntry]:
    """The entries in the order in which they happened. May be called while the plant runs: a last
    line not yet ended is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield PlantEntry(**json.loads(line))
