"""Reading the journal: what stands for each offset, whatever has happened to it.

Offsets here are those of the file; see `Position.base`.
"""

from __future__ import annotations

import sqlite3
import struct
from typing import Any

from edge.journal import body as bodies
from edge.journal.records import Gap, Lost, SampleBatch, Stored
from protocols.streams import merged, without

CORRUPT = "corrupt on disk"
TORN = "corrupt on disk: the end of the write-ahead log"
"""Of what was written last before the file was opened: the hub may have some of it, and a source
that goes on from what is left may bring that a second time."""


def read(
    db: sqlite3.Connection, first: int, after: int, max_bytes: int
) -> tuple[list[Stored], list[tuple[int, int]]]:
    """What stands for the offsets first … after - 1, in order and without holes, at most about
    `max_bytes` of it but always one; and the ranges of rows that were found corrupt or missing.

    A tombstone that reaches beyond `after` is returned whole. Reading begins at the first offset
    that is kept, if that is later than `first`.
    """
    db.execute("BEGIN")
    try:
        first_kept, end = db.execute("SELECT first_kept, next FROM log").fetchone()
        first, after = max(first, first_kept), min(after, end)
        lost = db.execute(
            "SELECT first, after, cause, from_us, to_us FROM lost"
            " WHERE first >= coalesce((SELECT max(first) FROM lost WHERE first <= ?), 0)"
            " AND first < ? AND after > ? ORDER BY first",
            (first, after, first),
        ).fetchall()
        rows, after = _rows(db, first, after, max_bytes)
    finally:
        db.execute("COMMIT")
    found = [_stored(row) for row in rows]
    bad = [(s.first, s.after) for s in found if isinstance(s.record, Lost)]
    found += [
        Stored(max(first, lost_first), lost_after, Lost(cause, from_us, to_us))
        for lost_first, lost_after, cause, from_us, to_us in lost
        if lost_first < after
    ]
    found = _each_once(found, first)
    holes = without([(first, after)], merged((s.first, s.after) for s in found))
    found += [Stored(a, b, Lost(CORRUPT, None, None)) for a, b in holes]
    found.sort(key=lambda s: s.first)
    return found, bad + list(holes)


def _each_once(found: list[Stored], at: int) -> list[Stored]:
    """In order, from `at` on; of two that stand for one offset, as a damaged index may give them,
    the first."""
    once = []
    for stored in sorted(found, key=lambda s: s.first):
        if stored.first >= at:
            once.append(stored)
            at = stored.after
    return once


def _rows(
    db: sqlite3.Connection, first: int, after: int, max_bytes: int
) -> tuple[list[tuple[Any, ...]], int]:
    """Rows first … after - 1, and the offset up to which `max_bytes` let them be read."""
    rows = []
    for row in db.execute(
        "SELECT offset, kind, device, class, first_us, last_us, head_check, body_check, body"
        " FROM record WHERE offset >= ? AND offset < ? ORDER BY offset",
        (first, after),
    ):
        rows.append(row)
        max_bytes -= len(row[-1] or b"")
        if max_bytes <= 0:
            return rows, row[0] + 1
    return rows, after


def _stored(row: tuple[Any, ...]) -> Stored:
    offset, kind, device, row_class, first_us, last_us, head_check, body_check, body = row
    if bodies.head_check(*row[:6]) != head_check:
        return Stored(offset, offset + 1, Lost(CORRUPT, None, None))
    if body is None or bodies.body_check(body) != body_check:
        return Stored(offset, offset + 1, Lost(CORRUPT, first_us, last_us))
    record: SampleBatch | Gap | Lost
    try:
        if kind == bodies.GAP:
            record = bodies.unpack_gap(body)
        else:
            record = bodies.unpack_samples(device, row_class, body)
    except (ValueError, TypeError, struct.error):  # of a later release, or damaged past its check
        record = Lost(CORRUPT, first_us, last_us)
    return Stored(offset, offset + 1, record)
