"""What the plant does with its cars and their calls: block, pull out, reinsert, cancel, fit.

Each command is checked against the status net before it becomes an event, so that what cannot be is
refused with where the call stands; repeated by the same message it changes nothing. A command about
a car is carried out on those of its calls that admit it; the others are named in what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.called import (
    AT_SUPPLIER,
    NOT_BEGUN,
    WITH_SUPPLIER,
    Action,
    By,
    CalledCall,
    LineRow,
    allowed,
    calls_of_car,
    lock_plant,
    must_ask,
    said_before,
    told_state,
)
from hub.calls.calling import notify
from hub.calls.clock import load_clock
from hub.calls.exceptions import close_exception, open_exception
from hub.calls.notify import CHANGES, Change
from hub.calls.places import at_place, close_up, make_room, take_last
from hub.calls.previews import refresh_demand
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.retime import retime_line
from hub.calls.telling import Telling
from hub.orders.problems import did_you_mean
from protocols.jis.messages import CallKey

_NOTE = """
INSERT INTO order_event (plant, production_no, owner, kind, body, actor, message_id, source_at)
SELECT plant, production_no, owner, %(kind)s, %(body)s, %(actor)s, %(message_id)s, %(at)s
FROM vehicle_order WHERE plant = %(plant)s AND production_no = %(car)s
ON CONFLICT (plant, production_no, message_id) DO NOTHING
RETURNING id
"""
_ORDER = """
SELECT blocked_at IS NOT NULL, cancelled_at IS NOT NULL FROM vehicle_order
WHERE plant = %s AND production_no = %s FOR NO KEY UPDATE
"""
_STANDS_LAST = """
SELECT coalesce(timed_from, called_at) FROM jis_call
WHERE plant = %s AND line = %s AND place IS NOT NULL AND car = 'released'
ORDER BY place DESC LIMIT 1
"""


NOBODY: Mapping[str, CalledCall] = {}


@dataclass
class Done:
    """What came of a command."""

    calls: list[CallKey] = field(default_factory=list)
    """Those it was carried out on."""
    left: list[CallKey] = field(default_factory=list)
    """Those of the car that stand where it has no meaning."""
    asked: list[CallKey] = field(default_factory=list)
    """Of the first, those whose supplier is asked."""
    repeated: bool = False
    """It was carried out before; nothing was changed now."""


def block(connection: psycopg.Connection, tenant: str, plant: str, car: str, by: By) -> Done:
    """A car must not enter the line: it stands aside in the demand ahead. Once it is called it is
    pulled out instead. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lock_plant(connection, tenant, plant)
        blocked, cancelled = _order(connection, plant, car)
        if not note_order(connection, plant, car, "blocked", by):
            return Done(repeated=True)
        called = [call for call in calls_of_car(connection, plant, car) if allowed(call, "cancel")]
        if called:
            raise RefusedError(f"{told_state(called[0])}: pull it out instead of blocking it")
        if blocked or cancelled:
            raise RefusedError(f"car {car} is {'cancelled' if cancelled else 'blocked'} already")
        connection.execute(
            "UPDATE vehicle_order SET blocked_at = %s, blocked_reason = %s "
            "WHERE plant = %s AND production_no = %s",
            (by.at, by.reason, plant, car),
        )
        open_exception(
            connection,
            "blocked",
            f"{plant}/{car}",
            owner=tenant,
            plant=plant,
            severity="info",
            at=by.at,
            detail={"production_no": car, "reason": by.reason},
        )
        tell_order(connection, tenant, plant, by.at)
        return Done()


def unblock(connection: psycopg.Connection, tenant: str, plant: str, car: str, by: By) -> Done:
    """A blocked car may enter the line again, where the sequence in force has it. Raises
    `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lock_plant(connection, tenant, plant)
        blocked, _ = _order(connection, plant, car)
        if not note_order(connection, plant, car, "unblocked", by):
            return Done(repeated=True)
        if not blocked:
            raise RefusedError(f"car {car} is not blocked")
        connection.execute(
            "UPDATE vehicle_order SET blocked_at = NULL, blocked_reason = NULL "
            "WHERE plant = %s AND production_no = %s",
            (plant, car),
        )
        close_exception(connection, plant, "blocked", f"{plant}/{car}", by.actor)
        tell_order(connection, tenant, plant, by.at)
        return Done()


def pull_out(connection: psycopg.Connection, tenant: str, plant: str, car: str, by: By) -> Done:
    """A car leaves the line after its call: suppliers do not build for it, or set the part aside.

    Its place stays empty, or those behind move up, as the line's profile says; where its part has
    left already, the place stays its own. Raises `UnknownError` or `RefusedError`.
    """
    return _on_calls(connection, tenant, plant, car, by, "pull_out", hold_calls)


def hold_calls(telling: Telling, lines: dict[str, LineRow], calls: list[CalledCall]) -> None:
    """Take calls out of their lines' order, given by line and place."""
    for line_id, members in groupby(calls, lambda call: call.line):
        line = lines[line_id]
        policy = line.agreed.slot_policy
        freed = []
        for call in members:
            held = telling.event(call, "pull_out", {"slot_policy": policy, "place": call.place})
            if call.part in WITH_SUPPLIER:
                held = telling.instruct(held, "hold", slot_policy=policy)
            freed += give_place(telling, held)
        if freed and policy == "compress":
            close_up(telling, line, freed)


