"""Searches over HTTP, on the real database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.orders.day_model import MAX_CARS
from hub.orders.store import import_book
from hub.sequencing.scoring import score
from hub.sequencing.sequence import make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.day import make_book, make_plant
from tests.hub.api.test_live import live
from tests.hub.api.test_plants import problem, report
from tests.hub.calls.world import PLANT, eventually

SEARCHES = f"/v1/plants/{PLANT}/searches"
REPEATABLE = {"max_moves": 200_000, "seed": 7}


@contextmanager
def asking(database: Database, settings: ApiSettings) -> Iterator[httpx.Client]:
    """A client of the API with these settings."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serving(database, settings) as url,
        httpx.Client(base_url=url, timeout=60, headers=headers) as client,
    ):
        yield client


@pytest.fixture
def client(database: Database) -> Iterator[httpx.Client]:
    make_plant(database)
    with asking(database, ApiSettings(search_cores=2)) as client:
        yield client


def start(client: httpx.Client, **request: Any) -> dict[str, Any]:
    response = client.post(SEARCHES, json=request)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["location"] == f"{SEARCHES}/{found['id']}"
    return found


def ended(client: httpx.Client, search: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"{SEARCHES}/{search}").json()
        return found if found["state"] != "running" else None

    found: dict[str, Any] = eventually(look, "the end of the search")
    return found


def chain(client: httpx.Client) -> list[str]:
    page = client.get(f"/v1/plants/{PLANT}/sequence", params={"limit": 500}).json()
    return [item["production_no"] for item in page["items"]]


def test_a_search_finds_a_better_sequence_and_puts_it_in_force(client: httpx.Client) -> None:
    instance = make_book().instance()
    before = client.get(f"/v1/plants/{PLANT}/sequence/score").json()
    assert before["score"]["mark"] == score(instance).mark

    found = ended(client, start(client, **REPEATABLE)["id"])
    assert (found["state"], found["cars"], found["book"]) == ("done", 60, "monday")
    assert found["moves"] >= REPEATABLE["max_moves"] or found["mark"] == 0
    assert found["score"]["feasible"]
    assert found["mark"] == found["score"]["mark"] < before["score"]["mark"]
    marks = [mark for _, mark in found["course"]]
    assert marks == sorted(set(marks), reverse=True)
    assert marks[-1] == found["mark"]
    assert client.get(SEARCHES).json()[0]["id"] == found["id"]
    drawn = client.get(f"{SEARCHES}/{found['id']}/plot.svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert drawn.text.startswith("<svg")

    with live(client) as stream:
        stream.until("reset")
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            put = other.post(f"{SEARCHES}/{found['id']}/sequence")
        stream.until("sequence", plant=PLANT)
    assert put.status_code == 201
    after = client.get(f"/v1/plants/{PLANT}/sequence/score").json()
    assert put.json() == after
    assert (after["method"], after["score"]) == ("search", found["score"])
    by_number = {car.production_no: car for car in instance.cars}
    in_force = chain(client)
    assert score(instance, [by_number[number] for number in in_force]).mark == found["mark"]

    again = client.post(f"{SEARCHES}/{found['id']}/sequence")
    assert (again.status_code, again.json()) == (200, put.json())
    assert client.get(f"{SEARCHES}/{found['id']}").json()["sequence"] == after["sequence"]


def test_who_puts_it_in_force_at_once_stores_it_once(client: httpx.Client) -> None:
    found = ended(client, start(client, **REPEATABLE)["id"])

    def put(_: int) -> tuple[int, int]:
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            answer = other.post(f"{SEARCHES}/{found['id']}/sequence")
        return answer.status_code, answer.json()["sequence"]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(put, range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({number for _, number in answers}) == 1


def test_the_same_seed_finds_the_same(client: httpx.Client) -> None:
    one, other = (ended(client, start(client, **REPEATABLE)["id"]) for _ in range(2))
    assert one["score"] == other["score"]
    orders = []
    for found in (one, other):
        client.post(f"{SEARCHES}/{found['id']}/sequence", params={"force": True})
        orders.append(chain(client))
    assert orders[0] == orders[1]


def test_a_stopped_search_keeps_its_best(client: httpx.Client) -> None:
    search = start(client, time_limit_s=600)["id"]
    path = f"{SEARCHES}/{search}"
    eventually(lambda: client.get(path).json()["moves"], "the first moves")
    running = client.get(path).json()
    assert running["score"] is None
    for refused in (client.post(f"{path}/sequence"), client.get(f"{path}/plot.svg")):
        assert refused.status_code == 409
        assert "running" in problem(refused)["detail"]
    stopped = client.delete(path)
    assert stopped.status_code == 200
    told = stopped.json()
    assert (told["state"], told["reason"]) == ("stopped", "by request")
    assert told["mark"] <= running["mark"]
    assert client.delete(path).json() == told
    assert client.post(f"{path}/sequence").status_code == 201


def test_no_more_search_than_there_are_cores(client: httpx.Client) -> None:
    first = start(client, time_limit_s=600)["id"]
    start(client, time_limit_s=300)
    refused = client.post(SEARCHES, json={})
    assert problem(refused)["status"] == 503
    assert 0 < int(refused.headers["retry-after"]) <= 300
    client.delete(f"{SEARCHES}/{first}")
    start(client)


def test_what_has_changed_since_keeps_a_search_from_being_put_in_force(
    client: httpx.Client, database: Database
) -> None:
    found = ended(client, start(client, **REPEATABLE)["id"])
    path = f"{SEARCHES}/{found['id']}/sequence"
    with database.connect("ingest") as connection:
        other = store_sequence(connection, PLANT, make_sequence(make_book().instance()))
    refused = client.post(path)
    assert refused.status_code == 409
    assert f"sequence {other} has come in force since" in problem(refused)["detail"]
    assert client.post(path, params={"force": True}).status_code == 201

    with database.connect("ingest") as connection:
        connection.execute(
            "UPDATE vehicle_order SET source = 'tuesday' WHERE production_no = '0000001'"
        )
    with database.connect("ingest") as connection:
        store_sequence(connection, PLANT, make_sequence(make_book().instance()))
    refused = client.post(path, params={"force": True})
    assert refused.status_code == 409
    assert "has changed since" in problem(refused)["detail"]


def test_cars_that_have_passed_are_not_put_behind_others(client: httpx.Client) -> None:
    for number in range(1, 11):
        assert report(client, number).status_code == 201
    anew = ended(client, start(client, **REPEATABLE)["id"])
    refused = client.post(f"{SEARCHES}/{anew['id']}/sequence")
    assert refused.status_code == 409
    assert "has passed a control point" in problem(refused)["detail"]
    going_on = ended(client, start(client, start="in_force", **REPEATABLE)["id"])
    before = chain(client)
    assert client.post(f"{SEARCHES}/{going_on['id']}/sequence").status_code == 201
    after = chain(client)
    assert after[:10] == before[:10]
    assert after != before


def test_hard_limits_of_a_request_are_kept(client: httpx.Client) -> None:
    limits = {
        "frozen": 3,
        "back": 30,
        "places": {"0000010": {"earliest": 20, "latest": 25}},
        "pairs": [{"kind": "in_order", "first": "0000030", "second": "0000012", "places": 2}],
    }
    order = ended(client, start(client, **limits, **REPEATABLE)["id"])["order"]
    assert order[:3] == ["0000001", "0000002", "0000003"]
    place = {number: position for position, number in enumerate(order, 1)}
    assert 20 <= place["0000010"] <= 25
    assert place["0000030"] + 2 <= place["0000012"]
    assert all(position - int(number) <= 30 for number, position in place.items())


def test_the_newest_book_is_searched_unless_another_is_named(
    client: httpx.Client, database: Database
) -> None:
    with database.connect("ingest") as connection:
        import_book(connection, PLANT, make_book(30, "tuesday", first=101))
    assert start(client, max_moves=1)["book"] == "tuesday"
    assert start(client, max_moves=1, book="monday")["cars"] == 60


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"time_limit_s": 0}, 422, "time_limit_s"),
        ({"time_limit_s": 601}, 422, "time_limit_s"),
        ({"max_moves": 0}, 422, "max_moves"),
        ({"seed": -1}, 422, "seed"),
        ({"start": "best"}, 422, "start"),
        ({"cores": 3}, 422, "body.cores: 3, but searches may take 2"),
        ({"frozen": 61}, 422, "61 frozen positions, but 60 cars"),
        ({"minutes": 3}, 422, "minutes"),
        ({"places": {"X": {"earliest": 3}}}, 422, "car X is not one of the day"),
        ({"places": {"0000001": {"earliest": 61}}}, 422, "car 0000001"),
        ({"places": {"0000001": {"earliest": 60}}, "back": 10}, 422, "0000001"),
        ({"pairs": [{"kind": "apart", "first": "0000001", "second": "0000001"}]}, 422, "0000001"),
        ({"book": "sunday"}, 404, "no order book sunday"),
        ({"book": "sunday", "start": "in_force"}, 409, "of book monday, not of sunday"),
    ],
)
def test_a_bad_request_starts_no_search(
    client: httpx.Client, request_: dict[str, Any], status: int, says: str
) -> None:
    refused = client.post(SEARCHES, json=request_)
    assert refused.status_code == status
    assert says in problem(refused)["detail"]
    assert client.get(SEARCHES).json() == []


