"""What of the companion models Machinery Result and IJT Base the simulated system has, at their
numbers: the structures of a result, up to the last field that it fills, and the event types."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.server import Server
from asyncua.ua.ua_binary import Primitives, to_binary, variant_to_binary

from protocols.opcua.machinery_result import (
    CONTENT,
    JOINING_META_FIELDS,
    META,
    META_FIELDS,
    NAMESPACE,
    OVERALL,
    RESULT,
    RESULT_READY,
)

IJT = "http://opcfoundation.org/UA/IJT/Base/"
OWN = "urn:lineside:joining:1"
"""Namespace of the system."""
_V = ua.VariantType
_KINDS = {
    "HasTransferableDataOnFile": _V.Boolean,
    "IsPartial": _V.Boolean,
    "IsSimulated": _V.Boolean,
    "ResultState": _V.Int32,
    "CreationTime": _V.DateTime,
    "ResultEvaluation": _V.Int32,
    "ResultEvaluationCode": _V.Int64,
    "ResultEvaluationDetails": _V.LocalizedText,
    "JoiningTechnology": _V.LocalizedText,
    "SequenceNumber": _V.UInt64,
    "Description": _V.LocalizedText,
    "Classification": _V.Byte,
}
"""Types of metadata that are no text."""
_ARRAYS = ("ResultUri", "FileFormat")
_META = (*META_FIELDS, *JOINING_META_FIELDS[:5])
_VALUE = {
    "MeasuredValue": _V.Double,
    "Name": _V.String,
    "ResultEvaluation": _V.Int32,
    "ValueId": _V.String,
    "ValueTag": _V.Int16,
    "TracePointIndex": _V.Int32,
    "TracePointTimeOffset": _V.Double,
    "ParameterIdList": _V.String,
    "ViolationType": _V.Byte,
    "ViolationConsequence": _V.Byte,
    "SensorId": _V.String,
    "LowLimit": _V.Double,
    "HighLimit": _V.Double,
    "TargetValue": _V.Double,
    "ResultStep": _V.String,
    "PhysicalQuantity": _V.Byte,
}
_UNITS = "EngineeringUnits"
_EU = ua.NodeId(ua.Int32(ua.ObjectIds.EUInformation))
_ANYTHING = ua.NodeId(ua.Int32(ua.ObjectIds.BaseDataType))
SINGLE_RESULT = 1

Plain = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class Model:
    """The nodes of the models at one server."""

    event_type: Node
    encodings: Mapping[str, ua.NodeId]
    """Of the structures."""

    def result(self, meta: Mapping[str, Plain], values: Sequence[bytes]) -> ua.ExtensionObject:
        """A result with the values of a joint."""
        told = {name: _field(_KINDS.get(name, _V.String), value) for name, value in meta.items()}
        about = self._structure(META, _with_mask(_META, "ResultId", told))
        joint = self._structure(
            "Joint", struct.pack("<I", 0) + Primitives.Int32.pack(len(values)) + b"".join(values)
        )
        content = Primitives.Int32.pack(1) + variant_to_binary(ua.Variant(joint))
        return self._structure(RESULT, to_binary(ua.ExtensionObject, about) + content)

    def _structure(self, name: str, body: bytes) -> ua.ExtensionObject:
        # asyncua names its wire type here, and takes bytes
        return ua.ExtensionObject(TypeId=self.encodings[name], Body=body)  # type: ignore[arg-type]


def value(unit: str, **said: Plain) -> bytes:
    """One value of a joint, as a ResultValueDataType."""
    told = {name: _field(_VALUE[name], each) for name, each in said.items()}
    told[_UNITS] = to_binary(ua.EUInformation, ua.EUInformation(DisplayName=ua.LocalizedText(unit)))
    return _with_mask((*_VALUE, _UNITS), "MeasuredValue", told)


async def add_model(server: Server) -> Model:
    """Add the nodes to a server that has been initialised."""
    results = await server.register_namespace(NAMESPACE)
    joining = await server.register_namespace(IJT)
    await server.register_namespace(OWN)

    async def add(
        name: str, number: int, index: int, layout: list[ua.StructureField]
    ) -> tuple[Node, ua.NodeId]:
        node = ua.NodeId(ua.Int32(number), ua.Int16(index))
        made, (encoding,) = await new_struct(server, node, f"{index}:{name}DataType", layout)
        return made, encoding.nodeid

    # asyncua gives encodings the next free numbers, so the highest comes first.
    about = ua.NodeId(ua.Int32(3007), ua.Int16(results))
    node, result = await add(
        "Result",
        3008,
        results,
        [new_struct_field(META, about), new_struct_field(CONTENT, _ANYTHING, array=True)],
    )
    await add("ResultMeta", 3007, results, _meta(META_FIELDS))
    _, meta = await add("JoiningResultMeta", 3020, joining, _meta(_META))
    measured, _ = await add(
        "ResultValue",
        3007,
        joining,
        [
            *(
                new_struct_field(
                    name, kind, array=name == "ParameterIdList", optional=name != "MeasuredValue"
                )
                for name, kind in _VALUE.items()
            ),
            new_struct_field(_UNITS, _EU, optional=True),
        ],
    )
    _, joint = await add(
        "JoiningResult",
        3005,
        joining,
        [
            new_struct_field("FailureReason", _V.Byte, optional=True),
            new_struct_field(OVERALL, measured.nodeid, array=True),
        ],
    )
    await _let_be_of_subtypes(node, META)
    base = await _event_type(
        server.nodes.base_event_type, RESULT_READY, results, "ResultReadyEventType"
    )
    event_type = await _event_type(base, 1007, joining, "JoiningSystemResultReadyEventType")
    return Model(event_type, {META: meta, "Joint": joint, RESULT: result})


def _meta(names: Sequence[str]) -> list[ua.StructureField]:
    return [
        new_struct_field(
            name, _KINDS.get(name, _V.String), array=name in _ARRAYS, optional=name != "ResultId"
        )
        for name in names
    ]


async def _event_type(parent: Node, number: int, index: int, name: str) -> Node:
    node = ua.NodeId(ua.Int32(number), ua.Int16(index))
    made: Node = await parent.add_object_type(node, f"{index}:{name}")
    return made


async def _let_be_of_subtypes(node: Node, name: str) -> None:
    """What asyncua makes no structures with: a field whose value says of which type it is."""
    definition: Any = await node.read_data_type_definition()
    definition.StructureType = ua.StructureType.StructureWithSubtypedValues
    for field in definition.Fields:
        field.IsOptional = field.Name == name
    await node.write_data_type_definition(definition)


def _field(kind: ua.VariantType, plain: Plain) -> bytes:
    return variant_to_binary(ua.Variant(plain, kind))[1:]


def _with_mask(names: Sequence[str], mandatory: str, told: Mapping[str, bytes]) -> bytes:
    """A structure all of whose fields but one are optional: which are there is said first."""
    optional = [name for name in names if name != mandatory]
    mask = sum(1 << bit for bit, name in enumerate(optional) if name in told)
    return struct.pack("<I", mask) + b"".join(told[name] for name in names if name in told)
