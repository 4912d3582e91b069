"""API keys for machines: `lsk_{id}_{secret}`, shown once; the database holds a hash alone.

The secret is 32 random bytes, so a plain SHA-256 is as good as a slow hash: nobody can guess it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import cast

import psycopg
from psycopg.rows import class_row

from hub.identity.caller import ROLES, Caller, Role

PREFIX = "lsk"
REMEMBER_S = 5.0
"""How long a key that was found is trusted unasked: a revoked one works so long at most."""
MAX_REMEMBERED = 10_000
_SEEN_EVERY = "1 minute"

_FIND = """
SELECT owner, name, role, secret_hash FROM api_key
WHERE id = %s AND revoked_at IS NULL AND expires_at > now()
"""
_SEEN = f"""
UPDATE api_key SET last_used_at = now()
WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '{_SEEN_EVERY}')
"""  # noqa: S608  a constant of ours
_ADD = """
INSERT INTO api_key (id, owner, name, role, secret_hash, expires_at, made_by)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_LIST = """
SELECT id, name, role, made_at, made_by, expires_at, revoked_at, last_used_at FROM api_key
WHERE owner = %s ORDER BY made_at, id
"""
_REVOKE = """
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s AND owner = %s
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be known of a key."""

    id: str
    name: str
    role: Role
    made_at: datetime
    made_by: str
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


def make_key(
    connection: psycopg.Connection,
    tenant: str,
    name: str,
    role: Role,
    expires_at: datetime,
    made_by: str,
) -> str:
    """Make a key and return it: the only time that it is whole. Raises
    `psycopg.errors.ForeignKeyViolation` for a tenant that there is not."""
    if role not in ROLES:
        raise ValueError(f"role {role!r}; known are {', '.join(ROLES)}")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(_ADD, (key_id, tenant, name, role, _hash(secret), expires_at, made_by))
    return f"{PREFIX}_{key_id}_{secret}"


def list_keys(connection: psycopg.Connection, tenant: str) -> Sequence[KeyInfo]:
    """A tenant's keys, oldest first."""
    with connection.cursor(row_factory=class_row(KeyInfo)) as cursor:
        return cursor.execute(_LIST, (tenant,)).fetchall()


def revoke_key(connection: psycopg.Connection, tenant: str, key_id: str) -> bool:
    """End a key at once. False: the tenant has none of this id."""
    return connection.execute(_REVOKE, (key_id, tenant)).fetchone() is not None


class Keys:
    """Finds who a key speaks for, and remembers it for a few seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._found: dict[bytes, tuple[float, Caller]] = {}

    def known(self, key: str) -> Caller | None:
        """Whom a key speaks for that was looked up moments ago."""
        with self._lock:
            found = self._found.get(_hash(key))
        return found[1] if found and self._clock() - found[0] < REMEMBER_S else None

    def look_up(self, connection: psycopg.Connection, key: str) -> Caller | None:
        """Whom a key speaks for; None for one that is unknown, revoked or past."""
        prefix, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        row = connection.execute(_FIND, (key_id,)).fetchone()
        digest = _hash(secret)
        if row is None or not hmac.compare_digest(digest, bytes(row[3])):
            return None
        connection.execute(_SEEN, (key_id,))
        owner, name, role, _ = row
        caller = Caller(owner, f"key {name} ({key_id})", frozenset({cast(Role, role)}))
        with self._lock:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            self._found[_hash(key)] = self._clock(), caller
        return caller


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
