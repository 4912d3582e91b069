"""The audit log: every change, who made it, by which way. Written in the change's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

_NOTE = "INSERT INTO audit (owner, actor, via, what) VALUES (%s, %s, %s, %s)"
_READ = """
SELECT id, at, actor, via, what FROM audit
WHERE (owner = %(tenant)s OR %(all)s) AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s
"""
NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    id: int
    at: datetime
    actor: str
    via: str
    what: str


def note(
    connection: psycopg.Connection, owner: str | None, actor: str, via: str, what: str
) -> None:
    """Add a line, in the transaction of what it tells of. `owner` None: of the hub itself."""
    connection.execute(_NOTE, (owner, actor[:200], via, what[:500]))


def entries(
    connection: psycopg.Connection, tenant: str | None, before: int = NEWEST, limit: int = 100
) -> Sequence[Entry]:
    """A tenant's entries (None: all), newest first, below the id `before`."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            _READ, {"tenant": tenant, "all": tenant is None, "before": before, "limit": limit}
        ).fetchall()
