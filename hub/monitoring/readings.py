"""What the database says of the whole hub: gateways, calls under way, exceptions, webhooks.

Read for all tenants, as `lineside_ingest`, for those who run the hub. Each question is answered
from an index or a table with a row per gateway, so that asking every few seconds costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

_GATEWAYS = """
SELECT g.group_id, g.node_id, s.online, extract(epoch FROM s.since)::float8,
    s.conflict IS NOT NULL,
    (SELECT extract(epoch FROM max(c.moved_at))::float8 FROM stream_cursor c
        WHERE c.gateway = g.id AND c.stream = 'telemetry' AND NOT c.closed),
    t.messages, t.records, t.samples, t.duplicates, t.quarantined, t.refused,
    extract(epoch FROM k.issued_at)::float8, extract(epoch FROM k.not_after)::float8
FROM gateway g
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN gateway_traffic t ON t.gateway = g.id
LEFT JOIN LATERAL (
    SELECT issued_at, not_after FROM gateway_certificate
    WHERE gateway = g.id AND revoked_at IS NULL ORDER BY issued_at DESC LIMIT 1
) k ON true
WHERE g.transport = 'mqtt'
ORDER BY g.group_id, g.node_id
"""
_CALLS = """
SELECT g.group_id, g.node_id, s.next_offset - s.watermark,
    (SELECT extract(epoch FROM c.released_at)::float8
        FROM call_outbox o JOIN jis_call c ON c.id = o.call
        WHERE o.gateway = s.gateway AND o.epoch = s.epoch AND o.record_offset >= s.watermark
        ORDER BY o.record_offset LIMIT 1)
FROM call_stream s JOIN gateway g ON g.id = s.gateway
WHERE NOT s.closed AND g.transport = 'mqtt'
ORDER BY g.group_id, g.node_id
"""
_EXCEPTIONS = """
SELECT kind, severity, count(*) FROM exception WHERE closed_at IS NULL
GROUP BY kind, severity ORDER BY kind, severity
"""
_WEBHOOKS = """
SELECT count(*), extract(epoch FROM min(made_at))::float8
FROM webhook_message WHERE delivered_at IS NULL
"""
_STRANGERS = "SELECT count(*) FROM unregistered_node WHERE last_at > now() - interval '1 h'"


@dataclass(frozen=True, slots=True)
class GatewayReading:
    """One gateway that speaks MQTT. Times are Unix seconds; None: not known yet."""

    group: str
    node: str
    online: bool | None
    since: float | None
    conflict: bool
    last_commit: float | None
    messages: int | None
    records: int | None
    samples: int | None
    duplicates: int | None
    quarantined: int | None
    refused: int | None
    certificate_issued: float | None
    """Of the newest one; None for a gateway that has none of the hub's, or is shut out."""
    certificate_ends: float | None


@dataclass(frozen=True, slots=True)
class CallReading:
    """Calls to one gateway that it has not acknowledged."""

    group: str
    node: str
    waiting: int
    oldest: float | None
    """Unix time at which the first of them was released."""


@dataclass(frozen=True, slots=True)
class Readings:
    """All of it, as of one moment."""

    gateways: list[GatewayReading]
    calls: list[CallReading]
    exceptions: list[tuple[str, str, int]]
    """Kind, severity, how many are open."""
    webhooks_waiting: int
    webhooks_oldest: float | None
    strangers: int
    """Nodes heard within the last hour that nobody registered."""


def read(connection: psycopg.Connection) -> Readings:
    """Read. Raises `psycopg.Error`."""
    webhooks, oldest = _rows(connection, _WEBHOOKS)[0]
    return Readings(
        [GatewayReading(*row) for row in _rows(connection, _GATEWAYS)],
        [CallReading(*row) for row in _rows(connection, _CALLS)],
        [(kind, severity, count) for kind, severity, count in _rows(connection, _EXCEPTIONS)],
        webhooks,
        oldest,
        _rows(connection, _STRANGERS)[0][0],
    )


def _rows(connection: psycopg.Connection, query: str) -> Sequence[Sequence[Any]]:
    return connection.execute(query).fetchall()
