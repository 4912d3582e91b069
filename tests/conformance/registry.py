"""Every assertion of Sparkplug B 3.0.0 and what answers for it here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conformance.checks import broker, device, edge_node, general, host, payload
from tests.conformance.verdict import Entry

PREFIX = "tck-id-"
"""What every id begins with in the standard; left out here."""
PARTS = {
    "general": general.CHECKS,
    "edge node": edge_node.CHECKS,
    "device": device.CHECKS,
    "payload": payload.CHECKS,
    "host application": host.CHECKS,
    "broker": broker.CHECKS,
}
"""By whom an assertion is about."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """One testable assertion: its id, the chapter it stands in, whom it is about."""

    id: str
    chapter: int
    role: str


@cache
def assertions() -> tuple[Assertion, ...]:
    """All of them, in the order of the standard."""
    lines = Path(__file__).with_name("assertions.tsv").read_text().splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(Assertion(id_, int(chapter), role) for id_, chapter, role in rows)


def entries() -> dict[str, Entry]:
    """The check of each id. Raises `ValueError` for an id that two parts answer for."""
    found: dict[str, Entry] = {}
    for checks in PARTS.values():
        if twice := found.keys() & checks.keys():
            raise ValueError(f"checked twice: {sorted(twice)}")
        found |= checks
    return found
