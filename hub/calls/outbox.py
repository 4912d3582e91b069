"""Records for the gateways, written in the transaction of whatever they tell of.

The publisher carries them (`hub/calls/publisher.py`); the stream itself wakes it, with the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from protocols.jis.messages import CallRecord
from protocols.streams import draw_epoch

_HOLD = "SELECT FROM call_stream WHERE gateway = %s AND NOT closed FOR NO KEY UPDATE"
# A stream is opened with its first records. Who lets it grow has it until the transaction ends, so
# that offsets are committed in order.
_SEND = """
WITH stream AS (
    INSERT INTO call_stream AS s (gateway, epoch, owner, partner, next_offset)
    VALUES (%(gateway)s, %(epoch)s, %(owner)s, %(partner)s, %(count)s)
    ON CONFLICT (gateway) WHERE NOT closed
        DO UPDATE SET next_offset = s.next_offset + excluded.next_offset
    RETURNING s.epoch, s.next_offset - %(count)s AS first
)
INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record, revision)
SELECT %(gateway)s, epoch, first + nth - 1, %(owner)s, %(partner)s, call, record, revision
FROM stream, unnest(%(calls)s::bigint[], %(records)s::jsonb[], %(revisions)s::integer[])
    WITH ORDINALITY AS r (call, record, revision, nth)
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record for a gateway. `call` is the id of the call it is about, None: of none."""

    record: CallRecord
    call: int | None = None
    revision: int = 1


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
    connection.execute(
        _SEND,
        {
            "gateway": gateway,
            "epoch": draw_epoch(),
            "owner": owner,
            "partner": partner,
            "count": len(records),
            "calls": [item.call for item in records],
            "records": [Jsonb(item.record.model_dump(mode="json")) for item in records],
            "revisions": [item.revision for item in records],
        },
    )
