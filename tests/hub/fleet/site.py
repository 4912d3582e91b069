"""A gateway's PC, and a hub whose API and broker speak TLS, as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from edge.status.client import NotRunningError, ask
from hub.fleet.settings import Signing
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.mosquitto import mosquitto
from tests.hub.serving import serve

Command = Callable[..., Result]
EDGE = [sys.executable, "-c", "from edge.cli import main; main()"]


@dataclass(frozen=True)
class Gateway:
    """A gateway's PC: its file, and what lies in its data directory."""

    folder: Path
    port: int

    @property
    def config(self) -> Path:
        return self.folder / "edge.yaml"

    @property
    def identity(self) -> Path:
        return self.folder / "data/identity"

    @classmethod
    def make(
        cls, folder: Path, port: int, node: str = "gw-seat", group: str = "seatworks"
    ) -> Gateway:
        folder.mkdir()
        made = cls(folder, port)
        made.config.write_text(
            "version: 1\n"
            f"gateway:\n  group: {group}\n  node: {node}  # as the hub knows it\n"
            f"data_dir: data\nbroker:\n  host: localhost\n  port: {port}\n  # the plant's\n"
            "status:\n  port: 0\n"
        )
        return made

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*EDGE, *arguments, "--config", str(self.config)],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env={**os.environ, "LANG": "C"},
        )

    def agent(self) -> Process:
        """Its agent, not started yet."""
        command = [*EDGE, "run", "--config", str(self.config)]
        return Process("edge", command, self.folder / "edge.log")

    def status(self) -> dict[str, Any]:
        """What its agent says of itself; nothing while it does not run."""
        try:
            return ask(self.folder / "data", "GET", "/status.json")[1]
        except NotRunningError:
            return {}

    def reaches_hub(self) -> bool:
        """Whether its agent is connected, and the hub with it."""
        return bool(self.status().get("uplink", {}).get("host_online"))

    def enrol(self, hub: str, token: object) -> subprocess.CompletedProcess[str]:
        return self.run("enrol", "--hub", hub, "--token-file", "-", given=f"{token}\n")

    def settings(self, proof: Path | None = None) -> BrokerSettings:
        """As a client of the broker with this gateway's certificate, or a copy of it."""
        return BrokerSettings(
            host="localhost",
            port=self.port,
            ca_file=self.identity / "ca.pem",
            cert_file=proof or self.identity / "gateway.pem",
            key_file=proof or self.identity / "gateway.pem",
        )


@dataclass(frozen=True)
class Site:
    """A hub whose API speaks TLS, and its broker."""

    hub: str
    broker: Path
    port: int
    process: Process

    @property
    def settings(self) -> BrokerSettings:
        """The hub's own at the broker."""
        return BrokerSettings(
            host="localhost",
            port=self.port,
            ca_file=self.broker / "ca.crt",
            cert_file=self.broker / "hub.crt",
            key_file=self.broker / "hub.key",
        )


@contextmanager
def running_site(
    command: Command, signing: Signing, tmp_path: Path, patch: pytest.MonkeyPatch, *arguments: str
) -> Iterator[Site]:
    """`arguments`: of `lineside-hub serve`. `signing` is there already."""
    folder, port = tmp_path / "broker", free_port()
    folder.mkdir()
    for what in (
        ("broker", "--name", "localhost"),
        ("api", "--name", "localhost"),
        ("hub", "--hub"),
    ):
        made = command("ca", "issue", folder / what[0], *what[1:])
        assert made.exit_code == 0, made.output
    written = command("broker", "config", "--for", "mosquitto", "--out", folder, "--port", port)
    assert written.exit_code == 0, written.output
    settings = (folder / "mosquitto.conf").read_text()
    api = {"PORT": "0", "CERT_FILE": str(folder / "api.crt"), "KEY_FILE": str(folder / "api.key")}
    for key, value in api.items():
        patch.setenv(f"LINESIDE_HUB_API__{key}", value)
    at_broker = {
        "HOST": "localhost",
        "PORT": str(port),
        "CA_FILE": str(signing.cert_file),
        "CERT_FILE": str(folder / "hub.crt"),
        "KEY_FILE": str(folder / "hub.key"),
    }
    for key, value in at_broker.items():
        patch.setenv(f"LINESIDE_HUB_BROKER__{key}", value)
    loopback = settings.replace(f"listener {port}", f"listener {port} {LOOPBACK}")
    with (
        mosquitto(tmp_path, loopback, port) as process,
        serve(dict(os.environ), *arguments) as ready,
    ):
        url = ready.removeprefix("ready ").replace("127.0.0.1", "localhost").rstrip("/")
        assert url.startswith("https://"), ready
        yield Site(url, folder, port, process)
