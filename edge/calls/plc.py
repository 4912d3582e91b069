"""A line PLC over one connected OPC UA session: the nodes of the hand-over (`edge.calls.nodes`),
and the ring of results (`protocols.opcua.line`) of a PLC that has one."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from asyncua import Client, Node, ua
from pydantic import ValidationError

from edge.calls.nodes import HandOverNodes, PlcError, Target, UnfitCallError, nodes_of, own_nodes
from edge.calls.store import Departure, TakenResult
from edge.calls.work import Work
from edge.config.hand_over import HandOverSettings
from protocols.jis.messages import CallKey, Delay, Event
from protocols.opcua import line
from protocols.refusal import first_problem

WATCH_MS = 50
"""Publishing interval of the subscription that wakes hand-over and results."""

_UNFIT = (ua.StatusCodes.BadOutOfRange, ua.StatusCodes.BadTypeMismatch)
"""It is the value that a PLC does not take, not the write."""
_NOT_GIVEN = datetime(1970, 1, 1, tzinfo=UTC)


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
    echo_command: str | None = None
    """None: this PLC takes no commands."""
    echo_revision: int | None = None


@dataclass(frozen=True, slots=True)
class SlotReading:
    """One slot of the result ring that holds a result not yet acknowledged."""

    slot: int
    no: int
    fields: dict[str, Any]

    def taken(self, line_name: str) -> TakenResult:
        """The result as it is stored: with its record, or with the reason why it makes none."""
        raw = json.dumps(self.fields, default=str, sort_keys=True)
        # Of what every PLC gives, so that one with a new program tells no result twice.
        base = {name: self.fields[name] for name in line.RESULT_FIELDS}
        digest = hashlib.blake2b(
            json.dumps(base, default=str, sort_keys=True).encode(), digest_size=16
        ).digest()
        record, reason = None, ""
        try:
            record = self._record(line_name)
        except ValidationError as error:
            reason = first_problem(error, "result")
        except ValueError as error:
            reason = str(error)
        return TakenResult(self.no, digest, record, reason, raw)

    def _record(self, line_name: str) -> Event | Departure | Delay:
        fields = self.fields
        kind = fields["Kind"]
        if kind not in line.RESULT_KINDS:
            raise ValueError(f"kind {kind!r}; known are {', '.join(line.RESULT_KINDS)}")
        at, eta = _given(fields["At"], "at"), _given(fields.get("Eta"), "eta")
        if eta == _NOT_GIVEN:
            eta = None
        shipment = fields.get("Shipment") or None
        if kind in line.TRUCK_RESULTS:
            if shipment is None:
                raise ValueError(f"{kind} without a shipment")
            if kind == "departed":
                return Departure(str(shipment), _aware(at), eta)
            plant, _, name = line_name.partition("/")
            return Delay(
                plant=plant,
                line=name,
                shipment=shipment,
                at=_aware(at),
                eta=_aware(eta),
                reason=str(fields.get("Reason") or ""),
            )
        return Event(
            kind=kind,
            key=CallKey.parse(str(fields["Key"] or "")),
            at=_aware(at),
            serial=fields["Serial"] or None,
            verdict=fields["Verdict"] or None,
            rack=fields["Rack"] or None,
            slot=fields["Slot"] or None,
            shipment=shipment,
            eta=eta,
            reason=fields.get("Reason") or None,
        )


class LinePlc:
    """One line PLC. All functions raise `OSError` or `ua.UaError` when the session fails."""

    def __init__(self, client: Client, nodes: HandOverNodes, namespace: int | None) -> None:
        """`namespace`: of `protocols.opcua.line`; None if the PLC has no ring of results."""
        self._client = client
        self._nodes = nodes
        self._namespace = namespace
        self._result_fields: tuple[str, ...] = line.RESULT_FIELDS

    @classmethod
    async def attach(cls, client: Client, settings: HandOverSettings | None = None) -> Self:
        """Find the nodes on a connected session: those that the settings name, or those of a line
        PLC of ours. Raises `PlcError` if one is missing."""
        namespace = None
        with contextlib.suppress(ValueError):
            namespace = await client.get_namespace_index(line.NAMESPACE)
        if settings is not None:
            plc = cls(client, await nodes_of(client, settings), namespace)
            await plc._find_details()
            return plc
        if namespace is None:
            raise PlcError(
                f"the server has no namespace {line.NAMESPACE}: it is not a line PLC, or its "
                "program lacks the hand-over nodes; jis[].hand_over names nodes of another kind"
            )
        at = ua.NodeId(ua.String(line.CALL_COMMAND), ua.Int16(namespace))
        commands = await _is_there(client, at)
        plc = cls(client, own_nodes(namespace, commands=commands), namespace)
        await plc._find_details()
        return plc

    async def _find_details(self) -> None:
        """Look whether results say more than they must."""
        detail = self._id(line.result_field(0, line.RESULT_DETAILS[0]))
        if self.has_results and await _is_there(self._client, detail):
            self._result_fields += line.RESULT_DETAILS

    @property
    def commands(self) -> bool:
        """Whether the PLC takes commands about calls it has taken."""
        return bool(self._nodes.commands)

    @property
    def has_results(self) -> bool:
        """Whether it keeps a ring of results."""
        return self._namespace is not None

    @property
    def echoes_key(self) -> bool:
        """Whether its answer names the call: then a call may be shown again."""
        return self._nodes.echo_key is not None

    @property
    def strobes(self) -> int:
        """How many strobes there are, from 0 on."""
        return self._nodes.strobes

    async def watch(self, on_hand_over: Callable[[], None], on_result: Callable[[], None]) -> None:
        """Call back when something has changed; what it is must be read."""
        nodes = self._nodes
        hand_over = [node for node in (nodes.free, nodes.echo_strobe) if node is not None]
        subscription = await self._client.create_subscription(
            WATCH_MS, _Bells(hand_over, on_hand_over, on_result)
        )
        results = []
        if self.has_results:
            results = [self._id(line.result_field(n, "No")) for n in range(line.RESULT_SLOTS)]
        await subscription.subscribe_data_change(
            [self._client.get_node(node) for node in (*hand_over, *results)]
        )

    async def hand_over_state(self) -> HandOverState:
        """Free, strobe and echo. The echo's strobe, written last, is read first."""
        nodes = self._nodes
        wanted = {
            "echo_strobe": nodes.echo_strobe,
            "echo_key": nodes.echo_key,
            "echo_accepted": nodes.echo_accepted,
            "echo_reason": nodes.echo_reason,
            "echo_command": nodes.echo_command,
            "echo_revision": nodes.echo_revision,
            "strobe": nodes.strobe.id,
            "free": nodes.free,
        }
        asked = {name: node for name, node in wanted.items() if node is not None}
        data = dict(zip(asked, await self._read(list(asked.values())), strict=True))
        said = {name: _value(value) for name, value in data.items()}
        strobe, echo_strobe = int(said["strobe"] or 0), int(said["echo_strobe"] or 0)
        return HandOverState(
            free=bool(said.get("free", strobe == echo_strobe)),
            strobe=strobe,
            echo_strobe=echo_strobe,
            echo_key=str(said.get("echo_key") or ""),
            echo_accepted=bool(said.get("echo_accepted", True)),
            echo_reason=str(said.get("echo_reason") or ""),
            echo_at=_aware(data["echo_strobe"].SourceTimestamp),
            echo_command=str(said["echo_command"] or "") if self.commands else None,
            echo_revision=int(said["echo_revision"] or 0) or None if self.commands else None,
        )

    async def write_work(self, work: Work) -> None:
        """Write the fields of a call or command; the PLC reads them when the strobe changes. Raises
        `UnfitCallError` if it does not take one of them."""
        await self._write(self._nodes.values(work))

    async def write_strobe(self, strobe: int) -> None:
        """Tell the PLC that the fields stand."""
        target = self._nodes.strobe
        await self._write([(target, ua.Variant(strobe, target.variant))])

    async def results(self) -> list[SlotReading]:
        """The results that are not acknowledged, by number. `No`, written last, is read first."""
        fields = ("Ack", *self._result_fields)
        names = [
            line.result_field(slot, name) for slot in range(line.RESULT_SLOTS) for name in fields
        ]
        values = [_value(value) for value in await self._read([self._id(name) for name in names])]
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
        ack = ua.VariantType.Int64
        names = {line.result_field(reading.slot, "Ack"): reading.no for reading in readings}
        await self._write(
            [
                (Target(name, self._id(name), ack), ua.Variant(number, ack))
                for name, number in names.items()
            ]
        )

    def _id(self, name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(self._namespace or 0))

    async def _read(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        values = await self._client.uaclient.read_attributes(list(nodes), ua.AttributeIds.Value)
        for node, value in zip(nodes, values, strict=True):
            if value.StatusCode is not None and not value.StatusCode.is_good():
                raise PlcError(f"node {node.to_string()} cannot be read: {value.StatusCode.name}")
        return values

    async def _write(self, values: Sequence[tuple[Target, ua.Variant]]) -> None:
        codes = await self._client.uaclient.write_attributes(
            [target.id for target, _ in values], [ua.DataValue(value) for _, value in values]
        )
        for (target, value), code in zip(values, codes, strict=True):
            if code.value in _UNFIT:
                raise UnfitCallError(
                    f"node {target.name} does not take {value.Value!s}: {code.name}"
                )
            if not code.is_good():
                raise PlcError(f"node {target.name} cannot be written: {code.name}")


class _Bells:
    """asyncua's subscription handler: rings, and leaves the reading to those who wake up."""

    def __init__(
        self,
        hand_over: Sequence[ua.NodeId],
        on_hand_over: Callable[[], None],
        on_result: Callable[[], None],
    ) -> None:
        self._hand_over = frozenset(hand_over)
        self._on_hand_over = on_hand_over
        self._on_result = on_result

    def datachange_notification(self, node: Node, _value: Any, _data: Any) -> None:
        (self._on_hand_over if node.nodeid in self._hand_over else self._on_result)()


def _value(value: ua.DataValue) -> Any:
    return value.Value.Value if value.Value is not None else None


async def _is_there(client: Client, node: ua.NodeId) -> bool:
    (value,) = await client.uaclient.read_attributes([node], ua.AttributeIds.Value)
    return value.StatusCode is None or value.StatusCode.is_good()


def _given(at: Any, name: str) -> datetime | None:
    if at is not None and not isinstance(at, datetime):
        raise ValueError(f"{name} {at!r} is not an instant")
    return None if at is None else _aware(at)


def _aware(at: datetime | None) -> datetime:
    """OPC UA times are UTC; without one, now."""
    if at is None:
        return datetime.now(UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