def give_place(telling: Telling, call: CalledCall) -> list[int]:
    """Take a call's place from it, unless its part stands there on a truck or beyond. The place, if
    it had one."""
    if call.place is None or call.part not in AT_SUPPLIER:
        return []
    telling.connection.execute("UPDATE jis_call SET place = NULL WHERE id = %s", (call.id,))
    return [call.place]


def reinsert(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    car: str,
    by: By,
    *,
    before: str | None = None,
    lead_s: float | None = None,
) -> Done:
    """A car that was pulled out comes back, in a new place: before another car, which with those
    behind it moves back; or behind all that are called.

    Numbers of its calls stay; sequence number, rack and slot are those of the new place. It is
    timed from `by.at` with the line's lead, or `lead_s` if it comes back behind the control point;
    before another car, as that one. Raises `UnknownError` or `RefusedError`.
    """

    def put_back(telling: Telling, lines: dict[str, LineRow], calls: list[CalledCall]) -> None:
        ahead = _ahead(connection, plant, before) if before is not None else {}
        put_back_calls(telling, lines, calls, ahead, lead_s)

    return _on_calls(connection, tenant, plant, car, by, "reinsert", put_back)


def put_back_calls(
    telling: Telling,
    lines: Mapping[str, LineRow],
    calls: Iterable[CalledCall],
    ahead: Mapping[str, CalledCall] = NOBODY,
    lead_s: float | None = None,
) -> None:
    """Put calls back into their lines' order, given by line: before those of `ahead`, or last."""
    for line_id, members in groupby(calls, lambda call: call.line):
        _put_back(telling, lines[line_id], list(members), ahead.get(line_id), lead_s)


def _ahead(connection: psycopg.Connection, plant: str, car: str) -> dict[str, CalledCall]:
    """The first call of a car that stands in a place, by line."""
    found: dict[str, CalledCall] = {}
    for call in calls_of_car(connection, plant, car):
        if call.place is not None and call.car == "released":
            known = found.setdefault(call.line, call)
            if known.place is not None and call.place < known.place:
                found[call.line] = call
    if not found:
        raise RefusedError(f"car {car} stands in no line's order, so none can come before it")
    return found


def _put_back(
    telling: Telling,
    line: LineRow,
    calls: list[CalledCall],
    ahead: CalledCall | None,
    lead_s: float | None,
) -> None:
    connection, by = telling.connection, telling.by
    back = [telling.event(call, "reinsert") for call in calls]
    homeless = [call for call in back if call.place is None and call.priority == "normal"]
    clock = load_clock(connection, line.plant, by.at)
    timed_from, lead = by.at, lead_s if lead_s is not None else line.lead_s
    first = 0
    if ahead is not None and ahead.place is not None:
        timed_from, lead = ahead.timed_from, ahead.lead_s
        if homeless:
            first = ahead.place
            make_room(telling, line, first, len(homeless), calls[0].production_no)
    elif homeless:
        row = connection.execute(_STANDS_LAST, (line.plant, line.id)).fetchone()
        if lead_s is None and row is not None:
            timed_from = max(timed_from, row[0])
        first = take_last(connection, line, len(homeless))
    required_at = clock.after(timed_from, lead)
    places = {call.id: first + n for n, call in enumerate(homeless)}
    for call in back:
        moved = at_place(line, call, places[call.id]) if call.id in places else call
        moved = replace(moved, timed_from=timed_from, lead_s=lead, required_at=required_at)
        told = telling.change(call, moved, "resequence", message_id=f"{by.message_id} place")
        if call.part in WITH_SUPPLIER:
            telling.instruct(told, "resume")
    retime_line(telling, line)  # what was told within the tolerance may stand in another order now


