"""The Compose stack's Mosquitto, really started with its settings; the fixture is `secured`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.compose.make_secrets import Gateway, make
from deploy.local.ports import LOOPBACK, free_port
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.mosquitto import mosquitto

SETTINGS = Path(__file__).parents[3] / "deploy/compose/mosquitto/mosquitto.conf"
GATEWAYS = (Gateway("seatworks", "gw-seat"), Gateway("trimworks", "gw-trim"))


@dataclass(frozen=True)
class Secured:
    """The running broker and its secrets."""

    port: int
    secrets: Path

    def settings(self, user: str, password: str | None = None) -> BrokerSettings:
        return BrokerSettings.model_validate(
            {
                "host": "localhost",
                "port": self.port,
                "ca_file": self.secrets / "ca.crt",
                "username": user,
                "password_file": None if password else self.secrets / f"mqtt_{user}_password",
                "password": password,
            }
        )


@contextmanager
def running(directory: Path) -> Iterator[Secured]:
    """The broker, with secrets made anew for `GATEWAYS`."""
    secrets, port = directory / "secrets", free_port()
    make(secrets, list(GATEWAYS))
    settings = SETTINGS.read_text().replace("/run/secrets", str(secrets))
    settings = settings.replace("listener 8883", f"listener {port} {LOOPBACK}")
    with mosquitto(directory, settings, port):
        yield Secured(port, secrets)
