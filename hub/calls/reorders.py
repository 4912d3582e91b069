"""A part is called once more, outside the sequence and before all others: it was not in order at
the line, or is lost. The new call stands for the old one; it goes by itself, on the emergency list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg

from hub.calls.called import (
    NOT_BEGUN,
    WITH_SUPPLIER,
    By,
    CalledCall,
    LineRow,
    call_of_key,
    find_calls,
    lock_plant,
    must_ask,
    said_before,
)
from hub.calls.calling import NewCall, write_calls
from hub.calls.clock import load_clock
from hub.calls.commands import give_place
from hub.calls.emergency_stock import levels, take
from hub.calls.parts import load_parts, position_of
from hub.calls.racks import emergency_place
from hub.calls.refused import RefusedError
from hub.calls.telling import Telling
from protocols.jis.messages import Call, CallKey

MAX_REORDERS = 99
_TAKE_NUMBER = """
UPDATE supplier_line SET next_call_no = next_call_no + 1 WHERE plant = %s AND id = %s
RETURNING next_call_no - 1
"""
_MADE_BY = """
SELECT reorder_index FROM jis_call WHERE reorder_of = %s ORDER BY reorder_index DESC LIMIT 1
"""
_MODE = "SELECT mode FROM line_mode WHERE plant = %s AND line = %s AND until IS NULL"
_REJECTED = frozenset(("rejected", "returned"))


def reorder(
    connection: psycopg.Connection,
    tenant: str,
    key: CallKey,
    by: By,
    required_at: datetime | None = None,
    from_stock: bool | None = None,
) -> tuple[CallKey, bool]:
    """Call a part once more; (the new call, whether this had been done before).

    required_at: by default when its car is to get it, or now if that is past. from_stock: whether
    the car gets one out of the emergency stock meanwhile, which the reorder then fills up; None: as
    far as there is one, while the line works from it. Raises `UnknownError` or `RefusedError`.
    """
    with connection.transaction():
        lines = lock_plant(connection, tenant, key.plant)
        old = call_of_key(connection, key)
        if said_before(connection, [old], by):
            row = connection.execute(_MADE_BY, (old.id,)).fetchone()
            index = row[0] if row else old.reorder_index
            return key.model_copy(update={"reorder_index": index}), True
        must_ask(old, "reorder")
        line = lines[old.line]
        group = [
            call
            for call in find_calls(connection, key.plant, line=key.line, cars=[key.production_no])
            if call.part_group == key.part_group
        ]
        index = max(call.reorder_index for call in group) + 1
        if index > MAX_REORDERS:
            raise RefusedError(f"call {key} was reordered {MAX_REORDERS} times: look at its part")
        _from_stock(connection, old, by, from_stock)
        new = _again(connection, line, old, by, index, required_at)
        write_calls(connection, tenant, [new], by.at)
        telling = Telling(connection, by)
        _let_go(telling, old)
        if old.car == "pulled_out":
            called = next(c for c in _fresh(connection, new) if c.key == new.call.key)
            telling.instruct(telling.event(called, "pull_out"), "hold")
        telling.flush()
        return new.call.key, False


def _from_stock(
    connection: psycopg.Connection, old: CalledCall, by: By, wanted: bool | None
) -> None:
    if wanted is None:
        in_force = connection.execute(_MODE, (old.plant, old.line)).fetchone()
        left = levels(connection, old.plant, old.line).get(old.part_group, 0)
        wanted = in_force == ("buffer",) and left > 0
    if wanted:
        take(connection, old, by.at, by.actor, by.reason or "reorder")


def _again(
    connection: psycopg.Connection,
    line: LineRow,
    old: CalledCall,
    by: By,
    index: int,
    required_at: datetime | None,
) -> NewCall:
    position = position_of(connection, old.plant, old.production_no)
    part_no = load_parts(connection, old.plant, [old.part_group]).index(
        old.part_group, old.part_no, old.production_no, position, by.at
    )
    return express_call(
        *(connection, line, by, (part_no, old.quantity)),
        old.key.model_copy(update={"reorder_index": index}),
        control_point=old.control_point,
        unloading_point=old.unloading_point,
        timed_from=old.timed_from if required_at is None else required_at,
        lead_s=old.lead_s if required_at is None else 0.0,
        said={name: getattr(old, name) for name in ("colour", "model", "vin", "pre_series")},
        sequence_no=old.sequence_no,
        reorder_of=old.id,
    )


def _let_go(telling: Telling, old: CalledCall) -> None:
    replaced = telling.event(old, "replace")
    give_place(telling, replaced)
    if old.part in WITH_SUPPLIER:
        telling.instruct(replaced, "cancel", confirm=old.part not in NOT_BEGUN)
    if old.part in _REJECTED:
        telling.claim(old, "nok_at_line", "supplier")


def _fresh(connection: psycopg.Connection, new: NewCall) -> list[CalledCall]:
    key = new.call.key
    return find_calls(connection, key.plant, line=key.line, cars=[key.production_no])


def express_call(
    connection: psycopg.Connection,
    line: LineRow,
    by: By,
    part: tuple[str, int],
    key: CallKey,
    *,
    control_point: str,
    unloading_point: str,
    timed_from: datetime,
    lead_s: float,
    said: Mapping[str, Any],
    sequence_no: int | None = None,
    reorder_of: int | None = None,
) -> NewCall:
    """A call that stands in no place of the line's order: it has the next number, and goes
    with the emergency rack. part: number and quantity."""
    row = connection.execute(_TAKE_NUMBER, (line.plant, line.id)).fetchone()
    call_no = int(row[0]) if row else 0
    clock = load_clock(connection, line.plant, by.at)
    rack, slot = emergency_place(connection, line.plant, line.id)
    call = Call(
        key=key,
        call_no=call_no,
        sequence_no=sequence_no or (call_no - 1) % line.sequence_wrap + 1,
        part_no=part[0],
        quantity=part[1],
        unloading_point=unloading_point,
        rack=rack,
        slot=slot,
        control_point=control_point,
        called_at=by.at,
        required_at=max(by.at, clock.after(timed_from, lead_s)),
        priority="express",
        **said,
    )
    return NewCall(
        call,
        line.gateway,
        line.partner,
        line.agreed.needed_s,
        None,
        timed_from,
        lead_s,
        reorder_of,
    )
