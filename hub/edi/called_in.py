"""DELJIT of a car maker: its calls become orders and calls of the supplier's own plant.

The supplier's plant has a part group for each that the partner calls, which says the line. What the
message leaves open (sequence number, rack, slot, required time) is the line's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.calls.called import By, CalledCall, LineRow, find_calls, lock_plant
from hub.calls.calling import NewCall, write_calls
from hub.calls.clock import load_clock
from hub.calls.commands import cancel_calls
from hub.calls.content import change_call
from hub.calls.places import take_last
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.telling import Telling
from hub.edi.log import document_taken
from hub.edi.taking import Taking
from hub.orders.problems import did_you_mean
from protocols.edifact.content import CallMessage, CallPart, CarCall, Function
from protocols.jis.messages import Call, CallKey

_GROUPS = "SELECT id, line, control_point FROM part_group WHERE plant = %s"
_ORDER = """
INSERT INTO vehicle_order
    (plant, production_no, owner, vin, model, colour, given_rank, source, pre_series)
SELECT %(plant)s, %(car)s, %(owner)s, %(vin)s, '', '', count(*) + 1, %(source)s, %(pre_series)s
FROM vehicle_order WHERE plant = %(plant)s
ON CONFLICT DO NOTHING
"""
_NUMBER = """
UPDATE supplier_line SET next_call_no = next_call_no + 1 WHERE plant = %s AND id = %s
RETURNING next_call_no - 1
"""


def take_calls(taking: Taking, message: CallMessage) -> None:
    """Carry out calls, changes and cancellations; what is wrong is noted with `taking`."""
    if message.function is Function.DUPLICATE:
        return
    lines = lock_plant(taking.connection, taking.partner.owner, taking.partner.plant)
    rows = taking.connection.execute(_GROUPS, (taking.partner.plant,)).fetchall()
    groups = {group: (line, point) for group, line, point in rows}
    for car in message.cars:
        for part in car.parts:
            group = part.part_group
            if group not in groups:
                known = did_you_mean(group, groups)
                reason = f"no part group {group!r} in plant {taking.partner.plant}{known}"
                taking.wrong("LIN", part.part_no, reason=reason)
                continue
            line, point = groups[group]
            function = part.function or car.function or message.function
            try:
                _take_part(taking, message, car, part, function, lines[line], point)
            except (RefusedError, UnknownError, ValueError, OverflowError) as error:
                taking.wrong("LIN", part.part_no, reason=f"car {car.production_no}: {error}")


def _take_part(
    taking: Taking,
    message: CallMessage,
    car: CarCall,
    part: CallPart,
    function: Function,
    line: LineRow,
    point: str,
) -> None:
    """One part of one car. Raises `RefusedError`, `UnknownError`, or `ValueError` for values that
    make no call."""
    if part.quantity != int(part.quantity):
        raise ValueError(f"a quantity of {part.quantity} is no whole number")
    calls = [
        call
        for call in find_calls(
            taking.connection, line.plant, line=line.id, cars=[car.production_no]
        )
        if call.part_group == part.part_group
    ]
    key = CallKey(
        plant=line.plant,
        line=line.id,
        production_no=car.production_no,
        part_group=part.part_group,
        reorder_index=max((call.reorder_index + 1 for call in calls), default=0),
    )
    call = _meant(calls, part.reorder_of)
    if function is Function.CANCEL:
        if call is None:
            raise UnknownError(f"no call for {part.part_group}")
        _cancel(taking, call, line)
    elif function is Function.UNCHANGED:
        return
    elif call is None:
        _call(taking, message, car, part, key, line, point)
    elif call.car == "cancelled":
        # The car that was cancelled is called again, unless this is an old message said again.
        if function is Function.ORIGINAL and not document_taken(
            taking.connection, taking.partner, "DELJIT", message.document_no
        ):
            _call(taking, message, car, part, key, line, point)
    else:
        key = call.key
        content = {"part_no": part.part_no, "quantity": int(part.quantity), "colour": call.colour}
        if {name: getattr(call, name) for name in content} != content:
            change_call(taking.connection, taking.partner.owner, key, _by(taking), content)


def _meant(calls: Sequence[CalledCall], reorder_of: str) -> CalledCall | None:
    """Which of a car's calls for a part group a message is about: the newest in the sequence, or
    the reorder that it names, `car/n` being the one of what was reordered n times before."""
    if not reorder_of:
        in_sequence = [call for call in calls if call.priority == "normal"]
        return max(in_sequence, key=lambda call: call.reorder_index, default=None)
    index = reorder_of.rpartition("/")[2]
    wanted = int(index) if index.isascii() and index.isdigit() else 0
    express = sorted(
        (call for call in calls if call.priority == "express"), key=lambda call: call.reorder_index
    )
    return express[wanted] if wanted < len(express) else None


def _by(taking: Taking) -> By:
    return By(f"edi {taking.partner.partner}", taking.message_id, taking.now, "by EDI")


def _cancel(taking: Taking, call: CalledCall, line: LineRow) -> None:
    if call.car == "cancelled":
        return
    telling = Telling(taking.connection, _by(taking))
    if not {"cancel"} & (call.situation.may | call.situation.may_ask):
        raise RefusedError(f"its part is {call.part}, and cannot be cancelled any more")
    cancel_calls(telling, {line.id: line}, [call])
    telling.flush()


def _call(
    taking: Taking,
    message: CallMessage,
    car: CarCall,
    part: CallPart,
    key: CallKey,
    line: LineRow,
    point: str,
) -> None:
    connection, owner = taking.connection, taking.partner.owner
    connection.execute(
        _ORDER,
        {
            "plant": line.plant,
            "car": car.production_no,
            "owner": owner,
            "vin": car.vin or None,
            "source": taking.message_id,
            "pre_series": car.pre_series,
        },
    )
    (call_no,) = connection.execute(_NUMBER, (line.plant, line.id)).fetchone() or (1,)
    place = None if part.reorder_of else take_last(connection, line, 1)
    numbers = line.numbers_at(place if place is not None else call_no)
    clock = load_clock(connection, line.plant, message.called_at)
    call = Call(
        key=key,
        call_no=call_no,
        sequence_no=numbers["sequence_no"] if car.sequence_no is None else car.sequence_no,
        part_no=part.part_no,
        quantity=int(part.quantity),
        colour="",
        unloading_point=car.unloading_point or "-",
        rack=car.rack or numbers["rack"],
        slot=car.slot or numbers["slot"],
        control_point=message.control_point or point,
        called_at=message.called_at,
        required_at=car.deliver_by or clock.after(message.called_at, line.lead_s),
        priority="express" if part.reorder_of else "normal",
        vin=car.vin or None,
        pre_series=car.pre_series,
    )
    new = NewCall(call, line.gateway, line.partner, line.agreed.needed_s, place, message.called_at)
    write_calls(connection, owner, [new], taking.now)
