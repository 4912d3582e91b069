"""What of the companion model Machine Vision the simulated system has, at the model's numbers: the
types of the ids, ResultReadyEventType with its properties; and a structure of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.server import Server

from protocols.opcua.machine_vision import NAMESPACE, RESULT_FIELDS, RESULT_READY

OWN = "urn:lineside:vision:1"
"""Namespace of the camera and of the structure in its results."""
_STRING, _TEXT = ua.VariantType.String, ua.VariantType.LocalizedText
_ID = new_struct_field("Id", _STRING)
_DESCRIBED = [_ID, new_struct_field("Description", _TEXT, optional=True)]
_HASHED = [
    _ID,
    new_struct_field("Version", _STRING, optional=True),
    new_struct_field("Hash", ua.VariantType.ByteString, optional=True),
    new_struct_field("HashAlgorithm", _STRING, optional=True),
    new_struct_field("Description", _TEXT, optional=True),
]
_TYPES = {
    "ResultId": (3021, [_ID]),
    "JobId": (3016, [_ID]),
    "PartId": (3004, _DESCRIBED),
    "InternalRecipeId": (3013, _HASHED),
    "InternalConfigurationId": (3008, _HASHED),
}
"""Fields that are ids: number and layout of their types."""


@dataclass(frozen=True, slots=True)
class Model:
    """The nodes of the model at one server."""

    event_type: Node
    encodings: dict[str, ua.NodeId]
    """Of the structures, by the field that has one, and of "Gap"."""

    def id_of(self, field: str, text: str) -> ua.ExtensionObject:
        """An id."""
        data = text.encode()
        body = struct.pack("<i", len(data)) + data
        if len(_TYPES[field][1]) > 1:
            body = struct.pack("<I", 0) + body  # none of the optional fields
        return self._structure(field, body)

    def gap(self, width_mm: float, score: float) -> ua.ExtensionObject:
        """The structure of its own."""
        return self._structure("Gap", struct.pack("<dd", width_mm, score))

    def _structure(self, name: str, body: bytes) -> ua.ExtensionObject:
        # asyncua names its wire type here, and takes bytes
        return ua.ExtensionObject(TypeId=self.encodings[name], Body=body)  # type: ignore[arg-type]


async def add_model(server: Server) -> Model:
    """Add the nodes to a server that has been initialised."""
    index = await server.register_namespace(NAMESPACE)
    own = await server.register_namespace(OWN)
    encodings = {}
    for name, (number, layout) in _TYPES.items():
        node = ua.NodeId(ua.Int32(number), ua.Int16(index))
        _, (encoding,) = await new_struct(server, node, f"{index}:{name}DataType", layout)
        encodings[name] = encoding.nodeid
    doubles = [new_struct_field(name, ua.VariantType.Double) for name in ("Width", "Score")]
    _, (encoding,) = await new_struct(server, own, "Gap", doubles)
    encodings["Gap"] = encoding.nodeid
    event_type = await server.nodes.base_event_type.add_object_type(
        ua.NodeId(ua.Int32(RESULT_READY), ua.Int16(index)), f"{index}:ResultReadyEventType"
    )
    for field in RESULT_FIELDS:
        anything = ua.NodeId(ua.Int32(ua.ObjectIds.BaseDataType))
        await event_type.add_property(index, field, "", _STRING, anything)
    return Model(event_type, encodings)
