"""The server of another maker's stack does what the tests that rest on it want of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua

from deploy.local.opcua import patient_client
from tests.edge.waiting import until
from tests.fixtures.node_opcua import NodeOpcua, NodeOpcuaError, needs_node_opcua, run_node_opcua

pytestmark = [pytest.mark.anyio, needs_node_opcua]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[NodeOpcua]:
    async with run_node_opcua() as running:
        yield running


class Values:
    """What a subscription to one variable brought."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.overflows = 0
        self.messages = 0

    def take(self, result: ua.PublishResult) -> None:
        self.messages += 1
        for notification in result.NotificationMessage.NotificationData or []:
            if isinstance(notification, ua.DataChangeNotification):
                for item in notification.MonitoredItems:
                    self.values.append(item.Value.Value.Value)
                    self.overflows += bool(item.Value.StatusCode.value & 0x480 == 0x480)


async def subscribe(client: Client, server: NodeOpcua, name: str, queue: int) -> Values:
    """A subscription for every change of one variable."""
    values = Values()
    parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=50, RequestedLifetimeCount=1000, RequestedMaxKeepAliveCount=20
    )
    made = await client.uaclient.create_subscription(parameters, values.take)
    item = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(
            NodeId=ua.NodeId.from_string(server.node_id(name)), AttributeId=ua.AttributeIds.Value
        ),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=1, SamplingInterval=0, QueueSize=queue, DiscardOldest=True
        ),
    )
    (result,) = await client.uaclient.create_monitored_items(
        ua.CreateMonitoredItemsParameters(
            SubscriptionId=made.SubscriptionId,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[item],
        )
    )
    assert result.StatusCode.is_good()
    await until(lambda: values.values, "the first value")
    return values


async def test_every_value_of_a_ramp_is_delivered(server: NodeOpcua) -> None:
    await server.add("Ramp", "Int32", 0)
    async with patient_client(server.endpoint) as client:
        values = await subscribe(client, server, "Ramp", 5000)  # of ten seconds
        await server.ramp(["Ramp"], per_s=500)
        await until(lambda: len(values.values) > 100, "a hundred values")
        made = (await server.hold())["Ramp"]
        await until(lambda: values.values[-1] == made, "the last value")
    assert values.values == list(range(made + 1))
    assert values.overflows == 0


async def test_a_queue_overflows_and_says_so(server: NodeOpcua) -> None:
    await server.add("Burst", "Int32", 0)
    async with patient_client(server.endpoint) as client:
        values = await subscribe(client, server, "Burst", 10)
        assert await server.burst("Burst", 100) == 100
        await until(lambda: values.values[-1] == 100, "the last value")
    assert values.values == [0, *range(91, 101)]
    assert values.overflows == 1


async def test_history_outlives_a_restart_and_nodes_come_and_go(server: NodeOpcua) -> None:
    await server.add("Past", "Double", 0.0, history=100)
    await server.add("Gone", "Double", 0.0)
    start = datetime.now(UTC) - timedelta(seconds=60)
    first_ms = int(time.time() * 1000)
    for i in range(1, 4):
        await server.set(Past=i / 2, source_ms=first_ms + i)
    await server.delete("Gone")
    await server.restart()
    async with patient_client(server.endpoint) as client:
        past = await client.get_node(server.node_id("Past")).read_raw_history(start)
        assert [value.Value and value.Value.Value for value in past] == [0.0, 0.5, 1.0, 1.5]
        with pytest.raises(ua.UaStatusCodeError, match="BadNodeIdUnknown"):
            await client.get_node(server.node_id("Gone")).read_value()


async def test_its_clock_can_be_set(server: NodeOpcua) -> None:
    async with patient_client(server.endpoint) as client:
        await server.shift_clock(3_600_000)
        ahead = await client.nodes.server.get_child(["0:ServerStatus", "0:CurrentTime"])
        offset = (await ahead.read_value()).replace(tzinfo=UTC) - datetime.now(UTC)
        await server.shift_clock(0)
    assert timedelta(minutes=59) < offset < timedelta(minutes=61)


async def test_sessions_and_subscriptions_can_be_ended(server: NodeOpcua) -> None:
    await server.add("Ended", "Int32", 0)
    await server.has_no_sessions()
    client = patient_client(server.endpoint)
    await client.connect()
    try:
        await subscribe(client, server, "Ended", 10)
        (session,) = await server.sessions()
        assert [s["items"] for s in session["subscriptions"]] == [1]
        assert await server.end_subscriptions() == 1
        (session,) = await server.sessions()
        assert session["subscriptions"] == []
        assert await server.end_sessions(subscriptions=True) == 1
        with pytest.raises(ua.UaError):
            await client.nodes.server_state.read_value()
    finally:
        client.disconnect_socket()


async def test_what_it_cannot_do_is_an_error(server: NodeOpcua) -> None:
    with pytest.raises(NodeOpcuaError, match="there is no Nothing"):
        await server.set(Nothing=1)
    with pytest.raises(NodeOpcuaError, match="is no command"):
        await server.do("dance")


@pytest.mark.slow
async def test_its_process_can_be_killed() -> None:
    async with run_node_opcua() as server:
        server.kill()
        with pytest.raises(NodeOpcuaError, match="gone"):
            await asyncio.wait_for(server.produced(), 20)
