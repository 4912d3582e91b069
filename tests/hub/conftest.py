"""What tests of the hub share beside the fixtures of all."""

from __future__ import annotations

import os

import pytest
from psycopg.conninfo import conninfo_to_dict

from deploy.local.broker import LocalBroker
from hub.store import Database
from tests.fixtures.postgres import PASSWORDS, DatabaseServer


@pytest.fixture
def configured(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_server: DatabaseServer
) -> None:
    """The environment names the test's database as an operator would name a server."""
    host, port = database_server.embedded.address
    name = database.conninfo.split("dbname=")[1].split()[0]
    for key, value in {
        "HOST": host,
        "PORT": str(port),
        "NAME": name,
        "SSLMODE": "disable",
        "PROGRAMS": "",  # of the test's server, where whoever runs the tests has named some
    }.items():
        monkeypatch.setenv(f"LINESIDE_HUB_DATABASE__{key}", value)
    for role, password in PASSWORDS.items():
        monkeypatch.setenv(f"LINESIDE_HUB_DATABASE__{role.upper()}_PASSWORD", password)


@pytest.fixture
def environment(database: Database, broker: LocalBroker) -> dict[str, str]:
    """Settings of a hub on the test's database and broker."""
    where = conninfo_to_dict(database.conninfo)
    return {
        **os.environ,
        "LINESIDE_HUB_DATABASE__HOST": str(where["host"]),
        "LINESIDE_HUB_DATABASE__PORT": str(where["port"]),
        "LINESIDE_HUB_DATABASE__NAME": str(where["dbname"]),
        "LINESIDE_HUB_DATABASE__SSLMODE": "disable",
        "LINESIDE_HUB_DATABASE__PROGRAMS": "",
        **{
            f"LINESIDE_HUB_DATABASE__{role.upper()}_PASSWORD": password
            for role, password in database.passwords.items()
        },
        "LINESIDE_HUB_BROKER__HOST": broker.host,
        "LINESIDE_HUB_BROKER__PORT": str(broker.port),
        "LINESIDE_HUB_BROKER__TLS": "false",
        "LINESIDE_HUB_API__PORT": "0",
    }
