"""The door to the call store for all who work on the asyncio loop: one thread for the file, and one
bell for each who waits for something in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from edge.calls.store import CallsLostError, CallStore, TakenResult
from edge.set_aside import is_damage
from edge.sources.begun import PartBegun

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Desk:
    """Runs the store's functions one at a time, in the order asked for, off the loop.

    `lines` holds one event per line, set when a call is waiting to be handed over; `on_event` is
    called after events were appended, `on_begun` with the line and the part that its PLC has begun,
    `on_results` with the line and what its PLC has said that was not known yet, once it is stored,
    `on_wrong_part` with line, rack and what is wrong when somebody would have closed such a rack,
    `on_lost` with the reason after a damaged file was set aside.
    """

    def __init__(self, store: CallStore, lines: Iterable[str]) -> None:
        self.store = store
        self.lines = {line: asyncio.Event() for line in lines}
        self.on_event: Callable[[], None] = lambda: None
        self.on_begun: Callable[[str, PartBegun], None] = lambda _line, _part: None
        self.on_results: Callable[[str, Sequence[TakenResult]], None] = lambda _line, _taken: None
        self.on_wrong_part: Callable[[str, str, str], None] = lambda _line, _rack, _what: None
        self.on_lost: Callable[[str], None] = lambda _reason: None
        self.watchers: set[Callable[[], None]] = set()
        """Called on the loop after something in the file has changed."""
        self._damage: sqlite3.DatabaseError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-store")

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run one function of the store. It ends even if the caller is cancelled meanwhile.

        Raises `CallsLostError` if the file was found damaged: a new one is in its place.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, self._work, lambda: function(*args, **kwargs), loop
        )

    def _work(self, function: Callable[[], _T], loop: asyncio.AbstractEventLoop) -> _T:
        try:
            if self._damage is None:
                before = self.store.changes
                try:
                    return self._in_reserve(function)
                finally:
                    if self.watchers and self.store.changes != before:
                        loop.call_soon_threadsafe(self._changed)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._damage = error
        damage = self._damage
        self.store.begin_anew(damage)  # if the disk does not let us, the next call tries again
        self._damage = None
        loop.call_soon_threadsafe(self._lost)
        raise CallsLostError(f"the file was damaged ({damage}): a new one is begun")

    def _in_reserve(self, function: Callable[[], _T]) -> _T:
        """On a full disk, try once more in the reserve. Each function is one transaction."""
        try:
            return function()
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
            full = code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
            if not full or not self.store.spend_reserve():
                raise
        return function()

    def _changed(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()

    def _lost(self) -> None:
        self.on_lost(self.store.lost_by or "")
        self.on_event()  # the lane finds another epoch, and connects again

    def ring(self, lines: Iterable[str]) -> None:
        """Calls for these lines have come."""
        for line in lines:
            if line in self.lines:
                self.lines[line].set()

    def close(self) -> None:
        """Finish what was asked for and close the file."""
        self._thread.shutdown(wait=True)
        self.store.close()
