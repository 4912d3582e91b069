"""`lineside-hub serve` as a process of its own; the fixture `environment` has its settings."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVE = [sys.executable, "-c", "from hub.cli import main; main()", "serve"]


@contextmanager
def serve(environment: dict[str, str], *arguments: str) -> Iterator[str]:
    """The running command; gives its ready line. It must end well when it is told to."""
    with subprocess.Popen(
        [*SERVE, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def refused(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and words of a hub that does not start."""
    done = subprocess.run(
        [*SERVE, *arguments], env=environment, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stderr
