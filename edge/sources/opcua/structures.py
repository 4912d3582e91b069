"""What the server says of its own types: the names of enumerations, the layout of structures.

asyncua can make classes of a server's types, but keeps them for the whole process, by node ids that
mean something else at the next server; and it makes them by running text that the server chose. So
the layouts are kept here, for each source its own, and structures are read by them as Part 6, 5.2
writes them: sequential, with optional fields, unions; fields may be arrays of one dimension, and
values of subtypes, which say themselves of which.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from asyncua import Client, ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import Primitives, from_binary, unpack_uatype

from edge.sources.opcua import claimed_arrays
from edge.sources.opcua.values import Unreadable

logger = logging.getLogger(__name__)

claimed_arrays.refuse()

NODES_PER_READ = 200
_MOST_TYPES = 1000
"""Of one server: what its types name beyond that is not asked for."""
_BUILT_IN = 25
"""Numeric ids of namespace 0 up to this are the built-in types."""
_ENUMERATION = 29
_ABSTRACT = (26, 27, 28)
"""Number, Integer, UInteger: a field of these travels as a variant."""
_STRUCTURE = ua.NodeId(ua.Int32(ua.ObjectIds.Structure))
_HAS_SUBTYPE = ua.NodeId(ua.Int32(ua.ObjectIds.HasSubtype))
_BROKEN = (
    ua.UaError, NotEnoughData, struct.error, ValueError, TypeError, IndexError, AttributeError,
    RecursionError,
)  # fmt: skip

_SUBTYPED = (
    ua.StructureType.StructureWithSubtypedValues,
    ua.StructureType.UnionWithSubtypedValues,
)
_UNIONS = (ua.StructureType.Union, ua.StructureType.UnionWithSubtypedValues)

Read = Callable[[Buffer], Any]


@dataclass(slots=True)
class _Layout:
    """A structure's fields, as they follow one another."""

    kind: ua.StructureType
    fields: list[tuple[str, Read, bool]] = field(default_factory=list)
    """Name, how it is read, whether it is optional."""

    def read(self, data: Buffer) -> dict[str, Any]:
        """The fields that are there."""
        if self.kind in _UNIONS:
            switch = Primitives.UInt32.unpack(data)
            chosen = self.fields[switch - 1 : switch] if switch else []
            return {name: read(data) for name, read, _ in chosen}
        mask = (
            Primitives.UInt32.unpack(data)
            if self.kind is ua.StructureType.StructureWithOptionalFields
            else 0
        )
        found: dict[str, Any] = {}
        bit = 1
        for name, read, optional in self.fields:
            if optional and self.kind is ua.StructureType.StructureWithOptionalFields:
                there = mask & bit
                bit <<= 1
                if not there:
                    continue
            found[name] = read(data)
        return found


