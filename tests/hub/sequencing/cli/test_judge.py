"""`lineside-hub sequence score`, `explain` and `compare`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.orders.formats import read_given
from hub.sequencing import score
from tests.hub.orders import SAMPLE_DAY, SAMPLE_DAY_FILE
from tests.hub.sequencing.cli.conftest import Command


@pytest.fixture
def backwards(tmp_path: Path) -> Path:
    """The sample folder's cars, last first."""
    path = tmp_path / "backwards.txt"
    cars = read_given(SAMPLE_DAY).instance.cars[::-1]
    path.write_text("".join(f"{car.production_no}\n" for car in cars))
    return path


def test_a_score_is_of_the_sequence_or_else_of_the_given_order(
    run: Command, backwards: Path
) -> None:
    instance = read_given(SAMPLE_DAY).instance
    assert json.loads(run("score", SAMPLE_DAY))["mark"] == score(instance).mark
    found = json.loads(run("score", SAMPLE_DAY, backwards))
    assert found["mark"] == score(instance, instance.cars[::-1]).mark
    assert found["cars"] == 120


def test_lines_may_come_in_any_order_if_they_have_ranks(
    run: Command, backwards: Path, tmp_path: Path
) -> None:
    ranked = tmp_path / "ranked.txt"
    lines = backwards.read_text().split()
    ranked.write_text("\n".join(f"{rank};{car};" for rank, car in [*enumerate(lines, 1)][::-1]))
    assert run("score", SAMPLE_DAY, ranked) == run("score", SAMPLE_DAY, backwards)


def test_a_sequence_that_breaks_a_limit_ends_with_1_and_says_which() -> None:
    result = CliRunner().invoke(app, ["sequence", "score", str(SAMPLE_DAY_FILE)])
    assert result.exit_code == 1
    broken = json.loads(result.stdout)["broken"]
    assert {number for limit in broken for number in limit["cars"]} == {"0004733", "0004737"}


def test_an_explanation_names_what_costs(run: Command) -> None:
    text = run("explain", SAMPLE_DAY_FILE, "--top", 2)
    for words in ("SUNROOF 1/3", "supplier line SEAT1", "0004733 stands at 23", "BU-white"):
        assert words in text
    found = json.loads(run("explain", SAMPLE_DAY_FILE, "--json"))
    given = score(read_given(SAMPLE_DAY_FILE).instance)
    assert found["mark"] == given.mark


def test_csplib_cars_are_explained_by_class_and_unit(run: Command, csplib: Path) -> None:
    assert "1.2 at" in run("explain", csplib)


def test_a_comparison_says_which_is_better(run: Command, tmp_path: Path, backwards: Path) -> None:
    solved = tmp_path / "solved.txt"
    run("solve", SAMPLE_DAY, "--max-moves", 50_000, "--out", solved)
    assert run("compare", SAMPLE_DAY, backwards, solved).startswith("other is better")
    found = json.loads(run("compare", SAMPLE_DAY, solved, backwards, "--json"))
    assert found["better"] == "one"


@pytest.mark.parametrize("command", ["score", "explain"])
def test_a_picture_is_drawn(run: Command, tmp_path: Path, command: str, backwards: Path) -> None:
    plot = tmp_path / "plot.svg"
    run(command, SAMPLE_DAY, backwards, "--plot", plot)
    assert ET.parse(plot).getroot().tag.endswith("svg")


@pytest.mark.parametrize("command", ["score", "explain"])
def test_a_picture_is_not_drawn_over_what_is_read(
    refused: Command, command: str, backwards: Path
) -> None:
    before = backwards.read_text()
    assert "is read by" in refused(command, SAMPLE_DAY, backwards, "--plot", backwards)
    assert backwards.read_text() == before


def test_a_sequence_of_other_cars_is_refused(refused: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("1;x\n")
    for words in (["score", other], ["explain", other], ["compare", other, other]):
        assert "other.txt:1: 'x' is not a car of the day" in refused(
            words[0], SAMPLE_DAY, *words[1:]
        )


def test_the_form_of_a_day_file_is_printed(run: Command) -> None:
    assert json.loads(run("schema"))["properties"]["batch_limit"]["title"].startswith("Most cars")
