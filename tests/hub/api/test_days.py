"""Days that stand for themselves, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hub.api.days import EXAMPLE, MAX_BODY_BYTES, DaySequence
from hub.api.settings import ApiSettings
from hub.orders.day import make_day
from hub.sequencing.explain import explain
from hub.sequencing.scoring import score
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.test_plants import problem
from tests.hub.calls.world import eventually

SCORE = "/v1/sequencing/score"
EXPLANATION = "/v1/sequencing/explanation"
SEARCHES = "/v1/sequencing/searches"


@pytest.fixture
def client(database: Database) -> Iterator[httpx.Client]:
    """Of a hub without any plant."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serving(database, ApiSettings(token=TOKEN)) as url,
        httpx.Client(base_url=url, timeout=60, headers=headers) as client,
    ):
        yield client


def test_the_example_is_judged(client: httpx.Client) -> None:
    given = client.post(SCORE, json={"day": EXAMPLE["day"]}).json()
    assert given["values"]["high_priority"] == 1
    assert given["mark"] == 1_000_000 + 1_000
    parted = client.post(SCORE, json=EXAMPLE).json()
    assert parted["values"]["high_priority"] == 0
    assert parted["mark"] == 2_000
    told = client.post(EXPLANATION, json=EXAMPLE, params={"top": 1}).json()
    instance = make_day(DaySequence.model_validate(EXAMPLE).day).instance
    cars = [instance.cars[i] for i in (0, 2, 1)]
    assert told == explain(instance, cars).as_json(1)


def long_day(cars: int) -> dict[str, Any]:
    options = [f"OPTION-{n:02d}" for n in range(30)]
    return {
        "version": 1,
        "options": {option: {"ratio": "1/3"} for option in options},
        "cars": [
            {"production_no": f"{n:07d}", "colour": f"C{n % 9}", "options": options[n % 17 :]}
            for n in range(cars)
        ],
    }


def test_a_long_day_fits_and_a_longer_one_does_not(client: httpx.Client) -> None:
    day = long_day(5_000)
    answer = client.post(SCORE, json={"day": day})
    assert answer.status_code == 200
    request = DaySequence.model_validate({"day": day})
    assert answer.json()["mark"] == score(make_day(request.day).instance).mark
    many = client.post(SCORE, json={"day": long_day(5_001)})
    assert many.status_code == 422
    assert "body.day.cars" in problem(many)["detail"]
    large = client.post(SCORE, content=b" " * (MAX_BODY_BYTES + 1))
    assert large.status_code == 413
    assert str(MAX_BODY_BYTES) in problem(large)["detail"]


@pytest.mark.parametrize(
    ("changed", "where", "says"),
    [
        ({"sequence": ["1", "3"]}, "body.sequence", "missing"),
        ({"sequence": ["1", "3", "3"]}, "body.sequence", ""),
        ({"sequence": ["1", "3", "4"]}, "body.sequence.2", "4 is not a car of the day"),
        ({"sequence": [1]}, "body.sequence.0", "string"),
        ({"day": {"version": 1, "cars": []}}, "body.day.cars", "at least 1"),
        ({"day": {"version": 2, "cars": [{"production_no": "1", "colour": "x"}]}},
         "body.day.version", ""),
        ({"day": {"version": 1, "cars": [{"production_no": "1", "colour": "x", "options": ["A"]}]}},
         "body.day.cars.0.options", "no option 'A'"),
        ({"days": {}}, "body.days", "Extra"),
    ],
)  # fmt: skip
def test_a_bad_day_is_refused_with_what_and_where(
    client: httpx.Client, changed: dict[str, Any], where: str, says: str
) -> None:
    for path in (SCORE, EXPLANATION):
        refused = client.post(path, json=EXAMPLE | changed)
        assert refused.status_code == 422
        (first, *_) = problem(refused)["errors"]
        assert first["where"] == where
        assert says in first["what"]


def test_an_explanation_without_end_is_refused(client: httpx.Client) -> None:
    day = long_day(500)
    for option in day["options"].values():
        option["ratio"] = "1/500"
    told = client.post(EXPLANATION, json={"day": day}, params={"top": 10})
    assert told.status_code == 200
    refused = client.post(EXPLANATION, json={"day": day}, params={"top": 1000})
    assert refused.status_code == 422
    assert "could name 7,500,000 cars" in problem(refused)["detail"]


def test_of_many_mistakes_the_first_are_told(client: httpx.Client) -> None:
    cars = [{"production_no": f"{n}", "colour": ""} for n in range(500)]
    refused = client.post(SCORE, json={"day": {"version": 1, "cars": cars}})
    assert refused.status_code == 422
    assert len(problem(refused)["errors"]) == 20
    assert refused.json()["detail"].endswith("and 480 more")


def test_a_day_is_judged_for_those_with_the_token_alone(client: httpx.Client) -> None:
    refused = client.post(SCORE, json=EXAMPLE, headers={"Authorization": "Bearer wrong"})
    assert problem(refused)["status"] == 401


def test_a_day_is_searched(client: httpx.Client) -> None:
    day = long_day(40)
    response = client.post(SEARCHES, json={"day": day, "max_moves": 100_000})
    assert response.status_code == 202
    path = response.headers["location"]
    assert path == f"{SEARCHES}/{response.json()['id']}"

    def look() -> dict[str, Any] | None:
        now: dict[str, Any] = client.get(path).json()
        return now if now["state"] != "running" else None

    found = eventually(look, "the end of the search")
    assert found["state"] == "done"
    judged = client.post(SCORE, json={"day": day, "sequence": found["order"]}).json()
    assert judged == found["score"]
    assert found["mark"] < client.post(SCORE, json={"day": day}).json()["mark"]
    assert [search["id"] for search in client.get(SEARCHES).json()] == [found["id"]]
    assert client.get(f"{path}/plot.svg").text.startswith("<svg")
    again = {"day": day, "sequence": found["order"], "max_moves": 1}
    assert client.post(SEARCHES, json=again).json()["cars"] == 40


def test_a_day_s_search_is_stopped_and_belongs_to_no_plant(client: httpx.Client) -> None:
    path = client.post(SEARCHES, json={"day": long_day(40)}).headers["location"]
    assert client.get(f"{path}/plot.svg").status_code == 409
    told = client.delete(path).json()
    assert told["state"] == "stopped"
    assert len(told["order"]) == 40
    assert client.get(f"{SEARCHES}/0").status_code == 404


def test_a_day_with_contradictory_limits_starts_no_search(client: httpx.Client) -> None:
    day = long_day(4)
    for car in day["cars"][:2]:
        car["fixed"] = 3
    refused = client.post(SEARCHES, json={"day": day})
    assert refused.status_code == 422
    assert "0000000" in problem(refused)["detail"]
    assert client.get(SEARCHES).json() == []
