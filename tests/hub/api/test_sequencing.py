"""The sequence in force over HTTP: judged, compared, drawn and repaired."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.orders.store import import_book
from hub.sequencing.compare import compare
from hub.sequencing.explain import explain
from hub.sequencing.plot import draw_sequence
from hub.sequencing.scoring import score
from hub.sequencing.sequence import PearlChain, make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.day import make_book, make_plant
from tests.hub.api.test_plants import problem
from tests.hub.calls.world import PLANT

SEQUENCE = f"/v1/plants/{PLANT}/sequence"


@pytest.fixture
def world(database: Database) -> Database:
    make_plant(database)
    return database


def test_the_explanation_adds_up_to_the_score(client: httpx.Client) -> None:
    told = client.get(f"{SEQUENCE}/explanation", params={"top": 3}).json()
    instance = make_book().instance()
    assert told == explain(instance).as_json(3)
    found = client.get(f"{SEQUENCE}/score").json()["score"]
    assert told["mark"] == found["mark"]
    assert {ratio["option"]: ratio["excess"] for ratio in told["ratios"]} == found["by_option"]
    assert len(told["cars"]) == 3


def test_the_sequence_in_force_beside_an_earlier_one(client: httpx.Client, world: Database) -> None:
    instance = make_book().instance()
    first = client.get(f"{SEQUENCE}/score").json()["sequence"]
    turned = instance.cars[::-1]
    with world.connect("ingest") as connection:
        second = store_sequence(
            connection, PLANT, PearlChain(turned, "given", score(instance, turned))
        )
    told = client.get(f"{SEQUENCE}/comparison", params={"with": first, "top": 5}).json()
    assert (told.pop("one"), told.pop("other")) == (first, second)
    assert (told.pop("only_one"), told.pop("only_other")) == ([], [])
    wanted = compare(instance, instance.cars, turned).as_json(5)
    assert told == json.loads(json.dumps(wanted))
    assert len(told["moved"]) == 5


def test_cars_of_one_sequence_alone_are_named_and_left_out(
    client: httpx.Client, world: Database
) -> None:
    book = make_book()
    first = client.get(f"{SEQUENCE}/score").json()["sequence"]
    cars = book.instance().cars
    with world.connect("ingest") as connection:
        store_sequence(connection, PLANT, PearlChain(cars[1:], "given", score(book.instance())))
    told = client.get(f"{SEQUENCE}/comparison", params={"with": first}).json()
    assert (told["only_one"], told["only_other"]) == ([cars[0].production_no], [])
    assert told["better"] is None
    assert told["moved"] == []


def test_sequences_of_two_days_are_not_compared(client: httpx.Client, world: Database) -> None:
    first = client.get(f"{SEQUENCE}/score").json()["sequence"]
    tuesday = make_book(20, "tuesday", first=101)
    with world.connect("ingest") as connection:
        import_book(connection, PLANT, tuesday)
        store_sequence(connection, PLANT, make_sequence(tuesday.instance()))
    refused = client.get(f"{SEQUENCE}/comparison", params={"with": first})
    assert refused.status_code == 409
    assert "of book monday" in problem(refused)["detail"]


def test_the_sequence_in_force_is_drawn(client: httpx.Client) -> None:
    drawn = client.get(f"{SEQUENCE}/plot.svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert "script" not in drawn.headers["content-security-policy"]
    instance = make_book().instance()
    assert drawn.text == draw_sequence(instance)
    assert ElementTree.fromstring(drawn.text).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("path", ["score", "plot.svg", "explanation", "comparison?with=1"])
def test_another_plant_is_not_there(client: httpx.Client, path: str) -> None:
    assert problem(client.get(f"/v1/plants/P9/sequence/{path}"))["detail"] == "no plant P9"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("explanation?top=-1", 422, "query.top"),
        ("comparison", 422, "query.with"),
        ("comparison?with=x", 422, "query.with"),
        ("comparison?with=999999", 404, "no sequence 999999"),
    ],
)
def test_a_bad_question_is_a_problem(
    client: httpx.Client, path: str, status: int, says: str
) -> None:
    refused = client.get(f"{SEQUENCE}/{path}")
    assert refused.status_code == status
    assert says in problem(refused)["detail"]


def test_a_plant_without_a_sequence_says_so(client: httpx.Client, world: Database) -> None:
    with world.connect("owner") as connection:
        connection.execute("SELECT set_config('lineside.tenant', 'carmaker', false)")
        connection.execute("DELETE FROM sequence_position")
        connection.execute("DELETE FROM production_sequence")
    refused = client.get(f"{SEQUENCE}/score")
    assert refused.status_code == 404
    assert "no sequence in force" in problem(refused)["detail"]


def test_a_supplier_learns_nothing_of_the_sequence(world: Database) -> None:
    settings = ApiSettings(token=TOKEN, tenant="seatworks")
    with (
        serving(world, settings) as url,
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        ) as client,
    ):
        for path in ("score", "plot.svg", "explanation", "comparison?with=1"):
            assert problem(client.get(f"{SEQUENCE}/{path}"))["detail"] == f"no plant {PLANT}"
