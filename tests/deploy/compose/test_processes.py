"""The hub's services as the Compose file has them, each by its own command, environment and secrets
on a real broker and database: are they ready?"""

from __future__ import annotations

import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from hub.store import Database
from tests.deploy.compose.secured import Secured
from tests.deploy.compose.test_compose import PROCESSES, SERVICES, STACK
from tests.fixtures.postgres import PASSWORDS, DatabaseServer

HUB = [sys.executable, "-c", "from hub.cli import main; main()"]


def given(service: dict[str, Any], secured: Secured, folder: Path) -> None:
    """The secrets of one service and no others, as they lie in its `/run/secrets`."""
    folder.mkdir(parents=True)
    for secret in service["secrets"]:
        source = secret if isinstance(secret, str) else secret["source"]
        target = source if isinstance(secret, str) else secret["target"]
        shutil.copy(secured.secrets / Path(STACK["secrets"][source]["file"]).name, folder / target)
    for role, password in PASSWORDS.items():
        (folder / role).unlink()
        (folder / role).write_text(password)


@contextmanager
def running(
    name: str, number: int, secured: Secured, server: DatabaseServer, database: str, folder: Path
) -> Iterator[str]:
    """One container's process; gives the address of its figures."""
    service, secrets, figures = SERVICES[name], folder / "secrets", free_port()
    given(service, secured, secrets)
    host, port = server.embedded.address
    here = {
        "DATA_DIR": str(folder),
        "DATABASE__HOST": host,
        "DATABASE__PORT": str(port),
        "DATABASE__NAME": database,
        "BROKER__HOST": "localhost",
        "BROKER__PORT": str(secured.port),
        "API__HOST": LOOPBACK,
        "API__PORT": "0",
        "MONITORING__PORT": str(figures),
    }
    environment = {
        key: value.replace("/run/secrets", str(secrets))
        for key, value in service["environment"].items()
    } | {f"LINESIDE_HUB_{key}": value for key, value in here.items()}
    process = Process(
        f"{name} {number}", [*HUB, *service["command"]], folder / "log", environment, cwd=folder
    )
    process.start()
    try:
        yield f"http://{LOOPBACK}:{figures}"
    finally:
        process.stop()


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.mark.slow
def test_each_is_ready_with_what_it_is_given(
    secured: Secured,
    database: Database,
    database_server: DatabaseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("LINESIDE_HUB_")]:
        monkeypatch.delenv(name)
    name = str(conninfo_to_dict(database.conninfo)["dbname"])
    with ExitStack() as services:
        waiting = {
            (each, number): services.enter_context(
                running(each, number, secured, database_server, name, tmp_path / f"{each}{number}")
            )
            for each in PROCESSES
            for number in range(SERVICES[each]["deploy"].get("replicas", 1))
        }
        assert len(waiting) == 4
        deadline = time.monotonic() + 100
        for (each, number), address in waiting.items():
            while (got := answer(f"{address}/readyz"))[0] != 200:
                log = tmp_path / f"{each}{number}" / "log"
                assert time.monotonic() < deadline, f"{each}: {got}\n{log.read_text()}"
                time.sleep(0.2)
            status, figures = answer(f"{address}/metrics")
            assert status == 200, figures
