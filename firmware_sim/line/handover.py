"""The PLC's side of the hand-over: it decides on each call that is strobed, and echoes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua

from firmware_sim.line.ledger import CallDecision, Ledger
from firmware_sim.line.server import PlcServer
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import Echo, HandedCall, LineState, RetentiveMemory
from firmware_sim.line.tags import now_us
from protocols.jis.messages import CallKey
from protocols.opcua.line import (
    CALL_FIELDS,
    CALL_FREE,
    CALL_STROBE,
    ECHO_ACCEPTED,
    ECHO_KEY,
    ECHO_REASON,
    ECHO_STROBE,
    call_field,
)

_NUMBERS = frozenset({"SequenceNo", "Slot", "Quantity"})


@dataclass(frozen=True, slots=True)
class Decision:
    """What is echoed. `repeated`: accepted, but taken before and not queued again."""

    accepted: bool
    reason: str = ""
    repeated: bool = False


def decide(call: HandedCall, settings: LineSettings, state: LineState) -> Decision:
    """Decide on a call. Changes nothing."""
    if call.key in state.taken:
        return Decision(accepted=True, repeated=True)
    reason = _refusal(call, settings)
    return Decision(accepted=not reason, reason=reason)


def _refusal(call: HandedCall, settings: LineSettings) -> str:
    try:
        key = CallKey.parse(call.key)
    except ValueError as error:
        return f"key: {error}"[:200]
    if (key.plant, key.line) != (settings.plant, settings.line):
        return f"this is line {settings.plant}/{settings.line}, not {key.plant}/{key.line}"
    if settings.part_groups and key.part_group not in settings.part_groups:
        return f"unknown part group {key.part_group}"
    if not call.part_no:
        return "no part number"
    if not call.rack or call.slot < 1:
        return f"no place to pack it: rack {call.rack!r}, slot {call.slot}"
    if call.quantity < 1:
        return f"quantity {call.quantity}; at least 1"
    return ""


class HandOverDesk:
    """Takes calls from the gateway, one at a time, while the line's queue has room."""

    def __init__(
        self,
        server: PlcServer,
        memory: RetentiveMemory,
        ledger: Ledger | None,
        settings: LineSettings,
        taken: Callable[[], None],
    ) -> None:
        """`taken` is called when a call has joined the queue."""
        self._server = server
        self._memory = memory
        self._ledger = ledger
        self._settings = settings
        self._taken = taken
        self._changed = asyncio.Event()

    async def add_nodes(self) -> None:
        """Add the nodes of the hand-over, with the echo of an earlier life of the PLC."""
        echo = self._memory.state.echo
        for name in CALL_FIELDS:
            text = name not in _NUMBERS
            variant = ua.VariantType.String if text else ua.VariantType.Int32
            await self._server.add(call_field(name), variant, "" if text else 0, writable=True)
        await self._server.add(CALL_FREE, ua.VariantType.Boolean, self._has_room())
        await self._server.add(CALL_STROBE, ua.VariantType.UInt32, echo.strobe, writable=True)
        await self._server.add(ECHO_KEY, ua.VariantType.String, echo.key)
        await self._server.add(ECHO_ACCEPTED, ua.VariantType.Boolean, echo.accepted)
        await self._server.add(ECHO_REASON, ua.VariantType.String, echo.reason)
        await self._server.add(ECHO_STROBE, ua.VariantType.UInt32, echo.strobe)
        self._server.on_write(CALL_STROBE, self._changed.set)

    def room_made(self) -> None:
        """A call has left the queue."""
        self._changed.set()

    async def serve(self) -> None:
        """Answer strobes for ever. A strobe that finds the queue full is answered once it has
        room."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            strobe = self._server.number(CALL_STROBE)
            if strobe not in (0, self._memory.state.echo.strobe) and self._has_room():
                await self._server.write(CALL_FREE, False)
                await self._answer(strobe)
            await self._server.write(CALL_FREE, self._has_room())

    async def _answer(self, strobe: int) -> None:
        state = self._memory.state
        call = self._read_call()
        decision = decide(call, self._settings, state)
        if decision.accepted and not decision.repeated:
            state.taken[call.key] = None
            state.queue.append(call)
        state.echo = Echo(
            key=call.key, accepted=decision.accepted, reason=decision.reason, strobe=strobe
        )
        self._memory.save()
        if self._ledger is not None:
            self._ledger.add(
                CallDecision(
                    call.key, decision.accepted, decision.repeated, decision.reason, now_us()
                )
            )
        await self._server.write(ECHO_KEY, call.key)
        await self._server.write(ECHO_ACCEPTED, decision.accepted)
        await self._server.write(ECHO_REASON, decision.reason)
        # Last: the strobe tells the gateway that the rest of the echo stands.
        await self._server.write(ECHO_STROBE, strobe)
        self._taken()

    def _read_call(self) -> HandedCall:
        server = self._server
        return HandedCall(
            key=server.text(call_field("Key")),
            part_no=server.text(call_field("PartNo")),
            colour=server.text(call_field("Colour")),
            rack=server.text(call_field("Rack")),
            sequence_no=server.number(call_field("SequenceNo")),
            slot=server.number(call_field("Slot")),
            quantity=server.number(call_field("Quantity")),
        )

    def _has_room(self) -> bool:
        return len(self._memory.state.queue) < self._settings.queue_slots
