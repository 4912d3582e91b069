"""A line PLC's nodes (`protocols.opcua.line`) over one connected OPC UA session."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from asyncua import Client, Node, ua
from pydantic import ValidationError

from edge.calls.store import TakenResult
from protocols.jis.messages import Call, CallKey, Event
from protocols.opcua import line
from protocols.refusal import first_problem

WATCH_MS = 50
"""Publishing interval of the subscription that wakes hand-over and results."""

_ECHO = (line.ECHO_STROBE, line.ECHO_KEY, line.ECHO_ACCEPTED, line.ECHO_REASON)
_RESULT_KINDS = ("produced", "inspected", "packed", "shipped")


class PlcError(Exception):
    """The PLC does not offer what a line PLC must; the text says what."""


@dataclass(frozen=True, slots=True)
class HandOverState:
    """What the PLC shows of the hand-over."""

    free: bool
    strobe: int
    echo_strobe: int
    echo_key: str
    echo_accepted: bool
    echo_reason: str
    echo_at: datetime
    """Source time of the echo."""


@dataclass(frozen=True, slots=True)
class SlotReading:
    """One slot of the result ring that holds a result not yet acknowledged."""

    slot: int
    no: int
    fields: dict[str, Any]

    def taken(self) -> TakenResult:
        """The result as it is stored: with its event, or with the reason why it makes none."""
        raw = json.dumps(self.fields, default=str, sort_keys=True)
        digest = hashlib.blake2b(raw.encode(), digest_size=16).digest()
        event, reason = None, ""
        try:
            event = self._event()
        except ValidationError as error:
            reason = first_problem(error, "result")
        except ValueError as error:
            reason = str(error)
        return TakenResult(self.no, digest, event, reason, raw)

    def _event(self) -> Event:
        fields = self.fields
        if fields["Kind"] not in _RESULT_KINDS:
            raise ValueError(f"kind {fields['Kind']!r}; known are {', '.join(_RESULT_KINDS)}")
        at = fields["At"]
        if at is not None and not isinstance(at, datetime):
            raise ValueError(f"at {at!r} is not an instant")
        return Event(
            kind=fields["Kind"],
            key=CallKey.parse(str(fields["Key"] or "")),
            at=_aware(at),
            serial=fields["Serial"] or None,
            verdict=fields["Verdict"] or None,
            rack=fields["Rack"] or None,
            slot=fields["Slot"] or None,
        )


class LinePlc:
    """One line PLC. All functions raise `OSError` or `ua.UaError` when the session fails."""

    def __init__(self, client: Client, namespace: int) -> None:
        self._client = client
        self._namespace = namespace

    @classmethod
    async def attach(cls, client: Client) -> Self:
        """Find the line's nodes on a connected session. Raises `PlcError` if it has none."""
        try:
            return cls(client, await client.get_namespace_index(line.NAMESPACE))
        except ValueError:
            raise PlcError(
                f"the server has no namespace {line.NAMESPACE}: it is not a line PLC, or its "
                "program lacks the hand-over nodes"
            ) from None

    async def watch(self, on_hand_over: Callable[[], None], on_result: Callable[[], None]) -> None:
        """Call back when something has changed; what it is must be read."""
        subscription = await self._client.create_subscription(
            WATCH_MS, _Bells(self._id(line.CALL_FREE), on_hand_over, on_result)
        )
        names = [line.CALL_FREE, line.ECHO_STROBE]
        names += [line.result_field(slot, "No") for slot in range(line.RESULT_SLOTS)]
        await subscription.subscribe_data_change(
            [self._client.get_node(self._id(name)) for name in names]
        )

    async def hand_over_state(self) -> HandOverState:
        """Free, strobe and echo. The echo's strobe, written last, is read first."""
        free, strobe, *echo = await self._read([line.CALL_FREE, line.CALL_STROBE, *_ECHO])
        return HandOverState(
            free=bool(_value(free)),
            strobe=int(_value(strobe) or 0),
            echo_strobe=int(_value(echo[0]) or 0),
            echo_key=str(_value(echo[1]) or ""),
            echo_accepted=bool(_value(echo[2])),
            echo_reason=str(_value(echo[3]) or ""),
            echo_at=_aware(echo[0].SourceTimestamp),
        )

    async def write_call(self, call: Call) -> None:
        """Write the fields of a call; the PLC reads them when the strobe changes."""
        string, int32 = ua.VariantType.String, ua.VariantType.Int32
        values: dict[str, tuple[Any, ua.VariantType]] = {
            "Key": (str(call.key), string),
            "PartNo": (call.part_no, string),
            "Colour": (call.colour, string),
            "Rack": (call.rack, string),
            "SequenceNo": (call.sequence_no, int32),
            "Slot": (call.slot, int32),
            "Quantity": (call.quantity, int32),
        }
        await self._write([(line.call_field(name), *value) for name, value in values.items()])

    async def write_strobe(self, strobe: int) -> None:
        """Tell the PLC that the fields stand."""
        await self._write([(line.CALL_STROBE, strobe, ua.VariantType.UInt32)])

    async def results(self) -> list[SlotReading]:
        """The results that are not acknowledged, by number. `No`, written last, is read first."""
        fields = ("Ack", *line.RESULT_FIELDS)
        names = [
            line.result_field(slot, name) for slot in range(line.RESULT_SLOTS) for name in fields
        ]
        values = [_value(value) for value in await self._read(names)]
        found = []
        for slot in range(line.RESULT_SLOTS):
            at = slot * len(fields)
            row = dict(zip(fields, values[at : at + len(fields)], strict=True))
            acknowledged = row.pop("Ack")
            if row["No"] and row["No"] != acknowledged:
                found.append(SlotReading(slot, int(row["No"]), row))
        return sorted(found, key=lambda reading: reading.no)

    async def acknowledge(self, readings: Sequence[SlotReading]) -> None:
        """Let the PLC use these slots again."""
        await self._write(
            [
                (line.result_field(reading.slot, "Ack"), reading.no, ua.VariantType.Int64)
                for reading in readings
            ]
        )

    def _id(self, name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(self._namespace))

    async def _read(self, names: Sequence[str]) -> list[ua.DataValue]:
        values = await self._client.uaclient.read_attributes(
            [self._id(name) for name in names], ua.AttributeIds.Value
        )
        for name, value in zip(names, values, strict=True):
            if value.StatusCode is not None and not value.StatusCode.is_good():
                raise PlcError(f"node {name} cannot be read: {value.StatusCode.name}")
        return values

    async def _write(self, values: Sequence[tuple[str, Any, ua.VariantType]]) -> None:
        codes = await self._client.uaclient.write_attributes(
            [self._id(name) for name, _, _ in values],
            [ua.DataValue(ua.Variant(value, variant)) for _, value, variant in values],
        )
        for (name, _, _), code in zip(values, codes, strict=True):
            if not code.is_good():
                raise PlcError(f"node {name} cannot be written: {code.name}")


class _Bells:
    """asyncua's subscription handler: rings, and leaves the reading to those who wake up."""

    def __init__(
        self, free: ua.NodeId, on_hand_over: Callable[[], None], on_result: Callable[[], None]
    ) -> None:
        echo = ua.NodeId(ua.String(line.ECHO_STROBE), free.NamespaceIndex)
        self._hand_over = {free, echo}
        self._on_hand_over = on_hand_over
        self._on_result = on_result

    def datachange_notification(self, node: Node, _value: Any, _data: Any) -> None:
        (self._on_hand_over if node.nodeid in self._hand_over else self._on_result)()


def _value(value: ua.DataValue) -> Any:
    return value.Value.Value if value.Value is not None else None


def _aware(at: datetime | None) -> datetime:
    """OPC UA times are UTC; without one, now."""
    if at is None:
        return datetime.now(UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