def cancel(connection: psycopg.Connection, tenant: str, plant: str, car: str, by: By) -> Done:
    """A car will not be built: its order ends, and so do its calls. What a supplier has begun for
    it is claimed, and it says what becomes of the part. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        _, cancelled = _order(connection, plant, car)
        if not note_order(connection, plant, car, "cancelled", by):
            return Done(repeated=True)
        if cancelled:
            raise RefusedError(f"car {car} is cancelled already")
        connection.execute(
            "UPDATE vehicle_order SET cancelled_at = %s WHERE plant = %s AND production_no = %s",
            (by.at, plant, car),
        )
        close_exception(connection, plant, "blocked", f"{plant}/{car}", by.actor)
        calls = _by_line(calls_of_car(connection, plant, car))
        telling = Telling(connection, by)
        done = _done(calls, "cancel")
        cancel_calls(telling, lines, [call for call in calls if allowed(call, "cancel")])
        telling.flush()
        tell_order(connection, tenant, plant, by.at)
        return done


def cancel_calls(telling: Telling, lines: dict[str, LineRow], calls: Iterable[CalledCall]) -> None:
    """End calls that may be cancelled, given by line and place."""
    for line_id, members in groupby(calls, lambda call: call.line):
        line = lines[line_id]
        freed = []
        for call in members:
            ended = telling.event(call, "cancel")
            freed += give_place(telling, ended)
            begun = call.part not in NOT_BEGUN
            if begun:
                telling.claim(call, "obsolete", "plant")
            if call.part in WITH_SUPPLIER:
                telling.instruct(ended, "cancel", confirm=begun)
        if freed and line.agreed.slot_policy == "compress":
            close_up(telling, line, freed)


def fit(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    car: str,
    by: By,
    part_groups: Iterable[str] | None = None,
) -> Done:
    """The fitting stations confirm a car's parts, of these groups or of all. Raises `UnknownError`
    or `RefusedError`."""
    wanted = None if part_groups is None else set(part_groups)
    with connection.transaction():
        lock_plant(connection, tenant, plant)
        calls = calls_of_car(connection, plant, car)
        unknown = (wanted or set()) - {call.part_group for call in calls}
        if unknown:
            name = sorted(unknown)[0]
            hint = did_you_mean(name, {call.part_group for call in calls})
            raise UnknownError(f"no call of part group {name} for car {car}{hint}")
        meant = [call for call in calls if wanted is None or call.part_group in wanted]
        if said_before(connection, meant, by):
            return Done(repeated=True)
        fitting = [call for call in meant if call.car == "released"]
        if not fitting:
            raise RefusedError(
                f"{told_state(meant[0])}: nothing is to be fitted"
                if meant
                else f"nothing is called for car {car}"
            )
        telling = Telling(connection, by)
        for call in fitting:
            telling.event(call, "fit")
        telling.flush()
        return Done([c.key for c in fitting], [c.key for c in meant if c.car == "pulled_out"])


def note_order(
    connection: psycopg.Connection,
    plant: str,
    car: str,
    kind: str,
    by: By,
    body: dict[str, Any] | None = None,
) -> bool:
    """Add to what was done with an order; False: this message has been noted before."""
    values = {
        "plant": plant,
        "car": car,
        "kind": kind,
        "body": Jsonb({"reason": by.reason, **(body or {})}),
        "actor": by.actor,
        "message_id": by.message_id,
        "at": by.at,
    }
    return connection.execute(_NOTE, values).fetchone() is not None


def tell_order(connection: psycopg.Connection, tenant: str, plant: str, at: datetime) -> None:
    """An order has changed: the demand ahead is told anew, and who watches looks again."""
    refresh_demand(connection, plant, at)
    notify(connection, [(CHANGES, Change("sequence", plant, None, (tenant,)).dump())])


def _on_calls(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    car: str,
    by: By,
    action: Action,
    do: Callable[[Telling, dict[str, LineRow], list[CalledCall]], None],
) -> Done:
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        calls = _by_line(calls_of_car(connection, plant, car))
        if not calls:
            raise RefusedError(f"nothing is called for car {car} yet: block or cancel its order")
        if said_before(connection, calls, by):
            return Done(repeated=True)
        done = _done(calls, action)
        if not done.calls:
            must_ask(calls[0], action)
        note_order(connection, plant, car, action, by)
        telling = Telling(connection, by)
        do(telling, lines, [call for call in calls if allowed(call, action)])
        telling.flush()
        return done


def _by_line(calls: Iterable[CalledCall]) -> list[CalledCall]:
    return sorted(calls, key=lambda call: (call.line, call.place or 0, call.call_no))


def _done(calls: Iterable[CalledCall], action: Action) -> Done:
    done = Done()
    for call in calls:
        if allowed(call, action):
            done.calls.append(call.key)
            if action in call.situation.may_ask:
                done.asked.append(call.key)
        elif call.situation.state != "done":
            done.left.append(call.key)
    return done


def _order(connection: psycopg.Connection, plant: str, car: str) -> tuple[bool, bool]:
    """(blocked, cancelled) of an order, its row locked. Raises `UnknownError`."""
    row = connection.execute(_ORDER, (plant, car)).fetchone()
    if row is None:
        raise UnknownError(f"no order {car} in plant {plant}")
    return row[0], row[1]
