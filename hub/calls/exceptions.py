"""Exceptions: what wants somebody's attention. At most one of a kind is open for one subject.

Those that follow from where a call stands open and close with its situation in the status net;
others (a late truck, a gap in the sequence) are opened and closed by who finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from protocols.jis.net import Pair, status_net

if TYPE_CHECKING:
    from hub.calls.history import FoundCall

Severity = Literal["info", "warning", "critical"]

SITUATION_SEVERITY: dict[str, Severity] = {
    "blocked": "info",
    "pulled_out": "info",
    "cancelled": "info",
    "replaced": "info",
    "nok_at_supplier": "warning",
    "not_taken": "critical",
    "missing_part": "critical",
    "delivery_mismatch": "critical",
    "nok_at_line": "critical",
    "part_gone": "critical",
    "obsolete": "warning",
    "contradiction": "warning",
    "no_shipment": "warning",
}
"""How much each of the net's exceptions presses."""

_OPEN = """
INSERT INTO exception
    (owner, partner, plant, line, kind, subject, call, severity, detail, told, source_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (plant, kind, subject) WHERE closed_at IS NULL DO NOTHING
RETURNING id
"""
_CLOSE = """
UPDATE exception SET closed_at = clock_timestamp(), closed_by = %(by)s, decision = %(decision)s
WHERE plant = %(plant)s AND kind = %(kind)s AND subject = %(subject)s AND closed_at IS NULL
RETURNING id
"""
_CLOSE_OTHERS = """
UPDATE exception SET closed_at = clock_timestamp(), closed_by = 'net'
WHERE call = %s AND kind = ANY (%s) AND closed_at IS NULL
"""


def open_exception(
    connection: psycopg.Connection,
    kind: str,
    subject: str,
    *,
    owner: str,
    plant: str,
    severity: Severity,
    at: datetime,
    partner: str | None = None,
    line: str | None = None,
    call: int | None = None,
    detail: Mapping[str, Any] | None = None,
    told: Sequence[str] | None = None,
) -> int | None:
    """Open one; None if one of this kind is open for this subject. Told are owner and partner,
    unless said otherwise."""
    row = connection.execute(
        _OPEN,
        (
            owner,
            partner,
            plant,
            line,
            kind,
            subject,
            call,
            severity,
            Jsonb(dict(detail or {})),
            list(told) if told is not None else [owner, *([partner] if partner else [])],
            at,
        ),
    ).fetchone()
    return None if row is None else int(row[0])


def close_exception(
    connection: psycopg.Connection,
    plant: str,
    kind: str,
    subject: str,
    by: str,
    decision: str | None = None,
) -> bool:
    """Close the open one of this kind; False if there is none."""
    row = connection.execute(
        _CLOSE,
        {"plant": plant, "kind": kind, "subject": subject, "by": by, "decision": decision},
    ).fetchone()
    return row is not None


def settle(connection: psycopg.Connection, call: FoundCall, pair: Pair, at: datetime) -> None:
    """Bring a call's exceptions in line with where it stands now."""
    situation = status_net().situation(pair)
    others = [kind for kind in SITUATION_SEVERITY if kind != situation.raises]
    connection.execute(_CLOSE_OTHERS, (call.id, others))
    if situation.raises:
        open_exception(
            connection,
            situation.raises,
            str(call.key),
            owner=call.owner,
            partner=call.partner,
            plant=call.plant,
            line=call.line,
            call=call.id,
            severity=SITUATION_SEVERITY[situation.raises],
            at=at,
            detail={"means": situation.text, "part_group": call.part_group, "rack": call.rack},
        )
