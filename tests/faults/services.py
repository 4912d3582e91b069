"""Processes that are kept running, as a service manager does, unless a fault holds them down."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import Executor
from types import TracebackType
from typing import Self

from deploy.local.processes import Process

RESTART_S = 1.0
"""Between an end nobody asked for and the new start, as systemd's RestartSec."""


class Service:
    """One process: wanted, unless a fault has killed it and not yet started it again."""

    def __init__(self, process: Process, *, ends: bool = False) -> None:
        """`ends`: it may end with code 0 by itself, and then has done its work."""
        self.process = process
        self.ended: list[int] = []
        """Exit code of each end that was not a fault's doing."""
        self._ends = ends
        self._lock = threading.RLock()
        self._wanted = False
        self._restart_at: float | None = None

    @property
    def name(self) -> str:
        return self.process.name

    def start(self) -> None:
        with self._lock:
            self._wanted, self._restart_at = True, None
            if not self.process.running:
                self.process.start()

    def kill(self) -> None:
        """`kill -9`; it stays down until `start`."""
        with self._lock:
            self._wanted = False
            self.process.kill()

    def stop(self) -> None:
        """End it in order; it stays down until `start`."""
        with self._lock:
            self._wanted = False
            self.signal(signal.SIGCONT)
            self.process.stop()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to what it started."""
        pid = self.process.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def look_after(self) -> None:
        """Start it again some time after it has ended by itself."""
        with self._lock:
            code = self.process.exit_code
            if not self._wanted or code is None or (self._ends and code == 0):
                return
            now = time.monotonic()
            if self._restart_at is None:
                self.ended.append(code)
                self._restart_at = now + RESTART_S
            elif now >= self._restart_at:
                self._restart_at = None
                self.process.start()


class ServiceManager:
    """Looks after services in a thread of its own. A context manager: leaving it ends them all."""

    def __init__(self, pool: Executor) -> None:
        """`pool` must outlive this: a child process dies with the thread that started it."""
        self.services: list[Service] = []
        self._stopping = threading.Event()
        self._pool = pool

    def add(self, service: Service) -> Service:
        """Take a service in and start it."""
        service.start()
        self.services.append(service)
        return service

    def __enter__(self) -> Self:
        self._looking = self._pool.submit(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._looking.result()
        for service in reversed(self.services):
            service.stop()

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            for service in list(self.services):
                service.look_after()