class TypeBook:
    """What one server's types are; empty until `learn`."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._names: dict[int, Mapping[int, str]] = {}
        """Names of an enumeration's numbers, by the position of the tag."""
        self._layouts: dict[ua.NodeId, _Layout] = {}
        """By the node id of the type, and of its binary encoding."""
        self._enumerations: dict[ua.NodeId, Mapping[int, str]] = {}
        self._parents: dict[ua.NodeId, ua.NodeId] = {}
        """Of types that are another one by a name of their own, such as a PLC's WORD."""
        self._asked: set[ua.NodeId] = set()

    def properties(self, position: int, type_name: str) -> tuple[tuple[str, str], ...]:
        """What a birth says of a tag: `opcuaType`, and `enumNames` as a JSON object of names by
        number."""
        names = self._names.get(position)
        if names is None:
            return (("opcuaType", type_name),)
        return (("opcuaType", type_name), ("enumNames", json.dumps(names, ensure_ascii=False)))

    def expand(self, value: ua.ExtensionObject) -> dict[str, Any]:
        """A structure as a dict of its fields. Raises `Unreadable`."""
        layout = self._layouts.get(value.TypeId)
        if layout is None:
            raise Unreadable(f"the server does not tell the layout of {value.TypeId.to_string()}")
        try:
            return layout.read(Buffer(value.Body or b""))
        except _BROKEN as error:
            raise Unreadable(f"structure {value.TypeId.to_string()}: {error!r}") from error

    async def learn(self, client: Client, nodes: Mapping[int, ua.NodeId]) -> None:
        """Ask what types these tags are of (by position), and what those are made of.

        A server that does not say leaves numbers without names and structures unread; it never
        stops the others. Raises as the session does when it is lost.
        """
        self._asked.clear()
        by_type: dict[ua.NodeId, list[int]] = {}
        wanted = list(nodes.items())
        for at in range(0, len(wanted), NODES_PER_READ):
            chunk = wanted[at : at + NODES_PER_READ]
            types = await client.uaclient.read_attributes(
                [node for _, node in chunk], ua.AttributeIds.DataType
            )
            for (position, _), data in zip(chunk, types, strict=True):
                node = _value(data)
                if isinstance(node, ua.NodeId) and not _is_known(node):
                    by_type.setdefault(node, []).append(position)
        await self._learn_types(client, list(by_type))
        self._names = {
            position: self._enumerations[node]
            for node, positions in by_type.items()
            if node in self._enumerations
            for position in positions
        }

    async def learn_structures(self, client: Client) -> None:
        """Ask of what all structures of the server's own are made, since values of any type may
        hold any of them. As `learn` otherwise."""
        self._asked.clear()
        found = await subtypes(client, _STRUCTURE, _MOST_TYPES)
        await self._learn_types(client, [node for node in found if node.NamespaceIndex])

    async def _learn_types(self, client: Client, types: list[ua.NodeId]) -> None:
        """These types, and those of their fields, breadth first."""
        while types and len(self._asked) < _MOST_TYPES:
            self._asked.update(types)
            found: list[ua.NodeId] = []
            plain: list[ua.NodeId] = []
            for at in range(0, len(types), NODES_PER_READ):
                chunk = types[at : at + NODES_PER_READ]
                definitions = await client.uaclient.read_attributes(
                    chunk, ua.AttributeIds.DataTypeDefinition
                )
                for node, data in zip(chunk, definitions, strict=True):
                    definition = _value(data)
                    found += self._note(node, definition)
                    if definition is None:
                        plain.append(node)
            for at in range(0, len(plain), NODES_PER_READ):
                found += await self._learn_parents(client, plain[at : at + NODES_PER_READ])
            types = [
                node
                for node in dict.fromkeys(found)
                if node not in self._asked and not _is_known(node)
            ]

    async def _learn_parents(self, client: Client, types: list[ua.NodeId]) -> list[ua.NodeId]:
        """What types without a definition of their own are subtypes of."""
        found = await referenced(client, types, _HAS_SUBTYPE, ua.BrowseDirection.Inverse)
        for node, parents in zip(types, found, strict=True):
            if parents:
                self._parents[node] = parents[-1]
        return [self._parents[node] for node in types if node in self._parents]

    def _note(self, node: ua.NodeId, definition: Any) -> list[ua.NodeId]:
        """Keep a definition; the types it is made of."""
        if isinstance(definition, ua.EnumDefinition):
            self._enumerations[node] = {
                int(f.Value): f.DisplayName.Text or f.Name or "" for f in definition.Fields or ()
            }
            return []
        if not isinstance(definition, ua.StructureDefinition):
            return []
        try:
            kind = ua.StructureType(definition.StructureType)
            layout = _Layout(kind)
            subtyped = kind in _SUBTYPED
            for part in definition.Fields or ():
                # Where fields may be of a subtype, this says of which that is so.
                any_subtype = subtyped and bool(part.IsOptional)
                read = self._reader(part, any_subtype=any_subtype)
                layout.fields.append((part.Name, read, bool(part.IsOptional)))
        except ValueError as error:
            logger.info("%s: structure %s: %s", self._device, node.to_string(), error)
            return []
        self._layouts[node] = self._layouts[definition.DefaultEncodingId] = layout
        return [part.DataType for part in definition.Fields or ()]

    def _reader(self, part: ua.StructureField, *, any_subtype: bool) -> Read:
        one = self._subtype_reader(part.DataType) if any_subtype else self._reader_of(part.DataType)
        if part.ValueRank < 1:
            return one
        if part.ValueRank > 1:
            raise ValueError(f"field {part.Name} has {part.ValueRank} dimensions")

        def read_array(data: Buffer) -> list[Any] | None:
            count = Primitives.Int32.unpack(data)
            if count > len(data):
                raise ValueError(f"an array of {count} in {len(data)} bytes")
            return None if count < 0 else [one(data) for _ in range(count)]

        return read_array

    def _subtype_reader(self, node: ua.NodeId) -> Read:
        """Of a value that says itself of which type it is."""

        def read_as_said(data: Buffer) -> Any:
            kind = ua.VariantType.ExtensionObject
            return unpack_uatype(kind if self._is_structure(node) else ua.VariantType.Variant, data)

        return read_as_said

    def _is_structure(self, node: ua.NodeId) -> bool:
        for _ in range(_MOST_TYPES):
            if node == _STRUCTURE or node in self._layouts or node in _standard_structures():
                return True
            if node not in self._parents:
                return False
            node = self._parents[node]
        return False

    def _reader_of(self, node: ua.NodeId) -> Read:
        if _is_known(node):
            return _standard_reader(node)

        def read_by_name(data: Buffer) -> Any:  # looked up when read: types may name each other
            layout = self._layouts.get(node)
            if layout is not None:
                return layout.read(data)
            if node in self._enumerations:
                return Primitives.Int32.unpack(data)
            parent = self._parents.get(node)
            if parent is not None and parent != node:
                return self._reader_of(parent)(data)
            raise Unreadable(f"the server does not tell what {node.to_string()} is")

        return read_by_name


