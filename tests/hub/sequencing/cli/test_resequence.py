"""`lineside-hub sequence resequence`: what moves and which calls change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.orders.formats import read_given
from tests.hub.orders import SAMPLE_DAY, SAMPLE_DAY_FILE
from tests.hub.sequencing.cli.conftest import Command


@pytest.fixture
def planned(run: Command, tmp_path: Path) -> Path:
    """A sequence of the sample day file that keeps its limits."""
    path = tmp_path / "planned.txt"
    run("solve", SAMPLE_DAY_FILE, "--max-moves", 50_000, "--out", path)
    return path


def test_a_blocked_car_leaves_and_comes_back(run: Command, planned: Path, tmp_path: Path) -> None:
    before = planned.read_text().split()
    blocked, without, again = before[12], tmp_path / "without.txt", tmp_path / "again.txt"
    state = ("--passed", 5, "--frozen", 3, "--released", 15)
    text = run(
        "resequence", SAMPLE_DAY_FILE, planned, *state, "--blocked", blocked, "--out", without
    )
    assert f"held: {blocked}" in text
    after = without.read_text().split()
    assert after[:8] == before[:8]
    assert sorted([*after, blocked]) == sorted(before)

    found = json.loads(
        run(
            *("resequence", SAMPLE_DAY_FILE, without, *state, "--json"),
            *("--reinsert", f"{blocked}=9", "--out", again),
        )
    )
    assert sorted(again.read_text().split()) == sorted(before)
    assert found["cars"].index(blocked) >= 8
    assert found["held"] == []
    assert found["score_after"]["feasible"]
    back = [move["production_no"] for move in found["moved"] if move["before"] is None]
    assert back == [blocked]


def test_a_folder_keeps_its_own_form(run: Command, tmp_path: Path) -> None:
    planned, out = tmp_path / "planned.txt", tmp_path / "out.txt"
    numbers = [car.production_no for car in read_given(SAMPLE_DAY).instance.cars]
    planned.write_text("".join(f"{rank};{number}\n" for rank, number in enumerate(numbers, 1)))
    run(
        *("resequence", SAMPLE_DAY, planned, "--pulled-out", numbers[3], "--late"),
        *(f"{numbers[5]}=60", "--out", out),
    )
    rows = [line.split(";") for line in out.read_text().splitlines()]
    assert [rank for rank, _ in rows] == [str(rank) for rank in range(1, len(numbers))]
    assert int(next(rank for rank, number in rows if number == numbers[5])) >= 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--blocked", "000471"], "--blocked 000471: no such car; did you mean 00047"),
        (["--late", "0004715"], "say from which position, as in 0004715=40"),
        (["--late", "0004715=0"], "'0' is not a position from 1 up"),
        (["--late", "0004715=99"], "the sequence ends at 40"),
        (["--reinsert", "0004715"], "has never left"),
        (["--passed", "41"], "--passed 41: "),
        (["--passed", "2", "--blocked", "0004712"], "car 0004712 is one of the 2 that are past"),
        (["--passed", "2", "--late", "0004711=4"], "car 0004711 is one of the 2 that are past"),
        (["--frozen", "41"], "41 frozen cars"),
        (["--worth", "nan"], "worth of nan"),
        (["--out", "/"], "--out cannot be written"),
    ],
)
def test_a_state_that_cannot_be_is_refused(
    refused: Command, planned: Path, words: list[str], said: str
) -> None:
    assert said in refused("resequence", SAMPLE_DAY_FILE, planned, *words)
