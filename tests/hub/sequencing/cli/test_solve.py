"""`lineside-hub sequence solve`, in each format; ended by a signal; refused before it searches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hub.orders.csplib import read_classes, read_csplib
from hub.orders.formats import read_given
from hub.orders.roadef import FILES
from hub.sequencing import score
from tests.fixtures.instances import csplib_files
from tests.hub.orders import SAMPLE_DAY, SAMPLE_DAY_FILE
from tests.hub.orders.test_csplib import JUDGE as CSPLIB_JUDGE
from tests.hub.orders.test_csplib import load_judge as load_csplib_judge
from tests.hub.orders.test_roadef import PUBLIC_AT_HAND, load_judge
from tests.hub.sequencing.cli.conftest import Command

MOVES = ("--max-moves", 60_000)


@pytest.mark.parametrize("day", [SAMPLE_DAY, SAMPLE_DAY_FILE], ids=["folder", "day"])
def test_a_solved_day_is_better_valid_and_repeatable(
    run: Command, tmp_path: Path, day: Path
) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    solved = [json.loads(run("solve", day, *MOVES, "--seed", 3, "--out", file)) for file in files]
    assert files[0].read_text() == files[1].read_text()
    given = read_given(day)
    found = score(given.instance, given.read_sequence(files[0]))
    assert found.feasible
    assert found.mark == solved[0]["mark"] < solved[0]["mark_as_given"]
    marks = [mark for _, mark in solved[0]["course"]]
    assert marks == sorted(marks, reverse=True)
    assert marks[-1] == found.mark
    assert all(mark == round(mark, 6) for mark in marks)
    assert solved[0]["moves"] == 60_000
    assert 0 < solved[0]["refused_early"] < 60_000
    assert not solved[0]["stopped"]


def test_a_csplib_file_is_solved_and_written_as_class_indices(
    run: Command, tmp_path: Path, csplib: Path
) -> None:
    out = tmp_path / "out.txt"
    solved = json.loads(run("solve", csplib, *MOVES, "--out", out))
    assert solved["mark"] == 0
    assert sorted(map(int, out.read_text().split())) == [0] * 8 + [1] * 8 + [2] * 4
    day = read_csplib(csplib)
    assert score(day.instance, read_classes(out, day)).mark == 0


if PUBLIC_AT_HAND:

    @pytest.mark.parametrize("folder", list(islice(PUBLIC_AT_HAND, 0, None, 20)), ids=str)
    def test_the_judge_agrees_on_what_is_written(
        run: Command, tmp_path: Path, folder: Path
    ) -> None:
        out = tmp_path / "out.txt"
        solved = json.loads(run("solve", folder, *MOVES, "--out", out))
        judge = load_judge()
        instance = judge.load(str(folder))
        with out.open() as lines:
            expected = judge.score(instance, judge.read_solution(instance, lines))
        assert solved["mark"] == expected["mark"]
        assert expected["feasible"]


if csplib_files() and CSPLIB_JUDGE.exists():

    @pytest.mark.parametrize("path", list(islice(csplib_files(), 0, None, 30)), ids=str)
    def test_the_judge_agrees_on_written_classes(run: Command, tmp_path: Path, path: Path) -> None:
        out = tmp_path / "out.txt"
        solved = json.loads(run("solve", path, *MOVES, "--out", out))
        sequence = [int(word) for word in out.read_text().split()]
        excess, _ = load_csplib_judge().score(*load_csplib_judge().load(path), sequence)
        assert solved["mark"] == excess


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_two_searches_side_by_side_are_no_worse_than_the_first_alone(run: Command) -> None:
    alone = json.loads(run("solve", SAMPLE_DAY, *MOVES))
    both = json.loads(run("solve", SAMPLE_DAY, *MOVES, "--cores", 2))
    assert both["mark"] <= alone["mark"]
    assert both["moves"] == 2 * alone["moves"]
    assert (alone["cores"], both["cores"]) == (1, 2)


def test_a_search_begins_with_the_sequence_it_is_given(run: Command, tmp_path: Path) -> None:
    best = tmp_path / "best.txt"
    first = json.loads(run("solve", SAMPLE_DAY, *MOVES, "--out", best))
    again = json.loads(run("solve", SAMPLE_DAY, "--max-moves", 1, "--start", best))
    assert again["course"][0] == [0, first["mark"]]


def test_a_picture_is_drawn(run: Command, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    run("solve", SAMPLE_DAY_FILE, *MOVES, "--plot", plot)
    assert ET.parse(plot).getroot().tag.endswith("svg")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("day", [SAMPLE_DAY, SAMPLE_DAY_FILE], ids=["folder", "day"])
def test_a_signal_ends_a_search_with_what_it_has(
    tmp_path: Path, number: signal.Signals, day: Path
) -> None:
    out, plot = tmp_path / "out.txt", tmp_path / "plot.svg"
    search = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("lineside-hub")),
            *("sequence", "solve", str(day), "--time-limit", "600"),
            *("--out", str(out), "--plot", str(plot)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_it_searches(search)
        search.send_signal(number)
        output, _ = search.communicate(timeout=60)
    finally:
        search.kill()
    assert search.returncode == 0
    summary = json.loads(output)
    assert summary["stopped"]
    given = read_given(day)
    assert score(given.instance, given.read_sequence(out)).mark == summary["mark"]
    assert plot.read_text().rstrip().endswith("</svg>")


def wait_until_it_searches(search: subprocess.Popen[str]) -> None:
    """Until the process catches SIGTERM, as Linux tells; only the search does."""
    while search.poll() is None:
        status = Path(f"/proc/{search.pid}/status").read_text().splitlines()
        caught = next(line.split()[1] for line in status if line.startswith("SigCgt"))
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError(f"ended with {search.returncode} before it searched")


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_what_could_not_be_written_is_said_before_the_search(
    refused: Command, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    for place, said in (
        (tmp_path / "nowhere" / "out", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "out", "Not a directory"),
    ):
        told = refused("solve", SAMPLE_DAY, "--time-limit", 600, option, place)
        assert "no search was started" in told
        assert said in told
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_file_is_written_over_another_that_is_in_use(
    refused: Command, tmp_path: Path, csplib: Path
) -> None:
    start = tmp_path / "start.txt"
    start.write_text("0 " * 8 + "1 " * 8 + "2 " * 4)
    before = csplib.read_text()
    assert "is read by this command" in refused("solve", csplib, "--out", csplib)
    assert "is read by" in refused("solve", csplib, "--start", start, "--out", start)
    both = tmp_path / "both"
    assert "is written by --out" in refused("solve", csplib, "--out", both, "--plot", both)
    assert csplib.read_text() == before
    assert not both.exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_no_file_of_an_instance_folder_is_written_over(
    refused: Command, run: Command, tmp_path: Path, name: str, option: str
) -> None:
    day = Path(shutil.copytree(SAMPLE_DAY, tmp_path / "day"))
    before = (day / name).read_bytes()
    told = refused("solve", day, "--max-moves", 1, option, day / name)
    assert f"{name}: is read by this command; give {option} another name" in told
    assert (day / name).read_bytes() == before
    run("solve", day, "--max-moves", 1, option, day / "beside them")


def test_the_cars_of_a_day_file_are_not_written_over(refused: Command, tmp_path: Path) -> None:
    day, cars = tmp_path / "day.yaml", tmp_path / "cars.csv"
    day.write_text("version: 1\ncars: cars.csv\nyesterday: cars.csv\n")
    cars.write_text("production_no,colour\n1,red\n2,blue\n")
    plan = tmp_path / "plan.txt"
    plan.write_text("1\n2\n")
    before = cars.read_text()
    for words in (
        ("solve", day, "--max-moves", 1, "--out", cars),
        ("score", day, "--plot", cars),
        ("explain", day, "--plot", cars),
        ("resequence", day, plan, "--out", cars),
    ):
        assert "cars.csv: is read by this command" in refused(*words)
    assert cars.read_text() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_is_not_ours_is_told(refused: Command, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in refused("solve", SAMPLE_DAY, "--out", tmp_path / "out")


DAY_TEXT = """\
version: 1
options: {A: {ratio: 1/2}}
cars:
  - {production_no: "1", colour: red, options: [A]}
  - {production_no: "2", colour: red}
  - {production_no: "3", colour: blue}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 1\nbatch_limit: 0", ":2: batch_limit: "),
        ("version: 1", "version: 1\nobjectives: {levelling: .nan}", ":2: objectives.levelling: "),
        ('"2"', '"1"', ":5: cars[1]: car 1 stands at cars[0] already"),
        ("options: [A]", "options: [B]", ":4: cars[0].options: no option 'B'"),
        ("colour: blue", "colour: blue, fixed: 4", ":6: cars[2].fixed: position 4"),
        (
            "version: 1",
            "version: 1\ncalendar: {zone: UTC, takt_s: 60, first: 2026-03-02, last: 2026-03-02, "
            "start: 2026-03-02T06:00, overtime: "
            "[{start: 2026-03-02T06:00, end: 2026-03-02T06:02}]}",
            ":2: calendar: 3 cars, but the calendar holds 2 ",
        ),
    ],
)
def test_a_bad_day_starts_no_search(
    refused: Command, tmp_path: Path, old: str, new: str, said: str
) -> None:
    day = tmp_path / "day.yaml"
    day.write_text(DAY_TEXT.replace(old, new, 1))
    out = tmp_path / "out.txt"
    told = refused("solve", day, "--time-limit", 600, "--out", out)
    assert told.startswith(f"refused, no search was started:\n{day}{said}")
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"red}": "red, fixed: 3}", "blue}": "blue, fixed: 3}"},
            [":5: car 2", "position 3", ":6: car 3"],
        ),
        ({"version: 1": "version: 1\nbatch_limit: 1\nfrozen: 2"}, ["red"]),
        (
            {
                "version: 1": 'version: 1\npairs: [{kind: in_order, first: "1", second: "2"}, '
                '{kind: in_order, first: "2", second: "1"}]'
            },
            [":6: the cars of a ring", "2 → 1 → 2", ":5: car 1"],
        ),
    ],
)
def test_contradictory_limits_start_no_search(
    refused: Command, tmp_path: Path, changes: dict[str, str], said: list[str]
) -> None:
    text = DAY_TEXT
    for old, new in changes.items():
        text = text.replace(old, new, 1)
    day = tmp_path / "day.yaml"
    day.write_text(text)
    told = refused("solve", day, "--time-limit", 600)
    assert told.startswith("refused, no search was started")
    assert all(words in told for words in said), told


