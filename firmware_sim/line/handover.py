"""The PLC's side of the hand-over: it decides on each call that is strobed, and echoes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua

from firmware_sim.line.clock import now_us
from firmware_sim.line.commands import LateError, Order, obey
from firmware_sim.line.ledger import CallDecision, Ledger, Result
from firmware_sim.line.results import ResultRing
from firmware_sim.line.server import PlcServer
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import Echo, HandedCall, LineState, RetentiveMemory
from protocols.jis.messages import CallKey
from protocols.opcua.line import (
    CALL_COMMAND,
    CALL_FIELDS,
    CALL_FREE,
    CALL_STROBE,
    COMMANDS,
    ECHO_ACCEPTED,
    ECHO_COMMAND,
    ECHO_KEY,
    ECHO_REASON,
    ECHO_REVISION,
    ECHO_STROBE,
    Command,
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
        ring: ResultRing,
        taken: Callable[[], None],
    ) -> None:
        """`taken` is called when a call has joined the queue, or something about one has changed.
        On `ring` the results of commands are given out."""
        self._ring = ring
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
        if self._settings.details:
            await self._add_command_nodes()
        self._server.on_write(CALL_STROBE, self._changed.set)

    async def _add_command_nodes(self) -> None:
        echo, add = self._memory.state.echo, self._server.add
        string, int32 = ua.VariantType.String, ua.VariantType.Int32
        boolean = ua.VariantType.Boolean
        await add(CALL_COMMAND, string, "", writable=True)
        await add(call_field("Revision"), int32, 0, writable=True)
        await add(call_field("Serial"), string, "", writable=True)
        await add(call_field("Express"), boolean, False, writable=True)
        await add(call_field("KeepSlot"), boolean, True, writable=True)
        await add(ECHO_COMMAND, string, echo.command)
        await add(ECHO_REVISION, int32, echo.revision)

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
            new = strobe not in (0, self._memory.state.echo.strobe)
            if new and (self._has_room() or self._command() not in ("", "build")):
                await self._server.write(CALL_FREE, False)
                await self._answer(strobe)
            await self._server.write(CALL_FREE, self._has_room())

    async def _answer(self, strobe: int) -> None:
        state = self._memory.state
        order = self._read_order()
        decision, results = self._decide(order)
        held = state.open.get(order.call.key)
        revision = held.revision if order.command == "build" and held else order.call.revision
        echo = Echo(
            key=order.call.key,
            accepted=decision.accepted,
            reason=decision.reason,
            strobe=strobe,
            repeated=decision.repeated,
            command=order.command,
            revision=revision,
        )
        state.echo = echo
        self._memory.save()
        if self._ledger is not None:
            self._ledger.add(
                CallDecision(
                    *(echo.key, echo.accepted, echo.repeated, echo.reason, now_us()),
                    *(echo.command, echo.revision),
                )
            )
        await self._ring.publish(results)
        await self._server.write(ECHO_KEY, echo.key)
        await self._server.write(ECHO_ACCEPTED, echo.accepted)
        await self._server.write(ECHO_REASON, echo.reason)
        if self._settings.details:
            await self._server.write(ECHO_COMMAND, echo.command)
            await self._server.write(ECHO_REVISION, echo.revision)
        # Last: the strobe tells the gateway that the rest of the echo stands.
        await self._server.write(ECHO_STROBE, strobe)
        self._taken()

    def _decide(self, order: Order) -> tuple[Decision, list[Result]]:
        state = self._memory.state
        if order.command == "build":
            decision = decide(order.call, self._settings, state)
            if decision.accepted and not decision.repeated:
                state.take(order.call)
            return decision, []
        before = state.model_dump_json()
        try:
            results = obey(order, state)
        except LateError as late:
            return Decision(accepted=False, reason=str(late)), []
        return Decision(accepted=True, repeated=state.model_dump_json() == before), results

    def _command(self) -> str:
        """What is to be done with the call; a PLC without the node can only build."""
        return self._server.text(CALL_COMMAND) if self._settings.details else ""

    def _read_order(self) -> Order:
        command = self._command() or "build"
        call = self._read_call()
        if not self._settings.details:
            return Order("build", call)
        known: Command = "build"
        for one in COMMANDS:
            known = one if one == command else known
        return Order(
            known,
            call,
            self._server.text(call_field("Serial")),
            self._server.flag(call_field("KeepSlot")),
        )

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
            revision=server.number(call_field("Revision")) if self._settings.details else 1,
            express=self._settings.details and server.flag(call_field("Express")),
        )

    def _has_room(self) -> bool:
        return len(self._memory.state.queue) < self._settings.queue_slots
