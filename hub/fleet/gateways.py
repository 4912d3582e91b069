"""Every gateway: who runs it, how it is, where its stream stands, what came of its messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

_GATEWAYS = """
SELECT g.id, g.group_id AS group, g.node_id AS node, g.owner, g.partner,
    coalesce(s.online, false) AS online, s.since, s.conflict,
    coalesce(s.delivery, 'unknown') AS delivery, coalesce(s.metrics, '{}') AS metrics,
    c.epoch, coalesce(c.watermark, 0) AS watermark, coalesce(c.ahead, '{}') AS ahead,
    c.moved_at AS committed_at,
    CASE WHEN s.online THEN greatest(s.heard_at, c.moved_at)
        ELSE greatest(s.heard_at, c.moved_at, s.since) END AS heard_at,
    s.clock_offset_ms, g.shut_out_at, k.not_after AS certificate_issued_until,
    (SELECT count(*) FROM gap p WHERE p.gateway = g.id) AS gap_count
FROM gateway g
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN stream_cursor c ON c.gateway = g.id AND c.stream = 'telemetry' AND NOT c.closed
LEFT JOIN LATERAL (
    SELECT not_after FROM gateway_certificate
    WHERE gateway = g.id AND revoked_at IS NULL ORDER BY issued_at DESC LIMIT 1
) k ON true
WHERE %(group)s::text IS NULL OR (g.group_id, g.node_id) = (%(group)s, %(node)s)
ORDER BY g.group_id, g.node_id
"""
_TRAFFIC = """
SELECT gateway, messages, records, samples, duplicates, quarantined, refused FROM gateway_traffic
"""


_LONGEST = 100
_LAST_MS = 253_402_300_800_000
"""The year 10000, in milliseconds since 1970: no `datetime` is later."""


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
    heard_at: datetime | None
    """When anything of it was last heard; None if it never was."""
    clock_offset_ms: int | None
    """Its clock less the hub's, the way of the message included; None if it is not known."""
    shut_out_at: datetime | None
    """Set while its certificates are revoked."""
    certificate_issued_until: datetime | None
    """End of the newest certificate that the hub has issued; its owner alone may see it."""
    traffic: Traffic

    @property
    def version(self) -> str | None:
        """Of its software, as it says."""
        return self._text("Gateway/Version")

    @property
    def configuration(self) -> str | None:
        """Fingerprint of what it runs with, as it says."""
        return self._text("Gateway/Configuration")

    @property
    def journal_records(self) -> int | None:
        """Records it keeps that the hub has not committed, as it says."""
        return self._number("Gateway/Journal Records")

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate in use ends, as the gateway says, or that which it was given."""
        said = self._number("Gateway/Certificate Ends")
        if said is None or not 0 < said < _LAST_MS:
            return self.certificate_issued_until
        return datetime.fromtimestamp(said / 1000, UTC)

    def _text(self, name: str) -> str | None:
        said = self.metrics.get(name)
        return said[:_LONGEST] if isinstance(said, str) and said else None

    def _number(self, name: str) -> int | None:
        said = self.metrics.get(name)
        return said if isinstance(said, int) and not isinstance(said, bool) else None


def gateways(conn: psycopg.Connection) -> list[GatewayView]:
    """All gateways that the connection's tenant may see, by group and node."""
    return _read(conn, None, None)


def gateway(conn: psycopg.Connection, group: str, node: str) -> GatewayView | None:
    """One of them; None if there is none, or the tenant may not see it."""
    return next(iter(_read(conn, group, node)), None)


def _read(conn: psycopg.Connection, group: str | None, node: str | None) -> list[GatewayView]:
    which = {"group": group, "node": node}
    traffic = {row[0]: Traffic(*row[1:]) for row in conn.execute(_TRAFFIC)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [
            _view(row, traffic.get(row["id"], Traffic()))
            for row in cursor.execute(_GATEWAYS, which)
        ]


def _view(row: dict[str, Any], traffic: Traffic) -> GatewayView:
    ahead = tuple((part.lower, part.upper) for part in row.pop("ahead"))
    return GatewayView(**row, ahead=ahead, traffic=traffic)