def test_a_contradiction_names_the_line_of_the_cars_file(refused: Command, tmp_path: Path) -> None:
    day, cars = tmp_path / "day.yaml", tmp_path / "cars.csv"
    day.write_text("version: 1\ncars: cars.csv\n")
    cars.write_text("production_no,colour,fixed\n1,red,2\n2,blue,\n3,red,2\n")
    told = refused("solve", day, "--time-limit", 600).splitlines()
    assert told[1].startswith(f"{cars}:2: car 1 ")
    assert told[2] == f"{cars}:4: car 3 stands here"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("vehicles.txt", "SUNROOF", "SUNROOFS", "vehicles.txt:1: option column SUNROOFS"),
        ("vehicles.txt", "2026 10 2;2;", "2026 10 2;1;", "vehicles.txt:18: rank 1 stands in line"),
        ("paint_batch_limit.txt", "10", "0", "paint_batch_limit.txt:2: limit '0' is not"),
    ],
)
def test_a_bad_folder_starts_no_search(
    refused: Command, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = Path(shutil.copytree(SAMPLE_DAY, tmp_path / "day"))
    (folder / file).write_text((folder / file).read_text().replace(old, new, 1))
    assert said in refused("solve", folder, "--time-limit", 600)


def test_what_is_no_day_is_refused(refused: Command, tmp_path: Path) -> None:
    assert "vehicles.txt" in refused("solve", tmp_path)
    assert "no such file or folder" in refused("solve", tmp_path / "gone.yaml")
    (tmp_path / "day.xls").write_text("x")
    assert "--format" in refused("solve", tmp_path / "day.xls")


def test_a_start_must_be_a_sequence_of_the_day(refused: Command, tmp_path: Path) -> None:
    start = tmp_path / "start.txt"
    numbers = [car.production_no for car in read_given(SAMPLE_DAY_FILE).instance.cars]
    for lines, said in (
        (numbers[:-1], "start.txt: 1 of the day's 40 cars are missing: 0004750"),
        ([*numbers[:-1], numbers[0]], "start.txt:40: car 0004711 stands in line 1 already"),
        ([*numbers, "x"], "start.txt:41: 'x' is not a car of the day"),
        ([f"1;{number}" for number in numbers], "start.txt:2: rank 1 stands in line 1 already"),
    ):
        start.write_text("\n".join(lines))
        assert said in refused("solve", SAMPLE_DAY_FILE, "--start", start)
