"""The registry of gateways, by their address `group/node`."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from protocols.mqtt.rights import gateway_rights, gateway_user

_FIND = "SELECT id, owner FROM gateway WHERE group_id = %s AND node_id = %s"
_ALL = "SELECT group_id || '/' || node_id FROM gateway ORDER BY 1"
_ADD = """
INSERT INTO gateway (group_id, node_id, owner, partner) VALUES (%s, %s, %s, %s) RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A gateway that may speak."""

    id: int
    owner: str


def find(connection: psycopg.Connection, address: str) -> Registered | None:
    """The gateway of an address."""
    group, _, node = address.partition("/")
    row = connection.execute(_FIND, (group, node)).fetchone()
    return Registered(*row) if row else None


def addresses(connection: psycopg.Connection) -> list[str]:
    """All that are registered."""
    return [address for (address,) in connection.execute(_ALL)]


def register(
    connection: psycopg.Connection, address: str, owner: str, partner: str | None
) -> Registered:
    """Add a gateway. Raises `ValueError` for an address that none can have, and
    `psycopg.errors.ForeignKeyViolation` for tenants that there are not."""
    group, slash, node = address.partition("/")
    if not slash:
        raise ValueError(f"{address!r} is not GROUP/NODE")
    gateway_user(group, node)
    gateway_rights(group, node, "host")
    row = connection.execute(_ADD, (group, node, owner, partner)).fetchone()
    assert row is not None  # noqa: S101 - an INSERT that returns always has a row
    return Registered(row[0], owner)