async def subtypes(client: Client, node: ua.NodeId, most: int) -> list[ua.NodeId]:
    """The types that are made of one, however many steps on; once so many are found, no more are
    looked for."""
    found: dict[ua.NodeId, None] = {}
    layer = [node]
    while layer and len(found) < most:
        found_below = await referenced(client, layer[:NODES_PER_READ], _HAS_SUBTYPE)
        below = [node for each in found_below for node in each]
        layer = [*layer[NODES_PER_READ:], *(node for node in below if node not in found)]
        found.update(dict.fromkeys(below))
    return list(found)


async def referenced(
    client: Client,
    nodes: list[ua.NodeId],
    reference: ua.NodeId,
    direction: ua.BrowseDirection = ua.BrowseDirection.Forward,
    most: int = 0,
) -> list[list[ua.NodeId]]:
    """The nodes that each of these refers to by a reference or subtypes of it, as far as one answer
    names them; at most so many, if not 0."""
    results = await client.uaclient.browse(
        ua.BrowseParameters(
            RequestedMaxReferencesPerNode=ua.UInt32(most),
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=direction,
                    ReferenceTypeId=reference,
                    IncludeSubtypes=True,
                    NodeClassMask=0,
                    ResultMask=0,
                )
                for node in nodes
            ],
        )
    )
    return [
        [ua.NodeId(r.NodeId.Identifier, r.NodeId.NamespaceIndex) for r in result.References or ()]
        for result in results
    ]


@cache
def _standard_structures() -> Mapping[ua.NodeId, type[Any]]:
    """asyncua's own classes by the node id of their type."""
    classes: Iterable[Any] = ua.extension_objects_by_typeid.values()
    return {cls.data_type: cls for cls in classes if hasattr(cls, "data_type")}


def _standard_reader(node: ua.NodeId) -> Read:
    """How a type of the standard is read."""
    cls = _standard_structures().get(node)
    if cls is not None:
        return lambda data: from_binary(cls, data)
    number = node.Identifier
    if number == _ENUMERATION:
        return Primitives.Int32.unpack
    if not isinstance(number, int) or number in _ABSTRACT:
        return lambda data: unpack_uatype(ua.VariantType.Variant, data)
    kind = ua.VariantType(number)
    return lambda data: unpack_uatype(kind, data)


def _is_known(node: ua.NodeId) -> bool:
    """Whether the standard says what it is, and it need not be asked for."""
    number = node.Identifier
    if node.NamespaceIndex != 0:
        return False
    basic = isinstance(number, int) and (
        0 < number <= _BUILT_IN or number in (*_ABSTRACT, _ENUMERATION)
    )
    return basic or node in _standard_structures()


def _value(data: ua.DataValue) -> Any:
    """What was read; None where the server refused."""
    if data.Value is None or (data.StatusCode is not None and data.StatusCode.is_bad()):
        return None
    return data.Value.Value
