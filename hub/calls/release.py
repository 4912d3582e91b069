"""A car passes a control point: the pass, the calls it releases, their numbers and their records in
the gateways' streams, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from hub.calls.called import lock_plant
from hub.calls.calling import (
    CalledCar,
    CallGroup,
    NewCall,
    UnfitError,
    ask_groups,
    notify,
    number_calls,
    take_numbers,
    write_calls,
)
from hub.calls.clock import PlantClock, ask_clock
from hub.calls.exceptions import close_exception, open_exception
from hub.calls.notify import CHANGES, Change
from hub.calls.parts import Parts, ask_parts
from hub.calls.previews import tell_demand_at
from hub.calls.refused import UnknownError
from hub.orders.problems import did_you_mean
from hub.sequencing.model import Car
from hub.store.connect import in_one_trip, in_transaction
from protocols.jis.messages import CallKey

__all__ = ["Release", "Released", "UnfitError", "UnknownError", "release"]

# Passes of one control point take turns, so that their numbers have no gap and a repeat finds what
# the first one did.
_TAKE_TURN = """
SELECT pg_advisory_xact_lock(
    hashtextextended('pass ' || %(plant)s || ' ' || %(control_point)s, 0))
"""
_CAR = """
SELECT p.owner, c.id, x.pass_no,
    (SELECT coalesce(max(pass_no), 0) + 1 FROM control_point_pass
        WHERE plant = p.id AND control_point = %(control_point)s),
    EXISTS (SELECT FROM supplier_line WHERE plant = p.id
        AND profile -> 'control_points' ->> %(control_point)s IN ('forecast', 'preview')),
    (SELECT position FROM sequence_position WHERE production_no = %(production_no)s
        AND sequence = (SELECT max(id) FROM production_sequence WHERE plant = p.id)),
    o.production_no, o.colour, o.options, o.vin, o.model, o.pre_series, o.blocked_at IS NOT NULL,
    o.cancelled_at IS NOT NULL
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
VALUES (%(plant)s, %(control_point)s, %(production_no)s, %(owner)s, %(passed_at)s, %(pass_no)s)
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
    from, by default the pass. A car that had been cancelled gets no calls, one that was blocked
    gets them: that it passed is a fact, and either is said to be a contradiction.
    Raises `UnknownError` or `UnfitError`.
    """
    with in_transaction(connection):
        at = {"plant": plant, "control_point": control_point, "production_no": production_no}
        known = _ask(connection, at, passed_at)
        if known.owner != tenant:
            raise UnknownError(f"no plant {plant}")
        if known.control_point is None:
            names = connection.execute(_CONTROL_POINTS, (plant,)).fetchall()
            hint = did_you_mean(control_point, [name for (name,) in names])
            raise UnknownError(f"no control point {control_point} in plant {plant}{hint}")
        if known.passed_before is not None:
            return _as_before(connection, plant, control_point, production_no, known.passed_before)
        if known.tells:
            lock_plant(connection, tenant, plant)
            known = _ask(connection, at, passed_at, plant_locked=True)
        if known.car is None:
            raise UnknownError(f"no order {production_no} in plant {plant}")
        heard_at = passed_at if now is None else max(now, passed_at)
        calls = [] if known.cancelled else _calls(known, at, passed_at, timed_from or passed_at)
        # All that can be refused was refused: nothing is written before this.
        with in_one_trip(connection):
            connection.execute(
                _RECORD, at | {"owner": tenant, "passed_at": passed_at, "pass_no": known.pass_no}
            )
            if calls:
                take_numbers(connection, calls)
                write_calls(connection, tenant, calls, heard_at)
            if known.groups and (known.cancelled or known.blocked):
                _contradict(connection, tenant, plant, production_no, known.cancelled, passed_at)
            if known.tells:
                tell_demand_at(connection, plant, control_point, heard_at)
            notify(connection, [(CHANGES, Change("sequence", plant, None, (tenant,)).dump())])
        return Release(
            known.pass_no,
            tuple(Released(n.call.key, n.call.call_no) for n in calls),
            repeated=False,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a car where it passes, and of what it takes there."""

    owner: str | None
    """Of the plant; None: there is none."""
    control_point: str | None
    passed_before: int | None
    pass_no: int
    """The next of the control point."""
    tells: bool
    """Whether lines are told the demand ahead when a car passes here."""
    car: CalledCar | None
    position: int | None
    blocked: bool
    cancelled: bool
    groups: Sequence[CallGroup]
    parts: Callable[[], Parts]
    clock: Callable[[], PlantClock]


def _ask(
    connection: psycopg.Connection,
    at: Mapping[str, str],
    passed_at: datetime,
    *,
    plant_locked: bool = False,
) -> _Known:
    """In one trip, the lines first: what commands of the plant change stays as it is from then on.
    Where lines are told the demand ahead, the plant has to be locked first of all; until then there
    are no groups."""
    with in_one_trip(connection):
        connection.execute(_TAKE_TURN, at)
        groups = ask_groups(connection, at["plant"], at["control_point"], plant_locked=plant_locked)
        found = connection.execute(_CAR, at)
        parts = ask_parts(connection, at["plant"], at["control_point"])
        clock = ask_clock(connection, at["plant"], passed_at)
    called = groups()
    owner, point, passed_before, pass_no, tells, position, ordered, *order = found.fetchone() or (
        *(None, None, None, 0, False, None, None),
        *("", [], None, None, False, False, False),
    )
    colour, options, vin, model, pre_series, blocked, cancelled = order
    car = None
    if ordered is not None:
        car = CalledCar(Car(ordered, colour, frozenset(options)), vin, model, pre_series)
    return _Known(
        *(owner, point, passed_before, pass_no, tells, car, position, blocked, cancelled),
        *(called, parts, clock),
    )


def _calls(
    known: _Known, at: Mapping[str, str], passed_at: datetime, timed_from: datetime
) -> list[NewCall]:
    """What is called for the car here. Raises `UnfitError`."""
    if known.car is None or not known.groups:
        return []
    parts = known.parts().of(known.car.car, known.position, passed_at)
    return number_calls(
        *(at["plant"], at["control_point"], known.car, passed_at, known.groups, parts),
        *(known.clock(), timed_from),
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
