"""A call's content changes: other part, quantity or colour; or its whole order does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import psycopg

from hub.calls.called import (
    Action,
    By,
    CalledCall,
    LineRow,
    allowed,
    call_of_key,
    calls_of_car,
    lock_plant,
    must_ask,
    said_before,
    told_state,
)
from hub.calls.calling import groups_at, write_calls
from hub.calls.commands import Done, cancel_calls, note_order, tell_order
from hub.calls.parts import load_parts, position_of
from hub.calls.places import is_frozen
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.reorders import express_call
from hub.calls.telling import Telling
from hub.sequencing.model import Car
from protocols.jis.messages import CallKey

CONTENT = ("part_no", "quantity", "colour")
_ORDER = """
SELECT colour, options, model, vin, pre_series, day, cancelled_at IS NOT NULL FROM vehicle_order
WHERE plant = %s AND production_no = %s FOR NO KEY UPDATE
"""
_CHANGE_ORDER = """
UPDATE vehicle_order SET colour = %(colour)s, options = %(options)s, model = %(model)s,
    vin = %(vin)s, pre_series = %(pre_series)s, day = %(day)s
WHERE plant = %(plant)s AND production_no = %(car)s
"""
_PASSED = """
SELECT x.control_point, x.passed_at FROM control_point_pass x
JOIN control_point c ON c.plant = x.plant AND c.id = x.control_point
WHERE x.plant = %s AND x.production_no = %s ORDER BY c.rank
"""


def change_call(
    connection: psycopg.Connection, tenant: str, key: CallKey, by: By, content: Mapping[str, Any]
) -> Done:
    """A call asks for another part, quantity or colour. `content`: of these, the whole or what
    differs, as its line's profile says.

    Once the part is begun, or within the frozen horizon, the supplier is asked and decides; until
    then the call stays as it is. Raises `UnknownError` or `RefusedError`.
    """
    with connection.transaction():
        lines = lock_plant(connection, tenant, key.plant)
        call = call_of_key(connection, key)
        if said_before(connection, [call], by):
            return Done(repeated=True)
        line = lines[call.line]
        missing = [name for name in CONTENT if name not in content]
        if line.agreed.delivery == "replace" and missing:
            raise RefusedError(
                f"line {line.id} is told whole changes: give {', '.join(missing)} too"
            )
        ask = asks(line, call, "change", by)
        after = replace(call, **content)
        _check_index(connection, after)
        if after == call:
            raise RefusedError(f"call {key} has that content already")
        telling = Telling(connection, by)
        telling.change(call, after, "change", ask="change" if ask else None)
        telling.flush()
        return Done([key], asked=[key] if ask else [])


def asks(line: LineRow, call: CalledCall, action: Action, by: By) -> bool:
    """Whether the supplier is to be asked: by where the call stands, or since it is required within
    the frozen horizon. Raises `RefusedError` if it cannot be, or is asked already."""
    ask = must_ask(call, action)
    if call.asked is not None:
        raise RefusedError(
            f"{told_state(call)}; its supplier is asked for {call.asked} and has not answered yet: "
            "wait for the answer"
        )
    return ask or is_frozen(line, call, by)


def change_order(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    car: str,
    by: By,
    fields: Mapping[str, Any],
) -> Done:
    """An order changes: some of colour, options, model, vin, pre_series, day. Its calls follow:
    those of another part are changed, those it needs no more are cancelled, those that it needs
    beside are called by express. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        row = connection.execute(_ORDER, (plant, car)).fetchone()
        if row is None:
            raise UnknownError(f"no order {car} in plant {plant}")
        if not note_order(connection, plant, car, "changed", by, {"fields": _plain(fields)}):
            return Done(repeated=True)
        names = ("colour", "options", "model", "vin", "pre_series", "day")
        if row[-1]:
            raise RefusedError(f"car {car} is cancelled")
        order = dict(zip(names, row[:-1], strict=True)) | dict(fields)
        order["options"] = sorted(order["options"])
        connection.execute(_CHANGE_ORDER, order | {"plant": plant, "car": car})
        done = _follow(connection, plant, car, by, lines, order)
        tell_order(connection, tenant, plant, by.at)
        return done


def _follow(
    connection: psycopg.Connection,
    plant: str,
    number: str,
    by: By,
    lines: Mapping[str, LineRow],
    order: Mapping[str, Any],
) -> Done:
    """Bring a car's calls in line with its order."""
    done = Done()
    calls = [c for c in calls_of_car(connection, plant, number) if c.car in _STILL_MEANT]
    if not calls:
        return done
    telling = Telling(connection, by)
    here = {call.part_group: call for call in calls}
    car = Car(number, order["colour"], frozenset(order["options"]))
    said = {name: order[name] for name in ("colour", "model", "vin", "pre_series")}
    position = position_of(connection, plant, number)
    missing = []
    for point, passed_at in connection.execute(_PASSED, (plant, number)).fetchall():
        groups = {group.part_group: group for group in groups_at(connection, plant, point)}
        parts = load_parts(connection, plant, list(groups)).of(car, position, passed_at)
        for name in groups:
            call, part = here.get(name), parts.get(name)
            if call is None and part is not None:
                missing.append((groups[name], point, passed_at, part))
            elif call is not None and part is None:
                _end(telling, dict(lines), call, done)
            elif call is not None and part is not None:
                after = replace(call, part_no=part[0], quantity=part[1], **said)
                _change(telling, lines[call.line], call, after, done)
    new = [
        express_call(
            *(connection, lines[group.line], by, part),
            CallKey(
                plant=plant, line=group.line, production_no=number, part_group=group.part_group
            ),
            control_point=point,
            unloading_point=group.unloading_point,
            timed_from=passed_at,
            lead_s=group.lead_s,
            said=said,
        )
        for group, point, passed_at, part in missing
    ]
    if new:
        write_calls(connection, lines[new[0].call.key.line].owner, new, by.at)
    done.calls += [call.call.key for call in new]
    telling.flush()
    return done


_STILL_MEANT = frozenset(("released", "pulled_out"))


def _end(telling: Telling, lines: dict[str, LineRow], call: CalledCall, done: Done) -> None:
    if allowed(call, "cancel"):
        cancel_calls(telling, lines, [call])
        done.calls.append(call.key)
    else:
        done.left.append(call.key)


def _change(
    telling: Telling, line: LineRow, call: CalledCall, after: CalledCall, done: Done
) -> None:
    if after == call:
        return
    if not allowed(call, "change") or call.asked is not None:
        done.left.append(call.key)
        return
    ask = asks(line, call, "change", telling.by)
    telling.change(call, after, "change", ask="change" if ask else None)
    done.calls.append(call.key)
    if ask:
        done.asked.append(call.key)


def _check_index(connection: psycopg.Connection, call: CalledCall) -> None:
    """Raises `RefusedError` if the part is an old index where the car stands."""
    counts = load_parts(connection, call.plant, [call.part_group]).index(
        call.part_group,
        call.part_no,
        call.production_no,
        position_of(connection, call.plant, call.production_no),
        call.called_at,
    )
    if counts != call.part_no:
        raise RefusedError(
            f"part {call.part_no} of {call.part_group} is replaced by {counts} for car "
            f"{call.production_no}: call that one"
        )


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        if value is None or isinstance(value, (str, int, bool))
        else sorted(value)
        if isinstance(value, Collection)
        else str(value)
        for name, value in fields.items()
    }
