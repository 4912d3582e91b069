"""The embedded server: started once, shared, stopped by the last, the same data afterwards."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.store.embedded import EmbeddedError, EmbeddedPostgres, _is_zombie, program


@pytest.fixture
def fresh() -> Iterator[Path]:
    """An empty folder. Below /tmp itself: pytest's folders are closed to the server's user."""
    with tempfile.TemporaryDirectory(prefix="lineside-embedded-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose cluster the tests share, each starting and stopping it."""
    with tempfile.TemporaryDirectory(prefix="lineside-embedded-") as name:
        yield Path(name)


def answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_data_and_port_survive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("DROP TABLE IF EXISTS kept")
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert not answers(dsn)
    with EmbeddedPostgres(folder) as server:
        assert server.dsn() == dsn
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_data_survive_a_server_that_was_killed(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("DROP TABLE IF EXISTS kept")
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        pid = int((server.pgdata / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 9)
        while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
            time.sleep(0.01)
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


USE_IT = """
import sys
from pathlib import Path
from hub.store.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])):
    print("using", flush=True)
    sys.stdin.read()
"""


def test_the_last_user_stops_it_also_after_one_was_killed(folder: Path) -> None:
    first = EmbeddedPostgres(folder)
    first.start()
    dsn = first.dsn()
    with subprocess.Popen(
        [sys.executable, "-c", USE_IT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"using\n"
        first.stop()
        assert answers(dsn)
        other.kill()
    assert answers(dsn)
    with EmbeddedPostgres(folder) as last:
        assert last.dsn() == dsn
    assert not answers(dsn)


def test_a_port_taken_meanwhile_is_replaced(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        taken = server.address
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(taken)
        squatter.listen()
        with EmbeddedPostgres(folder) as server:
            assert server.address != taken
            assert answers(server.dsn())


def test_the_password_is_needed_and_kept_from_others(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        secret = folder / "server.json"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert not answers(server.dsn().replace(json.loads(secret.read_text())["password"], "x"))


def test_settings_that_do_not_start_say_why(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="max_connections"):
        EmbeddedPostgres(folder, {"max_connections": "none"}).start()


def test_an_interrupted_creation_is_begun_again(fresh: Path) -> None:
    (fresh / "pgdata.new" / "base").mkdir(parents=True)
    with EmbeddedPostgres(fresh) as server:
        assert answers(server.dsn())


def test_a_cluster_of_another_release_is_refused(fresh: Path) -> None:
    (fresh / "pgdata").mkdir()
    (fresh / "pgdata" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match="written by PostgreSQL 16"):
        EmbeddedPostgres(fresh).start()


def test_programs_of_another_server_are_run_instead(fresh: Path) -> None:
    with EmbeddedPostgres(fresh / "data", programs=program("postgres").parent) as server:
        assert answers(server.dsn())
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SHOW shared_preload_libraries").fetchone() == ("",)


def test_programs_that_are_not_there_are_named(fresh: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"{fresh}/none/postgres is not there"):
        EmbeddedPostgres(fresh / "data", programs=fresh / "none").start()


def test_a_cluster_with_timescale_wants_programs_that_have_it(fresh: Path) -> None:
    with EmbeddedPostgres(fresh):
        pass
    note = fresh / "server.json"
    made = json.loads(note.read_text())
    assert made["timescale"] is False
    note.write_text(json.dumps(made | {"timescale": True}))
    with pytest.raises(EmbeddedError, match="DATABASE__PROGRAMS"):
        EmbeddedPostgres(fresh).start()


def test_one_object_is_started_once(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, pytest.raises(EmbeddedError, match="already uses"):
        server.start()
