"""Which of several servers with the same tags is to be read, by what they say of themselves.

The service level (OPC 10000-4, 6.6.2.4.2): 0 maintenance, 1 no data, 2 to 199 degraded, 200 to 255
healthy. A server without data is left at once. A degraded one is left when another is healthy, not
for one that is merely less degraded: two servers whose levels waver would else be changed to and
fro, and each change costs a subscription.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from asyncua import Client, ua

NO_DATA = 1
HEALTHY = 200
LOOK_S = 2.0
LOOK_ELSEWHERE_S = 30.0
"""How often the others are asked while the server in use is degraded: each time costs a session."""
_LEVEL = ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServiceLevel))


class StandsByError(ConnectionError):
    """Another server is to be used; the text says why."""


async def service_level(client: Client) -> int | None:
    """What a server says of itself; None if it does not, as those without redundancy may."""
    level = None
    with contextlib.suppress(ua.UaError):
        level = await client.get_node(_LEVEL).read_value()
    return level if isinstance(level, int) else None


async def watch_service(client: Client, find_healthy: Callable[[], Awaitable[bool]]) -> None:
    """Look at the service level until the server is to be left, which raises `StandsByError`.

    `find_healthy`: whether another server is healthy; the next session is then with that one.
    """
    looked_at = -LOOK_ELSEWHERE_S
    loop = asyncio.get_running_loop()
    while True:
        level = await service_level(client)
        if level is None:
            await asyncio.Event().wait()
        elif level <= NO_DATA:
            raise StandsByError(f"the server stands by and has no data (service level {level})")
        elif level < HEALTHY and loop.time() - looked_at >= LOOK_ELSEWHERE_S:
            if await find_healthy():
                raise StandsByError(f"another server is healthy (service level {level} here)")
            looked_at = loop.time()
        await asyncio.sleep(LOOK_S)