def test_each_car_of_a_long_day_may_be_limited(client: httpx.Client) -> None:
    places = {f"{n:07d}": {"earliest": 1, "latest": MAX_CARS} for n in range(1, MAX_CARS + 1)}
    refused = client.post(SEARCHES, json={"places": places})
    assert "car 0000061 is not one of the day" in problem(refused)["detail"]


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    for method, path in (
        ("GET", f"{SEARCHES}/0"),
        ("DELETE", f"{SEARCHES}/0"),
        ("POST", f"{SEARCHES}/0/sequence"),
        ("GET", "/v1/plants/P9/searches"),
        ("GET", "/v1/plants/P9/sequence/score"),
    ):
        refused = client.request(method, path)
        assert problem(refused)["status"] == 404
    assert client.post("/v1/plants/P9/searches", json={}).status_code == 404


def test_a_supplier_can_neither_search_nor_look(database: Database) -> None:
    make_plant(database)
    supplier = ApiSettings(token=TOKEN, tenant="seatworks")
    with asking(database, supplier) as client:
        assert problem(client.post(SEARCHES, json={}))["detail"] == f"no plant {PLANT}"
        for path in (SEARCHES, f"{SEARCHES}/1", f"/v1/plants/{PLANT}/sequence/score"):
            assert problem(client.get(path))["status"] == 404


def test_a_hub_that_ends_ends_its_searches(database: Database) -> None:
    make_plant(database)
    with asking(database, ApiSettings()) as client:
        search = start(client, time_limit_s=600)["id"]
        assert f"search {search}" in {thread.name for thread in threading.enumerate()}
    # `serving` has waited for the server's end, and the search has not held it up.
    assert f"search {search}" not in {thread.name for thread in threading.enumerate()}
