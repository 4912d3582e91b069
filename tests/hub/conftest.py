"""What tests of the hub share beside the fixtures of all."""

from __future__ import annotations

import pytest

from hub.store import Database
from tests.fixtures.postgres import PASSWORDS, DatabaseServer


@pytest.fixture
def configured(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_server: DatabaseServer
) -> None:
    """The environment names the test's database as an operator would name a server."""
    host, port = database_server.embedded.address
    name = database.conninfo.split("dbname=")[1].split()[0]
    for key, value in {"HOST": host, "PORT": str(port), "NAME": name, "SSLMODE": "disable"}.items():
        monkeypatch.setenv(f"LINESIDE_HUB_DATABASE__{key}", value)
    for role, password in PASSWORDS.items():
        monkeypatch.setenv(f"LINESIDE_HUB_DATABASE__{role.upper()}_PASSWORD", password)
