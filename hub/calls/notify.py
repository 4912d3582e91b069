"""What the hub's processes tell one another over the database's NOTIFY.

A notification only says that something may be found now; whoever misses one finds it at the next
poll. It is sent with the transaction that made the change, so it never runs ahead of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

CALL_STREAM = "lineside_call_stream"
"""Channel: a call stream has grown, as its table says. Payload: `{gateway} {epoch} {next_offset}`.
"""
CHANGES = "lineside_changes"
"""Channel: something that people look at has changed. Payload: a `Change`."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has changed, and whose it is. Names the thing; carries none of its content."""

    topic: str
    """sequence, calls, gateways; racks, shipments, exceptions, modes and stops, of which the tables
    tell themselves"""
    plant: str | None
    line: str | None
    tenants: tuple[str, ...]
    """Only these may hear of it."""

    def dump(self) -> str:
        """As it travels."""
        return json.dumps([self.topic, self.plant, self.line, self.tenants])

    @classmethod
    def parse(cls, payload: str) -> Change:
        """What `dump` wrote. Raises `ValueError`."""
        topic, plant, line, tenants = json.loads(payload)
        return cls(topic, plant, line, tuple(tenants))


def calls_changed(rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Payloads for changed calls, given as (plant, line, owner, partner): one for each line."""
    return [
        Change("calls", plant, line, (owner, partner)).dump()
        for plant, line, owner, partner in sorted(set(rows))
    ]
