"""A line PLC as a process of its own, a gateway's configuration, and the gateway as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from edge.config import EdgeConfig
from edge.sources.opcua import OpcUaSettings
from protocols.jis.messages import Call, CallKey

GROUP, NODE = "seatworks", "gw-seat"
PLANT, LINE, DEVICE = "P1", "SEAT1", "seat-plc"
PART_GROUPS = ["SEAT-FRONT", "SEAT-REAR"]


class Child:
    """A process of ours whose standard output announces `ready`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._arguments = arguments
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has said so far, over all its lives, in whole lines."""
        said = self._log.read_bytes() if self._log.exists() else b""
        return said[: said.rfind(b"\n") + 1].decode()

    def start(self, within_s: float = 60.0) -> str:
        """Start it; returns the line that says it is ready."""
        before = len(self.output)
        self.begin()
        assert self._process is not None
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for line in self.output[before:].splitlines():
                if "ready" in line:
                    return line
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{self._arguments}: not ready\n{self.output[before:]}")

    def begin(self) -> None:
        """Start it, and do not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """In order; returns its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"did not end by itself\n{self.output}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()


def line_plc(directory: Path, port: int, **options: Any) -> Child:
    """A simulated line PLC that keeps its state over restarts, and a ledger of all it does."""
    given = {
        "line": LINE,
        "port": port,
        "cycle_s": 0.2,
        "rack_slots": 2,
        "ledger": directory / "ledger.jsonl",
        "state": directory / "state.json",
        **options,
    }
    arguments = [*command("firmware_sim"), "line"]
    for name, value in given.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return Child(arguments, directory / "plc.log")


def command(package: str) -> list[str]:
    """The package's command, by this interpreter."""
    return [sys.executable, "-c", f"from {package}.cli import main; main()"]


def edge_config(
    data_dir: Path, broker_port: int, plc_port: int, tags: list[dict[str, Any]] | None = None
) -> EdgeConfig:
    """The configuration of a gateway with one line PLC."""
    return EdgeConfig.model_validate(
        {
            "version": 1,
            "gateway": {"group": GROUP, "node": NODE},
            "data_dir": data_dir,
            "broker": {"host": "127.0.0.1", "port": broker_port, "tls": False, "keepalive_s": 5},
            "journal": {"keep_free_mb": 0, "commit_ms": 20},
            "status": {"port": 0},
            "board": {"port": 0},
            "sources": [
                {
                    "device": DEVICE,
                    "endpoint": f"opc.tcp://127.0.0.1:{plc_port}/",
                    "publishing_ms": 50,
                    "tags": tags or [],
                }
            ],
            "jis": [{"plant": PLANT, "line": LINE, "device": DEVICE, "part_groups": PART_GROUPS}],
        }
    )


def opcua_source(config: EdgeConfig) -> OpcUaSettings:
    """The first source of a configuration, which is an OPC UA one."""
    source = config.sources[0]
    assert isinstance(source, OpcUaSettings)
    return source


def agent(config: EdgeConfig, directory: Path) -> Child:
    """A gateway with this configuration, as the command line starts it."""
    path = directory / "edge.yaml"
    path.write_text(config.model_dump_json(by_alias=True))  # JSON is YAML too
    return Child([*command("edge"), "run", "--config", str(path)], directory / "agent.log")


def calls(
    first: int, count: int, *, line: str = LINE, part_group: str = "SEAT-FRONT"
) -> list[Call]:
    """Calls with the numbers first, first + 1, …"""
    now = datetime.now(UTC)
    return [
        Call(
            key=CallKey(plant=PLANT, line=line, production_no=f"{n:07}", part_group=part_group),
            call_no=n,
            sequence_no=n % 9999 + 1,
            part_no=f"A{n}",
            colour="black",
            unloading_point="U1",
            rack=f"R{(n - 1) // 2}",
            slot=(n - 1) % 2 + 1,
            control_point="TRIM-IN",
            called_at=now,
            required_at=now + timedelta(hours=2),
        )
        for n in range(first, first + count)
    ]
