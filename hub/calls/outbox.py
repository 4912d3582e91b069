"""Records for the gateways, written in the transaction of whatever they tell of.

The publisher carries them (`hub/calls/publisher.py`); the notification goes out with the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.notify import CALL_STREAM
from protocols.jis.messages import CallRecord
from protocols.streams import draw_epoch

_TAKE_OFFSETS = """
UPDATE call_stream SET next_offset = next_offset + %s WHERE gateway = %s AND NOT closed
RETURNING epoch, next_offset
"""
_OPEN_STREAM = """
INSERT INTO call_stream (gateway, epoch, owner, partner) VALUES (%s, %s, %s, %s)
ON CONFLICT (gateway) WHERE NOT closed DO NOTHING
"""
_HOLD = "SELECT FROM call_stream WHERE gateway = %s AND NOT closed FOR NO KEY UPDATE"
_WRITE = """
INSERT INTO call_outbox
    (gateway, epoch, record_offset, owner, partner, call, record, revision)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for a gateway. `call` is the id of the call it is about, None: of none."""

    record: CallRecord
    call: int | None = None
    revision: int = 1


def take_offsets(
    connection: psycopg.Connection, gateway: int, owner: str, partner: str, count: int
) -> tuple[int, int]:
    """(epoch, next offset) of the gateway's open stream, grown by `count`; opened if there is none.

    Taking them locks the stream until the end of the transaction: offsets are committed in order.
    """
    while True:
        row = connection.execute(_TAKE_OFFSETS, (count, gateway)).fetchone()
        if row is not None:
            return int(row[0]), int(row[1])
        # None yet, or the publisher has just closed one and opened the next.
        connection.execute(_OPEN_STREAM, (gateway, draw_epoch(), owner, partner))


def hold(connection: psycopg.Connection, gateway: int) -> None:
    """Lock a gateway's stream until the end of the transaction.

    To be done before a call's row is locked that something will be sent of: the publisher locks the
    stream first and its calls after, and two orders would wait for one another in a ring.
    """
    connection.execute(_HOLD, (gateway,))


def send(
    connection: psycopg.Connection,
    gateway: int,
    owner: str,
    partner: str,
    records: Sequence[Outgoing],
) -> None:
    """Write records into a gateway's stream, in this order."""
    if not records:
        return
    epoch, after = take_offsets(connection, gateway, owner, partner, len(records))
    with connection.cursor() as cursor:
        cursor.executemany(
            _WRITE,
            [
                (
                    gateway,
                    epoch,
                    offset,
                    owner,
                    partner,
                    item.call,
                    Jsonb(item.record.model_dump(mode="json")),
                    item.revision,
                )
                for offset, item in enumerate(records, after - len(records))
            ],
        )
    connection.execute("SELECT pg_notify(%s, %s)", (CALL_STREAM, f"{gateway} {epoch} {after}"))
