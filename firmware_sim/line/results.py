"""The ring of results: each is held in a slot until the gateway acknowledges its number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from asyncua import ua

from firmware_sim.line.clock import instant_us
from firmware_sim.line.ledger import Ledger, Result
from firmware_sim.line.server import PlcServer
from firmware_sim.line.state import RetentiveMemory
from protocols.opcua.line import RESULT_SLOTS, result_field

_TYPES = {
    "No": ua.VariantType.Int64,
    "Kind": ua.VariantType.String,
    "Key": ua.VariantType.String,
    "Serial": ua.VariantType.String,
    "Verdict": ua.VariantType.String,
    "Rack": ua.VariantType.String,
    "Slot": ua.VariantType.Int32,
    "At": ua.VariantType.DateTime,
}
_DETAILS = {
    "Shipment": ua.VariantType.String,
    "Eta": ua.VariantType.DateTime,
    "Reason": ua.VariantType.String,
}


class ResultRing:
    """Shows results to the gateway. Result n lies in slot (n - 1) mod `RESULT_SLOTS`, once the
    slot's last result is acknowledged; what finds its slot taken waits in the PLC's memory."""

    def __init__(
        self,
        server: PlcServer,
        memory: RetentiveMemory,
        ledger: Ledger | None,
        acknowledged: Callable[[], None],
        *,
        details: bool,
    ) -> None:
        """`acknowledged` is called whenever results have left. `details`: with optional nodes."""
        self._details = details
        self._server = server
        self._memory = memory
        self._ledger = ledger
        self._acknowledged = acknowledged
        self._shown: list[Result | None] = [None] * RESULT_SLOTS
        self._ack_written = asyncio.Event()

    async def add_nodes(self) -> None:
        """Add the slots and show in them what an earlier life of the PLC left unacknowledged."""
        for slot in range(RESULT_SLOTS):
            types = _TYPES | _DETAILS if self._details else _TYPES
            for name, variant in types.items():
                await self._server.add(result_field(slot, name), variant, _empty(variant))
            ack = result_field(slot, "Ack")
            await self._server.add(ack, ua.VariantType.Int64, 0, writable=True)
            self._server.on_write(ack, self._ack_written.set)
        await self._show_waiting()

    async def publish(self, results: list[Result]) -> None:
        """Count results that the memory has just been given, and show them as slots allow."""
        if self._ledger is not None:
            for result in results:
                self._ledger.add(result)
        await self._show_waiting()

    async def serve(self) -> None:
        """Take acknowledgements for ever."""
        while True:
            await self._ack_written.wait()
            self._ack_written.clear()
            if self._take_acknowledgements():
                self._memory.save()
                self._acknowledged()
                await self._show_waiting()

    def _take_acknowledgements(self) -> bool:
        freed = False
        for slot, result in enumerate(self._shown):
            if result is not None and self._server.number(result_field(slot, "Ack")) == result.no:
                self._memory.state.acknowledge(result.no)
                self._shown[slot] = None
                freed = True
        return freed

    async def _show_waiting(self) -> None:
        shown = {result.no for result in self._shown if result is not None}
        for result in self._memory.state.results:
            if len(shown) == RESULT_SLOTS:
                return
            slot = (result.no - 1) % RESULT_SLOTS
            if result.no not in shown and self._shown[slot] is None:
                self._shown[slot] = result
                shown.add(result.no)
                await self._write(slot, result)

    async def _write(self, slot: int, result: Result) -> None:
        values: dict[str, bool | int | float | str] = {
            "Kind": result.result,
            "Key": result.key,
            "Serial": result.serial,
            "Verdict": result.verdict,
            "Rack": result.rack,
            "Slot": result.slot,
        }
        for name, value in values.items():
            await self._server.write(result_field(slot, name), value)
        if self._details:
            await self._server.write(result_field(slot, "Shipment"), result.shipment)
            await self._server.write(result_field(slot, "Reason"), result.reason)
            await self._server.write(result_field(slot, "Eta"), instant_us(result.eta))
        await self._server.write(result_field(slot, "At"), instant_us(result.at))
        # Last: the number tells the gateway that the other fields stand.
        await self._server.write(result_field(slot, "No"), result.no)


def _empty(variant: ua.VariantType) -> int | str | datetime:
    if variant == ua.VariantType.DateTime:
        return instant_us(0)
    return "" if variant == ua.VariantType.String else 0
