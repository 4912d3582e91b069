"""TCP ports on loopback: find a free one, wait until somebody listens."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now. Another process may take it before it is used: start soon."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


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
