"""What a person decides of an exception: recorded with it, and done where the decision does
something (`effect` in `exceptions.md`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from hub.calls import dock, emergency_stock, gaps, modes
from hub.calls.exception_kinds import Effect, exception_kinds
from hub.calls.history import find_call
from hub.calls.outbox import hold
from hub.calls.racks import ENDED
from hub.calls.refused import RefusedError, UnknownError
from protocols.jis.messages import CallKey, DeliveryKind, LineMode

_FIND = """
SELECT id, owner, plant, line, kind, subject, call, detail, told, closed_at IS NULL AS open
FROM exception WHERE id = %s FOR UPDATE
"""
_DECIDE = """
UPDATE exception SET decision = %(decision)s, decided_at = %(at)s, decided_by = %(by)s,
    note = %(note)s,
    closed_at = CASE WHEN %(closes)s THEN coalesce(closed_at, clock_timestamp()) ELSE closed_at END,
    closed_by = CASE WHEN %(closes)s THEN coalesce(closed_by, %(by)s) ELSE closed_by END
WHERE id = %(id)s
"""
# Of a truck that is late the cars it hits, of a rack those whose part is not on its way.
_AFFECTED = """
SELECT concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index)
FROM jis_call c
WHERE c.plant = %(plant)s AND c.line = %(line)s AND c.car = 'released' AND CASE
    WHEN %(shipment)s::text IS NOT NULL THEN c.production_no = ANY (%(cars)s)
        AND c.id IN (SELECT call FROM shipment_slot s WHERE s.plant = c.plant AND s.line = c.line
            AND s.shipment = %(shipment)s)
    ELSE c.rack = %(rack)s AND NOT c.status = ANY (%(on_the_way)s) END
ORDER BY c.required_at, c.id
"""
_ADD_TO_NOTE = """
UPDATE exception SET note = left(concat_ws('; ', note, %(more)s::text), 500) WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class _Open:
    id: int
    owner: str
    plant: str
    line: str | None
    kind: str
    subject: str
    call: int | None
    detail: dict[str, Any]
    told: list[str]
    open: bool


@dataclass(frozen=True, slots=True)
class _Deciding:
    connection: psycopg.Connection
    exception: _Open
    at: datetime
    by: str
    reason: str


def decide(
    connection: psycopg.Connection,
    tenant: str,
    exception: int,
    decision: str,
    at: datetime,
    by: str,
    note: str = "",
) -> bool:
    """Record a decision and do what it says. True: the exception is closed by it; others close
    when their cause is gone. What does something is the plant's to decide.

    Raises `UnknownError`, `RefusedError`.
    """
    with connection.transaction():
        found = _find(connection, exception)
        if found is None or tenant not in {found.owner, *found.told}:
            raise UnknownError(f"no exception {exception}")
        kinds = exception_kinds()
        kind = kinds.kind(found.kind)
        if decision not in kind.decisions:
            possible = ", ".join(kind.decisions)
            raise RefusedError(f"{kind.id} cannot be decided by {decision!r}; possible: {possible}")
        if not found.open:
            raise RefusedError(f"exception {exception} is closed")
        effect = kinds.decisions[decision].effect
        if effect and tenant != found.owner:
            raise RefusedError(f"{decision} is for the plant to decide")
        closes = not kind.closes_itself
        connection.execute(
            _DECIDE,
            {
                "id": exception,
                "decision": decision,
                "at": at,
                "by": by,
                "note": note or None,
                "closes": closes,
            },
        )
        if effect:
            reason = note or kinds.decisions[decision].title
            _EFFECTS[effect](_Deciding(connection, found, at, by, reason))
        return closes


def _find(connection: psycopg.Connection, exception: int) -> _Open | None:
    with connection.cursor(row_factory=class_row(_Open)) as cursor:
        return cursor.execute(_FIND, (exception,)).fetchone()


