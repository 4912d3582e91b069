"""Epochs of the call streams: one ends, and the next begins with all calls that are open, with how
each line is to work, and with the whole demand ahead of it.

So it goes when a gateway and the hub no longer agree on what was written: the gateway has lost its
cursor, or the hub's database was put back from a backup. A call that a gateway has already keeps
its state there, so one epoch too many costs only messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from hub.calls.called import WITH_SUPPLIER
from hub.calls.line_states import tell_line_states
from hub.calls.previews import refresh_demand
from protocols.jis.net import status_net
from protocols.streams import draw_epoch

LEFT_STATUSES = [
    "refused",
    *(status for status in status_net().names("part") if status not in WITH_SUPPLIER),
]
"""Calls whose part is in one of these are not handed to a gateway that begins anew: the supplier
has nothing to do with them any more."""

_CLOSE = """
UPDATE call_stream SET closed = true WHERE gateway = %s AND epoch = %s AND NOT closed
RETURNING owner, partner
"""
_OPEN = "INSERT INTO call_stream (gateway, epoch, owner, partner) VALUES (%s, %s, %s, %s)"
# An epoch holds all records of every call that is open, its changes too: it began with them, and
# all later ones joined.
_CARRY_OVER = """
INSERT INTO call_outbox
    (gateway, epoch, record_offset, owner, partner, call, revision, record)
SELECT o.gateway, %(begun)s, row_number() OVER (ORDER BY o.record_offset) - 1,
    o.owner, o.partner, o.call, o.revision, o.record
FROM call_outbox o JOIN jis_call c ON c.id = o.call
WHERE o.gateway = %(gateway)s AND o.epoch = %(ended)s AND c.status <> ALL (%(left)s)
"""
_SET_NEXT = "UPDATE call_stream SET next_offset = %s WHERE gateway = %s AND epoch = %s"
# Lines before streams, as all do.
_LOCK_LINES = """
SELECT plant, id FROM supplier_line WHERE %(gateway)s::integer IS NULL OR gateway = %(gateway)s
ORDER BY plant, id FOR NO KEY UPDATE
"""
# In the order in which a release takes them, so that neither waits for the other in a ring.
_OPEN_STREAMS = """
SELECT s.gateway, s.epoch, g.group_id || '/' || g.node_id
FROM call_stream s JOIN gateway g ON g.id = s.gateway WHERE NOT s.closed ORDER BY s.gateway
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """An epoch that was begun."""

    epoch: int
    carried: int
    """Calls it began with: all that were open."""


def begin_anew(connection: psycopg.Connection, gateway: int, ended: int) -> Begun | None:
    """Close the epoch `ended` of a gateway's calls and begin the next, in one transaction.

    None: it was closed before, and nothing is changed. `connection` is of the role
    `lineside_ingest`.
    """
    epoch = draw_epoch()
    with connection.transaction():
        lines = connection.execute(_LOCK_LINES, {"gateway": gateway}).fetchall()
        tenants = connection.execute(_CLOSE, (gateway, ended)).fetchone()
        if tenants is None:
            return None
        connection.execute(_OPEN, (gateway, epoch, *tenants))
        carried = connection.execute(
            _CARRY_OVER,
            {"gateway": gateway, "ended": ended, "begun": epoch, "left": LEFT_STATUSES},
        ).rowcount
        connection.execute(_SET_NEXT, (carried, gateway, epoch))
        now = datetime.now(UTC)
        for plant, line in lines:
            tell_line_states(connection, plant, now, [line])
            refresh_demand(connection, plant, now, [line], whole=True)
    return Begun(epoch, carried)


def begin_all_anew(connection: psycopg.Connection) -> dict[str, Begun]:
    """Begin anew with every gateway, by `group/node`: the database was put back from a backup.

    The open epochs may have grown beyond the backup, and the gateways have committed that. What is
    written into them since takes the same offsets, so a gateway would pass over it as repeated, and
    once the stream is as long again, nothing shows that it is another.
    """
    begun = {}
    with connection.transaction():
        connection.execute(_LOCK_LINES, {"gateway": None})
        for gateway, ended, name in connection.execute(_OPEN_STREAMS).fetchall():
            found = begin_anew(connection, gateway, ended)
            if found is not None:
                begun[name] = found
    return begun
