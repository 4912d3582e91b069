"""`lineside-hub sequence lanes`: the mix bank from the terminal."""

from __future__ import annotations

import json

import pytest

from hub.orders.formats import read_given
from hub.sequencing.lanes import next_lane, store_lane
from hub.sequencing.model import Car
from tests.hub.orders import SAMPLE_DAY_FILE
from tests.hub.sequencing.cli.conftest import Command

DAY = read_given(SAMPLE_DAY_FILE).instance
BANK = [["0004711", "0004712", "0004714"], [], ["0004718", "0004740"]]
LANES = [word for lane in BANK for word in ("--lane", ", ".join(lane))]


def cars(*numbers: str) -> list[Car]:
    known = {car.production_no: car for car in DAY.cars}
    return [known[number] for number in numbers]


def test_the_lane_that_releases_is_the_planned_one_behind_yesterday(run: Command) -> None:
    choice = next_lane([cars(*lane) for lane in BANK], DAY.yesterday, DAY.rules)
    told = json.loads(run("lanes", SAMPLE_DAY_FILE, *LANES, "--json"))
    assert (told["lane"], told["cost"]) == (choice.lane, choice.cost)
    assert [(r["lane"], r["production_no"]) for r in told["plan"]] == [
        (r.lane, r.car.production_no) for r in choice.plan
    ]
    text = run("lanes", SAMPLE_DAY_FILE, *LANES)
    assert text.startswith(f"lane {choice.lane} releases car {told['production_no']}")
    assert len(text.splitlines()) == 2 + len(choice.plan)


def test_line_blocked_lanes_and_look_ahead_count(run: Command) -> None:
    line = ["0004715", "0004717"]
    words = ["--line", ",".join(line), "--blocked", 2, "--look-ahead", 2]
    told = json.loads(run("lanes", SAMPLE_DAY_FILE, *LANES, *words, "--json"))
    choice = next_lane(
        [cars(*lane) for lane in BANK], cars(*line), DAY.rules, look_ahead=2, blocked={2}
    )
    assert (told["lane"], told["cost"], len(told["plan"])) == (0, choice.cost, 2)


def test_an_arriving_car_is_shown_its_lane(run: Command) -> None:
    words = ["--arriving", "0004746", "--places", 3]
    (car,) = cars("0004746")
    bank = [cars(*lane) for lane in BANK]
    lane = store_lane(bank, car, DAY.rules, places=3, line=DAY.yesterday)
    told = run("lanes", SAMPLE_DAY_FILE, *LANES, *words)
    assert told == f"car 0004746 should enter lane {lane}\n"
    assert json.loads(run("lanes", SAMPLE_DAY_FILE, *LANES, *words, "--json")) == {"lane": lane}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lane", "4711"], "--lane 4711: no such car; did you mean 0004711?"),
        (["--lane", "0004711", "--line", "x"], "--line x: no such car"),
        (["--lane", "0004711,0004712", "--lane", "0004711"], "car 0004711 stands at 2 places"),
        (["--lane", "0004711", "--line", "0004711"], "car 0004711 stands at 2 places"),
        (["--lane", "0004711", "--blocked", 1], "--blocked 1: lanes are 0 to 0"),
        (["--lane", ""], "day.yaml: no lane can release: lane 0 is empty"),
        (["--lane", "0004711", "--arriving", "0004712"], "--places belong together"),
        (["--lane", "0004711", "--places", 3], "--places belong together"),
        (["--lane", "0004711", "--arriving", "0004711", "--places", 3], "stands at 2 places"),
        (["--lane", "0004711", "--arriving", "0004712", "--places", 1], "lane 0 holds 1"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    refused: Command, words: list[object], said: str
) -> None:
    assert said in refused("lanes", SAMPLE_DAY_FILE, *words)
