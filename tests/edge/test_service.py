"""The agent as a service: real processes, a service manager's socket, signals, and a new file."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port, listening, wait_listening
from edge.agent import run
from edge.config import EdgeConfig
from edge.journal import SampleBatch, TelemetryJournal
from edge.link import Link, Message
from edge.status.client import ask
from edge.status.endpoint import SOCKET_NAME
from firmware_sim.camera import HttpCameraSettings, run_http_camera
from protocols.inspection import RESULT
from tests.edge.hub import Hub
from tests.edge.plant import DEVICE, GROUP, NODE, Child, agent, edge_config
from tests.edge.sources.plc import Plc, run_plc
from tests.edge.waiting import until
from tests.fixtures.broker import BROKERS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def __contains__(self, line: str) -> bool:
        self.listen()
        return any(line in message.splitlines() for message in self.heard)

    def listen(self) -> int:
        """Take in what has come; how many messages came in all."""
        try:
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return len(self.heard)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """It watches whatever is started from now on, with little patience."""
    path = tmp_path / "notify"
    made = Manager(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    yield made
    made.close()


class CountedPlc(Plc):
    """A PLC that counts the sessions made with it."""

    sessions = 0


@asynccontextmanager
async def counted_plc(**values: Any) -> AsyncIterator[CountedPlc]:
    async with run_plc(**values) as plc:
        plc.__class__ = CountedPlc
        assert isinstance(plc, CountedPlc)
        inner = plc.server.iserver
        create = inner.create_session

        def counting(*arguments: Any, **named: Any) -> Any:
            plc.sessions += bool(named.get("external"))
            return create(*arguments, **named)

        inner.create_session = counting  # type: ignore[method-assign]
        yield plc


def config_of(directory: Path, broker: LocalBroker, sources: dict[str, Plc]) -> EdgeConfig:
    """A gateway that reads the tag `A` of these PLCs, by device."""
    given = {
        "version": 1,
        "gateway": {"group": GROUP, "node": NODE},
        "data_dir": directory / "data",
        "broker": {"host": "127.0.0.1", "port": broker.port, "tls": False, "keepalive_s": 5},
        "journal": {"keep_free_mb": 0, "commit_ms": 20},
        "status": {"port": 0},
        "sources": [
            {
                "device": device,
                "endpoint": plc.endpoint,
                "publishing_ms": 50,
                "tags": [{"name": "A", "node": "ns=2;s=A"}],
            }
            for device, plc in sources.items()
        ],
    }
    return EdgeConfig.model_validate(given)


def write(config: EdgeConfig, directory: Path) -> None:
    """Put a new file in the place of the agent's."""
    (directory / "edge.yaml").write_text(config.model_dump_json(by_alias=True))


def with_tags(config: EdgeConfig, device: str, *tags: str) -> EdgeConfig:
    plain = json.loads(config.model_dump_json(by_alias=True))
    for source in plain["sources"]:
        if source["device"] == device:
            source["tags"] = [{"name": tag, "node": f"ns=2;s={tag}"} for tag in tags]
    return EdgeConfig.model_validate(plain)


async def command(directory: Path, *words: str) -> tuple[int, str]:
    """A command of the gateway's command line, run beside it: exit code and output."""
    done = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-c",
            "from edge.cli import main; main()",
            *words,
            "--config",
            "edge.yaml",
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


async def figures(gateway: EdgeConfig) -> dict[str, Any]:
    _, told = await asyncio.to_thread(ask, gateway.data_dir, "GET", "/status.json")
    return told


