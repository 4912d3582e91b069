"""An OPC UA server whose objects tell results as events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.common.events import get_event_obj_from_type_node
from asyncua.common.node import Node
from asyncua.server.server import Server

from firmware_sim.line.quick import QuickServer

Said = Mapping[str, tuple[Any, ua.VariantType]]
"""Fields of an event by name."""


class Teller:
    """An object that tells events. asyncua tells one to those alone who listen at the object that
    raises it, so the server's own object raises each too."""

    def __init__(self, server: Server, node: Node, name: str) -> None:
        self.server = server
        self._tellers = [node, server.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.Server)))]
        self._name = name

    async def prepare(self) -> None:
        """Let both be listened to."""
        for teller in self._tellers:
            await teller.set_event_notifier([ua.EventNotifier.SubscribeToEvents])

    async def tell(
        self, event_type: Node, event_id: bytes, at: datetime, message: str, said: Said
    ) -> None:
        """Raise an event that says this."""
        event: Any = await get_event_obj_from_type_node(event_type)
        event.EventId = event_id
        event.SourceName = self._name
        event.SourceNode = self._tellers[0].nodeid
        event.Time = event.ReceiveTime = at
        event.Message = ua.LocalizedText(message)
        for field, (value, kind) in said.items():
            event.add_property(field, value, kind)
        for teller in self._tellers:
            event.emitting_node = teller.nodeid
            await self.server.iserver.subscription_service.trigger_event(event)


@asynccontextmanager
async def event_server(host: str, port: int, uri: str, name: str) -> AsyncIterator[Server]:
    """A server that is not begun yet, to be filled with nodes."""
    server = Server(QuickServer())
    server.set_endpoint(f"opc.tcp://{host}:{port}/")
    server.socket_address = (host, port)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    await server.init()
    await server.set_application_uri(uri)
    server.set_server_name(name)
    try:
        yield server
    finally:
        await server.stop()


async def add_teller(server: Server, namespace: str, name: str) -> Teller:
    """An object of that name that tells events."""
    index = await server.get_namespace_index(namespace)
    node = await server.get_objects_node().add_object(f"ns={index};s={name}", f"{index}:{name}")
    teller = Teller(server, node, name)
    await teller.prepare()
    return teller


async def begin(server: Server, host: str, port: int) -> str:
    """Let clients in; its address. Raises `OSError` if the port is taken."""
    # asyncua reports a taken port with a traceback; ask the system first.
    socket.create_server((host, port)).close()
    await server.start()
    port = server.bserver.port if server.bserver is not None else port
    return f"opc.tcp://{host}:{port}/"


@asynccontextmanager
async def repeated(every_s: float, work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do this again and again for as long as the context lasts; 0: never."""

    async def repeat() -> None:
        while every_s:
            await asyncio.sleep(every_s)
            await work()

    working = asyncio.create_task(repeat())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
