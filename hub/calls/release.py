"""A car passes a control point: the pass, the calls it releases, their numbers and their records in
the gateways' streams, all in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from hub.calls.called import lock_plant
from hub.calls.calling import CalledCar, UnfitError, groups_at, notify, number_calls, write_calls
from hub.calls.exceptions import close_exception, open_exception
from hub.calls.notify import CHANGES, Change
from hub.calls.previews import tell_demand_at
from hub.calls.refused import UnknownError
from hub.orders.problems import did_you_mean
from hub.sequencing.model import Car
from protocols.jis.messages import CallKey

__all__ = ["Release", "Released", "UnfitError", "UnknownError", "release"]

# Passes of one control point take turns, so that their numbers have no gap and a repeat finds what
# the first one did.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('pass ' || %s || ' ' || %s, 0))"
_CAR = """
SELECT p.owner, c.id, o.production_no, o.colour, o.options, x.pass_no, o.vin, o.model, o.pre_series,
    o.blocked_at IS NOT NULL, o.cancelled_at IS NOT NULL,
    EXISTS (SELECT FROM supplier_line WHERE plant = p.id
        AND profile -> 'control_points' ->> %(control_point)s IN ('forecast', 'preview'))
FROM plant p
LEFT JOIN control_point c ON c.plant = p.id AND c.id = %(control_point)s
LEFT JOIN vehicle_order o ON o.plant = p.id AND o.production_no = %(production_no)s
LEFT JOIN control_point_pass x ON x.plant = p.id AND x.control_point = %(control_point)s
    AND x.production_no = %(production_no)s
WHERE p.id = %(plant)s
"""
_CONTROL_POINTS = "SELECT id FROM control_point WHERE plant = %s ORDER BY rank"
_FIND_CALLS = """
SELECT line, part_group, reorder_index, call_no FROM jis_call
WHERE plant = %s AND control_point = %s AND production_no = %s AND reorder_index = 0
ORDER BY line, call_no
"""
_RECORD = """
INSERT INTO control_point_pass
    (plant, control_point, production_no, owner, passed_at, pass_no)
SELECT %(plant)s, %(control_point)s, %(production_no)s, %(owner)s, %(passed_at)s,
    coalesce(max(pass_no), 0) + 1
FROM control_point_pass WHERE plant = %(plant)s AND control_point = %(control_point)s
RETURNING pass_no
"""
_UNBLOCK = """
UPDATE vehicle_order SET blocked_at = NULL, blocked_reason = NULL
WHERE plant = %s AND production_no = %s
"""


@dataclass(frozen=True, slots=True)
class Released:
    """A call as the pass that released it tells of it."""

    key: CallKey
    call_no: int


@dataclass(frozen=True, slots=True)
class Release:
    """What came of a pass."""

    pass_no: int
    calls: tuple[Released, ...]
    repeated: bool
    """The pass had been recorded before; nothing was written."""


def release(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    control_point: str,
    production_no: str,
    passed_at: datetime,
    now: datetime | None = None,
    timed_from: datetime | None = None,
) -> Release:
    """Record that a car of `tenant`'s plant passed a control point, and release its calls.

    `connection` is of the role `lineside_ingest`. A repeated pass changes nothing and gives what
    the first gave. now: when the pass is heard of, by default when it was; what cannot be at its
    station in time from then on is called, and flagged late. timed_from: what the lines' leads run
    from, by default the pass. A car that had been cancelled gets no
    calls, one that was blocked gets them: that it passed is a fact, and either is said to be a
    contradiction. Raises `UnknownError` or `UnfitError`.
    """
    with connection.transaction():
        connection.execute(_TAKE_TURN, (plant, control_point))
        row = connection.execute(
            _CAR,
            {"plant": plant, "control_point": control_point, "production_no": production_no},
        ).fetchone()
        if row is None or row[0] != tenant:
            raise UnknownError(f"no plant {plant}")
        (_, known_point, ordered, colour, options, passed_before, vin, model, pre_series) = row[:9]
        blocked, cancelled, tells = row[9:]
        if known_point is None:
            names = connection.execute(_CONTROL_POINTS, (plant,)).fetchall()
            hint = did_you_mean(control_point, [name for (name,) in names])
            raise UnknownError(f"no control point {control_point} in plant {plant}{hint}")
        if passed_before is not None:
            return _as_before(connection, plant, control_point, production_no, passed_before)
        if ordered is None:
            raise UnknownError(f"no order {production_no} in plant {plant}")
        if tells:
            lock_plant(connection, tenant, plant)
        pass_no = _add_pass(connection, tenant, plant, control_point, production_no, passed_at)
        car = CalledCar(Car(production_no, colour, frozenset(options)), vin, model, pre_series)
        heard_at = passed_at if now is None else max(now, passed_at)
        calls = []
        groups = groups_at(connection, plant, control_point)
        if groups and not cancelled:
            calls = number_calls(
                connection, plant, control_point, car, passed_at, groups, timed_from or passed_at
            )
            write_calls(connection, tenant, calls, heard_at)
        if groups and (cancelled or blocked):
            _contradict(connection, tenant, plant, production_no, cancelled, passed_at)
        if tells:
            tell_demand_at(connection, plant, control_point, heard_at)
        notify(connection, [(CHANGES, Change("sequence", plant, None, (tenant,)).dump())])
        return Release(
            pass_no, tuple(Released(n.call.key, n.call.call_no) for n in calls), repeated=False
        )


def _contradict(
    connection: psycopg.Connection,
    owner: str,
    plant: str,
    production_no: str,
    cancelled: bool,
    at: datetime,
) -> None:
    if not cancelled:
        connection.execute(_UNBLOCK, (plant, production_no))
        close_exception(connection, plant, "blocked", f"{plant}/{production_no}", "passed")
    open_exception(
        connection,
        "cancelled_passed" if cancelled else "blocked_passed",
        f"{plant}/{production_no}",
        owner=owner,
        plant=plant,
        severity="warning",
        at=at,
        detail={"production_no": production_no},
    )


def _as_before(
    connection: psycopg.Connection, plant: str, control_point: str, production_no: str, pass_no: int
) -> Release:
    rows = connection.execute(_FIND_CALLS, (plant, control_point, production_no)).fetchall()
    calls = tuple(
        Released(
            CallKey(
                plant=plant,
                line=line,
                production_no=production_no,
                part_group=group,
                reorder_index=reorder_index,
            ),
            call_no,
        )
        for line, group, reorder_index, call_no in rows
    )
    return Release(pass_no, calls, repeated=True)


def _add_pass(
    connection: psycopg.Connection,
    owner: str,
    plant: str,
    control_point: str,
    production_no: str,
    passed_at: datetime,
) -> int:
    row = connection.execute(
        _RECORD,
        {
            "plant": plant,
            "control_point": control_point,
            "production_no": production_no,
            "owner": owner,
            "passed_at": passed_at,
        },
    ).fetchone()
    return int(row[0]) if row else 0
