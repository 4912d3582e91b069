"""What stands in the racks at the line, and what a truck has taken. By our own events alone."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from protocols.jis.messages import CallKey, Event, ShippedRack, ShippedSlot

TRUCKS_KEPT = 20
"""Trucks under way that are remembered, per line."""

_PUT = """
INSERT INTO rack_part VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET rack = excluded.rack, slot = excluded.slot,
    serial = excluded.serial, shipment = excluded.shipment, stored_us = excluded.stored_us
"""
# Trucks stand in the order in which they were told: the clock of a PLC may be set back, and by one
# that counts in seconds several may leave at one time.
_DEPART = """
INSERT OR REPLACE INTO truck VALUES (?1, ?2, max(?3, coalesce(
    (SELECT max(departed_us) + 1 FROM truck WHERE line_key = ?1), ?3)), ?4, ?5)
"""
_TAKEN_OUT = frozenset({"unpacked", "parked", "stocked", "scrapped", "dropped"})


class RackPart(NamedTuple):
    """A part in its rack."""

    key: str
    rack: str
    slot: int
    serial: str
    shipment: str | None


def apply(database: sqlite3.Connection, event: Event, now_us: int) -> None:
    """Put the part in or take it out, as the event says."""
    key = str(event.key)
    if event.kind in ("packed", "loaded", "shipped") and event.rack and event.slot:
        if event.kind == "shipped" and not event.shipment:
            database.execute("DELETE FROM rack_part WHERE key = ?", (key,))
            return
        line = f"{event.key.plant}/{event.key.line}"
        row = (key, line, event.rack, event.slot, event.serial or "", event.shipment, now_us)
        database.execute(_PUT, row)
    elif event.kind in _TAKEN_OUT or (event.kind == "inspected" and event.verdict == "nok"):
        database.execute("DELETE FROM rack_part WHERE key = ?", (key,))


def parts_of(database: sqlite3.Connection, line: str, rack: str | None = None) -> list[RackPart]:
    """What stands in the racks of a line, or in one of them, by rack and slot."""
    return [
        RackPart(*row)
        for row in database.execute(
            "SELECT key, rack, slot, serial, shipment FROM rack_part"
            " WHERE line_key = ?1 AND (?2 IS NULL OR rack = ?2) ORDER BY rack, slot",
            (line, rack),
        )
    ]


def closed_racks(database: sqlite3.Connection, line: str) -> dict[str, str]:
    """Racks that wait for their truck, with who closed them."""
    query = "SELECT rack, by FROM closed_rack WHERE line_key = ? ORDER BY rack"
    return dict(database.execute(query, (line,)))


def content_digest(database: sqlite3.Connection, line: str) -> str:
    """Tells one content of the closed racks of a line from another."""
    closed = closed_racks(database, line)
    parts = [part for part in parts_of(database, line) if part.rack in closed]
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def depart(
    database: sqlite3.Connection,
    line: str,
    shipment: str,
    departed_us: int,
    eta: datetime | None,
    slots: int | None,
) -> list[ShippedRack]:
    """The racks that left with a truck, every slot of them; they are let go of here. Empty if
    nothing is known of it. `slots`: of each rack, if that is known."""
    parts = [part for part in parts_of(database, line) if part.shipment == shipment]
    racks = [
        ShippedRack(rack=name, slots=_slots(list(members), slots))
        for name, members in groupby(parts, lambda part: part.rack)
    ]
    names = [rack.rack for rack in racks]
    database.execute("DELETE FROM rack_part WHERE line_key = ? AND shipment = ?", (line, shipment))
    database.executemany(
        "DELETE FROM closed_rack WHERE line_key = ? AND rack = ?", [(line, name) for name in names]
    )
    database.execute(
        _DEPART,
        (line, shipment, departed_us, eta and eta.isoformat(), json.dumps(names)),
    )
    database.execute(
        "DELETE FROM truck WHERE line_key = ?1 AND shipment NOT IN (SELECT shipment FROM truck"
        " WHERE line_key = ?1 ORDER BY departed_us DESC LIMIT ?2)",
        (line, TRUCKS_KEPT),
    )
    return racks


def _slots(parts: Iterable[RackPart], slots: int | None) -> list[ShippedSlot]:
    """Every slot of a rack; one in which two parts stand is named twice, so that none goes by."""
    filled: dict[int, list[ShippedSlot]] = {}
    for part in parts:
        key, serial = CallKey.parse(part.key), part.serial or None
        filled.setdefault(part.slot, []).append(ShippedSlot(slot=part.slot, key=key, serial=serial))
    last = max([slots or 0, *filled])
    return [
        stands
        for slot in range(1, last + 1)
        for stands in filled.get(slot, [ShippedSlot(slot=slot)])
    ]
