"""Child processes of the local stack: each in its own process group, with its output in a file, and
gone when the process that started it is gone, however that ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

TERM_GRACE_S = 10.0


class ProcessError(RuntimeError):
    """A child ended by itself or did not do what it was started for; the text shows its log."""


class Process:
    """One child process. `start` may be called again after it has ended: the log goes on."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.argv = [str(part) for part in argv]
        self.log = log
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code once it has ended, negative for a signal; None before."""
        return self._child.poll() if self._child is not None else None

    def start(self) -> None:
        """Start it. Raises `ProcessError` if it is running, or the command does not exist."""
        if self.running:
            raise ProcessError(f"{self.name} is already running")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # setpriv is part of Debian's essential util-linux. The kernel then kills the child when we
        # die, so that even a `kill -9` of the demo leaves nothing behind.
        argv = ["setpriv", "--pdeathsig", "KILL", "--", *self.argv]
        with self.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProcessError(f"cannot start {self.name} ({argv[0]}): {error}") from None

    def kill(self) -> None:
        """`kill -9` the whole group and wait: the child gets no word of it."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def stop(self, grace_s: float = TERM_GRACE_S) -> None:
        """Ask it to end; kill the group after `grace_s`. Safe to call twice."""
        if self._child is None:
            return
        if self.running:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(grace_s)
        self.kill()

    def wait(self, timeout_s: float) -> int:
        """Its exit code once it has ended by itself. Raises `TimeoutError`."""
        if self._child is None:
            raise ProcessError(f"{self.name} was never started")
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {timeout_s:g} s") from None

    def tail(self, lines: int = 20) -> str:
        """Its last lines of output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def failure(self, what: str) -> ProcessError:
        """An error that says what went wrong and shows the last lines of this process's log."""
        code = self.exit_code
        ended = "" if code is None else f" (exit code {code})"
        return ProcessError(f"{self.name}: {what}{ended}\n--- {self.log}\n{self.tail()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; to nobody once it has ended."""
        if self._child is None:
            return
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return


def end_in_order() -> None:
    """Let SIGINT and SIGTERM end this process by `KeyboardInterrupt`.

    A second one does not interrupt that, so that nothing is left running.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
