"""What the agent says to the service manager, heard on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd has one, and its address as NOTIFY_SOCKET says it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(30)
        if request.param == "path":
            address = str(tmp_path / "notify")
            heard.bind(address)
        else:
            heard.bind("")  # Linux then chooses a name in the abstract namespace
            address = "@" + heard.getsockname()[1:].decode()
        yield heard, address


def test_it_says_what_systemd_reads(listener: tuple[socket.socket, str]) -> None:
    heard, address = listener
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.ready()
    manager.status("source a: offline\n  and more")
    manager.alive()
    manager.stopping()
    said = [heard.recv(4096).decode() for _ in range(4)]
    assert said == ["READY=1", "STATUS=source a: offline and more", "WATCHDOG=1", "STOPPING=1"]
    manager.reloading()
    name, instant = heard.recv(4096).decode().split("\n")
    assert name == "RELOADING=1"
    assert instant.removeprefix("MONOTONIC_USEC=").isdigit()


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_for_this_process_or_not(
    environment: dict[str, str], watchdog_s: float | None
) -> None:
    assert ServiceManager(environment).watchdog_s == watchdog_s
