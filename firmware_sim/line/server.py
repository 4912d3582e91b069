"""The OPC UA server of a simulated PLC: nodes by string identifier, written cheaply from inside."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from firmware_sim.line.quick import QuickServer

Value = bool | int | float | str | datetime


class PlcServer:
    """An OPC UA server with one namespace. Nodes are named by their identifier, whose dotted parts
    are the folders they lie in: asyncua scans a folder's whole list for each node it adds."""

    def __init__(self, namespace: str, host: str, port: int) -> None:
        """`port` 0 takes a free one; `endpoint` names it once started."""
        self._namespace = namespace
        self._host = host
        self._port = port
        iserver = QuickServer()
        self._server = Server(iserver)
        self._server.set_endpoint(f"opc.tcp://{host}:{port}/")
        self._server.socket_address = (host, port)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._server.set_identity_tokens([ua.AnonymousIdentityToken])
        self._aspace = iserver.aspace
        self._index = 0
        self._node_ids: dict[str, ua.NodeId] = {}
        self._types: dict[str, ua.VariantType] = {}
        self._folders: dict[str, Node] = {}

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://{self._host}:{self._port}/"

    async def __aenter__(self) -> PlcServer:
        """Build the standard address space; nodes can be added, clients connect after `listen`."""
        await self._server.init()
        await self._server.set_application_uri("urn:lineside:plc")
        self._server.set_server_name("Lineside line PLC")
        self._index = await self._server.register_namespace(self._namespace)
        return self

    async def listen(self) -> None:
        """Open the port. Raises `OSError` if it is taken."""
        # asyncua reports a taken port with a traceback; ask the system first.
        socket.create_server((self._host, self._port)).close()
        await self._server.start()
        listener = self._server.bserver
        if listener is not None:
            self._port = listener.port

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.stop()

    async def add(
        self, identifier: str, variant: ua.VariantType, value: Value, *, writable: bool = False
    ) -> None:
        """Add a variable, readable by all and, if `writable`, writable by clients."""
        folder = await self._folder(identifier.rpartition(".")[0])
        node_id = self._node_id(identifier)
        name = f"{self._index}:{identifier.rpartition('.')[2]}"
        node = await folder.add_variable(node_id, name, value, variant)
        if writable:
            await node.set_writable()
        self._node_ids[identifier] = node_id
        self._types[identifier] = variant

    async def write(self, identifier: str, value: Value, at: datetime | None = None) -> None:
        """Set a variable from inside the PLC; subscriptions are told. `at` is the source time."""
        status = await self._aspace.write_attribute_value(
            self._node_ids[identifier],
            AttributeIds.Value,
            ua.DataValue(
                ua.Variant(value, self._types[identifier]),
                # asyncua names its wire type here, and takes any datetime
                SourceTimestamp=at or datetime.now(UTC),  # type: ignore[arg-type]
            ),
        )
        status.check()

    def flag(self, identifier: str) -> bool:
        """The present value of a Boolean; a client's null reads as false."""
        return bool(self._value(identifier))

    def number(self, identifier: str) -> int:
        """The present value of an integer; a client's null reads as 0."""
        return int(self._value(identifier) or 0)

    def text(self, identifier: str) -> str:
        """The present value of a String; a client's null reads as empty."""
        return str(self._value(identifier) or "")

    def on_write(self, identifier: str, told: Callable[[], None]) -> None:
        """Call `told` after each write of a variable, by a client or from inside."""

        async def changed(_handle: int, _value: ua.DataValue) -> None:
            told()

        status, _ = self._aspace.add_datachange_callback(
            self._node_ids[identifier], AttributeIds.Value, changed
        )
        status.check()

    def _value(self, identifier: str) -> Any:
        variant = self._aspace.read_attribute_value(
            self._node_ids[identifier], AttributeIds.Value
        ).Value
        return None if variant is None else variant.Value

    def _node_id(self, identifier: str) -> ua.NodeId:
        return ua.NodeId(ua.String(identifier), ua.Int16(self._index))

    async def _folder(self, path: str) -> Node:
        if not path:
            return self._server.get_objects_node()
        if path not in self._folders:
            parent = await self._folder(path.rpartition(".")[0])
            name = f"{self._index}:{path.rpartition('.')[2]}"
            self._folders[path] = await parent.add_folder(self._node_id(path), name)
        return self._folders[path]
