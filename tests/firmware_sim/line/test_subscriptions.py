"""What a gateway's promise of no loss rests on: queues, acknowledgements and transfers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client

from firmware_sim.line.server import PlcServer
from firmware_sim.line.subscriptions import OVERFLOW
from firmware_sim.proxy.proxy import FaultProxy
from tests.firmware_sim.line.gateway import until_true

NODE = "Line.Station10.Force"
Story = Callable[[PlcServer, Client, ua.NodeId], Awaitable[None]]


def play(story: Story) -> None:
    async def scene() -> None:
        async with PlcServer("urn:test", "127.0.0.1", 0) as server:
            await server.add(NODE, ua.VariantType.Double, 0.0)
            await server.listen()
            async with Client(server.endpoint) as client:
                index = await client.get_namespace_index("urn:test")
                await story(server, client, ua.NodeId(ua.String(NODE), ua.Int16(index)))

    asyncio.run(scene())


class Collector:
    """A subscription handler that keeps values with their status."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def datachange_notification(self, _node: Any, value: float, data: Any) -> None:
        self.seen.append((value, data.monitored_item.Value.StatusCode.value))


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        (3, [(4.0, OVERFLOW), (5.0, 0), (6.0, 0)]),
        (1, [(6.0, 0)]),
        (100, [(0.0, 0), (1.0, 0), (2.0, 0), (3.0, 0), (4.0, 0), (5.0, 0), (6.0, 0)]),
    ],
)
def test_an_overflowing_queue_marks_its_oldest_value(
    queue: int, expected: list[tuple[float, int]]
) -> None:
    async def story(server: PlcServer, client: Client, node: ua.NodeId) -> None:
        collector = Collector()
        subscription = await client.create_subscription(20, collector, publishing=False)
        await subscription.subscribe_data_change(client.get_node(node), queuesize=queue)
        for value in range(1, 7):
            await server.write(NODE, float(value))
        await subscription.set_publishing_mode(True)
        await until_true(lambda: len(collector.seen) >= len(expected))
        assert collector.seen == expected

    play(story)


def test_a_value_that_does_not_change_is_not_told_again() -> None:
    async def story(server: PlcServer, client: Client, node: ua.NodeId) -> None:
        collector = Collector()
        subscription = await client.create_subscription(20, collector)
        await subscription.subscribe_data_change(client.get_node(node), queuesize=10)
        for value in (1.0, 1.0, 2.0):
            await server.write(NODE, value)
        await until_true(lambda: len(collector.seen) >= 3)
        assert collector.seen == [(0.0, 0), (1.0, 0), (2.0, 0)]

    play(story)


def test_a_subscription_outlives_its_connection_and_its_messages_wait_for_their_ack() -> None:
    async def story(server: PlcServer, client: Client, node: ua.NodeId) -> None:
        number = await abandoned_subscription(server, node)
        session = client.uaclient.session
        (transferred,) = await session.transfer_subscriptions(
            ua.TransferSubscriptionsParameters(SubscriptionIds=[number])
        )
        transferred.StatusCode.check()
        await server.write(NODE, 1.0)
        message = (await session.publish([])).Parameters.NotificationMessage
        assert message.NotificationData
        for _ in range(2):
            again = await session.republish(number, message.SequenceNumber)
            assert again == message
        await server.write(NODE, 2.0)
        acknowledgement = ua.SubscriptionAcknowledgement(
            SubscriptionId=number, SequenceNumber=message.SequenceNumber
        )
        await session.publish([acknowledgement])
        with pytest.raises(ua.UaStatusCodeError):
            await session.republish(number, message.SequenceNumber)
        with pytest.raises(ua.UaStatusCodeError):
            await session.republish(number + 1, 1)

    play(story)


def test_a_subscription_outlives_a_session_that_timed_out() -> None:
    async def scene() -> None:
        async with PlcServer("urn:test", "127.0.0.1", 0) as server:
            inner = server._server.iserver
            inner.min_session_timeout_ms = 100
            await server.listen()
            gone = Client(server.endpoint)
            gone.session_timeout = 300
            await gone.connect()
            subscription = await gone.create_subscription(20, Collector())
            gone.disconnect_socket()
            await until_true(lambda: not inner._external_sessions)
            async with Client(server.endpoint) as client:
                parameters = ua.TransferSubscriptionsParameters(
                    SubscriptionIds=[subscription.subscription_id]
                )
                (result,) = await client.uaclient.transfer_subscriptions(parameters)
                assert result.StatusCode.is_good()
            with suppress(OSError, ua.UaError, TimeoutError):
                await gone.disconnect()
            assert not inner.subscription_service.subscriptions

    asyncio.run(scene())


async def abandoned_subscription(server: PlcServer, node: ua.NodeId) -> Any:
    """Number of a subscription to a node whose client has lost its connection."""
    host, _, port = server.endpoint.removeprefix("opc.tcp://").rstrip("/").partition(":")
    async with FaultProxy(host, int(port)) as proxy:
        lost = Client(f"opc.tcp://127.0.0.1:{proxy.port}/")
        await lost.connect()
        number = await subscribe(lost, node)
        await proxy.make("cut")
        with suppress(OSError, ua.UaError, TimeoutError):
            await lost.disconnect()  # ends its tasks; it reaches nobody
    return number


async def subscribe(client: Client, node: ua.NodeId) -> Any:
    """A bare subscription to a node, without the client's bookkeeping; its number."""
    subscription = await client.create_subscription(20, Collector())
    await subscription.subscribe_data_change(client.get_node(node), queuesize=100)
    return subscription.subscription_id
