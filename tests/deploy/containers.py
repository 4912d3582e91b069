"""Processes of the hub as deployment files have them: each by its own command, environment and
secrets, on a real broker and database."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from hub.store import Database
from tests.fixtures.postgres import PASSWORDS

HUB = [sys.executable, "-c", "from hub.cli import main; main()"]
SECRETS = "/run/secrets"
ROLES: dict[str, str] = dict(PASSWORDS.items())
"""Passwords of the database's roles, by the files they lie in."""
_READY_S = 240


@dataclass(frozen=True)
class Container:
    """One container of the hub."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    """What lies below `SECRETS`: texts by path."""


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("LINESIDE_")]:
        monkeypatch.delenv(name)


def wait_until_ready(
    containers: Sequence[Container], broker_port: int, database: Database, folder: Path
) -> None:
    """Start them all; return once each says that it is ready. The broker is at `localhost`."""
    with ExitStack() as running:
        waiting = {}
        for number, container in enumerate(containers):
            place, figures = folder / f"{number}-{container.name}", free_port()
            process = _process(container, broker_port, database, place, figures)
            process.start()
            running.callback(process.stop)
            waiting[f"http://{LOOPBACK}:{figures}/readyz"] = process
        deadline = time.monotonic() + _READY_S
        for url, process in waiting.items():
            while (got := _answer(url))[0] != 200:
                assert time.monotonic() < deadline, f"{got}\n{process.log.read_text()}"
                time.sleep(0.2)


def _process(
    container: Container, broker_port: int, database: Database, place: Path, figures: int
) -> Process:
    secrets = place / "secrets"
    for path, text in container.secrets.items():
        file = secrets / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o440)
    found = conninfo_to_dict(database.conninfo)
    here = {
        "DATA_DIR": str(place),
        "DATABASE__HOST": str(found["host"]),
        "DATABASE__PORT": str(found["port"]),
        "DATABASE__NAME": str(found["dbname"]),
        "BROKER__HOST": "localhost",
        "BROKER__PORT": str(broker_port),
        "API__HOST": LOOPBACK,
        "API__PORT": "0",
        "MONITORING__PORT": str(figures),
    }
    environment = {
        key: value.replace(SECRETS, str(secrets)) for key, value in container.environment.items()
    } | {f"LINESIDE_HUB_{key}": value for key, value in here.items()}
    command = [*HUB, *container.arguments]
    return Process(container.name, command, place / "log", environment, cwd=place)


def _answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
