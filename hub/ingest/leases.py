"""Who of several workers has which group: leases in the database, with a token for each change of
hands. What a worker writes is fenced by its tokens, in the very transaction.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg

STATE = "STATE"
"""The lease of the one that speaks for all as the Sparkplug host; no group may be called so."""
_TURN = 0x6C696E65
"""Of an advisory lock: workers divide the groups one at a time."""
_TERMINATE_MS = 2000


class LeaseLostError(RuntimeError):
    """Another worker has taken these groups: nothing may be written of them."""

    def __init__(self, groups: Iterable[str]) -> None:
        self.groups = frozenset(groups)
        super().__init__(", ".join(sorted(self.groups)))


@dataclass(frozen=True, slots=True)
class Division:
    """What a worker is to do: groups to take that are free, groups to let go."""

    take: Sequence[str]
    release: Sequence[str]


def divide(me: UUID, live: Iterable[UUID], holders: Mapping[str, UUID | None]) -> Division:
    """How this worker comes to its share. `holders`: the live worker that has each group, or None.

    Each takes what is free up to an even share, and lets go of what it has beyond that as long as
    another has two less.
    """
    counts = Counter(dict.fromkeys(live, 0) | {me: 0})
    counts.update(worker for worker in holders.values() if worker is not None)
    mine = sorted(group for group, worker in holders.items() if worker == me)
    free = sorted(group for group, worker in holders.items() if worker is None)
    share = math.ceil(len(holders) / len(counts))
    beyond = (len(mine) - min(counts.values())) // 2
    return Division(free[: max(0, share - len(mine))], [] if free else mine[len(mine) - beyond :])


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says after a beat: the leases that there are, ours with their tokens, those
    of ours to be let go, and whether no other worker lives."""

    known: frozenset[str]
    held: Mapping[str, int]
    release: Sequence[str]
    alone: bool


def beat(conn: psycopg.Connection, me: UUID, lease_s: float) -> Standing:
    """Say that this worker lives, and come to its share. The connection commits by itself."""
    conn.execute(
        "INSERT INTO ingest_worker VALUES (%s, now() + %s) ON CONFLICT (id) DO UPDATE"
        " SET expires_at = excluded.expires_at",
        [me, timedelta(seconds=lease_s)],
    )
    with conn.transaction():
        # Neither wait for one that was stopped in the middle of its turn, nor be such a one.
        conn.execute("SET LOCAL lock_timeout = '3s'")
        conn.execute("SET LOCAL idle_in_transaction_session_timeout = '3s'")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
        conn.execute(
            "INSERT INTO ingest_lease (name)"
            " SELECT name FROM (SELECT group_id FROM gateway UNION SELECT %s) AS _ (name)"
            " WHERE NOT EXISTS (SELECT FROM ingest_lease l WHERE l.name = _.name)",
            [STATE],
        )
        live = {
            worker
            for (worker,) in conn.execute("SELECT id FROM ingest_worker WHERE expires_at > now()")
        }
        leases = {
            name: (worker if worker in live else None, worker, token)
            for name, worker, token in conn.execute("SELECT name, worker, token FROM ingest_lease")
        }
        holders = {name: lease[0] for name, lease in leases.items()}
        state = holders.pop(STATE)
        division = divide(me, live, holders)
        take = [*division.take, *([STATE] if state is None else [])]
        held = {name: token for name, (worker, _, token) in leases.items() if worker == me}
        if take:
            gone = {worker for _, worker, _ in map(leases.__getitem__, take) if worker is not None}
            _cut_off(conn, gone)
            held |= _take(conn, me, take)
        conn.execute(
            "DELETE FROM ingest_worker w WHERE expires_at < now()"
            " AND NOT EXISTS (SELECT FROM ingest_lease l WHERE l.worker = w.id)"
        )
    return Standing(frozenset(leases), held, division.release, alone=live <= {me})


def connection_name(worker: UUID) -> str:
    """What the connection is called over which a worker commits."""
    return f"lineside-ingest {worker.hex}"


def check(conn: psycopg.Connection, me: UUID, tokens: Mapping[str, int]) -> None:
    """Within a transaction: these leases are ours, and stay so until it ends. Raises
    `LeaseLostError`."""
    ours = conn.execute(
        "SELECT l.name FROM ingest_lease l"
        " JOIN unnest(%s::text[], %s::bigint[]) AS t (name, token) USING (name, token)"
        " WHERE l.worker = %s FOR SHARE OF l",
        [list(tokens), list(tokens.values()), me],
    ).fetchall()
    if len(ours) != len(tokens):
        raise LeaseLostError(tokens.keys() - {name for (name,) in ours})


def release(conn: psycopg.Connection, me: UUID, names: Sequence[str] | None = None) -> None:
    """Let go of leases; of all, and leave the workers, if none are named."""
    with conn.transaction():
        conn.execute(
            "UPDATE ingest_lease SET worker = NULL"
            " WHERE worker = %s AND (%s::text[] IS NULL OR name = ANY(%s))",
            [me, names, names],
        )
        if names is None:
            conn.execute("DELETE FROM ingest_worker WHERE id = %s", [me])


def _take(conn: psycopg.Connection, me: UUID, names: Sequence[str]) -> dict[str, int]:
    return dict(
        conn.execute(
            "UPDATE ingest_lease SET worker = %s, token = token + 1 WHERE name = ANY(%s)"
            " RETURNING name, token",
            [me, names],
        ).fetchall()
    )


def _cut_off(conn: psycopg.Connection, workers: Iterable[UUID]) -> None:
    """End what workers that give no sign of life have begun: one that was stopped in the middle of
    a transaction would hold its leases until it goes on."""
    conn.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
        " WHERE usename = current_user AND application_name = ANY(%s)",
        [_TERMINATE_MS, [connection_name(worker) for worker in workers]],
    )
