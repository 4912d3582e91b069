"""The command `lineside-hub serve`, as a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess

import httpx

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from tests.hub.calls.world import PLANT, Supplier, eventually, make_world
from tests.hub.serving import SERVE, refused, serve


def test_all_parts_in_one_process(
    environment: dict[str, str], database: Database, broker: LocalBroker
) -> None:
    make_world(database)
    settings = BrokerSettings(host=broker.host, port=broker.port, tls=False)
    with serve(environment) as ready, Supplier(settings).running() as supplier:
        assert ready.startswith("ready http://127.0.0.1:")
        with httpx.Client(base_url=ready.removeprefix("ready "), timeout=60) as client:
            parts = {"calls": True, "ingest": True, "webhooks": True}
            assert client.get("/healthz").json() == {"parts": parts}
            well = {"ready": True, "troubles": []}
            eventually(lambda: client.get("/readyz").json() == well, "its brokers")
            client.post(
                f"/v1/plants/{PLANT}/control-points/TRIM-IN/passes",
                json={"production_no": "0000001", "passed_at": "2026-03-02T06:00:00Z"},
            ).raise_for_status()
            eventually(lambda: len(supplier.calls) == 2, "the calls")
            # A page that is open keeps no hub from ending, which `serve` sees to.
            open_page = client.send(client.build_request("GET", "/v1/live"), stream=True)
            next(open_page.iter_lines())
    open_page.close()


def test_one_part_alone(environment: dict[str, str], database: Database) -> None:
    make_world(database)
    with serve(environment, "--only", "calls") as ready:
        assert ready == "ready"
    with serve(environment, "--only", "api") as ready:
        health = httpx.get(ready.removeprefix("ready ") + "healthz", timeout=60).json()
        assert health == {"parts": {}}


def test_told_to_stop_while_it_stands_still_it_stops(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*SERVE, "--only", "calls"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
            process.send_signal(number)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_what_keeps_it_from_serving_is_said(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = refused(environment | {"LINESIDE_HUB_API__PORT": port})
    assert code == 1
    assert "LINESIDE_HUB_API__PORT" in said
    code, said = refused(environment | {"LINESIDE_HUB_API__HOST": "0.0.0.0"})
    assert code == 2
    assert "loopback only" in said
    code, said = refused(environment | {"LINESIDE_HUB_DATABASE__PORT": str(free_port())})
    assert code == 1
    assert "cannot serve" in said
    assert "Traceback" not in said
