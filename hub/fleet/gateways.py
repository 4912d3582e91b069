"""Every gateway: who runs it, how it is, where its stream stands, what came of its messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

_GATEWAYS = """
SELECT g.id, g.group_id AS group, g.node_id AS node, g.owner, g.partner,
    coalesce(s.online, false) AS online, s.since, s.conflict,
    coalesce(s.delivery, 'unknown') AS delivery, coalesce(s.metrics, '{}') AS metrics,
    c.epoch, coalesce(c.watermark, 0) AS watermark, coalesce(c.ahead, '{}') AS ahead,
    c.moved_at AS committed_at,
    (SELECT count(*) FROM gap p WHERE p.gateway = g.id) AS gap_count
FROM gateway g
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN stream_cursor c ON c.gateway = g.id AND c.stream = 'telemetry' AND NOT c.closed
ORDER BY g.group_id, g.node_id
"""
_TRAFFIC = """
SELECT gateway, messages, records, samples, duplicates, quarantined, refused FROM gateway_traffic
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came of a gateway's telemetry since it was registered."""

    messages: int = 0
    """Received, of any kind that carries data."""
    records: int = 0
    """Committed."""
    samples: int = 0
    """Rows committed."""
    duplicates: int = 0
    """Records that had been committed before."""
    quarantined: int = 0
    """Records kept raw because they could not be stored."""
    refused: int = 0
    """Messages not taken: of another epoch, without a birth, or no Sparkplug."""


@dataclass(frozen=True, slots=True)
class GatewayView:
    """One gateway."""

    id: int
    group: str
    node: str
    owner: str
    partner: str | None
    online: bool
    since: datetime | None
    """Since when it is online or offline; None if it was never heard."""
    conflict: str | None
    """What is wrong with its identity, in words; None if nothing is."""
    delivery: str
    """'stream': committed end to end; 'standard': as any Sparkplug node; 'unknown': never heard."""
    metrics: dict[str, Any]
    epoch: int | None
    """Of the open telemetry stream; None if there is none."""
    watermark: int
    """All records below are committed."""
    committed_at: datetime | None
    gap_count: int
    ahead: tuple[tuple[int, int], ...]
    """Ranges of records committed above the watermark: between them, some are on the way."""
    traffic: Traffic


def gateways(conn: psycopg.Connection) -> list[GatewayView]:
    """All gateways that the connection's tenant may see, by group and node."""
    traffic = {row[0]: Traffic(*row[1:]) for row in conn.execute(_TRAFFIC)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_view(row, traffic.get(row["id"], Traffic())) for row in cursor.execute(_GATEWAYS)]


def _view(row: dict[str, Any], traffic: Traffic) -> GatewayView:
    ahead = tuple((part.lower, part.upper) for part in row.pop("ahead"))
    return GatewayView(**row, ahead=ahead, traffic=traffic)
