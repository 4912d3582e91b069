"""The road between suppliers and plant: what a line's PLC has put on a truck comes to the dock when
the truck is due, whether or not any message of it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.line.ledger import LedgerTail, Result


@dataclass(slots=True)
class Truck:
    """A truck with its parts, as they were loaded. `due` is in µs since the epoch, UTC."""

    line: str
    shipment: str
    due: int = 0
    parts: list[Result] = field(default_factory=list)

    @property
    def racks(self) -> list[str]:
        return sorted({part.rack for part in self.parts})


class Road:
    """Trucks of some lines under way, read from what their PLCs wrote down."""

    def __init__(self, ledgers: Mapping[str, Path]) -> None:
        """`ledgers` by line; a file may come later than its reader."""
        self._tails = {line: LedgerTail(path, samples=False) for line, path in ledgers.items()}
        self._read = dict.fromkeys(ledgers, 0)
        self._loaded: dict[tuple[str, str], Truck] = {}
        self._under_way: list[Truck] = []

    @property
    def empty(self) -> bool:
        """Whether no truck is known to be under way."""
        return not self._under_way

    def arrived(self, now_us: int) -> list[Truck]:
        """Trucks that have come since the last look, in the order they were due."""
        for line, tail in self._tails.items():
            tail.read_on()
            for entry in tail.entries[self._read[line] :]:
                if isinstance(entry, Result) and entry.shipment:
                    self._note(line, entry)
            self._read[line] = len(tail.entries)
        here = sorted((t for t in self._under_way if t.due <= now_us), key=lambda t: t.due)
        self._under_way = [truck for truck in self._under_way if truck.due > now_us]
        return here

    def _note(self, line: str, result: Result) -> None:
        truck = self._loaded.setdefault((line, result.shipment), Truck(line, result.shipment))
        if result.result == "shipped":
            truck.parts.append(result)
        elif result.result == "departed":
            truck.due = result.eta
            self._under_way.append(truck)
        elif result.result == "delayed":
            truck.due = result.eta
