"""bdSeq: tells the death of one session from that of another, over restarts."""

from __future__ import annotations

import os
from pathlib import Path

from protocols.sparkplug.session import next_bd_seq


class BirthDeathSequence:
    """The number of each MQTT session, 0 … 255, one more than the last; kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def next(self) -> int:
        """The number of a new session. Raises `OSError` if it cannot be kept."""
        try:
            last: int | None = int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            last = None
        number = next_bd_seq(last)
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("w") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        return number
