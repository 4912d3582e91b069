"""The mix bank over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from hub.api import mix_bank
from hub.api.mix_bank_models import MOST_ON_LINE
from hub.api.settings import ApiSettings
from hub.sequencing.lanes import next_lane, store_lane
from hub.sequencing.model import BATCH_AT_MOST, Car
from hub.sequencing.passed import line_tail
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.day import RULES, make_book, make_plant
from tests.hub.api.test_plants import problem, report
from tests.hub.calls.world import PLANT

LANES = f"/v1/plants/{PLANT}/lanes"
BANK = [["0000011", "0000012"], ["0000013", "0000014"], []]

LINE = [f"{n:07d}" for n in range(1, 6)]


@pytest.fixture
def world(database: Database) -> Database:
    make_plant(database)
    return database


def cars(*numbers: str) -> list[Any]:
    known = {car.production_no: car for car in make_book().instance().cars}
    return [known[number] for number in numbers]


def test_the_lane_that_costs_least_releases(client: httpx.Client) -> None:
    told = client.post(f"{LANES}/next", json={"lanes": BANK, "line": LINE}).json()
    choice = next_lane([cars(*lane) for lane in BANK], cars(*LINE), RULES)
    assert (told["lane"], told["cost"]) == (choice.lane, choice.cost)
    assert [(r["lane"], r["production_no"]) for r in told["plan"]] == [
        (r.lane, r.car.production_no) for r in choice.plan
    ]
    assert told["production_no"] == told["plan"][0]["production_no"]
    other = {"lanes": BANK, "line": LINE, "blocked": [choice.lane], "look_ahead": 1}
    assert client.post(f"{LANES}/next", json=other).json()["lane"] != choice.lane


def test_the_line_is_what_has_passed_where_it_begins(client: httpx.Client) -> None:
    at_first = client.post(f"{LANES}/next", json={"lanes": BANK, "control_point": "TRIM-IN"})
    choice = next_lane([cars(*lane) for lane in BANK], make_book().yesterday, RULES)
    assert at_first.json()["cost"] == choice.cost
    for n in range(1, 9):
        assert report(client, n).status_code == 201
    later = client.post(f"{LANES}/next", json={"lanes": BANK, "control_point": "TRIM-IN"}).json()
    given = [f"{n:07d}" for n in range(1, 9)]
    assert later == client.post(f"{LANES}/next", json={"lanes": BANK, "line": given}).json()


def test_a_limit_that_stands_for_none_does_not_look_back_at_all_that_passed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make_book()
    make_plant(database, replace(book, rules=replace(RULES, batch_limit=BATCH_AT_MOST)))
    asked: list[int] = []

    def spied(*given: Any) -> list[Car]:
        asked.append(given[-1])
        return line_tail(*given)

    monkeypatch.setattr(mix_bank, "line_tail", spied)
    with serving(database, ApiSettings()) as url, httpx.Client(base_url=url, timeout=60) as client:
        told = client.post(f"{LANES}/next", json={"lanes": BANK, "control_point": "TRIM-IN"})
    assert told.status_code == 200
    assert asked == [MOST_ON_LINE]


def test_an_arriving_car_is_shown_its_lane(client: httpx.Client) -> None:
    for number in ("0000015", "0000016", "0000017"):
        request = {"lanes": BANK, "line": LINE, "production_no": number, "places": 3}
        told = client.post(f"{LANES}/entry", json=request).json()
        bank = [cars(*lane) for lane in BANK]
        (car,) = cars(number)
        assert told["lane"] == store_lane(bank, car, RULES, places=3, line=cars(*LINE))


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"lanes": BANK}, 422, "one of line and control_point"),
        ({"lanes": BANK, "line": [], "control_point": "TRIM-IN"}, 422, "one of line and"),
        ({"lanes": BANK, "control_point": "TRIM-N"}, 404, "did you mean TRIM-IN?"),
        ({"lanes": [["X"]], "line": []}, 422, "no order X"),
        ({"lanes": BANK, "line": ["0000011"]}, 422, "car 0000011 stands at two places"),
        ({"lanes": [[], []], "line": []}, 409, "all are empty"),
        ({"lanes": [], "line": []}, 422, "lanes"),
        ({"lanes": [["1"] * 151] * 2, "line": []}, 422, "302 cars wait"),
        ({"lanes": BANK, "line": [], "blocked": [3]}, 422, "lane 3 is blocked"),
        ({"lanes": BANK, "line": [], "blocked": [0, 1]}, 409, "lane 0 is blocked"),
        ({"lanes": BANK, "line": [], "look_ahead": 0}, 422, "look_ahead"),
    ],
)
def test_a_bad_question_is_refused_with_what_and_where(
    client: httpx.Client, request_: dict[str, Any], status: int, says: str
) -> None:
    refused = client.post(f"{LANES}/next", json=request_)
    assert refused.status_code == status
    assert says in problem(refused)["detail"]


def test_a_full_bank_takes_no_car_in(client: httpx.Client) -> None:
    request = {"lanes": BANK[:2], "line": [], "production_no": "0000015", "places": 2}
    refused = client.post(f"{LANES}/entry", json=request)
    assert refused.status_code == 409
    assert "no lane can take in car 0000015" in problem(refused)["detail"]


def test_a_supplier_has_no_mix_bank(world: Database) -> None:
    settings = ApiSettings(token=TOKEN, tenant="seatworks")
    with (
        serving(world, settings) as url,
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        ) as client,
    ):
        for path, more in (
            ("next", {"line": []}),
            ("entry", {"production_no": "1", "places": 1, "line": []}),
        ):
            refused = client.post(f"{LANES}/{path}", json={"lanes": BANK, **more})
            assert problem(refused)["detail"] == f"no plant {PLANT}"
