"""Notices that the disk is an old copy: the hub has more of the stream than can have been sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge.journal import TelemetryJournal
from protocols.streams import Answer

_BOOKMARK = "uplink"
"""No source's: those begin with a device and a slash."""


class OldCopyWatch:
    """What the journal held when it was opened first since the hub last answered. Nothing beyond
    can have been sent, since nothing is sent before an answer; that it holds over restarts is on
    the disk before what is appended later.

    Made before the sources begin, for each uplink anew.
    """

    def __init__(self, journal: TelemetryJournal) -> None:
        """Raises `JournalError`."""
        self._journal = journal
        state = journal.state
        epoch, _, bound = journal.bookmarks.get(_BOOKMARK, "").partition(" ")
        self._bound: int | None = state.next
        if epoch == str(state.epoch):
            self._bound = int(bound)
        else:
            journal.submit(bookmarks={_BOOKMARK: f"{state.epoch} {state.next}"})
        self._noting = False

    @property
    def holds_back(self) -> bool:
        """Whether nothing may be sent yet: it is not on the disk that it may. A full disk would
        never have room again if it held back what waits to leave it."""
        return self._noting and not self._journal.full

    def hears(self, answer: Answer, done: Callable[[], None]) -> bool:
        """The hub's position in the journal's epoch. True if this is its first answer and it has
        more than was sent; else `done` is called once `holds_back` is over.
        """
        bound, self._bound = self._bound, None
        if bound is None:
            return False
        if max([answer.watermark, *(after for _, after in answer.ahead)]) > bound:
            # What was there when it was copied is the same in both: it need not go again.
            self._journal.committed(min(answer.watermark, bound))
            return True
        self._noting = True

        def noted(_: asyncio.Future[int]) -> None:
            self._noting = False
            done()

        self._journal.submit(bookmarks={_BOOKMARK: ""}).add_done_callback(noted)
        return False
