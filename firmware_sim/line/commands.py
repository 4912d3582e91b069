"""What a line PLC does with a command about a call that it has taken."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_sim.line.clock import now_us
from firmware_sim.line.ledger import Result
from firmware_sim.line.state import HandedCall, LineState, PackedPart
from protocols.opcua.line import Command


@dataclass(frozen=True, slots=True)
class Order:
    """A command as it was strobed."""

    command: Command
    call: HandedCall
    serial: str = ""
    keep_slot: bool = True


class LateError(Exception):
    """It is too late for this; the text says why."""


def obey(order: Order, state: LineState) -> list[Result]:
    """Do as told; returns the results that come of it, which the state holds. What is done already
    is done no second time. Raises `LateError`, and has then changed nothing."""
    key = order.call.key
    if key not in state.taken:
        raise LateError("no such call was taken")
    if key in state.cancelled and order.command in ("cancel", "scrap"):
        return []
    if order.command in ("rework", "scrap") and order.serial != state.serial_of(key):
        return []
    if key not in state.open:
        raise LateError("its part has left the line")
    return _DOES[order.command](order, state)


def _replace(order: Order, state: LineState) -> list[Result]:
    held, new = state.open[order.call.key], order.call
    if new.revision <= held.revision:
        return []
    other_part = (held.part_no, held.colour, held.quantity) != (
        *(new.part_no, new.colour, new.quantity),
    )
    if other_part and state.serial_of(new.key):
        raise LateError(f"part {state.serial_of(new.key)} is built or being built")
    packed = state.packed(new.key)
    results = []
    state.open[new.key] = new
    state.queue = [new if call.key == new.key else call for call in state.queue]
    if state.part is not None and state.part.call.key == new.key:
        state.part.call = new
    if packed is not None and (held.rack, held.slot) != (new.rack, new.slot):
        results = [_take_out(state, packed, held.rack, "unpacked"), state.put(new, packed.serial)]
    return results


def _hold(order: Order, state: LineState) -> list[Result]:
    key = order.call.key
    if key in state.held:
        return []
    state.held[key] = order.keep_slot
    call = state.open[key]
    if order.keep_slot:
        state.rack(call.rack).empty.append(call.slot)
    packed = state.packed(key)
    if packed is None:
        return []
    state.parked[key] = packed.serial
    return [_take_out(state, packed, call.rack, "parked")]


def _resume(order: Order, state: LineState) -> list[Result]:
    key = order.call.key
    if state.held.pop(key, None) is None:
        return []
    call = state.open[key]
    state.forget_empty(call)
    serial = state.parked.pop(key, None)
    if serial is None:
        return []
    return [
        state.give("unparked", key, now_us(), serial=serial),
        state.put(call, serial),
    ]


def _cancel(order: Order, state: LineState) -> list[Result]:
    key = order.call.key
    state.cancelled[key] = None
    call = state.open[key]
    if key not in state.held:
        state.rack(call.rack).empty.append(call.slot)
    if state.part is not None and state.part.call.key == key:
        return []  # it is finished, and then set aside for nobody
    packed, parked = state.packed(key), state.parked.get(key)
    if packed is not None:
        results = [_take_out(state, packed, call.rack, "stocked")]
    elif parked is not None:
        results = [state.give("stocked", key, now_us(), serial=parked)]
    else:
        results = [state.give("dropped", key, now_us())]
    state.close(key)
    return results


def _rework(order: Order, state: LineState) -> list[Result]:
    """The part is away: its call is the next to be built."""
    _remove(order, state)
    if state.part is None or state.part.call.key != order.call.key:
        state.queue.insert(0, state.open[order.call.key])
    return []


def _scrap(order: Order, state: LineState) -> list[Result]:
    key = order.call.key
    _remove(order, state)
    state.cancelled[key] = None
    call = state.open[key]
    if key not in state.held:
        state.rack(call.rack).empty.append(call.slot)
    if state.part is None or state.part.call.key != key:
        state.close(key)
    return []


def _remove(order: Order, state: LineState) -> None:
    key = order.call.key
    if state.part is not None and state.part.call.key == key:
        state.part.taken_away = True
    packed = state.packed(key)
    if packed is not None:
        state.rack(state.open[key].rack).waiting.remove(packed)
    state.parked.pop(key, None)
    state.serials.pop(key, None)


def _take_out(state: LineState, packed: PackedPart, rack: str, kind: str) -> Result:
    state.rack(rack).waiting.remove(packed)
    at = now_us()
    if kind == "parked":
        return state.give("parked", packed.key, at, serial=packed.serial)
    if kind == "stocked":
        return state.give("stocked", packed.key, at, serial=packed.serial)
    return state.give("unpacked", packed.key, at, serial=packed.serial, rack=rack, slot=packed.slot)


_DOES = {
    "replace": _replace,
    "hold": _hold,
    "resume": _resume,
    "cancel": _cancel,
    "rework": _rework,
    "scrap": _scrap,
}
