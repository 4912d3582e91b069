"""Connections to the hub's database."""

from __future__ import annotations

import socket

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from hub.store import Database, connect
from tests.fixtures.postgres import PASSWORDS


def test_a_server_that_says_nothing_holds_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "CONNECT_TIMEOUT_S", 2)  # the least that libpq knows
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host, port = mute.getsockname()
        database = Database(make_conninfo(host=host, port=port, dbname="lineside"), PASSWORDS)
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            database.connect("ingest")
