"""bdSeq: tells the death of one session from that of another, over restarts."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from edge.status import Condition
from protocols.sparkplug.session import next_bd_seq

logger = logging.getLogger(__name__)


class BirthDeathSequence:
    """The number of each MQTT session, 0 … 255, one more than the last; kept in a file.

    A disk that does not take it stops no session: the number then goes on in memory, since what
    waits in the journal must be able to leave.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keeping = Condition(logger, f"bdSeq in {path}")
        try:
            self._last: int | None = int(path.read_text())
        except (OSError, ValueError):
            self._last = None
        self._free = False
        """Whether the last number drawn went into no CONNECT."""

    def next(self) -> int:
        """The number of a new session."""
        if self._free and self._last is not None:
            self._free = False
            return self._last
        self._last = next_bd_seq(self._last)
        try:
            self._keep(self._last)
        except OSError as error:
            self._keeping.fail(f"cannot be kept: {error.strerror}")
        else:
            self._keeping.recover()
        return self._last

    def not_used(self) -> None:
        """The number drawn last went into no CONNECT: the next session bears it, since the numbers
        of successive CONNECTs leave none out. (After a crash in between one is left out.)"""
        self._free = True

    def _keep(self, number: int) -> None:
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("w") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
