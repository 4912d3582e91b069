"""The nodes of a hand-over: those of a line PLC of ours (`protocols.opcua.line`), or of any PLC as
the settings name them; and a call's fields in the types that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from asyncua import Client, ua

from edge.calls.work import Work
from edge.config.hand_over import HandOverSettings
from edge.sources.opcua.connect import node_id
from protocols.jis.messages import Call
from protocols.opcua import line

_FIELDS: Mapping[str, Callable[[Call], Any]] = {
    "key": lambda call: str(call.key),
    **{
        name: attrgetter(f"key.{name}") for name in ("production_no", "part_group", "reorder_index")
    },
    **{
        name: attrgetter(name)
        for name in (
            *("call_no", "sequence_no", "part_no", "quantity", "colour", "unloading_point"),
            *("rack", "slot", "control_point", "called_at", "required_at"),
        )
    },
}
"""What a call says, by the names of `edge.config.hand_over.CallNodes`."""
_OWN_FIELDS = {
    "key": ("Key", ua.VariantType.String),
    "part_no": ("PartNo", ua.VariantType.String),
    "colour": ("Colour", ua.VariantType.String),
    "rack": ("Rack", ua.VariantType.String),
    "sequence_no": ("SequenceNo", ua.VariantType.Int32),
    "slot": ("Slot", ua.VariantType.Int32),
    "quantity": ("Quantity", ua.VariantType.Int32),
}
_COMMAND_FIELDS: Mapping[str, tuple[ua.VariantType, Callable[[Work], Any]]] = {
    "Command": (ua.VariantType.String, attrgetter("command")),
    "Revision": (ua.VariantType.Int32, attrgetter("revision")),
    "Serial": (ua.VariantType.String, attrgetter("serial")),
    "Express": (ua.VariantType.Boolean, lambda work: work.call.priority == "express"),
    "KeepSlot": (ua.VariantType.Boolean, attrgetter("keep_slot")),
}
"""Optional nodes of a line PLC of ours."""
_WHOLE = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_FRACTIONS = (ua.VariantType.Float, ua.VariantType.Double)
_WRITABLE = frozenset({*_WHOLE, *_FRACTIONS, ua.VariantType.String, ua.VariantType.DateTime})


class PlcError(Exception):
    """The PLC does not offer what a line PLC must; the text says what."""


class UnfitCallError(PlcError):
    """A call that this PLC cannot take; the text says which field and why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A node that is written."""

    name: str
    """As errors call it."""
    id: ua.NodeId
    variant: ua.VariantType


@dataclass(frozen=True, slots=True)
class HandOverNodes:
    """What is written, and what is read."""

    fields: Mapping[str, Target]
    strobe: Target
    echo_strobe: ua.NodeId
    echo_key: ua.NodeId | None
    echo_accepted: ua.NodeId | None
    echo_reason: ua.NodeId | None
    free: ua.NodeId | None
    commands: Mapping[str, Target] = field(default_factory=dict)
    """Nodes that say what is to be done with the call; empty if the PLC can only build."""
    echo_command: ua.NodeId | None = None
    echo_revision: ua.NodeId | None = None

    @property
    def strobes(self) -> int:
        """How many strobes there are, from 0 on."""
        return _WHOLE[self.strobe.variant][1] + 1

    def values(self, work: Work) -> list[tuple[Target, ua.Variant]]:
        """What is written of a call or command. Raises `UnfitCallError`."""
        said = [
            (target, _as_type(_FIELDS[name](work.call), target, f"field {name}"))
            for name, target in self.fields.items()
        ]
        more = [
            (target, ua.Variant(_COMMAND_FIELDS[name][1](work), target.variant))
            for name, target in self.commands.items()
        ]
        return said + more


def own_nodes(namespace: int, *, commands: bool) -> HandOverNodes:
    """Those of `protocols.opcua.line`, with the ones for commands if the PLC has them."""

    def at(name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(namespace))

    def target(name: str, variant: ua.VariantType) -> Target:
        return Target(name, at(name), variant)

    return HandOverNodes(
        {
            field: target(line.call_field(name), variant)
            for field, (name, variant) in _OWN_FIELDS.items()
        },
        target(line.CALL_STROBE, ua.VariantType.UInt32),
        at(line.ECHO_STROBE),
        at(line.ECHO_KEY),
        at(line.ECHO_ACCEPTED),
        at(line.ECHO_REASON),
        at(line.CALL_FREE),
        {
            name: target(line.call_field(name), variant)
            for name, (variant, _) in _COMMAND_FIELDS.items()
            if commands
        },
        at(line.ECHO_COMMAND) if commands else None,
        at(line.ECHO_REVISION) if commands else None,
    )


async def nodes_of(client: Client, settings: HandOverSettings) -> HandOverNodes:
    """Those that the settings name, with their types as the server tells them. Raises `PlcError`
    if one is missing or of a type that cannot be written, `OSError` or `ua.UaError`."""
    namespaces = await client.get_namespace_array()

    def found(node: str) -> ua.NodeId:
        try:
            return node_id(node, namespaces)
        except ValueError as error:
            raise PlcError(f"node {node}: {error}") from None

    def read(node: str | None) -> ua.NodeId | None:
        return None if node is None else found(node)

    written = {**settings.fields.by_field(), "strobe": settings.strobe}
    ids = {name: found(node) for name, node in written.items()}
    variants = await _types(client, list(ids.values()), list(written.values()))
    targets = {
        name: Target(node, ids[name], variant)
        for (name, node), variant in zip(written.items(), variants, strict=True)
    }
    strobe = targets.pop("strobe")
    if strobe.variant not in _WHOLE:
        raise PlcError(f"node {strobe.name} is no whole number: it cannot be the strobe")
    return HandOverNodes(
        targets,
        strobe,
        found(settings.echo_strobe),
        read(settings.echo_key),
        read(settings.echo_accepted),
        read(settings.echo_reason),
        read(settings.free),
    )


async def _types(
    client: Client, ids: Sequence[ua.NodeId], names: Sequence[str]
) -> list[ua.VariantType]:
    """The types of nodes that are to be written."""
    variants = []
    for name, node in zip(names, ids, strict=True):
        try:
            variant = await client.get_node(node).read_data_type_as_variant_type()
        except ua.UaStatusCodeError as error:
            raise PlcError(f"node {name} has no type: {error}") from error
        if variant not in _WRITABLE:
            raise PlcError(
                f"node {name} is of type {variant.name}; what a call says is written as text, "
                "number or instant"
            )
        variants.append(variant)
    return variants


def _as_type(value: Any, target: Target, what: str) -> ua.Variant:
    """The value in the target's type, if it loses nothing by it. Raises `UnfitCallError`."""
    variant = target.variant
    converted = _converted(value, variant)
    if converted is None:
        raise UnfitCallError(f"{what}: {value!s} does not fit node {target.name}, {variant.name}")
    return ua.Variant(converted, variant)


def _converted(value: Any, variant: ua.VariantType) -> Any:
    """None if the value cannot be had in this type."""
    if variant == ua.VariantType.DateTime:
        return value if isinstance(value, datetime) else None
    if variant == ua.VariantType.String:
        return value.isoformat() if isinstance(value, datetime) else str(value)
    # A part number with leading zeros is another one without them.
    if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
        value = int(value)
    if not isinstance(value, int):
        return None
    if variant in _FRACTIONS:
        most = 2**24 if variant == ua.VariantType.Float else 2**53
        return float(value) if abs(value) <= most else None
    least, most = _WHOLE[variant]
    return value if least <= value <= most else None
