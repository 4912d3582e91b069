"""Racks, trucks, exceptions, modes and key figures over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.calls.watch import look
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.test_live import live
from tests.hub.api.test_plants import problem
from tests.hub.calls.supply import LEFT_AT, TIMES, Supply, key, serial
from tests.hub.calls.world import passed_at, put_in_sequence

RACK = "TRIM1-00001"
LINE = "/v1/plants/P1/lines/TRIM1"
AT = {"at": LEFT_AT.isoformat()}


@pytest.fixture
def shipped(world: Database) -> Iterator[Supply]:
    """A rack of six on its way, and one that is being filled."""
    with world.connect("ingest", autocommit=True) as connection:
        supply = Supply(connection)
        supply.set_profile(**TIMES, loop_s=9000, truck_racks=10, emergency_stock=5)
        supply.pass_cars(*range(1, 9))
        supply.pack(*[key(n) for n in range(1, 8)])
        supply.ship("T1", [RACK])
        yield supply


def test_racks_and_their_slots(client: httpx.Client, shipped: Supply) -> None:
    shipped.say(key(8), "cancel", "plant")
    page = client.get(f"{LINE}/racks", params={"limit": 1}).json()
    assert [r["rack"] for r in page["items"]] == [RACK]
    (second,) = client.get(f"{LINE}/racks", params={"after": page["next"]}).json()["items"]
    assert (second["status"], second["called"], second["wanted"], second["filled"]) == (
        *("open", 2, 1, 1),
    )
    assert second["leave_by"] == (passed_at(17) - timedelta(minutes=4)).isoformat().replace(
        "+00:00", "Z"
    )
    picture = client.get(f"{LINE}/racks/TRIM1-00002").json()
    assert [slot["slot"] for slot in picture["content"]] == [1, 2, 3, 4, 5, 6]
    first, kept, empty = picture["content"][:3]
    assert (first["part"], first["scanned_serial"]) == ("packed", serial(key(7)))
    assert kept["kept_empty"]
    assert empty["key"] is None
    found = client.get(f"{LINE}/racks", params={"status": ["shipped"]}).json()["items"]
    assert [r["rack"] for r in found] == [RACK]
    for path in (f"{LINE}/racks/x", "/v1/plants/P1/lines/x/racks", "/v1/plants/P1/lines/x/loop"):
        assert problem(client.get(path))["status"] == 404


def test_the_loop_of_a_line(client: httpx.Client, shipped: Supply) -> None:
    loop = client.get(f"{LINE}/loop").json()
    # 60 sets on a truck at 60 s takt: 2.5 trucks in 150 minutes; racks of 6: 25
    assert (loop["trucks"], loop["racks"]) == (3, 25)
    assert loop["because"] == "first_car"


def test_a_truck_from_the_road_to_the_line(client: httpx.Client, shipped: Supply) -> None:
    truck = f"{LINE}/shipments/T1"
    (view,) = client.get("/v1/plants/P1/shipments", params={"under_way": True}).json()["items"]
    assert (view["racks"], len(view["cars_hit"])) == ([RACK], 6)
    arrived = client.post(f"{truck}/arrival", json=AT).json()
    assert len(arrived["calls"]) == 6
    assert client.post(f"{truck}/unloading", json=AT).json() == {"racks": [RACK]}
    scans = [
        {"rack": RACK, "slot": 1, "serial": serial(key(1)), **AT},
        {"rack": RACK, "slot": 2, "serial": "S-other", **AT},
    ]
    found = client.post(f"{truck}/scans", json={"scans": scans}).json()
    assert [(r["matched"], r["key"]) for r in found] == [(True, str(key(1))), (False, str(key(2)))]
    slots = client.get(truck).json()["slots"]
    assert [slot["received"] for slot in slots] == ["matched", "unmatched", *[None] * 4]
    report = {"production_no": "0000001", "part_group": "DOOR-TRIM", "what": "consumed", **AT}
    taken = client.post(f"{LINE}/deliveries", json=report | {"serial": "S-9"})
    assert "take that one" in problem(taken)["detail"]
    assert client.post(f"{LINE}/deliveries", json=report).json()["part"] == "consumed"
    back = client.post(f"{LINE}/racks/{RACK}/return", json=AT)
    assert back.json()["status"] == "returned"
    early = client.post(f"{LINE}/racks/TRIM1-00002/return", json=AT)
    assert problem(early)["status"] == 409
    row = shipped.connection.execute(
        "SELECT actor FROM call_event WHERE kind = 'arrived' LIMIT 1"
    ).fetchone()
    assert row == ("local",)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{LINE}/shipments/T9/arrival", AT, 404),
        (f"{LINE}/shipments/T9/unloading", AT, 404),
        (f"{LINE}/shipments/T9/scans", {"scans": [{"rack": "R", "slot": 1, **AT}]}, 404),
        (f"{LINE}/shipments/T1/scans", {"scans": []}, 422),
        (f"{LINE}/shipments/T1/arrival", {"at": "2026-03-02T06:00:00"}, 422),
        (f"{LINE}/deliveries",
         {"production_no": "9", "part_group": "X", "what": "consumed", **AT}, 404),
        (f"{LINE}/deliveries",
         {"production_no": "9", "part_group": "X", "what": "eaten", **AT}, 422),
        (f"{LINE}/racks/x/return", AT, 404),
        (f"{LINE}/modes", {"mode": "manual", "reason": ""}, 422),
        ("/v1/plants/P1/lines/x/modes", {"mode": "manual", "reason": "x"}, 404),
        ("/v1/exceptions/99/decision", {"decision": "noted"}, 404),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_problem(
    client: httpx.Client, path: str, body: dict[str, Any], status: int
) -> None:
    assert problem(client.post(path, json=body))["status"] == status


def test_exceptions_are_listed_read_and_decided(client: httpx.Client, shipped: Supply) -> None:
    with live(client) as stream:
        stream.until("reset")
        look(shipped.connection, passed_at(12))
        stream.until("exceptions", plant="P1", line="TRIM1")
    items = client.get("/v1/plants/P1/exceptions", params={"state": "open"}).json()["items"]
    late = next(item for item in items if item["kind"] == "truck_late")
    assert late["title_zh"] == "卡车晚到"
    path = f"/v1/exceptions/{late['id']}"
    wrong = client.post(f"{path}/decision", json={"decision": "accept"})
    assert "possible: noted" in problem(wrong)["detail"]
    body = {"decision": "buffer", "note": "three sets"}
    decided = client.post(f"{path}/decision", json=body).json()
    assert (decided["decision"], decided["note"], decided["decided_by"]) == (
        *("buffer", "three sets", "local"),
    )
    assert decided["closed_at"] is None
    (mode,) = [m for m in client.get("/v1/plants/P1/modes").json() if m["line"] == "TRIM1"]
    assert (mode["mode"], mode["title_zh"]) == ("buffer", "应急库存")
    about = client.get("/v1/plants/P1/exceptions", params={"subject": "P1/TRIM1/T1"}).json()
    assert [item["kind"] for item in about["items"]] == ["truck_late"]
    client.post(f"{LINE}/shipments/T1/arrival", json=AT)
    look(shipped.connection, passed_at(12))
    assert client.get(path).json()["closed_by"] == "watch"
    assert problem(client.get("/v1/exceptions/99"))["status"] == 404
    # Page by page: open ones first, then closed ones, none twice.
    seen: list[int] = []
    after = None
    while after is not None or not seen:
        more: dict[str, str] = {} if after is None else {"after": after}
        page = client.get("/v1/plants/P1/exceptions", params={"limit": 1, **more}).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) >= 2
    assert seen[-1] == late["id"]


def test_a_line_s_mode_is_set_and_kept_in_its_history(
    client: httpx.Client, shipped: Supply
) -> None:
    body = {"mode": "buffer", "reason": "drill", "by": "shift lead"}
    assert client.post(f"{LINE}/modes", json=body).json()["set_by"] == "shift lead"
    assert client.post(f"{LINE}/modes", json=body | {"mode": "normal"}).json()["mode"] == "normal"
    page = client.get(f"{LINE}/modes", params={"limit": 1}).json()
    rest = client.get(f"{LINE}/modes", params={"before": page["next"]}).json()
    found = [(m["mode"], m["until"] is None) for m in page["items"] + rest["items"]]
    assert (found, rest["next"]) == ([("normal", True), ("buffer", False)], None)
    assert client.get("/v1/plants/P1/lines/SEAT1/modes").json()["items"] == []
    assert problem(client.get("/v1/plants/P1/lines/x/modes"))["status"] == 404
    stuck = client.post("/v1/plants/P1/lines/SEAT1/modes", json=body)
    assert "no emergency stock" in problem(stuck)["detail"]


def test_key_figures_and_what_is_behind_them(client: httpx.Client, shipped: Supply) -> None:
    span = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
    figures = {f["name"]: f for f in client.get("/v1/plants/P1/kpis", params=span).json()}
    assert [g["line"] for g in figures["first_time"]["groups"]] == ["SEAT1", "TRIM1"]
    one = client.get("/v1/plants/P1/kpis/first_time", params=span | {"by": "supplier"}).json()
    assert [g["counted"] for g in one["groups"]] == [16, 8]
    rows, after = [], 0
    while after is not None:
        page = client.get(
            "/v1/plants/P1/kpis/first_time/rows",
            params=span | {"line": "TRIM1", "limit": 3, "after": after},
        ).json()
        rows += page["items"]
        after = page["next"]
    assert [row["thing"] for row in rows] == [str(key(n)) for n in range(1, 9)]
    kept = client.get("/v1/plants/P1/kpis/adherence", params=span).json()
    assert [g["adherence"]["exact"] for g in kept["groups"]] == [1, 1]
    shipped.connection.execute(
        "INSERT INTO line_stop (plant, owner, cause, began_at, ended_at, message_id)"
        " VALUES ('P1', 'carmaker', 'robot', %s, %s, 'm')",
        (passed_at(1), passed_at(5)),
    )
    page = client.get("/v1/plants/P1/stops", params=span | {"limit": 1}).json()
    (stop,) = page["items"]
    assert client.get("/v1/plants/P1/stops", params=span | {"before": page["next"]}).json() == {
        "items": [], "next": None,
    }  # fmt: skip
    assert (stop["cause"], stop["minutes"]) == ("robot", 4)
    wrong = client.get("/v1/plants/P1/kpis/first_tim", params=span)
    assert "did you mean first_time" in problem(wrong)["detail"]
    turned = client.get("/v1/plants/P1/kpis", params={"from": span["to"], "to": span["from"]})
    assert problem(turned)["status"] == 422


def test_a_supplier_sees_its_own_and_decides_nothing_of_the_plant_s(
    world: Database, shipped: Supply
) -> None:
    look(shipped.connection, passed_at(12))
    settings = ApiSettings(token=TOKEN, tenant="seatworks")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serving(world, settings) as url,
        httpx.Client(base_url=url, headers=bearer, timeout=60) as client,
    ):
        assert client.get(f"{LINE}/racks/{RACK}").status_code == 404
        assert client.get("/v1/plants/P1/shipments").json()["items"] == []
        assert client.post(f"{LINE}/shipments/T1/arrival", json=AT).status_code == 404
        items = client.get("/v1/plants/P1/exceptions").json()["items"]
        assert {item["line"] for item in items} == {"SEAT1"}


def test_a_reorder_from_the_emergency_stock_is_booked_and_claimed(
    client: httpx.Client, shipped: Supply
) -> None:
    for car in (1, 2):
        shipped.say(key(car), "rejected", "dock")
        again = f"/v1/plants/P1/calls/TRIM1/000000{car}/DOOR-TRIM/0/reorder"
        made = client.post(again, json={"reason": "scratch", "from_stock": True})
        assert made.status_code == 201, made.text
    stock = client.get(f"{LINE}/emergency-stock", params={"limit": 1}).json()
    assert (stock["agreed"], stock["levels"]) == (5, {"DOOR-TRIM": 3})
    (newest,) = stock["bookings"]
    assert (newest["key"], newest["sets"], newest["reason"]) == (str(key(2)), -1, "scratch")
    before = client.get(f"{LINE}/emergency-stock", params={"after": stock["next"]}).json()
    assert [b["key"] for b in before["bookings"]] == [str(key(1))]
    page = client.get("/v1/plants/P1/claims", params={"line": "TRIM1", "limit": 1}).json()
    (claim,) = page["items"]
    assert (claim["key"], claim["kind"], claim["by_whom"]) == (
        *(str(key(1)), "nok_at_line", "supplier"),
    )
    rest = client.get("/v1/plants/P1/claims", params={"after": page["next"]}).json()
    assert [c["key"] for c in rest["items"]] == [str(key(2))]
    assert problem(client.get("/v1/plants/P1/lines/x/emergency-stock"))["status"] == 404
    page_of_line = client.get("/tower/lines/TRIM1", params={"lang": "en"}).text
    assert "3<small>/5 DOOR-TRIM" in page_of_line


def test_the_cars_behind_the_adherence(client: httpx.Client, shipped: Supply) -> None:
    put_in_sequence(shipped.connection, 2, 1, 3)
    shipped.connection.execute(
        "UPDATE production_sequence SET made_at = %s WHERE id = (SELECT max(id) FROM"
        " production_sequence)",
        (passed_at(-20),),
    )
    scope = {"from": passed_at(-10).isoformat(), "to": passed_at(60).isoformat(), "line": "TRIM1"}
    page = client.get("/v1/plants/P1/kpis/adherence/rows", params=scope | {"limit": 2}).json()
    first, second = page["items"]
    assert (first["production_no"], first["planned"], first["actual"]) == ("0000001", 2, 1)
    assert (second["places_off"], second["overtaken"]) == (1, True)
    assert second["calls"] == [str(key(2))]
    rest = client.get(
        "/v1/plants/P1/kpis/adherence/rows", params=scope | {"after": page["next"]}
    ).json()
    assert [(car["production_no"], car["places_off"]) for car in rest["items"]] == [("0000003", 0)]
    assert rest["next"] is None
