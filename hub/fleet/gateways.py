"""Every gateway: who runs it, how it is, where its stream stands, what came of its messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.range import Range

_GATEWAYS = """
SELECT g.id, g.group_id, g.node_id, g.owner, g.partner,
    coalesce(s.online, false), s.since, s.conflict, coalesce(s.delivery, 'unknown'),
    coalesce(s.metrics, '{}'),
    c.epoch, coalesce(c.watermark, 0), c.moved_at,
    (SELECT count(*) FROM gap p WHERE p.gateway = g.id),
    coalesce(c.ahead, '{}'),
    coalesce(t.messages, 0), coalesce(t.records, 0), coalesce(t.samples, 0),
    coalesce(t.duplicates, 0), coalesce(t.quarantined, 0), coalesce(t.refused, 0)
FROM gateway g
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN stream_cursor c ON c.gateway = g.id AND c.stream = 'telemetry' AND NOT c.closed
LEFT JOIN gateway_traffic t ON t.gateway = g.id
ORDER BY g.group_id, g.node_id
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came of a gateway's telemetry since it was registered."""

    messages: int
    """Received, of any kind that carries data."""
    records: int
    """Committed."""
    samples: int
    """Rows committed."""
    duplicates: int
    """Records that had been committed before."""
    quarantined: int
    """Records kept raw because they could not be stored."""
    refused: int
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
    return [_view(row[:14], row[14], Traffic(*row[15:])) for row in conn.execute(_GATEWAYS)]


def _view(plain: tuple[Any, ...], ahead: Iterable[Range[int]], traffic: Traffic) -> GatewayView:
    ranges = tuple((part.lower or 0, part.upper or 0) for part in ahead)
    return GatewayView(*plain, ranges, traffic)
