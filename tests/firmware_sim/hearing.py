"""What a plain OPC UA client hears of a simulated system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import Client, ua

from tests.edge.sources.reading import until


async def heard(
    endpoint: str, namespace: str, event_type: int, make: Callable[[], Awaitable[object]]
) -> tuple[Any, ua.NodeId]:
    """The event that `make` has the system raise, and the type of which it was asked for."""
    events: list[Any] = []

    class Handler:
        def event_notification(self, event: Any) -> None:
            events.append(event)

    async with Client(endpoint) as client:
        index = await client.get_namespace_index(namespace)
        subscription = await client.create_subscription(50, Handler())
        node = ua.NodeId(ua.Int32(event_type), ua.Int16(index))
        await subscription.subscribe_events(evtypes=client.get_node(node))
        await make()
        await until(lambda: bool(events))
    return events[0], node
