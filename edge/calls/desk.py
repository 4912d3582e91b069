"""The door to the call store for all who work on the asyncio loop: one thread for the file, and one
bell for each who waits for something in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from edge.calls.store import CallStore

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Desk:
    """Runs the store's functions one at a time, in the order asked for, off the loop.

    `lines` holds one event per line, set when a call is waiting to be handed over; `on_event` is
    called after events were appended.
    """

    def __init__(self, store: CallStore, lines: Iterable[str]) -> None:
        self.store = store
        self.lines = {line: asyncio.Event() for line in lines}
        self.on_event: Callable[[], None] = lambda: None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-store")

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run one function of the store. It ends even if the caller is cancelled meanwhile."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def ring(self, lines: Iterable[str]) -> None:
        """Calls for these lines have come."""
        for line in lines:
            if line in self.lines:
                self.lines[line].set()

    def close(self) -> None:
        """Finish what was asked for and close the file."""
        self._thread.shutdown(wait=True)
        self.store.close()