def _deliver(what: DeliveryKind) -> Callable[[_Deciding], None]:
    def tell(deciding: _Deciding) -> None:
        connection, key = deciding.connection, CallKey.parse(deciding.exception.subject)
        row = connection.execute(
            "SELECT gateway FROM supplier_line WHERE plant = %s AND id = %s", (key.plant, key.line)
        ).fetchone()
        if row is not None:
            hold(connection, row[0])
        call = find_call(connection, key)
        if call is None:
            raise UnknownError(f"no call {key}")
        dock.tell(
            connection,
            call,
            what,
            deciding.at,
            message_id=f"decision {deciding.exception.id}",
            by=deciding.by,
            reason=deciding.reason,
        )

    return tell


def _mode(mode: LineMode) -> Callable[[_Deciding], None]:
    def put(deciding: _Deciding) -> None:
        found = deciding.exception
        for line in _lines(found):
            modes.set_mode(
                deciding.connection,
                found.owner,
                found.plant,
                line,
                mode,
                deciding.at,
                deciding.by,
                _because(deciding, deciding.reason),
            )

    return put


def _take_one(deciding: _Deciding) -> None:
    key = CallKey.parse(deciding.exception.subject)
    emergency_stock.lock_stock(deciding.connection, key.plant, key.line)
    call = find_call(deciding.connection, key)
    if call is None:
        raise UnknownError(f"no call {key}")
    emergency_stock.take(
        deciding.connection, call, deciding.at, deciding.by, _because(deciding, deciding.reason)
    )


def _from_stock(deciding: _Deciding) -> None:
    """The line goes over to the emergency stock, and the cars that the exception is about get their
    parts out of it; who gets none is noted with the decision."""
    found, connection = deciding.exception, deciding.connection
    for line in _lines(found):
        emergency_stock.lock_stock(connection, found.plant, line)
    _mode("buffer")(deciding)
    rows = connection.execute(
        _AFFECTED,
        {
            "plant": found.plant,
            "line": found.line,
            "shipment": found.detail.get("shipment") if found.kind == "truck_late" else None,
            "cars": found.detail.get("cars", []),
            "rack": found.detail.get("rack"),
            "on_the_way": ["shipped", *ENDED, *dock.AT_DOCK],
        },
    ).fetchall()
    calls = [call for (key,) in rows if (call := find_call(connection, CallKey.parse(key)))]
    without = emergency_stock.take_for(
        connection, calls, deciding.at, deciding.by, _because(deciding, deciding.reason)
    )
    if without:
        left_out = f"none is left for {emergency_stock.named(without)}"
        connection.execute(_ADD_TO_NOTE, {"more": left_out, "id": found.id})


def _lines(exception: _Open) -> list[str]:
    return [exception.line] if exception.line else list(exception.detail.get("lines", []))


def _because(deciding: _Deciding, reason: str) -> str:
    return f"exception {deciding.exception.id}, {deciding.exception.kind}: {reason}"


def _left_out(deciding: _Deciding) -> list[gaps.Gap]:
    rack = deciding.exception.subject
    return [
        gap
        for gap in gaps.find_gaps(deciding.connection, deciding.at)
        if f"{gap.plant}/{gap.line}/{gap.rack}" == rack
    ]


def _send_again(deciding: _Deciding) -> None:
    gaps.send_again(deciding.connection, _left_out(deciding))


def _leave_empty(deciding: _Deciding) -> None:
    for gap in _left_out(deciding):
        gaps.leave_empty(deciding.connection, CallKey.parse(gap.key), deciding.at, deciding.by)


_EFFECTS: dict[Effect, Callable[[_Deciding], None]] = {
    "confirm": _deliver("confirmed"),
    "return": _deliver("returned"),
    "take": _take_one,
    "buffer": _from_stock,
    "mode_manual": _mode("manual"),
    "resend": _send_again,
    "leave_empty": _leave_empty,
}
