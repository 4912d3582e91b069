"""The bare thing beside the gateway: an asyncua session whose raw callback drops what it gets.

    python -m tests.benchmarks.bare_opcua ENDPOINT TAGS PUBLISHING_MS

Prints `values cpu_s` twice a second: how many values have come, and the CPU time of this process.
"""

from __future__ import annotations

import asyncio
import sys
import time

from asyncua import Client, ua

from firmware_sim.line.process import extra_tags
from protocols.opcua.line import NAMESPACE

_ITEMS_PER_REQUEST = 200


async def receive(endpoint: str, tags: int, publishing_ms: int) -> None:
    """Subscribe and count until killed."""
    values = 0

    async def drop(result: ua.PublishResult) -> None:
        nonlocal values
        for notification in result.NotificationMessage.NotificationData or ():
            values += len(notification.MonitoredItems)

    async with Client(endpoint) as client:
        index = await client.get_namespace_index(NAMESPACE)
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
                    NodeId=ua.NodeId(ua.String(tag.node), ua.Int16(index)),
                    AttributeId=ua.AttributeIds.Value,
                ),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=handle, SamplingInterval=100, QueueSize=100, DiscardOldest=True
                ),
            )
            for handle, tag in enumerate(extra_tags(tags))
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
            print(values, time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(receive(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
