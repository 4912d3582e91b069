"""What the README promises of the demo, on the whole stack, run as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fixtures.broker import BROKERS
from tests.hub.calls.world import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(800)]

ROOT = Path(__file__).parents[2]
SAMPLE_DAY = ROOT / "hub/orders/sample/day"
CARS = 6


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of its own: pytest's are closed to the user that PostgreSQL runs as for root."""
    with tempfile.TemporaryDirectory(prefix="lineside-e2e-") as name:
        yield Path(name)


@contextmanager
def demo(directory: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """The demo as a child; ended if the test leaves it running."""
    command = [sys.executable, "-m", "deploy.local", "--directory", directory, *options]
    child = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        # In order, so that it takes its own children with it.
        child.send_signal(signal.SIGINT)
        try:
            child.communicate(timeout=120)
        finally:
            child.kill()


def run_to_end(directory: Path, *options: object) -> tuple[int, str]:
    """Exit code and output of a demo."""
    with demo(directory, *options) as child:
        output, _ = child.communicate(timeout=600)
        return child.returncode, output


def wait_for_line(child: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line of output that matches."""
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line)
        if (found := re.search(pattern, line)) is not None:
            return found
    raise AssertionError(f"no {pattern!r} in: {''.join(said)}")


@pytest.mark.parametrize("broker", list(BROKERS))
def test_all_arrives_once_over_a_killed_gateway_and_a_lost_broker(
    broker: str, directory: Path
) -> None:
    code, output = run_to_end(
        directory, "--cars", CARS, "--takt", 1, "--broker", broker, "--orders", SAMPLE_DAY
    )
    assert code == 0, output
    assert "gateway gw-seat is killed" in output
    assert "the broker is killed" in output
    assert "every call, event and sample is there once" in output
    assert re.search(rf"^cars +{CARS}$", output, re.MULTILINE)
    assert re.search(r"^duplicates +0", output, re.MULTILINE)
    counted, committed, excused = (
        int(found[1])
        for name in ("samples the PLCs counted +", "samples committed +", r"gaps.*?\d+, ")
        if (found := re.search(rf"^{name}(\d+)", output, re.MULTILINE))
    )
    assert counted == committed + excused
    for line, per_car in (("SEAT1", 2), ("TRIM1", 3)):
        found = re.search(rf"^{line} (.*)$", output, re.MULTILINE)
        assert found is not None
        calls, acknowledged, built, _nok, _rebuilt, shipped = map(int, found[1].split())
        assert calls == acknowledged == built == shipped == CARS * per_car


def test_a_full_line_ends_with_the_build_record_of_a_part(directory: Path) -> None:
    """Thirteen stations, each kind of source among them; the faults are the demo's. In a directory
    that is named from where it runs, as by default."""
    relative = Path(os.path.relpath(directory, ROOT))
    code, output = run_to_end(
        relative, "--cars", CARS, "--takt", 1, "--line", "full", "--orders", SAMPLE_DAY
    )
    assert code == 0, output
    assert "line SEAT1 has 13 stations" in output
    _, _, record = output.partition("Build record of SEAT1-")
    assert re.match(r"\S+ \(car \d+ SEAT-(FRONT|REAR)\)", record)
    for station, characteristic in (
        ("tightening", "Torque"),
        ("joining", "Torque"),
        ("vision", "Trim gap"),
        ("measuring-room", "Rail length"),
        ("leak-tester", "Leak rate"),
        ("end-of-line", "Heater current"),
        ("hand-station", "Gap"),
    ):
        assert re.search(rf"{station} +│ {characteristic} ", record), record
    assert re.search(r"The camera kept \d+ clips", output)
    assert "NOT FETCHED" not in output
    assert "every call, event and sample is there once" in output


def test_refuses_a_malformed_order_file_by_line(directory: Path) -> None:
    orders = directory / "orders.csv"
    orders.write_text("production_no,model,colour\n001,M1,RED\n001,M1,BLUE\n")
    code, output = run_to_end(directory / "demo", "--orders", orders)
    assert code == 1
    assert f"{orders}:3" in output
    assert "nothing was stored" in output


def test_ctrl_c_ends_it_and_leaves_nothing_running(directory: Path) -> None:
    with demo(directory, "--cars", 1000) as child:
        wait_for_line(child, "gateway gw-trim")
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=120)
        assert child.returncode == 130
        assert "nothing is left running" in output
    assert not still_running(directory)


def test_a_part_that_dies_ends_it_with_the_parts_last_words(directory: Path) -> None:
    with demo(directory, "--cars", 1000, "--takt", 1) as child:
        page = wait_for_line(child, r"live page: (http\S+)")[1]
        wait_for_line(child, "gateway gw-trim")
        well = {"ready": True, "troubles": []}
        eventually(lambda: httpx.get(f"{page}readyz", timeout=60).json() == well, "its brokers")
        (plc,) = (p for p in still_running(directory) if "--line TRIM1" in p[1])
        subprocess.run(["kill", "-9", str(plc[0])], check=True)
        output, _ = child.communicate(timeout=120)
        assert child.returncode == 1
        assert "plc-TRIM1: has ended (exit code -9)" in output
    assert not still_running(directory)


def still_running(directory: Path) -> list[tuple[int, str]]:
    """Processes whose command line names a file below `directory`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(directory) in command and "deploy.local " not in command:
            found.append((int(entry.name), command))
    return found
