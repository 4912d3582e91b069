"""Folders where files come and go: what partner software, an OFTP2 or an SFTP server, can serve.

A file counts as complete once its size stood still between two looks, or its name does not say that
it is being written. What is taken goes to `done`, what is refused to `refused` with its reasons
beside it. Files that go out appear whole, under their name.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from hub.edi.inbound import import_file, utc_now
from hub.edi.log import files_to_write, note_written
from hub.edi.outbound import export
from protocols.edifact.problems import EdifactError
from protocols.edifact.syntax import Limits

logger = logging.getLogger(__name__)

DONE, REFUSED = "done", "refused"
_UNFINISHED = (".tmp", ".part", ".filepart")


@dataclass
class Folders:
    """One tenant's folders."""

    owner: str
    incoming: Path
    outgoing: Path
    _sizes: dict[Path, int] = field(default_factory=dict)

    def round(self, connection: psycopg.Connection) -> int:
        """Take in what has come and write out what waits; how many files. Each file is a
        transaction of its own."""
        count = 0
        for path in self._complete():
            count += 1
            self._take(connection, path)
        try:
            export(connection, self.owner, utc_now())
        except EdifactError as error:
            logger.error("edi: cannot be written, and waits: %s", error)
        return count + write_out(connection, self.owner, self.outgoing)

    def watch(
        self, connection: psycopg.Connection, stopping: threading.Event, every_s: float
    ) -> None:
        """Rounds until it is to stop. Raises `psycopg.Error`, `OSError`."""
        while not stopping.is_set():
            self.round(connection)
            stopping.wait(every_s)

    def _complete(self) -> list[Path]:
        found = {
            path: path.stat().st_size
            for path in sorted(self.incoming.iterdir())
            if path.is_file()
            and not path.name.startswith(".")
            and path.suffix.lower() not in _UNFINISHED
        }
        still = [path for path, size in found.items() if self._sizes.get(path) == size]
        self._sizes = found
        return still

    def _take(self, connection: psycopg.Connection, path: Path) -> None:
        self._sizes.pop(path, None)
        with path.open("rb") as file:
            data = file.read(Limits().size + 1)
        try:
            imported = import_file(connection, data, utc_now())
        except EdifactError as error:
            problems = [str(problem) for problem in error.problems]
        else:
            problems = [str(problem) for problem in imported.problems]
            logger.info("edi: %s of %s: %s", path.name, imported.partner, imported.status)
        if problems:
            logger.warning("edi: %s is refused: %s", path.name, problems[0])
        target = self.incoming / (REFUSED if problems else DONE)
        target.mkdir(exist_ok=True)
        moved = _free(target / path.name)
        path.rename(moved)
        if problems:
            moved.with_name(f"{moved.name}.txt").write_text("\n".join(problems) + "\n")


def write_out(connection: psycopg.Connection, owner: str, folder: Path) -> int:
    """Write files that stand nowhere yet, each whole under its name; how many."""
    with connection.transaction():
        files = files_to_write(connection, owner)
        for number, name, body in files:
            whole = folder / name
            unfinished = folder / f".{name}.tmp"
            with unfinished.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(whole)
            note_written(connection, number)
    return len(files)


def _free(path: Path) -> Path:
    """The path, or one like it that nobody has."""
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found
