"""How a supplier's line is to work with the plant: mode, takt, whether the plant's line stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import psycopg

from hub.calls.clock import load_clock
from hub.calls.outbox import Outgoing, send
from protocols.jis.messages import LineState

_STATES = """
SELECT l.gateway, l.owner, l.partner, l.id, m.mode, m.reason, EXISTS (SELECT FROM line_stop
    WHERE plant = l.plant AND ended_at IS NULL AND began_at <= %(now)s)
FROM supplier_line l
LEFT JOIN line_mode m ON m.plant = l.plant AND m.line = l.id AND m.until IS NULL
WHERE l.plant = %(plant)s AND (%(lines)s::text[] IS NULL OR l.id = ANY (%(lines)s))
ORDER BY l.gateway, l.id
"""


def tell_line_states(
    connection: psycopg.Connection,
    plant: str,
    now: datetime,
    lines: Sequence[str] | None = None,
) -> None:
    """Tell the gateways of these lines, by default of all, how they are to work from now on."""
    takt_s = load_clock(connection, plant, now).takt_at(now)
    rows = connection.execute(
        _STATES, {"plant": plant, "lines": None if lines is None else list(lines), "now": now}
    ).fetchall()
    for gateway, owner, partner, line, mode, reason, stands in rows:
        state = LineState(
            plant=plant,
            line=line,
            mode=mode or "normal",
            since=now,
            reason=(reason or "")[:500],
            takt_s=takt_s,
            stopped=stands,
        )
        send(connection, gateway, owner, partner, [Outgoing(state)])
