"""What the agent tells the service manager, in systemd's notification protocol (sd_notify(3)):
datagrams of `NAME=value` lines to the socket named by NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """The service manager that started this process; without one, all of this does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte that begins an address in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = _watchdog_s(environment)
        """It restarts this process if `alive` is not said for so long; None: it does not watch."""

    def ready(self) -> None:
        """Started, or reloaded."""
        self._say("READY=1")

    def reloading(self) -> None:
        """Takes in a new configuration until the next `ready`."""
        # Since systemd 253 a unit of Type=notify-reload wants the instant along with it.
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Is about to end."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._say("STATUS=" + " ".join(text.split()))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return  # it went away, or does not read: that is not this gateway's failure


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """The watchdog's patience, if it is meant for this process (sd_watchdog_enabled(3))."""
    try:
        microseconds = int(environment["WATCHDOG_USEC"])
        watched = int(environment.get("WATCHDOG_PID") or os.getpid())
    except (KeyError, ValueError):
        return None
    return microseconds / 1e6 if microseconds > 0 and watched == os.getpid() else None
