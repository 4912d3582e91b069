"""asyncua's server, quick to begin and to end.

Of asyncua 2.1's start nearly all is the standard address space of 6,000 nodes, of which a PLC's
life touches some tens; and its end waits for a clock that sleeps for up to a second. Here the space
is made once in a process, each server takes copies of the nodes that it touches, and the clock can
be ended.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from copy import copy, deepcopy
from datetime import UTC, datetime
from pathlib import Path

from asyncua import ua
from asyncua.server.address_space import NodeData
from asyncua.server.internal_server import InternalServer
from asyncua.server.user_managers import UserManager

from firmware_sim.line.subscriptions import use_plc_subscriptions

_CLOCK_S = 1.0
_standard: dict[ua.NodeId, NodeData] = {}


class QuickServer(InternalServer):
    """The inner server, with subscriptions as a good PLC keeps them."""

    def __init__(self, users: UserManager | None = None) -> None:
        super().__init__(user_manager=users)
        use_plc_subscriptions(self)
        self.disabled_clock = True
        self._clock: asyncio.Task[None] | None = None

    async def load_standard_address_space(
        self,
        shelf_file: Path | None = None,  # noqa: ARG002 - asyncua's own way, slower by a second
    ) -> None:
        """Make it, or have it from the server before."""
        if not _standard:
            with _no_collection():
                await super().load_standard_address_space()
            _standard.update(self.aspace._nodes)
        self.aspace._nodes = _Copies(_standard)  # type: ignore[assignment]  # as its shelf does

    async def start(self) -> None:
        """Begin, and keep the CurrentTime, which clients compare their own clock with."""
        await super().start()
        self._clock = asyncio.create_task(self._keep_time())

    async def stop(self) -> None:
        """End at once."""
        if self._clock is not None:
            self._clock.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock
        await super().stop()

    async def _keep_time(self) -> None:
        while True:
            status = copy(await self.server_status_node.read_value())
            status.CurrentTime = datetime.now(UTC)
            await self.server_status_node.write_value(status)
            await self.current_time_node.write_value(status.CurrentTime)
            await asyncio.sleep(_CLOCK_S)


class _Copies(MutableMapping[ua.NodeId, NodeData]):
    """Nodes of one server: its own, and of the standard's a copy once it is asked for."""

    def __init__(self, standard: Mapping[ua.NodeId, NodeData]) -> None:
        self._standard = dict(standard)
        self._own: dict[ua.NodeId, NodeData] = {}

    def __getitem__(self, key: ua.NodeId) -> NodeData:
        node = self._own.get(key)
        if node is None:
            node = self._own[key] = deepcopy(self._standard.pop(key))
        return node

    def __setitem__(self, key: ua.NodeId, value: NodeData) -> None:
        self._standard.pop(key, None)
        self._own[key] = value

    def __delitem__(self, key: ua.NodeId) -> None:
        if self._standard.pop(key, None) is None:
            del self._own[key]

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._standard

    def __iter__(self) -> Iterator[ua.NodeId]:
        yield from [*self._own, *self._standard]

    def __len__(self) -> int:
        return len(self._own) + len(self._standard)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage collection put off: looking again and again through the thousands of nodes while they
    are made costs a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
