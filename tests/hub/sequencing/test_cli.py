"""`lineside-hub sequence solve` and `score` as a planner types them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from typer.testing import CliRunner

import hub.orders
from hub.cli import app

SAMPLE = Path(hub.orders.__file__).parent / "sample" / "day"


def run(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["sequence", *words])
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def test_a_solved_day_is_better_scores_the_same_when_read_back_and_is_repeatable(
    tmp_path: Path,
) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    solved = [
        run("solve", str(SAMPLE), "--max-moves", "100000", "--seed", "3", "--out", str(file))
        for file in files
    ]
    assert files[0].read_text() == files[1].read_text()
    scored = run("score", str(SAMPLE), str(files[0]))
    assert scored["mark"] == solved[0]["mark"]
    assert scored["feasible"]
    mark, given = solved[0]["mark"], solved[0]["mark_as_given"]
    assert isinstance(mark, int)
    assert isinstance(given, int)
    assert mark < given


def test_ctrl_c_ends_a_search_with_what_it_has(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    command = [
        str(Path(sys.executable).with_name("lineside-hub")),
        "sequence",
        "solve",
        str(SAMPLE),
    ]
    search = subprocess.Popen(
        [*command, "--time-limit", "600", "--out", str(out)], stdout=subprocess.PIPE, text=True
    )
    time.sleep(3)
    search.send_signal(signal.SIGINT)
    output, _ = search.communicate(timeout=30)
    assert search.returncode == 0
    assert run("score", str(SAMPLE), str(out))["mark"] == json.loads(output)["mark"]


def test_a_folder_that_is_no_instance_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sequence", "solve", str(tmp_path)])
    assert result.exit_code != 0
    assert "vehicles.txt" in result.output
