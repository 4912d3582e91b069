"""The plant's commands over HTTP: orders, cars, calls, stops, previews, break points."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from hub.orders.profile import Profile
from hub.store import Database

CAR = "/v1/plants/P1/cars/0000001"
ORDERS = "/v1/plants/P1/orders"
CALLS = "/v1/plants/P1/calls"
SEAT = f"{CALLS}/SEAT1/0000001/SEAT-FRONT/0"
AT = "2026-03-02T06:04:00Z"


def pass_car(client: httpx.Client, number: int) -> None:
    client.post(
        "/v1/plants/P1/control-points/TRIM-IN/passes",
        json={"production_no": f"{number:07d}", "passed_at": f"2026-03-02T06:{number:02d}:00Z"},
    ).raise_for_status()


def say(client: httpx.Client, path: str, status: int = 200, **body: Any) -> Any:
    """A command; its answer."""
    answer = client.post(path, json={"at": AT, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_car_shows_its_order_its_calls_and_their_histories(client: httpx.Client) -> None:
    pass_car(client, 1)
    say(client, f"{CAR}/pull-out", message_id="m1", reason="paint rework")
    car = client.get(CAR).json()
    assert (car["production_no"], car["position"], len(car["passes"])) == ("0000001", 1, 1)
    assert [event["kind"] for event in car["events"]] == ["pull_out"]
    assert [call["key"] for call in car["calls"]] == [
        "P1/SEAT1/0000001/SEAT-FRONT/0",
        "P1/SEAT1/0000001/SEAT-REAR/0",
        "P1/TRIM1/0000001/DOOR-TRIM/0",
    ]
    seat = car["calls"][0]
    assert (seat["car"], seat["part"], seat["place"]) == ("pulled_out", "released", None)
    assert (seat["means"], "reinsert" in seat["may"]) == ("not to be built for now", True)
    assert [(e["kind"], e["source"], e["message_id"]) for e in seat["history"]] == [
        ("release", "plant", "release"),
        ("pull_out", "plant", "m1"),
    ]
    assert seat["history"][1]["body"]["reason"] == "paint rework"
    assert seat["history"][1]["actor"] == "local"
    assert client.get("/v1/plants/P1/cars/9").status_code == 404


def test_the_way_of_a_car_out_of_the_line_and_back(client: httpx.Client) -> None:
    for number in (1, 2):
        pass_car(client, number)
    first = say(client, f"{CAR}/pull-out", message_id="m1")
    assert (len(first["calls"]), first["repeated"]) == (3, False)
    assert say(client, f"{CAR}/pull-out", message_id="m1")["repeated"]
    refused = say(client, f"{CAR}/pull-out", 409)
    assert "its car is pulled_out" in refused["detail"]
    assert "possible: cancel, change, reinsert" in refused["detail"]
    assert len(say(client, f"{CAR}/reinsert", before="0000002")["calls"]) == 3
    found = client.get(CALLS, params={"line": "SEAT1"}).json()["items"]
    assert sorted((call["place"], call["production_no"]) for call in found) == [
        *((3, "0000001"), (4, "0000001")),
        *((5, "0000002"), (6, "0000002")),
    ]
    assert len(say(client, f"{CAR}/swap", other="0000002")["calls"]) == 6
    assert len(say(client, f"{CAR}/fit", part_groups=["DOOR-TRIM"])["calls"]) == 1
    cancelled = say(client, f"{CAR}/cancel")
    assert (len(cancelled["calls"]), cancelled["left"]) == (2, ["P1/TRIM1/0000001/DOOR-TRIM/0"])
    assert say(client, "/v1/plants/P1/cars/9/cancel", 404)["detail"] == "no order 9 in plant P1"


def test_a_car_is_blocked_before_its_call_alone(client: httpx.Client) -> None:
    say(client, f"{CAR}/block", reason="paint")
    assert [o["production_no"] for o in _orders(client, state="blocked")] == ["0000001"]
    say(client, f"{CAR}/unblock")
    pass_car(client, 1)
    assert "pull it out instead" in say(client, f"{CAR}/block", 409)["detail"]


def _orders(client: httpx.Client, **filters: Any) -> list[Any]:
    items: list[Any] = client.get(ORDERS, params=filters).json()["items"]
    return items


def test_orders_come_one_by_one_and_change(client: httpx.Client) -> None:
    order = {"production_no": "77", "model": "M1", "colour": "RED", "day": "2026-03-02"}
    made = client.post(ORDERS, json=order)
    assert made.status_code == 201
    assert made.json()["book"] == "orders 2026-03-02"
    assert client.post(ORDERS, json=order).status_code == 200
    other = client.post(ORDERS, json=order | {"colour": "BLUE"})
    assert other.status_code == 409
    assert "known with colour 'RED', not 'BLUE'" in other.json()["detail"]
    page = client.get(ORDERS, params={"limit": 20}).json()
    assert (len(page["items"]), page["next"]) == (20, "0000020")
    rest = client.get(ORDERS, params={"after": page["next"]}).json()
    assert ([o["production_no"] for o in rest["items"]], rest["next"]) == (["77"], None)
    pass_car(client, 1)
    changed = client.patch(f"{ORDERS}/0000001", json={"colour": "BLUE", "at": AT}).json()
    assert "P1/TRIM1/0000001/DOOR-TRIM/0" in changed["calls"]
    door = client.get(f"{CALLS}/TRIM1/0000001/DOOR-TRIM/0").json()
    assert (door["part_no"], door["revision"]) == ("DT-BLUE", 2)
    nothing = client.patch(f"{ORDERS}/0000001", json={"at": AT})
    assert "name at least one thing" in nothing.json()["detail"]


def test_calls_are_found_by_what_they_are_about(client: httpx.Client) -> None:
    for number in range(1, 6):
        pass_car(client, number)
    page = client.get(CALLS, params={"line": "SEAT1", "limit": 4}).json()
    assert [call["call_no"] for call in page["items"]] == [1, 2, 3, 4]
    rest = client.get(CALLS, params={"line": "SEAT1", "after": page["next"]}).json()
    assert [call["call_no"] for call in rest["items"]] == [5, 6, 7, 8, 9, 10]
    wrapped = client.get(CALLS, params={"line": "SEAT1", "sequence_no": 1}).json()["items"]
    assert [call["call_no"] for call in wrapped] == [1, 10]
    rack = client.get(CALLS, params={"rack": "SEAT1-00002", "part_group": "SEAT-REAR"}).json()
    assert [call["slot"] for call in rack["items"]] == [2, 4]
    none = client.get(CALLS, params={"part": ["shipped", "packed"]}).json()
    assert none == {"items": [], "next": None}
    wrong = client.get(CALLS, params={"part": "shiped"})
    assert (wrong.status_code, "did you mean shipped?" in wrong.json()["detail"]) == (422, True)


def test_a_call_is_changed_and_reordered(client: httpx.Client, world: Database) -> None:
    pass_car(client, 1)
    whole: dict[str, Any] = {"part_no": "SF-X", "quantity": 1, "colour": "RED"}
    assert say(client, f"{SEAT}/change", **whole)["calls"] == ["P1/SEAT1/0000001/SEAT-FRONT/0"]
    assert "give at least one" in say(client, f"{SEAT}/change", 422)["detail"]
    assert "reorder is not possible" in say(client, f"{SEAT}/reorder", 409)["detail"]
    with world.connect("ingest") as connection:
        _tell(connection, "scrapped")
    new = say(client, f"{SEAT}/reorder", 201, message_id="r1")
    assert new == {"key": "P1/SEAT1/0000001/SEAT-FRONT/1", "repeated": False}
    assert say(client, f"{SEAT}/reorder", 201, message_id="r1")["repeated"]
    call = client.get(f"{CALLS}/SEAT1/0000001/SEAT-FRONT/1").json()
    assert (call["priority"], call["part_no"]) == ("express", "SF-X")
    assert client.get(SEAT).json()["car"] == "replaced"
    assert client.get(f"{CALLS}/SEAT1/0000001/SEAT-FRONT/7").status_code == 404


def _tell(connection: psycopg.Connection, kind: str) -> None:
    for each in ("produced", kind):
        connection.execute(
            "INSERT INTO call_event (owner, partner, call, kind, body, source_at, message_id) "
            "SELECT owner, partner, id, %s, '{}', now(), %s FROM jis_call "
            "WHERE part_group = 'SEAT-FRONT'",
            (each, each),
        )


def test_stops_takt_and_calendar_time_calls_anew(client: httpx.Client) -> None:
    pass_car(client, 1)
    plant = "/v1/plants/P1"
    say(client, f"{plant}/stops", 201, message_id="s1", cause="robot", line="SEAT1")
    day = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
    (stop,) = client.get(f"{plant}/stops", params=day).json()["items"]
    assert (stop["stop"], stop["supplier"], stop["ended_at"]) == ("s1", "seatworks", None)
    ended = client.post(f"{plant}/stops/s1/end", json={"at": "2026-03-02T06:09:00Z"}).json()
    assert (len(ended["told"]), ended["kept"]) == (3, 0)
    assert client.get(SEAT).json()["required_at"] == "2026-03-02T06:16:00Z"
    takt = client.put(f"{plant}/takt", json={"at": "2026-03-02T06:10:00Z", "takt_s": 120})
    assert len(takt.json()["told"]) == 3
    assert client.get(SEAT).json()["required_at"] == "2026-03-02T06:22:00Z"
    work = {
        "zone": "UTC",
        "first": "2026-03-02",
        "last": "2026-03-03",
        "shifts": [{"name": "early", "start": "06:00", "end": "06:15", "weekdays": ["mon", "tue"]}],
    }
    calendar = client.put(f"{plant}/calendar", json={"at": AT, "calendar": work}).json()
    assert len(calendar["told"]) == 3
    assert client.get(SEAT).json()["required_at"] == "2026-03-03T06:07:00Z"
    wrong = client.put(f"{plant}/calendar", json={"calendar": work | {"zone": "Europe/Berln"}})
    assert (wrong.status_code, "Europe/Berlin?" in wrong.json()["detail"]) == (409, True)
    assert say(client, f"{plant}/stops", 404, cause="x", line="SEAT2")["detail"].endswith("SEAT1?")


def test_the_demand_ahead_is_told_and_shown(client: httpx.Client, world: Database) -> None:
    preview = "/v1/plants/P1/lines/TRIM1/preview"
    assert client.get(preview).json() == {"version": 0, "items": [], "next": None}
    with world.connect("ingest") as connection:
        connection.execute(
            "UPDATE supplier_line SET profile = %s WHERE id = 'TRIM1'",
            (Profile(preview_days=1).model_dump_json(),),
        )
    assert say(client, preview) == {"version": 1}
    assert say(client, preview) == {"version": None}
    assert say(client, preview, whole=True) == {"version": 2}
    page = client.get(preview, params={"limit": 19}).json()
    assert [demand["place"] for demand in page["items"]] == list(range(1, 20))
    last = client.get(preview, params={"after": page["next"]}).json()["items"]
    assert [(d["production_no"], d["status"]) for d in last] == [("0000020", "planned")]
    assert say(client, "/v1/plants/P1/lines/TRIM9/preview", 404)


def test_a_break_point_names_the_calls_that_it_affects(client: httpx.Client) -> None:
    for number in (1, 2):
        pass_car(client, number)
    changes = "/v1/plants/P1/part-changes"
    change = {"part_group": "SEAT-FRONT", "old_part_no": "SF-BASE", "new_part_no": "SF-B"}
    affected = say(client, changes, 201, **change, from_production_no="0000002")
    assert affected["calls"] == ["P1/SEAT1/0000002/SEAT-FRONT/0"]
    assert affected["before"] == ["P1/SEAT1/0000001/SEAT-FRONT/0"]
    assert affected["run_out"] == 1
    (point,) = client.get(changes).json()["items"]
    assert (point["new_part_no"], point["set_by"]) == ("SF-B", "local")
    assert "give one of" in say(client, changes, 422, **change)["detail"]


@pytest.mark.parametrize("name", ["orders", "calls", "part-changes"])
def test_another_tenants_plant_is_not_there(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/v1/plants/P9/{name}")
    assert answer.status_code == 404 or answer.json()["items"] == []


def test_every_model_of_the_api_that_is_ours_has_an_example(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    ours = [
        *("Command", "CommandView", "CarView", "CallsPage", "CallState", "Reorder", "NewOrder"),
        *("OrderView", "Stop", "Takt", "Calendar", "DemandView", "BreakPoint", "AffectedView"),
    ]
    assert [name for name in ours if not schemas[name].get("examples")] == []
