"""`lineside-sim` as its users start it: as a process."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.line.ledger import read_ledger
from firmware_sim.line.process import PROCESS_TAGS
from tests.firmware_sim.line.gateway import a_call, gateway

PATIENCE_S = 60


@contextmanager
def sim(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A running `lineside-sim`, ended with SIGTERM, which it must obey in order."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from firmware_sim.cli import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def refusal(*arguments: object) -> str:
    """What a `lineside-sim` that must fail says, on one line and in small letters."""
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert outcome.exit_code in (1, 2)
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    return " ".join(outcome.stderr.replace("│", " ").lower().split())


def test_a_line_says_where_it_is_and_keeps_its_state_over_a_restart(tmp_path: Path) -> None:
    options = [
        *("line", "--part-groups", "SEAT-FRONT,SEAT-REAR", "--speed", 1e6, "--nok-rate", 0),
        *(
            "--no-details",
            "--state",
            tmp_path / "state.json",
            "--ledger",
            tmp_path / "ledger.jsonl",
        ),
    ]

    async def hand_over(endpoint: str, strobe: int, number: int) -> None:
        async with gateway(endpoint) as visitor:
            assert (await visitor.hand_over(strobe, a_call(number))).accepted
            await visitor.take(lambda taken: any(r.kind == "packed" for r in taken))

    for strobe in (1, 2):
        with sim(*options) as process:
            ready, endpoint = first_line(process).split()
            assert ready == "ready"
            asyncio.run(hand_over(endpoint, strobe, strobe))
    entries = list(read_ledger(tmp_path / "ledger.jsonl"))
    results = [entry for entry in entries if hasattr(entry, "no")]
    assert [entry.no for entry in results] == [1, 2, 3, 4, 5, 6]
    assert len(entries) > len(PROCESS_TAGS)


def test_a_proxy_obeys_the_fault_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        address = f"127.0.0.1:{target.getsockname()[1]}"
        with sim("proxy", "--target", address) as process:
            _, listening, _, control = first_line(process).split()
            host, port = listening.split(":")
            socket.create_connection((host, int(port)), PATIENCE_S).close()
            with sim("fault", control, "cut", "--seconds", 30) as command:
                assert '"cut": true' in first_line(command)
                command.wait(PATIENCE_S)
            try:
                socket.create_connection((host, int(port)), PATIENCE_S).close()
            except ConnectionRefusedError:
                return
            raise AssertionError("a cut proxy took a connection")


def test_a_plant_can_be_stopped_while_the_hub_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with sim("plant", "--url", f"http://127.0.0.1:{port}") as process:
            connection, _ = silent.accept()
            connection.close()
            silent.accept()[0].close()
            process.send_signal(signal.SIGTERM)
            assert first_line(process) == "stopped; run again to go on"
            assert process.wait(PATIENCE_S) == 0


def test_bad_options_are_named() -> None:
    assert "--nok-rate" in refusal("line", "--nok-rate", 3)
    assert "--url" in refusal("plant", "--url", "hub")
    assert "not host:port" in refusal("proxy", "--target", "somewhere")
    assert "drop takes a value" in refusal("fault", "127.0.0.1:1", "drop")


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}x")
    assert "not the state of a line plc" in refusal("line", "--state", tmp_path / "state.json")
    assert "file exists" in refusal("line", "--state", tmp_path / "state.json" / "below")
    assert "not host:port" in refusal("proxy", "--target", "127.0.0.1:99999")
    assert "--port" in refusal("proxy", "--target", "127.0.0.1:1", "--port", 70000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "address already in use" in refusal("line", "--port", port)
        assert "address already in use" in refusal(
            "proxy", "--target", "127.0.0.1:1", "--port", port
        )


def test_an_s7_plc_serves_and_misbehaves_on_command(tmp_path: Path) -> None:
    ledger = tmp_path / "s7.jsonl"
    with sim("s7", "--counters", 2, "--counter-hz", 50, "--ledger", ledger) as process:
        ready, address, _, control = first_line(process).split()
        assert ready == "ready"
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S):
            pass
        told = CliRunner().invoke(app, ["misbehave", control, "--answer", "silent"])
        assert '"answer": "silent"' in told.stdout
        told = CliRunner().invoke(app, ["misbehave", control, "--hide", "DB10"])
        assert '"hidden": ["DB10"]' in told.stdout
        names = {"Counter0", "Counter1", "Force", "Serial"}
        ends_at = time.monotonic() + PATIENCE_S
        while not names <= {getattr(entry, "node", "") for entry in read_ledger(ledger)}:
            assert time.monotonic() < ends_at
            time.sleep(0.02)
    assert "give answer, delay_s, hide or show" in refusal("misbehave", "127.0.0.1:1")


def test_a_tightening_controller_counts_in_its_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "nut.jsonl"
    with sim("open-protocol", "--cycle-s", 0.05, "--ledger", ledger) as process:
        ready, address, *_ = first_line(process).split()
        host, _, port = address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client,
            client.makefile("rb") as heard,
        ):

            def message() -> bytes:
                length = heard.read(4)
                return length + heard.read(int(length) - 4 + 1)

            client.sendall(b"00200001001         \0")
            assert message().startswith(b"00570002001")
            client.sendall(b"00200060001         \0")
            assert message() == b"00240005001         0060\0"
            assert message().startswith(b"02310061001")
    assert ready == "ready"
    numbers = [entry.value for entry in read_ledger(ledger) if hasattr(entry, "value")]
    assert numbers[:1] == [1]
    assert "greater than or equal to 1" in refusal("open-protocol", "--first-id", "0")


def test_modbus_units_serve_on_a_port_and_on_a_pseudo_terminal() -> None:
    with sim("modbus", "--units", 2) as process:
        ready, address, *_ = first_line(process).split()
        host, _, port = address.rpartition(":")
        request = bytes.fromhex("000100000006020100000002")  # unit 2: coils 0 and 1
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
            client.sendall(request)
            assert client.recv(64) == bytes.fromhex("00010000000402010100")
    with sim("modbus", "--serial") as process:
        ready, path, *_ = first_line(process).split()
        assert ready == "ready"
        assert Path(path).is_char_device()


@pytest.mark.parametrize("device", ["vision", "joining"])
def test_what_tells_results_as_events_says_where_it_is(device: str) -> None:
    with sim(device, "--cycle-s", 0) as process:
        assert first_line(process).startswith("ready opc.tcp://127.0.0.1:")
    assert "less than or equal to 1" in refusal(device, "--nok-rate", 2)
