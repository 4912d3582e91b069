"""A gateway's side of a line PLC, over real OPC UA: what the tests speak with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from deploy.local.opcua import patient_client
from protocols.opcua.line import (
    CALL_FIELDS,
    CALL_FREE,
    CALL_STROBE,
    ECHO_ACCEPTED,
    ECHO_KEY,
    ECHO_REASON,
    ECHO_STROBE,
    NAMESPACE,
    RESULT_FIELDS,
    RESULT_SLOTS,
    call_field,
    result_field,
)

PATIENCE_S = 60.0

Value = bool | int | float | str | datetime


@dataclass(frozen=True, slots=True)
class Echo:
    key: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SlotResult:
    slot_of_ring: int
    no: int
    kind: str
    key: str
    serial: str
    verdict: str
    rack: str
    slot: int
    at: datetime


class Gateway:
    """Hands calls over and takes results, as the contract of line PLCs lays down."""

    def __init__(self, client: Client, index: int) -> None:
        self.client = client
        self._index = index

    async def read(self, *identifiers: str) -> list[Value]:
        nodes = [self.node_id(identifier) for identifier in identifiers]
        values = await self.client.uaclient.read_attributes(nodes, AttributeIds.Value)
        return [value.Value.Value if value.Value is not None else "" for value in values]

    async def write(self, identifier: str, value: Value, variant: ua.VariantType) -> None:
        node = self.client.get_node(self.node_id(identifier))
        await node.write_attribute(AttributeIds.Value, ua.DataValue(ua.Variant(value, variant)))

    async def put(self, strobe: int, call: dict[str, Value]) -> None:
        """Write the fields of a call, then its strobe, without waiting."""
        for name in CALL_FIELDS:
            number = name in ("SequenceNo", "Slot", "Quantity")
            variant = ua.VariantType.Int32 if number else ua.VariantType.String
            await self.write(call_field(name), call[name], variant)
        await self.write(CALL_STROBE, strobe, ua.VariantType.UInt32)

    async def hand_over(self, strobe: int, call: dict[str, Value]) -> Echo:
        """Wait until the PLC is free, hand a call over and read its echo."""
        await until(lambda: self.shows(CALL_FREE, True))
        await self.put(strobe, call)
        await until(lambda: self.shows(ECHO_STROBE, strobe))
        key, accepted, reason = await self.read(ECHO_KEY, ECHO_ACCEPTED, ECHO_REASON)
        return Echo(str(key), bool(accepted), str(reason))

    async def results(self) -> list[SlotResult]:
        """Results in the ring that are not acknowledged, by number."""
        names = [*RESULT_FIELDS, "Ack"]
        fields = [result_field(slot, name) for slot in range(RESULT_SLOTS) for name in names]
        values = await self.read(*fields)
        found = []
        for slot in range(RESULT_SLOTS):
            row = dict(zip(names, values[slot * len(names) : (slot + 1) * len(names)], strict=True))
            if row["No"] != row.pop("Ack"):
                found.append(SlotResult(slot, **{n.lower(): v for n, v in row.items()}))  # type: ignore[arg-type]  # as read
        return sorted(found, key=lambda result: result.no)

    async def acknowledge(self, result: SlotResult) -> None:
        await self.write(result_field(result.slot_of_ring, "Ack"), result.no, ua.VariantType.Int64)

    async def take(self, enough: Callable[[list[SlotResult]], bool]) -> list[SlotResult]:
        """Take and acknowledge results until `enough`."""
        taken: list[SlotResult] = []

        async def one_round() -> bool:
            for result in await self.results():
                taken.append(result)
                await self.acknowledge(result)
            return enough(taken)

        await until(one_round)
        return taken

    def node_id(self, identifier: str) -> ua.NodeId:
        return ua.NodeId(ua.String(identifier), ua.Int16(self._index))

    async def shows(self, identifier: str, value: Value) -> bool:
        return (await self.read(identifier)) == [value]


@asynccontextmanager
async def gateway(endpoint: str) -> AsyncIterator[Gateway]:
    async with patient_client(endpoint) as client:
        yield Gateway(client, await client.get_namespace_index(NAMESPACE))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for an asynchronous condition to come true."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110  what is polled is in another program
            await asyncio.sleep(0.005)


async def until_true(condition: Callable[[], bool]) -> None:
    """Wait for a condition on this program's own objects to come true."""

    async def ask() -> bool:
        return condition()

    await until(ask)


def a_call(number: int, **changes: Value) -> dict[str, Value]:
    """Call `number` of line SEAT1, six to a rack."""
    return {
        "Key": f"P1/SEAT1/{number:07d}/SEAT-FRONT/0",
        "PartNo": "0815-4711",
        "Colour": "BLACK",
        "Rack": f"R{(number - 1) // 6 + 1:03d}",
        "SequenceNo": number,
        "Slot": (number - 1) % 6 + 1,
        "Quantity": 1,
        **changes,
    }