def source_states(told: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {source["device"]: (source["state"], source["since"]) for source in told["sources"]}


async def until_told(
    gateway: EdgeConfig, enough: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The report, once it says enough. Its figures are a second old at most."""
    told: dict[str, Any] = {}
    for _ in range(1200):
        told = await figures(gateway)
        if enough(told):
            return told
        await asyncio.sleep(0.05)
    raise AssertionError(f"told is still {told}")


async def until_online(gateway: EdgeConfig, *devices: str) -> dict[str, Any]:
    """The report, once these and no others are sources and online."""
    online = dict.fromkeys(devices, "online")
    return await until_told(
        gateway, lambda told: {d: state for d, (state, _) in source_states(told).items()} == online
    )


async def test_it_tells_the_service_manager_all_along(
    tmp_path: Path, broker: LocalBroker, manager: Manager
) -> None:
    config = edge_config(tmp_path / "data", broker.port, free_port())
    with agent(config, tmp_path) as gateway:
        await asyncio.to_thread(gateway.start)
        await until(lambda: "READY=1" in manager, "READY")
        await until(lambda: "WATCHDOG=1" in manager, "WATCHDOG")
        await until(lambda: manager.listen() and statuses(manager), "STATUS")
        told = statuses(manager)
        assert "no connection" in told[0] or "is being connected" in told[0]
        manager.heard.clear()
        os.kill(gateway.pid, signal.SIGHUP)
        await until(lambda: "RELOADING=1" in manager, "RELOADING")
        await until(lambda: "READY=1" in manager, "READY again")
        await until(lambda: "nothing has changed" in gateway.output, "the word of it")
        assert await asyncio.to_thread(gateway.stop) == 0
        assert "STOPPING=1" in manager


def statuses(manager: Manager) -> list[str]:
    return [line for line in manager.heard if line.startswith("STATUS=")]


@contextmanager
def hanging_disk(config: EdgeConfig) -> Iterator[None]:
    """The journal's thread waits for a lock as it would for a disk that does not answer."""
    with closing(sqlite3.connect(config.data_dir / "journal.sqlite", timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def hanging_connections(_config: EdgeConfig) -> Iterator[None]:
    """The tasks of uplink and call lane wait for something that does not come."""
    released, receive = asyncio.Event(), Link.receive

    async def hang(link: Link, timeout_s: float | None) -> Message | None:
        await released.wait()
        return await receive(link, timeout_s)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Link, "receive", hang)
        yield
    released.set()


@pytest.mark.parametrize(
    ("hanging", "said"),
    [
        (hanging_disk, "the journal's thread shows"),
        (hanging_connections, "the (uplink|call lane) shows"),  # of two the first that is noticed
    ],
    ids=["disk", "connections"],
)
async def test_the_watchdog_gets_nothing_while_a_part_hangs(
    tmp_path: Path,
    broker: LocalBroker,
    manager: Manager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hanging: Callable[[EdgeConfig], AbstractContextManager[None]],
    said: str,
) -> None:
    for name in (
        "journal.journal._TIDY_EVERY_S",
        "uplink.node.RESEND_AFTER_S",
        "calls.lane.LOOK_S",
    ):
        monkeypatch.setattr(f"edge.{name}", 0.05)
    monkeypatch.setattr("edge.parts._LOOK_S", 0.05)
    monkeypatch.setattr("edge.parts.HANG_S", 1.0)
    config = config_of(tmp_path, broker, {})
    running = asyncio.create_task(run(config))
    await until(lambda: "WATCHDOG=1" in manager, "the first sign of life")
    with hanging(config):
        word = re.compile(f"{said} no sign of life")
        await until(lambda: word.search(caplog.text), "the word of it")
        # A machine with other work may have shown none before, and one since.
        await until_silent(manager)
        assert (await asyncio.to_thread(ask_health, config.data_dir))[0] == 503
    await until(lambda: "WATCHDOG=1" in manager, "a sign of life again")
    os.kill(os.getpid(), signal.SIGTERM)
    await running


async def test_it_answers_once_it_says_that_it_is_ready(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path, broker, {})
    answers: list[bool] = []
    monkeypatch.setattr(
        "edge.agent.ServiceManager.ready",
        lambda _: answers.append((config.data_dir / SOCKET_NAME).exists()),
    )
    running = asyncio.create_task(run(config))
    await until(lambda: answers, "that it is ready")
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert answers == [True]


async def until_silent(manager: Manager) -> None:
    """Return once the manager has heard nothing for eight times what is between two signs of life.
    Raises `AssertionError` if that does not come."""
    for _ in range(50):
        manager.listen()
        manager.heard.clear()
        await asyncio.sleep(0.8)
        if "WATCHDOG=1" not in manager:
            return
    raise AssertionError("signs of life go on")


def ask_health(data_dir: Path) -> tuple[int, str]:
    from edge.status.client import _LocalConnection

    connection = _LocalConnection(data_dir, 30)
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    return response.status, response.read().decode()


async def test_a_reload_begins_what_is_new_and_touches_nothing_else(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with counted_plc(A=1.0, B=1.0) as first, counted_plc(A=2.0) as second:
            config = config_of(tmp_path, broker, {"one": first})
            with agent(config, tmp_path) as gateway:
                await asyncio.to_thread(gateway.start)
                before = await until_online(config, "one")
                await until(lambda: hub.samples, "the first sample")
                assert (first.sessions, second.sessions) == (1, 0)

                both = config_of(tmp_path, broker, {"one": first, "two": second})
                write(both, tmp_path)
                os.kill(gateway.pid, signal.SIGHUP)
                after = await until_online(config, "one", "two")
                await until(lambda: any(s.device == "two" for s in hub.samples), "its samples")
                assert (first.sessions, second.sessions) == (1, 1)
                assert source_states(after)["one"] == source_states(before)["one"]
                assert not hub.deaths, "the uplink's session goes on"

                write(with_tags(both, "one", "A", "B"), tmp_path)
                code, output = await command(tmp_path, "reload")
                assert (code, output) == (0, "source one is begun anew with its new settings\n")
                await until(lambda: any(s.tag == "B" for s in hub.samples), "the new tag")
                assert (first.sessions, second.sessions) == (2, 1)

                before_it = len(hub.messages)
                write(config_of(tmp_path, broker, {"two": second}), tmp_path)
                assert await command(tmp_path, "reload") == (0, "source one has ended\n")
                await until_online(config, "two")
                await until(lambda: ("DDEATH", "one") in hub.messages[before_it:], "its death")
                assert (first.sessions, second.sessions) == (2, 1)
                assert not hub.deaths


async def test_pictures_that_cannot_be_kept_hold_up_cameras_alone(
    tmp_path: Path, broker: LocalBroker
) -> None:
    async with counted_plc(A=1.0) as plc, run_http_camera(HttpCameraSettings()) as camera:
        plain = json.loads(config_of(tmp_path, broker, {"one": plc}).model_dump_json(by_alias=True))
        eye = {"kind": "camera", "device": "eye", "url": camera.endpoint, "of": ["one"]}
        plain["sources"].append(eye)
        config = EdgeConfig.model_validate(plain)
        pictures = tmp_path / "data" / "pictures"
        pictures.parent.mkdir()
        pictures.write_text("no directory")
        with agent(config, tmp_path) as gateway:
            await asyncio.to_thread(gateway.start)
            await until(lambda: "cameras wait until they can be kept" in gateway.output, "its word")
            await until(lambda: plc.sessions == 1, "the other source's session")
            pictures.unlink()
            await until_online(config, "one", "eye")
            assert gateway.output.count("cameras wait until they can be kept") == 1


def with_stations(config: EdgeConfig, *devices: str, upper: float = 1.0) -> EdgeConfig:
    """With stations that people speak for, entered at a page on the board's port."""
    gap = {"name": "Gap", "unit": "mm", "upper": upper}
    more = [{"kind": "manual", "device": each, "characteristics": [gap]} for each in devices]
    plain = json.loads(config.model_dump_json(by_alias=True))
    plain["sources"] += more
    return EdgeConfig.model_validate(plain)


async def form_of(page: httpx.AsyncClient, station: str) -> dict[str, str]:
    """A station's form as somebody has it open, with a value in it."""
    html = (await page.get(f"/entry/{station}")).text
    form = dict(re.findall(r'data-(token|ticket)="([^"]*)"', html))
    return {"station": station, "serial": "S1", "value-0": "0.5", **form}


async def test_a_station_that_people_speak_for_comes_and_goes_by_a_reload(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with counted_plc(A=1.0) as plc:
            plain = config_of(tmp_path, broker, {"one": plc})
            plain.board.port = free_port()
            origin = f"http://127.0.0.1:{plain.board.port}"
            with agent(plain, tmp_path) as gateway:
                await asyncio.to_thread(gateway.start)
                await until_online(plain, "one")

                write(with_stations(plain, "hand"), tmp_path)
                said = "source hand is begun\nthe board is begun anew\n"
                assert await command(tmp_path, "reload") == (0, said)
                await until_online(plain, "one", "hand")
                await until(lambda: ("DBIRTH", "hand") in hub.messages, "its birth")

                async with httpx.AsyncClient(
                    base_url=origin, headers={"Origin": origin}, timeout=30
                ) as page:
                    await asyncio.to_thread(wait_listening, plain.board.port, lambda: True, 60)
                    (await page.post("/sign-in", data={"name": "Li Na"})).raise_for_status()
                    held = await form_of(page, "hand")

                    write(with_stations(plain, "hand", "bench"), tmp_path)
                    assert await command(tmp_path, "reload") == (0, "source bench is begun\n")
                    for form in (held, await form_of(page, "bench")):
                        assert (await page.post("/record", data=form)).status_code == 200
                    await until(lambda: said_by(hub) == {"hand", "bench"}, "what they said")

                    # Other limits hold at once, and one that is gone is entered no more.
                    write(with_stations(plain, "bench", upper=0.4), tmp_path)
                    changed = "source bench is begun anew with its new settings\n"
                    assert await command(tmp_path, "reload") == (
                        *(0, f"source hand has ended\n{changed}"),
                    )
                    assert (await page.get("/entry/hand")).status_code == 404
                    assert (await page.post("/record", data=held)).status_code == 404
                    refused = await page.post("/record", data=await form_of(page, "bench"))
                    assert refused.json()["code"] == "no.reason"
                    await until(lambda: ("DDEATH", "hand") in hub.messages, "its death")

                write(plain, tmp_path)
                said = "source bench has ended\nthe board is begun anew\n"
                assert await command(tmp_path, "reload") == (0, said)
                assert not listening(plain.board.port)
                await until_online(plain, "one")
                assert plc.sessions == 1
                assert not hub.deaths


def said_by(hub: Hub) -> set[str]:
    """Devices of which a result has come."""
    return {sample.device for sample in hub.samples if sample.tag == RESULT}


async def test_a_file_that_cannot_be_taken_in_changes_nothing(
    tmp_path: Path, broker: LocalBroker
) -> None:
    async with counted_plc(A=1.0) as plc:
        config = config_of(tmp_path, broker, {"one": plc})
        with agent(config, tmp_path) as gateway:
            await asyncio.to_thread(gateway.start)
            before = await until_online(config, "one")

            (tmp_path / "edge.yaml").write_text("version: 1\nsources: []\n")
            os.kill(gateway.pid, signal.SIGHUP)
            await until(lambda: "edge.yaml:1: data_dir: is missing" in gateway.output, "the error")
            assert "the new configuration is refused" in gateway.output

            (tmp_path / "edge.yaml").write_text(f"data_dir: data\n{config.sources}")
            code, output = await command(tmp_path, "reload")
            assert code == 1
            assert "refused; the gateway goes on as it was" in output

            moved = config.model_copy(update={"data_dir": tmp_path / "elsewhere"})
            write(moved, tmp_path)
            os.kill(gateway.pid, signal.SIGHUP)
            await until(
                lambda: "data_dir cannot change while the agent runs" in gateway.output, "the error"
            )
            after = await until_online(config, "one")
            assert source_states(after) == source_states(before)
            assert plc.sessions == 1


async def test_the_journal_keeps_to_the_limits_of_a_new_file(
    tmp_path: Path, broker: LocalBroker
) -> None:
    async with counted_plc(A="", B=1.0) as plc:
        config = config_of(tmp_path, broker, {"one": plc})  # without a hub all of it stays
        with agent(config, tmp_path) as gateway:
            await asyncio.to_thread(gateway.start)
            before = await until_online(config, "one")
            for n in range(40):
                await plc.set("A", f"{n:02}" * 25_000, at_ms=n)
                await asyncio.sleep(0.06)  # a message each
            assert before["journal"]["quota_bytes"] == 1024 * 2**20
            journal = config.journal.model_copy(update={"quota_mb": 1})
            write(config.model_copy(update={"journal": journal}), tmp_path)
            code, output = await command(tmp_path, "reload")
            assert (code, output) == (0, "the journal keeps to its new limits\n")
            await plc.set("A", "done", at_ms=1000)
            await until(lambda: "has reached its limit" in gateway.output, "the eviction")
            after = await until_told(config, lambda told: 0 < told["journal"]["bytes"] <= 2**20)
            assert after["journal"]["quota_bytes"] == 2**20
            assert source_states(after) == source_states(before)
            assert plc.sessions == 1


async def test_other_brokers_are_gone_over_to_and_sources_do_not_feel_it(
    tmp_path: Path, broker: LocalBroker
) -> None:
    kind = type(broker)
    with kind(tmp_path / "other") as other, Hub(other.port, GROUP, NODE) as hub:
        async with counted_plc(A=1.0) as plc:
            config = config_of(tmp_path, broker, {"one": plc})
            with agent(config, tmp_path) as gateway:
                await asyncio.to_thread(gateway.start)
                before = await until_online(config, "one")
                write(config_of(tmp_path, other, {"one": plc}), tmp_path)
                code, output = await command(tmp_path, "reload")
                assert (code, output.splitlines()) == (
                    0,
                    ["the uplink connects anew", "the call lane connects anew"],
                )
                await until(lambda: hub.samples, "what waited in the journal")
                assert ("DDEATH", "one") not in hub.messages
                after = await until_online(config, "one")
                assert source_states(after) == source_states(before)
                assert plc.sessions == 1


async def test_stopped_it_flushes_and_a_second_signal_ends_it_at_once(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with run_plc(A=1.0) as plc:
            config = config_of(tmp_path, broker, {DEVICE: plc})
            with agent(config, tmp_path) as gateway:
                await asyncio.to_thread(gateway.start)
                await until(lambda: hub.samples, "the first sample")
                for n in range(2, 40):
                    await plc.set("A", float(n), at_ms=n)
                await until(lambda: len(hub.samples) > 1, "some of the next")
                assert await asyncio.to_thread(gateway.stop) == 0
                kept = await samples_in(config)
                assert len(hub.samples) == kept, "all that was journaled has arrived"
                await until(lambda: hub.deaths, "the death of the node")
                assert hub.messages[-2:] == [("DDEATH", DEVICE), ("NDEATH", "")]

                await asyncio.to_thread(gateway.start)
                await plc.set("A", 100.0, at_ms=100)
                await until(lambda: hub.samples[-1].value == 100, "the next sample")
                hub.swallow = lambda: True
                await plc.set("A", 101.0, at_ms=101)
                await until(lambda: hub.samples[-1].value == 101, "one that is not answered")
                os.kill(gateway.pid, signal.SIGTERM)
                await until(lambda: gateway.output.count("stopping: ") == 2, "the stop")
                await asyncio.sleep(0.5)
                said = gateway.output
                assert said.count("agent: stopped") == 1, "it waits for the answer, up to 5 s"
                assert await asyncio.to_thread(gateway.stop) == -signal.SIGTERM


async def samples_in(config: EdgeConfig) -> int:
    """Samples in the journal of an agent that has stopped."""
    journal = TelemetryJournal.open(config.data_dir / "journal.sqlite", config.journal)
    state = journal.state
    rows = journal.read(state.first_kept, state.next)
    await journal.close()
    return sum(len(row.record.tags) for row in rows if isinstance(row.record, SampleBatch))


async def test_status_is_shown_whether_it_runs_or_not(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with run_plc(A=1.0) as plc:
            config = config_of(tmp_path, broker, {DEVICE: plc})
            gateway: Child = agent(config, tmp_path)
            code, output = await command(tmp_path, "status")
            assert (code, "no agent answers in" in output) == (2, True)
            with gateway:
                await asyncio.to_thread(gateway.start)
                await until(lambda: hub.samples, "the first sample")
                await until_online(config, DEVICE)
                await until_told(config, lambda told: told["well"])
                code, output = await command(tmp_path, "status")
                assert (code, "All is well" in output, DEVICE in output) == (0, True, True), output
                await plc.server.stop()
                await until(lambda: f"source {DEVICE}: " in gateway.output, "its loss")
                code, output = await command(tmp_path, "status", "--json")
                assert code == 1
                assert json.loads(output)["problems"][0]["part"] == f"source {DEVICE}"
