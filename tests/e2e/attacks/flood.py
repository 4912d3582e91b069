"""Connections by the thousand, and clients that never read."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from protocols.mqtt.broker import BrokerSettings

_OTHER_FILES = 1000


def as_many_as(wanted: int) -> int:
    """So many connections, or what this machine lets one process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - _OTHER_FILES)


@contextlib.contextmanager
def idle_connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open all of them, and say nothing over any."""
    with contextlib.ExitStack() as made:
        yield [
            made.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            for _ in range(count)
        ]


@contextlib.contextmanager
def storm_of_connections(port: int, count: int) -> Iterator[None]:
    """Begin all of them at once, without a wait for any, and say nothing over those that come
    about."""
    with contextlib.ExitStack() as made:
        for _ in range(count):
            each = made.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield


def dropped(connections: list[socket.socket]) -> int:
    """How many of them the other side has ended."""
    ended = 0
    for each in connections:
        each.setblocking(False)
        try:
            ended += each.recv(1) == b""
        except BlockingIOError:
            pass
        except OSError:
            ended += 1
    return ended


@contextlib.contextmanager
def deaf_subscriber(settings: BrokerSettings, topic: str) -> Iterator[None]:
    """A client that subscribes at QoS 1 and then never reads its socket again (MQTT 3.1.1)."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    assert settings.cert_file is not None
    context.load_cert_chain(settings.cert_file, settings.key_file)
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", settings.port))
        with context.wrap_socket(plain, server_hostname=settings.host) as deaf:
            name = _text("deaf")
            deaf.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02" + b"\x00\x3c" + name))
            assert deaf.recv(4)[3] == 0  # CONNACK: let in
            deaf.sendall(_packet(0x82, b"\x00\x01" + _text(topic) + b"\x01"))
            assert deaf.recv(5)[4] == 1  # SUBACK: granted at QoS 1
            yield


def resident_mb(pid: int) -> int:
    """Memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1024


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([kind, len(body)]) + body
