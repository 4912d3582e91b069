"""The status endpoint on real sockets: who is answered, and what commands do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from edge.status import Figures
from edge.status.client import NotRunningError, ask, data_dir_of
from edge.status.endpoint import MAX_CLIENTS, SOCKET_NAME, Outcome, StatusEndpoint
from edge.status.settings import StatusSettings
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio


class World:
    """An endpoint on a port and in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.hangs: str | None = None
        self.outcome = Outcome(True, ["source a is begun"])
        self.reloads = 0
        self.endpoint = StatusEndpoint(
            Figures(), ("seats", "gw-1"), [], reload=self._reload, alive=lambda: self.hangs
        )

    async def _reload(self) -> Outcome:
        self.reloads += 1
        return self.outcome

    async def get(self, target: str, *headers: str, method: str = "GET") -> tuple[int, str, str]:
        """Status code, header lines and body of one request to the port."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{self.port}", *headers]
        return await self.say("\r\n".join([*lines, "Connection: close", "", ""]))

    async def say(self, text: str) -> tuple[int, str, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.encode())
        answer = (await reader.read()).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), head, body

    async def ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        return await asyncio.to_thread(ask, self.directory, method, path)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # Longer than the path of a socket may be.
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    made = World(directory)
    tasks = [
        asyncio.create_task(made.endpoint.serve_port(StatusSettings(port=made.port))),
        asyncio.create_task(made.endpoint.serve_locally(directory)),
    ]
    await until(lambda: _listens(made.port) and (directory / SOCKET_NAME).exists(), "the endpoint")
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not (directory / SOCKET_NAME).exists()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def test_what_is_served_on_the_port(world: World) -> None:
    code, head, body = await world.get("/", "Accept-Language: zh-CN")
    assert code == 200
    assert "Content-Security-Policy: default-src 'none'" in head
    assert '<html lang="zh">' in body
    code, head, body = await world.get("/status.json?x=1")
    assert (code, json.loads(body)["gateway"]["node"]) == (200, "gw-1")
    code, head, body = await world.get("/metrics")
    assert "lineside_start_time_seconds" in body
    assert "Content-Type: text/plain; version=" in head
    assert (await world.get("/favicon.ico"))[0] == 404
    code, head, body = await world.get("/", method="HEAD")
    assert (code, body) == (200, "")
    assert int(head.partition("Content-Length: ")[2].split()[0]) > 1000


async def test_health_is_whether_the_agent_hangs(world: World) -> None:
    assert (await world.get("/healthz"))[0::2] == (200, "ok\n")
    world.hangs = "the journal's thread shows no sign of life"
    assert (await world.get("/healthz"))[0::2] == (503, f"{world.hangs}\n")


async def test_the_port_takes_no_commands(world: World) -> None:
    assert (await world.get("/reload", "Content-Length: 0", method="POST"))[0] == 405
    assert (await world.get("/reload"))[0] == 404
    assert (await world.get("/status.json", method="DELETE"))[0] == 405
    assert world.reloads == 0


@pytest.mark.parametrize("host", ["evil.example", "192.168.0.7", "localhost.evil.example"])
async def test_a_name_from_elsewhere_is_not_answered(world: World, host: str) -> None:
    code, _, body = await world.say(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert (code, "gw-1" in body) == (421, False)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]:80", "LOCALHOST"])
async def test_a_name_of_this_machine_is_answered(world: World, host: str) -> None:
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert (await world.say(request))[0] == 200


async def test_what_is_not_http_is_refused_and_harms_nobody(world: World) -> None:
    assert (await world.say("hello\r\n\r\n"))[0] == 400
    assert (await world.say("GET / HTTP/1.1\r\n\r\n"))[0] == 400, "without a Host"
    assert (await world.say(f"GET /{'x' * 20_000} HTTP/1.1\r\n"))[0] >= 400
    assert (await world.get("/healthz"))[0] == 200


async def test_clients_that_say_nothing_leave_room_when_they_go(world: World) -> None:
    silent = [
        await asyncio.open_connection("127.0.0.1", world.port) for _ in range(MAX_CLIENTS + 1)
    ]
    assert await silent[-1][0].read() == b"", "one too many"
    for _, writer in silent:
        writer.close()

    await until(lambda: not world.endpoint._server._clients, "their end")
    assert (await world.get("/healthz"))[0] == 200


async def test_one_connection_many_requests(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    for _ in range(3):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(3) == b"ok\n"
    writer.close()


async def test_the_socket_is_for_its_owner_and_takes_commands(world: World) -> None:
    mode = (world.directory / SOCKET_NAME).stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
    code, told = await world.ask("GET", "/status.json")
    assert (code, told["well"]) == (200, False)
    assert await world.ask("POST", "/reload") == (
        200,
        {"done": True, "said": ["source a is begun"]},
    )
    world.outcome = Outcome(False, ["edge.yaml:3: data_dir: is missing"])
    assert (await world.ask("POST", "/reload"))[0] == 409
    assert world.reloads == 2


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Of this logger alone: what is left of another test may be told of at any time."""
    return [record.getMessage() for record in caplog.records if record.name == "edge.http"]


async def test_a_port_that_is_taken_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.http.RETRY_S", 0.02)
    world = World(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", world.port))
        taken.listen()
        served = asyncio.create_task(world.endpoint.serve_port(StatusSettings(port=world.port)))
        await until(lambda: logged(caplog), "the word that it is taken")
        await asyncio.sleep(0.1)
    await until(lambda: _listens(world.port), "the page")
    assert len(logged(caplog)) == 1
    assert f"127.0.0.1:{world.port}" in logged(caplog)[0]
    served.cancel()
    await asyncio.gather(served, return_exceptions=True)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match=r"no agent answers in .*: No such file"):
        ask(tmp_path, "GET", "/status.json")
    with pytest.raises(NotRunningError, match="No such file"):
        ask(tmp_path / "nowhere", "GET", "/status.json")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_NAME))
    with pytest.raises(NotRunningError, match="Connection refused"):
        ask(tmp_path, "GET", "/status.json")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("version: 1\ndata_dir: kept\nsources: [", "kept"),
        ("gateway:\n  data_dir: other\ndata_dir: kept", "kept"),
        ("{sources: [{data_dir: a}, data_dir], data_dir: kept}", "kept"),
        ("data_dir: ${KEPT_IN}\n", "from-environment"),
        ("data_dir: /abs", "/abs"),
        ("version: data_dir\ndata_dir: kept", "kept"),
    ],
)
def test_the_directory_is_found_in_a_file_with_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: str
) -> None:
    monkeypatch.setenv("KEPT_IN", "from-environment")
    path = tmp_path / "edge.yaml"
    path.write_text(text)
    assert data_dir_of(path) == tmp_path / found


@pytest.mark.parametrize("text", ["", "version: 1", "data_dir: [a]", "data_dir: ${NOT_SET}", "}{"])
def test_no_directory_to_be_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(text)
    with pytest.raises(LookupError, match="does not say a data_dir"):
        data_dir_of(path)


def test_others_are_let_in_on_purpose_only() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        StatusSettings(host=host)
    for host in ("0.0.0.0", "::", "192.168.0.7", "gateway.plant"):
        with pytest.raises(ValueError, match="the page has no login"):
            StatusSettings(host=host)
        StatusSettings(host=host, beyond_loopback=True)
        StatusSettings(host=host, port=0)
