"""Births in the database, for the worker that takes a group over, and by when they were complete.

A worker stores each birth of its groups, and tells from time to time until when it has heard all
that the broker had for it. Another may read data messages by a stored birth only if no later birth
can have gone by unheard: it must have listened to births itself since before that time. What it
cannot trust it deletes, and the nodes are asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from hub.ingest.cursors import array_text
from hub.ingest.registry import Gateway

_NODE = ""
_MAX_BYTES = 4 * 1024 * 1024
"""Of one gateway: some 50,000 tags. With more, none of its births are kept."""


@dataclass(slots=True)
class Stored:
    """The births of a node: its own, and those of its devices by name."""

    node: bytes = b""
    devices: dict[str, bytes] = field(default_factory=dict)
    next_seq: int | None = None
    """Of a node without a stream: all that it said before this number is stored."""


def begin(conn: psycopg.Connection, gateway: Gateway, payload: bytes, next_seq: int | None) -> None:
    """A node is born, and none of its devices yet. Within a transaction."""
    forget(conn, gateway)
    if len(payload) <= _MAX_BYTES:
        conn.execute(
            "INSERT INTO birth (gateway, device, owner, partner, payload, next_seq)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [gateway.id, _NODE, gateway.owner, gateway.partner, payload, next_seq],
        )


def add(conn: psycopg.Connection, gateway: Gateway, device: str, payload: bytes) -> None:
    """A device of a born node is born. Within a transaction."""
    added = conn.execute(
        "INSERT INTO birth (gateway, device, owner, partner, payload)"
        " SELECT %s, %s, %s, %s, %s FROM birth WHERE gateway = %s AND device <> %s"
        " HAVING bool_or(device = %s) AND sum(octet_length(payload)) + %s <= %s"
        " ON CONFLICT (gateway, device) DO UPDATE SET payload = excluded.payload",
        [
            *(gateway.id, device, gateway.owner, gateway.partner, payload),
            *(gateway.id, device, _NODE, len(payload), _MAX_BYTES),
        ],
    )
    if added.rowcount != 1:
        forget(conn, gateway)


def remove(conn: psycopg.Connection, gateway: Gateway, device: str) -> None:
    """A device is dead: whoever reads its birth would take it to be online."""
    conn.execute("DELETE FROM birth WHERE gateway = %s AND device = %s", [gateway.id, device])


def forget(conn: psycopg.Connection, gateway: Gateway) -> None:
    """The node is dead, or its births are not known any more."""
    conn.execute("DELETE FROM birth WHERE gateway = %s", [gateway.id])


def forget_groups(conn: psycopg.Connection, groups: Sequence[str]) -> None:
    """Births of these groups may have gone by unheard."""
    conn.execute(
        "DELETE FROM birth USING gateway g WHERE birth.gateway = g.id AND g.group_id = ANY(%s)",
        [list(groups)],
    )


def note_seqs(conn: psycopg.Connection, seqs: Mapping[int, int]) -> None:
    """All that these nodes, by id, said before this number is stored. In the same transaction."""
    if seqs:
        conn.execute(
            "UPDATE birth b SET next_seq = v.seq"
            " FROM unnest(%s::int[], %s::smallint[]) AS v (id, seq)"
            " WHERE b.gateway = v.id AND b.device = %s",
            [array_text(seqs), array_text(seqs.values()), _NODE],
        )


def take_over(
    conn: psycopg.Connection, group: str, listening_since: datetime | None
) -> dict[str, Stored]:
    """The births of a group by node, for a worker that has heard all births since then, by the
    database's clock. Deletes those that it cannot trust. Within a transaction."""
    heard = conn.execute("SELECT heard_at FROM ingest_heard WHERE name = %s", [group]).fetchone()
    if listening_since is None or heard is None or heard[0] < listening_since:
        forget_groups(conn, [group])
        return {}
    nodes: dict[str, Stored] = {}
    for node, device, payload, next_seq in conn.execute(
        "SELECT g.node_id, b.device, b.payload, b.next_seq FROM birth b"
        " JOIN gateway g ON g.id = b.gateway WHERE g.group_id = %s ORDER BY b.device",
        [group],
    ):
        stored = nodes.setdefault(node, Stored())
        if device == _NODE:
            stored.node, stored.next_seq = payload, next_seq
        else:
            stored.devices[device] = payload
    return nodes


def clock(conn: psycopg.Connection) -> datetime:
    """The database's clock."""
    (now,) = conn.execute("SELECT clock_timestamp()").fetchone() or (None,)
    if now is None:
        raise RuntimeError("the database tells no time")
    found: datetime = now
    return found


def mark_heard(conn: psycopg.Connection, groups: Iterable[str], heard_s: float) -> None:
    """All births of these groups that the broker had for us at this monotonic time are dealt with.

    The database's clock is asked first: whatever delays us then, the mark is early and never late.
    """
    now = clock(conn)
    heard_at = now - timedelta(seconds=time.monotonic() - heard_s)
    conn.execute(
        "INSERT INTO ingest_heard (name, heard_at)"
        " SELECT name, %s FROM unnest(%s::text[]) AS _ (name)"
        " ON CONFLICT (name) DO UPDATE SET heard_at = excluded.heard_at",
        [heard_at, list(groups)],
    )
