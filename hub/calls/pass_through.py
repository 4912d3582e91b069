"""Calls to a supplier become calls to its own suppliers, with the lead that these have.

Each call of the line is a car of the supplier's own plant: its order asks for the part called, its
bill of material says what that takes, and it passes a control point some time before the part is
required. So the second tier has the same net, the same streams and the same policies, and neither
side sees the other's rows.

What has been passed on of a call stands in `passed_on`; whatever differs from the call is passed
on, in one transaction with that row. So nothing depends on what came first, or was told twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from hub.calls.called import By, calls_of_car, lock_plant
from hub.calls.calling import UnfitError
from hub.calls.clock import load_clock
from hub.calls.commands import cancel, fit, pull_out, reinsert
from hub.calls.content import change_order
from hub.calls.exceptions import close_exception, open_exception
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.release import release
from hub.calls.telling import Telling
from hub.store.rounds import Rounds

logger = logging.getLogger(__name__)

ACTOR = "pass-through"
REFUSED = "pass_through_refused"
"""Kind of the exception of a call of which something cannot be passed on."""
BUILT = [
    *("produced", "inspected", "parked", "packed", "loaded", "shipped"),
    *("arrived", "mismatched", "confirmed", "consumed"),
]
"""In these the supplier's own part is built, so what it takes is fitted."""
AT_ONCE = 200
EVERY_S = 1.0

_DIFFERING = """
SELECT c.id, p.owner AS tenant, p.to_plant, p.control_point, p.before_s,
    concat_ws('.', c.production_no, c.part_group, c.reorder_index) AS number,
    concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    c.part_group, c.part_no, c.colour, c.pre_series, c.car, c.revision, c.called_at, c.required_at,
    c.status = ANY (%(built)s) AS built,
    d.car AS was_car, d.revision AS was_revision, d.required_at AS was_required_at,
    coalesce(d.built, false) AS was_built
FROM jis_call c
JOIN pass_through p ON p.plant = c.plant AND p.line = c.line
LEFT JOIN passed_on d ON d.call = c.id
WHERE (d.call IS NULL AND c.car IN ('released', 'pulled_out'))
    OR d.revision < c.revision OR d.car <> c.car OR d.required_at <> c.required_at
    OR (c.status = ANY (%(built)s) AND NOT d.built)
ORDER BY c.id LIMIT %(limit)s
"""
_ORDER = """
INSERT INTO vehicle_order
    (plant, production_no, owner, model, colour, options, given_rank, source, pre_series)
SELECT %(to_plant)s, %(number)s, %(tenant)s, %(part_group)s, %(colour)s, ARRAY[%(part_no)s],
    coalesce(max(given_rank), 0) + 1, 'pass-through', %(pre_series)s
FROM vehicle_order WHERE plant = %(to_plant)s
ON CONFLICT (plant, production_no) DO NOTHING
"""
_DONE = """
INSERT INTO passed_on (call, owner, revision, car, built, required_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (call) DO UPDATE SET revision = excluded.revision, car = excluded.car,
    built = passed_on.built OR excluded.built, required_at = excluded.required_at
"""


@dataclass(frozen=True, slots=True)
class Differing:
    """A call as it is, and as it was passed on."""

    id: int
    tenant: str
    to_plant: str
    control_point: str
    before_s: float
    number: str
    """Of the order that stands for it at the supplier's own plant."""
    key: str
    part_group: str
    part_no: str
    colour: str
    pre_series: bool
    car: str
    revision: int
    called_at: datetime
    required_at: datetime
    built: bool
    was_car: str | None
    was_revision: int | None
    was_required_at: datetime | None
    was_built: bool

    @property
    def needed_from(self) -> datetime:
        """When it passes the control point of the supplier's own plant."""
        return self.required_at - timedelta(seconds=self.before_s)

    def by(self, now: datetime, what: str) -> By:
        """Who passes it on, by a message that says it once."""
        return By(ACTOR, f"{what} {self.revision}", now, f"{what}, from {self.key}")


def pass_on(connection: psycopg.Connection, now: datetime) -> int:
    """Pass on what differs, a call at a time; how many were looked at. `connection` is of the role
    `lineside_ingest`, in autocommit."""
    with connection.cursor(row_factory=class_row(Differing)) as cursor:
        found = cursor.execute(_DIFFERING, {"built": BUILT, "limit": AT_ONCE}).fetchall()
    for call in found:
        with connection.transaction():
            _pass_one(connection, call, now)
            connection.execute(
                _DONE, (call.id, call.tenant, call.revision, call.car, call.built, call.required_at)
            )
    return len(found)


