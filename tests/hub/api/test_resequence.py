"""The sequence in force, repaired over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.sequencing.model import Instance
from hub.sequencing.resequence import resequence
from hub.sequencing.scoring import score
from hub.sequencing.sequence import make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.day import make_book, make_plant
from tests.hub.api.test_live import live
from tests.hub.api.test_plants import problem, report
from tests.hub.calls.world import PLANT

SEQUENCE = f"/v1/plants/{PLANT}/sequence"
RESEQUENCE = f"{SEQUENCE}/resequence"


@pytest.fixture
def world(database: Database) -> Database:
    make_plant(database)
    return database


def number(n: int) -> str:
    return f"{n:07d}"


def propose(client: httpx.Client, **disturbance: Any) -> dict[str, Any]:
    response = client.post(RESEQUENCE, json=disturbance)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def chain(client: httpx.Client) -> list[str]:
    page = client.get(SEQUENCE, params={"limit": 500}).json()
    return [item["production_no"] for item in page["items"]]


def pass_body(client: httpx.Client, n: int, minute: int) -> None:
    response = client.post(
        f"/v1/plants/{PLANT}/control-points/BODY/passes",
        json={"production_no": number(n), "passed_at": f"2026-03-02T05:{minute:02d}:00Z"},
    )
    assert response.status_code == 201


def test_a_blocked_car_leaves_and_those_that_move_are_named(client: httpx.Client) -> None:
    before = chain(client)
    found = propose(client, frozen=5, blocked=[number(10)])
    assert chain(client) == before, "it only proposes"
    assert found["sequence"] is None
    assert found["held"] == [number(10)]
    assert found["cars"][:5] == before[:5]
    assert sorted(found["cars"]) == sorted(set(before) - {number(10)})
    moved = {car["production_no"]: (car["before"], car["after"]) for car in found["moved"]}
    assert moved[number(10)] == (10, None)
    after = {car: position for position, car in enumerate(found["cars"], 1)}
    for position, car in enumerate(before, 1):
        assert moved.get(car, (position, position)) == (position, after.get(car))
    assert found["score_after"]["feasible"]
    assert found["elapsed_ms"] > 0


def test_an_applied_proposal_comes_in_force_and_is_told(client: httpx.Client, url: str) -> None:
    pass_body(client, 1, 1)
    pass_body(client, 2, 2)
    before = chain(client)
    with live(client) as stream:
        stream.until("reset")
        with httpx.Client(base_url=url, timeout=60) as other:
            found = propose(other, blocked=[number(3)], frozen=4, apply=True)
        stream.until("sequence", plant=PLANT)
    assert found["passed"] == 2
    assert before[:2] == [number(1), number(2)]
    assert chain(client) == before[:2] + found["cars"]
    told = client.get(f"{SEQUENCE}/score").json()
    assert (told["sequence"], told["method"]) == (found["sequence"], "resequence")
    beside = client.get(f"{SEQUENCE}/comparison", params={"with": found["made_from"]}).json()
    assert beside["only_one"] == [number(3)]

    back = propose(client, reinsert={number(3): 20}, apply=True)
    assert back["held"] == []
    assert back["cars"].index(number(3)) >= 19
    assert sorted(chain(client)) == sorted(before)


def test_what_has_passed_is_where_windows_reach_back_into(client: httpx.Client) -> None:
    for n, minute in ((1, 2), (2, 1), (3, 3)):  # by the plant's clock car 2 has overtaken car 1
        pass_body(client, n, minute)
    day = make_book().instance()
    found = propose(client)
    assert found["passed"] == 3
    past = (*day.yesterday, day.cars[1], day.cars[0], day.cars[2])
    assert found["score_before"]["mark"] == score(Instance(day.cars[3:], day.rules, past)).mark
    assert found["score_after"]["mark"] <= found["score_before"]["mark"]


def test_cars_with_calls_are_the_released_ones(client: httpx.Client) -> None:
    for n in (1, 2, 3):
        pass_body(client, n, n)
        assert report(client, n).status_code == 201  # TRIM-IN, where calls are released
    first = propose(client)
    assert (first["passed"], first["released"]) == (3, 0)
    last = propose(client, control_point="LINE-OFF", worth="infinite")
    assert (last["passed"], last["released"]) == (0, 3)
    assert last["calls"] == []
    blocked = propose(client, control_point="LINE-OFF", blocked=[number(2)], worth="infinite")
    assert {"production_no": number(2), "change": "withdrawn"} in blocked["calls"]
    given = propose(client, control_point="LINE-OFF", released=10)
    assert given["released"] == 10


def test_cars_between_two_control_points_may_be_resequenced(client: httpx.Client) -> None:
    for n in range(1, 9):
        pass_body(client, n, n)  # painted, and in the store before the trim line
    assert report(client, 1).status_code == 201
    found = propose(client, control_point="TRIM-IN", blocked=[number(2)], apply=True)
    assert found["passed"] == 1
    assert chain(client) == [number(1), *found["cars"]]


def test_a_proposal_that_was_overtaken_is_not_applied(
    client: httpx.Client, world: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*given: Any, **more: Any) -> Any:
        found = resequence(*given, **more)
        with world.connect("ingest") as connection:
            store_sequence(connection, PLANT, make_sequence(make_book().instance()))
        return found

    monkeypatch.setattr("hub.api.resequence.resequence", slow)
    refused = client.post(RESEQUENCE, json={"blocked": [number(3)], "apply": True})
    assert refused.status_code == 409
    assert "has come in force since" in problem(refused)["detail"]
    assert number(3) in chain(client)


@pytest.mark.parametrize(
    ("disturbance", "status", "says"),
    [
        ({"blocked": ["X"]}, 422, "car X"),
        ({"blocked": ["0000003"], "pulled_out": ["0000003"]}, 422, "0000003"),
        ({"reinsert": {"0000003": None}}, 422, "car 0000003"),
        ({"late_parts": {"0000003": 0}}, 422, "late_parts"),
        ({"late_parts": {"0000003": 61}}, 422, "car 0000003"),
        ({"frozen": 61}, 422, "61 frozen"),
        ({"released": -1}, 422, "released"),
        ({"worth": -1}, 422, "worth"),
        ({"worth": "much"}, 422, "worth"),
        ({"frozzen": 1}, 422, "frozzen"),
        ({"control_point": "TRIM-N"}, 404, "did you mean TRIM-IN?"),
    ],
)
def test_a_bad_disturbance_is_refused_with_what_and_where(
    client: httpx.Client, disturbance: dict[str, Any], status: int, says: str
) -> None:
    refused = client.post(RESEQUENCE, json=disturbance)
    assert refused.status_code == status
    assert says in problem(refused)["detail"]


@pytest.mark.parametrize(
    "disturbance",
    [
        {"blocked": [number(1)]},
        {"pulled_out": [number(1)]},
        {"reinsert": {number(1): None}},
        {"late_parts": {number(1): 9}},
    ],
)
def test_a_car_that_has_passed_cannot_be_disturbed(
    client: httpx.Client, disturbance: dict[str, Any]
) -> None:
    assert report(client, 1).status_code == 201
    refused = client.post(RESEQUENCE, json=disturbance)
    assert refused.status_code == 422
    assert problem(refused)["detail"] == f"car {number(1)} has passed already"


def test_a_supplier_cannot_resequence(world: Database) -> None:
    settings = ApiSettings(token=TOKEN, tenant="seatworks")
    with (
        serving(world, settings) as url,
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        ) as client,
    ):
        refused = client.post(RESEQUENCE, json={"apply": True})
        assert problem(refused)["detail"] == f"no plant {PLANT}"
