"""The hub's database as something that breaks: killed, hung, backed up and put back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.ports import listening
from hub.settings import DatabaseSettings
from hub.store.connect import open_database
from hub.store.embedded import EmbeddedError, EmbeddedPostgres, program
from hub.store.roles import Role, role_name

NAME = "lineside"
_GONE_S = 20.0


class HubDatabase:
    """An embedded PostgreSQL below a directory. A context manager; nobody else may start it."""

    def __init__(self, directory: Path) -> None:
        self._data_dir = directory
        self._server = EmbeddedPostgres(directory / "postgres")
        self.port = 0
        self.passwords: dict[Role, str] = {}

    def __enter__(self) -> Self:
        with open_database(DatabaseSettings(), self._data_dir):
            pass  # makes cluster, roles and database
        self.passwords = json.loads((self._server.directory / "roles.json").read_text())
        self._server.start()
        self.port = self._server.address[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.resume()
        self._server.stop()

    def connect(self) -> psycopg.Connection[Any]:
        """A connection that sees the rows of all tenants, past all proxies. Raises
        `psycopg.OperationalError` while the server is away."""
        return psycopg.connect(
            make_conninfo(
                host="127.0.0.1",
                port=self.port,
                dbname=NAME,
                user=role_name("ingest"),
                password=self.passwords["ingest"],
                connect_timeout=5,
                options="-c statement_timeout=60s",
            ),
            autocommit=True,
        )

    def kill(self) -> None:
        """`kill -9` of the server; its own processes notice, and end."""
        pids = self._pids()
        if pids:
            os.kill(pids[0], signal.SIGKILL)
        # A hung child would notice nothing, and keep the next server from starting.
        for pid in pids[1:]:
            _signal(pid, signal.SIGCONT)
        self._wait_until_gone(pids)

    def start(self) -> None:
        """Start it on what it left, on the same port. Raises `EmbeddedError`."""
        self._server.stop()
        self._server.start()
        if self._server.address[1] != self.port:
            raise EmbeddedError(f"port {self.port} of the database was taken by another program")

    def hang(self) -> None:
        """All its processes stop where they are, until `resume`."""
        for pid in self._pids():
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self._pids():
            _signal(pid, signal.SIGCONT)

    def back_up(self, folder: Path) -> None:
        """A base backup into a folder that does not exist yet."""
        command = [str(program("pg_basebackup")), "--wal-method=stream", "--checkpoint=fast"]
        dsn = self._server.dsn()
        done = subprocess.run(
            [*command, f"--pgdata={folder}", f"--dbname={dsn}"],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise EmbeddedError(f"no backup: {done.stderr.strip()}")

    def restore(self, folder: Path) -> None:
        """Put a backup in the place of the cluster, and start on it. The backup is used up."""
        self.resume()
        self._server.stop()
        cluster = self._server.pgdata
        owner = cluster.stat()
        shutil.rmtree(cluster)
        shutil.move(folder, cluster)
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        cluster.chmod(0o700)
        self._server.start()

    def _pids(self) -> list[int]:
        """The server's process, first, and its children; empty if it does not run."""
        try:
            pid = int((self._server.pgdata / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return []
        parents = dict(_parents())
        return [pid, *(child for child, parent in parents.items() if parent == pid)]

    def _wait_until_gone(self, pids: list[int]) -> None:
        deadline = time.monotonic() + _GONE_S
        while listening(self.port) or any(map(_runs, pids)):
            if time.monotonic() > deadline:
                raise EmbeddedError("a killed database server is still there")
            time.sleep(0.05)


def _parents() -> Iterator[tuple[int, int]]:
    """(process, parent) of all processes."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(fields[1])


def _runs(pid: int) -> bool:
    """Whether a process is there, and not one that only its parent has yet to bury."""
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