def _pass_one(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    steps: list[tuple[str, Callable[[], object]]] = []
    if call.was_revision is None:
        steps.append(("called", lambda: _call(connection, call, now)))
    elif not calls_of_car(connection, call.to_plant, call.number) and call.car != "released":
        return  # it takes nothing that is called there
    elif call.revision > call.was_revision and call.car in ("released", "pulled_out"):
        steps.append(("changed", lambda: _change(connection, call, now)))
    if call.car != (call.was_car or "released"):
        steps.append((call.car, lambda: _move(connection, call, now)))
    if call.was_required_at not in (None, call.required_at) and call.car == "released":
        steps.append(("retimed", lambda: _retime(connection, call, now)))
    if call.built and not call.was_built and call.car in ("released", "fitted"):
        steps.append(("built", lambda: _fit(connection, call, now)))
    for what, step in steps:
        try:
            with connection.transaction():
                step()
        except (RefusedError, UnknownError, UnfitError) as refused:
            _refuse(connection, call, what, str(refused), now)
        else:
            close_exception(connection, call.to_plant, REFUSED, f"{call.number} {what}", ACTOR)


def _call(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    connection.execute(
        _ORDER,
        {
            "to_plant": call.to_plant,
            "number": call.number,
            "tenant": call.tenant,
            "part_group": call.part_group,
            "colour": call.colour,
            "part_no": call.part_no,
            "pre_series": call.pre_series,
        },
    )
    release(
        connection,
        call.tenant,
        call.to_plant,
        call.control_point,
        call.number,
        call.called_at,
        now,
        timed_from=call.needed_from,
    )


def _change(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    fields = {"colour": call.colour, "options": [call.part_no], "pre_series": call.pre_series}
    change_order(
        connection, call.tenant, call.to_plant, call.number, call.by(now, "changed"), fields
    )


def _move(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    by = call.by(now, call.car)
    if call.car == "pulled_out":
        pull_out(connection, call.tenant, call.to_plant, call.number, by)
    elif call.car == "released":
        reinsert(connection, call.tenant, call.to_plant, call.number, by)
    elif call.car in ("cancelled", "replaced"):
        cancel(connection, call.tenant, call.to_plant, call.number, by)


def _fit(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    fit(connection, call.tenant, call.to_plant, call.number, call.by(now, "built"))


def _retime(connection: psycopg.Connection, call: Differing, now: datetime) -> None:
    """The calls derived from this one are required with it."""
    lines = lock_plant(connection, call.tenant, call.to_plant)
    clock = load_clock(connection, call.to_plant, now)
    telling = Telling(connection, call.by(now, "retimed"))
    for derived in calls_of_car(connection, call.to_plant, call.number):
        if derived.car != "released" or "change" not in derived.situation.may:
            continue
        line = lines[derived.line]
        lead_s = derived.lead_s if derived.lead_s is not None else line.lead_s
        required_at = clock.after(call.needed_from, lead_s)
        moved_s = abs((required_at - derived.required_at).total_seconds())
        if moved_s > line.agreed.retime_tolerance_s:
            after = replace(derived, timed_from=call.needed_from, required_at=required_at)
            telling.change(derived, after, "resequence")
    telling.flush()


def _refuse(
    connection: psycopg.Connection, call: Differing, what: str, why: str, now: datetime
) -> None:
    logger.warning("%s: %s cannot be passed on to %s: %s", call.key, what, call.to_plant, why)
    open_exception(
        connection,
        REFUSED,
        f"{call.number} {what}",
        owner=call.tenant,
        plant=call.to_plant,
        severity="critical",
        at=now,
        detail={"key": call.key, "what": what, "why": why},
    )


class PassThrough(Rounds):
    """Passes on what differs, every second."""

    def __init__(self, dsn: str, every_s: float = EVERY_S) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        super().__init__("calls pass-through", dsn, every_s)

    def _round(self, connection: psycopg.Connection, now: datetime) -> None:
        connection.autocommit = True
        while pass_on(connection, now) == AT_ONCE:
            pass
