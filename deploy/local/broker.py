"""An MQTT broker on a free loopback port: the one that comes as a wheel, or a real Mosquitto.

Both speak MQTT 3.1.1 in plain text and let anybody in, hence loopback only. What a broker keeps
over a restart is its own affair (rumqttd nothing, Mosquitto its sessions): nothing of ours relies
on it.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.local.ports import LOOPBACK, free_port, wait_listening
from deploy.local.processes import Process

MAX_PAYLOAD_BYTES = 512 * 1024
"""Twice the largest message of the contracts, so that a full one fits with its topic."""
MAX_INFLIGHT = 100
START_TIMEOUT_S = 60.0


class LocalBroker(ABC):
    """A broker that can be started, stopped and made to forget. The port stays over restarts."""

    kind: ClassVar[str]
    host = LOOPBACK

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """`directory` takes its settings, data and log; a free port is taken if none is given."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port() if port is None else port
        self.process = Process(f"broker ({self.kind})", self._command(), directory / "broker.log")

    @property
    def running(self) -> bool:
        return self.process.running

    def start(self) -> Self:
        """Start it and return once it accepts connections. Raises `ProcessError`."""
        self.process.start()
        try:
            wait_listening(self.port, lambda: self.process.running, START_TIMEOUT_S)
        except (ConnectionError, TimeoutError) as error:
            self.process.kill()
            raise self.process.failure(str(error)) from None
        return self

    def stop(self) -> None:
        """End it in order; connections drop. Safe to call twice."""
        self.process.stop()

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        self.process.kill()

    def forget(self) -> None:
        """Restart it with nothing left: no session, no queued message, nothing retained."""
        self.kill()
        self._wipe()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Write the settings; return the command that runs the broker in the foreground."""

    @abstractmethod
    def _wipe(self) -> None:
        """Remove what it kept on disk."""


class EmbeddedBroker(LocalBroker):
    """rumqttd from the `iotcore` wheel. It has no shutdown of its own, hence a child process."""

    kind = "embedded"

    def _command(self) -> list[str | Path]:
        return [sys.executable, "-m", "deploy.local.broker", "--port", str(self.port)]

    def _wipe(self) -> None:
        """Nothing to remove: it keeps everything in memory."""


class Mosquitto(LocalBroker):
    """Eclipse Mosquitto as the system offers it; keeps sessions on disk over an orderly stop."""

    kind = "mosquitto"

    @staticmethod
    def executable() -> str | None:
        """Its path, or None where it is not installed. Debian puts it outside a user's PATH."""
        return shutil.which("mosquitto") or shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin"
        )

    def _command(self) -> list[str | Path]:
        executable = self.executable()
        if executable is None:
            raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            f"listener {self.port} {self.host}\n"
            "allow_anonymous true\n"
            "set_tcp_nodelay true\n"
            # Started by root it would otherwise change to a user who cannot write here.
            + ("user root\n" if os.getuid() == 0 else "")
            + "persistence true\n"
            f"persistence_location {self.directory.resolve()}/\n"
            f"max_inflight_messages {MAX_INFLIGHT}\n"
            "max_queued_messages 10000\n"
            f"message_size_limit {MAX_PAYLOAD_BYTES}\n"
            "log_dest stderr\n"
        )
        return [executable, "-c", settings]

    def _wipe(self) -> None:
        (self.directory / "mosquitto.db").unlink(missing_ok=True)


def serve(port: int) -> None:
    """Run rumqttd in this process until it is killed."""
    from iotcore import Broker

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # rumqttd opens an error-level span around every packet; let through nothing but the worst.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    Broker(
        port=port,
        listen=LOOPBACK,
        max_payload_size=MAX_PAYLOAD_BYTES,
        max_inflight_count=MAX_INFLIGHT,
    ).run_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the embedded MQTT broker on loopback.")
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on")
    serve(parser.parse_args().port)
