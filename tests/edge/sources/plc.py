"""An OPC UA server to read from, with whatever nodes a test wants, that can go and come back."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager

from deploy.local.ports import free_port
from firmware_sim.line.quick import QuickServer

URI = "urn:test:plc"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Plc:
    """Nodes by name, all in namespace `URI`, which has the index 2."""

    def __init__(self, port: int, users: UserManager | None = None) -> None:
        self.server = Server(QuickServer(users))
        self.endpoint = f"opc.tcp://127.0.0.1:{port}/"
        self.server.set_endpoint(self.endpoint)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self.nodes: dict[str, Node] = {}

    async def add(
        self, name: str, value: Any, variant: ua.VariantType | None = None, *, at_ms: int = 0
    ) -> None:
        """Add a node; its first value has the source time START + at_ms."""
        parent = self.server.get_objects_node()
        node = await parent.add_variable(f"ns=2;s={name}", f"2:{name}", value, variant)
        self.nodes[name] = node
        await self.set(name, value, variant, at_ms=at_ms)

    async def set(
        self,
        name: str,
        value: Any,
        variant: ua.VariantType | None = None,
        *,
        at_ms: int = 0,
        status: int = 0,
    ) -> None:
        """Write a value with the source time START + at_ms."""
        if variant is None:
            variant = await self.nodes[name].read_data_type_as_variant_type()
        await self.server.write_attribute_value(
            self.nodes[name].nodeid,
            ua.DataValue(
                ua.Variant(value, variant),
                StatusCode=ua.StatusCode(ua.UInt32(status)),
                # asyncua names its wire type here, and takes any datetime
                SourceTimestamp=START + timedelta(milliseconds=at_ms),  # type: ignore[arg-type]
            ),
        )

    async def end_subscriptions(self) -> None:
        """Forget all subscriptions of clients, as a PLC does whose memory was cleared."""
        service = self.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))


@asynccontextmanager
async def run_plc(
    *,
    port: int | None = None,
    users: UserManager | None = None,
    at_ms: int = 0,
    **values: Any,
) -> AsyncIterator[Plc]:
    """A running server with a node for each of `values`, of the source time START + at_ms."""
    plc = Plc(port or free_port(), users)
    await plc.server.init()
    assert await plc.server.register_namespace(URI) == 2
    for name, value in values.items():
        await plc.add(name, value, at_ms=at_ms)
    await plc.server.start()
    try:
        yield plc
    finally:
        with contextlib.suppress(ConnectionError):
            await plc.server.stop()


def us(at_ms: int) -> int:
    """Source time START + at_ms as the journal has it."""
    return round(START.timestamp() * 1_000_000) + at_ms * 1000
