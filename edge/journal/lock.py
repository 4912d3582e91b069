"""One agent per data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from edge.journal.errors import DirectoryInUseError


class DirectoryLock:
    """Holds a data directory until released, or until the process ends in any way."""

    def __init__(self, directory: Path) -> None:
        """Take the lock. Raises `DirectoryInUseError` if another agent has it, `OSError` if the
        directory cannot be made or written."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / "agent.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise DirectoryInUseError(
                f"{directory} is in use by another agent (process {holder}); "
                "stop it, or give this agent a data_dir of its own"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another agent have the directory."""
        self._file.close()
