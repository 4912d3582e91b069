"""A taste of `make day`: some cars of a plant's day, over the wire, with all that goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.fixtures.instances import ROADEF

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parents[2]
DAY = ROADEF / "B" / "029_EP_RAF_ENP_S21_J6"
"""Where the instances of the challenge are not at hand, a day of the same shape is generated."""
CARS = 30


def test_every_call_of_a_day_ends_once() -> None:
    # pytest's own directories are closed to the user that PostgreSQL runs as for root.
    with tempfile.TemporaryDirectory(prefix="lineside-day-") as directory:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "deploy.local.day", "--directory", directory),
                *("--orders", DAY, "--cars", str(CARS), "--lead-cars", "16", "--seed", "5"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        if not DAY.is_dir():
            assert "the day is generated" in run.stdout
        found = json.loads((Path(directory) / "ledger.json").read_text())
    summary, calls = found["summary"], found["calls"]
    assert summary["problems"] == []
    happened = summary["disturbances"]
    for kind in (
        "blocked",
        "pulled_out",
        "cancelled",
        "stopped",
        "rejected",
        "wan_cut",
        "hub_killed",
    ):
        assert happened[kind] >= 1, kind
    assert happened["reinserted"] == happened["pulled_out"]
    ends = {call["fate"] for call in calls}
    assert ends == {"fitted", "cancelled", "reordered"}
    assert sum(call["fate"] == "reordered" for call in calls) == happened["rejected"]
    assert summary["cars"] + happened["cancelled"] >= CARS
