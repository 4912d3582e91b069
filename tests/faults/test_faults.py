"""A short run of the fault harness, as a person starts it: one fault of each kind chosen here, and
nothing lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parents[2]
SEED = 17828
CHOSEN = (
    *("kill agent", "kill PLC", "kill ingest", "kill calls", "kill broker", "kill database"),
    *("hang agent", "hang ingest", "half_open link", "forgetful broker", "PLC clock step"),
    *("disk full", "torn journal", "bit-flipped journal", "torn calls", "bit-flipped calls"),
    *("PC replaced", "hub restored"),
)
FAULTS = len(CHOSEN)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of its own: pytest's are closed to the user that PostgreSQL runs as for root."""
    with tempfile.TemporaryDirectory(prefix="lineside-faults-") as name:
        yield Path(name)


def test_nothing_is_lost_without_a_gap_doubled_or_out_of_order(directory: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "--directory", directory / "run"]
    chosen = ["--seed", SEED, "--minutes", 0.1, "--round", FAULTS, "--gateways", 1]
    kinds = [word for kind in CHOSEN for word in ("--only", kind)]
    report = ["--report", directory / "report.json"]
    child = subprocess.Popen(
        [str(part) for part in (*command, *chosen, *kinds, *report)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = child.communicate(timeout=900)
    finally:
        # In order, so that it takes its own children with it.
        child.send_signal(signal.SIGINT)
        child.wait(120)
    assert child.returncode == 0, output
    found = json.loads((directory / "report.json").read_text())
    assert found["faults"] == FAULTS
    assert set(found["kinds"]) == set(CHOSEN)
    values = found["values"]
    assert values["produced"] > found["seconds"], "the line has hardly counted"
    assert values["produced"] <= values["stored"] + values["in_gaps"]
    assert found["calls"] > 0
    assert found["events"]["produced"] > 0
    assert not (directory / "run").exists(), "a good run leaves nothing"
