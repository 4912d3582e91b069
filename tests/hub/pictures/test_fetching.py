"""The thread that asks for pictures; what becomes of what it asks is tested with ingest."""

from __future__ import annotations

import logging

import pytest

from hub.pictures import fetching
from hub.pictures.fetching import Fetching
from hub.store import Database
from tests.hub.ingest.conftest import eventually

_CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
"""


def test_each_time_that_the_database_goes_and_comes_back_is_told(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "ROUND_S", 0.1)
    monkeypatch.setattr(fetching, "_IDLE_S", 0.01)
    caplog.set_level(logging.INFO)

    def told(what: str) -> int:
        return sum(what in record.message for record in caplog.records)

    asking = Fetching(database.dsn("ingest"), lambda _commands: None)
    asking.start()
    try:
        with database.connect("ingest", autocommit=True) as connection:
            for times in (1, 2):

                def failed(times: int = times) -> bool:
                    connection.execute(_CUT_OFF)
                    return told("fails, trying again") >= times

                def works(times: int = times) -> bool:
                    return told("works again") >= times

                eventually(failed, "that it fails")
                eventually(works, "that it works again")
    finally:
        asking.stop()
