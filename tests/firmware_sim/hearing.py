"""What a plain OPC UA client and a gateway hear of a simulated system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from edge.sources.opcua import OpcUaSettings
from firmware_sim.line.ledger import Sample, read_ledger
from firmware_sim.proxy.proxy import FaultProxy
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.reading import Reading, reading, until


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


def results(got: Reading) -> list[Result]:
    """Those that the gateway has."""
    return [parse_result(text) for text in got.values(RESULT)]


def parts(found: list[Result], whole: str) -> Counter[str | None]:
    """How often each part was judged as a whole, which is told under this characteristic."""
    return Counter(result.serial for result in found if result.characteristic == whole)


async def each_once_over_a_cut(
    settings_of: Callable[[str], OpcUaSettings],
    endpoint: str,
    make: Callable[[], Awaitable[object]],
    whole: str,
    ledger: Path,
) -> list[Result]:
    """What a gateway has of twenty parts, ten of them made while its link is cut: by the system's
    own ledger each is there once."""
    port = int(endpoint.rstrip("/").rpartition(":")[2])
    async with (
        FaultProxy("127.0.0.1", port) as proxy,
        reading(
            ledger.with_name("journal.sqlite"), settings_of(f"opc.tcp://127.0.0.1:{proxy.port}/")
        ) as got,
    ):
        await until(lambda: got.figures.state == "online")
        for _ in range(10):
            await make()
        await until(lambda: len(parts(results(got), whole)) == 10)
        await proxy.make("cut", seconds=0.5)
        await until(lambda: got.figures.state == "offline")
        for _ in range(10):
            await make()
        await until(lambda: len(parts(results(got), whole)) == 20)
        told = [entry.value for entry in read_ledger(ledger) if isinstance(entry, Sample)]
        assert parts(results(got), whole) == Counter(told)
        assert got.gaps == []
        return results(got)
