"""Fault proxies between the processes, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from deploy.local.ports import LOOPBACK
from firmware_sim.proxy.faults import FaultName
from firmware_sim.proxy.proxy import FaultProxy

_T = TypeVar("_T")


class Proxies:
    """Links by name. A context manager."""

    def __init__(self, seed: int) -> None:
        """`seed` decides which chunks drop."""
        self._seed = seed
        self._links: dict[str, FaultProxy] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for link in self._links.values():
            self._call(link.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, name: str, target_port: int) -> int:
        """A new link to a port on loopback; the port to use in its place."""
        link = FaultProxy(LOOPBACK, target_port, seed=self._seed + len(self._links))
        self._call(link.__aenter__())
        self._links[name] = link
        return link.port

    def make(self, name: str, fault: FaultName, value: float | None = None) -> None:
        """Begin a fault on a link; `none` heals all that it has."""
        self._call(self._links[name].make(fault, value))

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30.0)
