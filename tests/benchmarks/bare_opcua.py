"""The bare thing beside the gateway: an asyncua session whose raw callback drops what it gets.

    python -m tests.benchmarks.bare_opcua ENDPOINT PUBLISHING_MS NODE…

Prints twice a second how many values have come.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from asyncua import Client, ua

from edge.sources.opcua.connect import node_id

_ITEMS_PER_REQUEST = 200


async def receive(endpoint: str, publishing_ms: int, nodes: Sequence[str]) -> None:
    """Subscribe and count until killed."""
    values = 0

    async def drop(result: ua.PublishResult) -> None:
        nonlocal values
        for notification in result.NotificationMessage.NotificationData or ():
            values += len(notification.MonitoredItems)

    async with Client(endpoint) as client:
        namespaces = await client.get_namespace_array()
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=publishing_ms,
            RequestedLifetimeCount=1000,
            RequestedMaxKeepAliveCount=10,
            PublishingEnabled=True,
        )
        result = await client.uaclient.create_subscription(parameters, drop)
        items = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(
                    NodeId=node_id(node, namespaces), AttributeId=ua.AttributeIds.Value
                ),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=handle, SamplingInterval=0, QueueSize=100, DiscardOldest=True
                ),
            )
            for handle, node in enumerate(nodes)
        ]
        for at in range(0, len(items), _ITEMS_PER_REQUEST):
            await client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=result.SubscriptionId,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=items[at : at + _ITEMS_PER_REQUEST],
                )
            )
        while True:
            await asyncio.sleep(0.5)
            print(values, flush=True)


if __name__ == "__main__":
    asyncio.run(receive(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
