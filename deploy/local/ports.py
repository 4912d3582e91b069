"""TCP ports on loopback: find a free one, wait until somebody listens."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

LOOPBACK = "127.0.0.1"
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST, _USUAL_OUTGOING = 15_000, 32_768
_given: set[int] = set()


def free_port() -> int:
    """A port nobody listens on now, and that nobody else who asks here is given while this process
    lives: it may be used late, and again after whoever listened there has ended.

    It is below those that the system gives to outgoing connections. One of these is soon another's
    while its server is away; or it is given to the very client that calls for that server, which
    then talks to itself and keeps the server from coming back.
    """
    outgoing = int(_OUTGOING.read_text().split()[0]) if _OUTGOING.exists() else _USUAL_OUTGOING
    candidates = range(_FIRST, outgoing) if outgoing > _FIRST else range(outgoing, 65_536)
    while True:
        port = random.choice(candidates)  # noqa: S311 - what is asked for is any
        if not _take(port):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def _take(port: int) -> bool:
    """Whether the port was given to nobody before. Noted by a lock on one byte of a file, of which
    the system lets go when the process ends."""
    if port in _given:
        return False
    try:
        fcntl.lockf(_notes(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    return True


@cache
def _notes() -> int:
    """The file, open as long as the process lives: to close it would lose all its locks."""
    path = Path(tempfile.gettempdir()) / f"lineside-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def listening(port: int) -> bool:
    """True if a connection to this port on loopback is accepted."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=0.5):
            return True
    except OSError:
        return False


def wait_listening(port: int, alive: Callable[[], bool], timeout_s: float) -> None:
    """Return once `port` accepts connections.

    Raises `ConnectionError` as soon as `alive()` is false, `TimeoutError` after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not listening(port):
        if not alive():
            raise ConnectionError(f"the process that should listen on port {port} has ended")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port} after {timeout_s:g} s")
        time.sleep(0.02)
