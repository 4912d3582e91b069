"""Telemetry cursors in the database: read, opened, and moved by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg
from psycopg.types.range import Range

from hub.ingest import new_logs
from hub.ingest.new_logs import Awaited
from hub.ingest.registry import Gateway
from protocols.streams import Cursor, Opening, Ranges, contains

STREAM = "telemetry"


class StaleCursorError(RuntimeError):
    """Another worker has moved the cursor since it was read: read it again."""


@dataclass(frozen=True, slots=True)
class Position:
    """What the database knows of a gateway's stream: `version` is that of the open epoch's row."""

    cursor: Cursor | None = None
    version: int = 0
    closed: frozenset[int] = frozenset()
    awaited: Awaited = field(default_factory=Awaited)
    """Tags whose samples may be stored already."""

    def has(self, offset: int) -> bool:
        """Whether this offset of the open epoch is committed."""
        cursor = self.cursor
        return cursor is not None and (offset < cursor.watermark or contains(cursor.ahead, offset))

    def moved(self, cursor: Cursor, awaited: Awaited) -> Position:
        """As it is once `cursor` is committed, and only these tags are still awaited."""
        return Position(cursor, self.version + 1, self.closed, awaited)


def load(conn: psycopg.Connection, gateway: Gateway) -> Position:
    """Read where the stream stands."""
    open_cursor: Cursor | None = None
    open_version = 0
    closed = set()
    rows = conn.execute(
        "SELECT epoch, watermark, ahead, closed, version FROM stream_cursor"
        " WHERE gateway = %s AND stream = %s",
        [gateway.id, STREAM],
    )
    for epoch, watermark, ahead, ended, version in rows:
        if ended:
            closed.add(epoch)
        else:
            open_cursor = Cursor(epoch, watermark, _ranges(ahead))
            open_version = version
    awaited = new_logs.awaited(conn, gateway)
    return Position(open_cursor, open_version, frozenset(closed), awaited)


def open_epoch(
    conn: psycopg.Connection,
    gateway: Gateway,
    position: Position,
    opening: Opening,
    *,
    repeats: bool,
) -> Position:
    """Store what a birth has come to: the cursor in force, and the epoch that ends with it.
    `repeats`: what begins with it is no new log but an old one that may repeat what is stored.

    Raises `StaleCursorError`. Call it within a transaction, with the gaps of the opening.
    """
    cursor = opening.cursor
    if cursor is None:
        raise ValueError("a refused state is not stored")
    closed, awaited = position.closed, position.awaited
    if position.cursor is not None and position.cursor.epoch == cursor.epoch:
        move(conn, [(gateway, position, cursor)])
        return position.moved(cursor, position.awaited)
    if opening.closes is not None:
        ended = conn.execute(
            "UPDATE stream_cursor SET closed = true, version = version + 1"
            " WHERE gateway = %s AND stream = %s AND epoch = %s AND version = %s AND NOT closed"
            " RETURNING coalesce(moved_at, opened_at)",
            [gateway.id, STREAM, opening.closes, position.version],
        ).fetchone()
        if ended is None:
            raise StaleCursorError(f"epoch {opening.closes} of {gateway}")
        closed |= {opening.closes}
        if repeats:
            awaited = new_logs.expect_repeats(conn, gateway)
        else:
            awaited = new_logs.begin(conn, gateway, ended[0])
    opened = conn.execute(
        "INSERT INTO stream_cursor (gateway, stream, epoch, owner, partner, watermark, ahead)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::int8multirange) ON CONFLICT DO NOTHING",
        [
            gateway.id,
            STREAM,
            cursor.epoch,
            gateway.owner,
            gateway.partner,
            cursor.watermark,
            _text(cursor.ahead),
        ],
    )
    if opened.rowcount != 1:
        raise StaleCursorError(f"epoch {cursor.epoch} of {gateway}")
    return Position(cursor, 0, closed, awaited)


def move(conn: psycopg.Connection, moves: Iterable[tuple[Gateway, Position, Cursor]]) -> None:
    """Move cursors from the position each was read at, all of them or none.

    Raises `StaleCursorError` if any was moved, or its epoch closed, by another. The rows stay
    locked until the transaction ends: nobody else commits records of these streams meanwhile.
    """
    wanted = list(moves)
    if not wanted:
        return
    moved = conn.execute(
        "UPDATE stream_cursor AS c SET watermark = v.watermark, ahead = v.ahead::int8multirange,"
        " version = c.version + 1, moved_at = now()"
        " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[])"
        " AS v(gateway, epoch, version, watermark, ahead)"
        " WHERE c.gateway = v.gateway AND c.stream = %s AND c.epoch = v.epoch"
        " AND c.version = v.version AND NOT c.closed",
        [
            array_text(gateway.id for gateway, _, _ in wanted),
            array_text(cursor.epoch for _, _, cursor in wanted),
            array_text(position.version for _, position, _ in wanted),
            array_text(cursor.watermark for _, _, cursor in wanted),
            array_text(f'"{_text(cursor.ahead)}"' for _, _, cursor in wanted),
            STREAM,
        ],
    )
    if moved.rowcount != len(wanted):
        raise StaleCursorError(", ".join(str(gateway) for gateway, _, _ in wanted))


def array_text(items: Iterable[int | str]) -> str:
    """An array as PostgreSQL reads it, of what needs no quoting: psycopg takes ten times as long,
    which counts where there is an item for each gateway in every commit."""
    return "{" + ",".join(map(str, items)) + "}"


def _ranges(stored: Iterable[Range[int]]) -> Ranges:
    return tuple((part.lower, part.upper) for part in stored)  # type: ignore[misc]  # never unbounded


def _text(ranges: Ranges) -> str:
    return "{" + ",".join(f"[{first},{after})" for first, after in ranges) + "}"
