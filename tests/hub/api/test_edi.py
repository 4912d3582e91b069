"""Files to partners, messages and forecasts over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.edi.outbound import export
from hub.edi.partners import Partner, store_partner
from hub.identity.keys import make_key
from hub.store import Database
from protocols.edifact.interchange import read_interchange
from protocols.edifact.profile import EdiProfile
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.test_plants import problem
from tests.hub.calls.supply import Supply, key
from tests.hub.calls.world import OWNER, PLANT, passed_at
from tests.hub.edi.test_exchange import file, notice

NOW = passed_at(3)


@pytest.fixture
def edi(world: Database) -> Iterator[Supply]:
    """The trim supplier is called by files, one for each car; the seat supplier by its gateway."""
    with world.connect("ingest", autocommit=True) as connection:
        supply = Supply(connection)
        connection.execute("UPDATE gateway SET transport = 'edi' WHERE node_id = 'gw-trim'")
        codes = EdiProfile().model_dump(mode="json")
        partner = Partner(OWNER, "trimworks", PLANT, "CAR01", "ZZ", "TRIM9", "ZZ", codes)
        store_partner(connection, partner)
        for car in (1, 2):
            supply.pass_cars(car)
            export(connection, OWNER, NOW)
        yield supply


def test_files_and_messages_page_by_page(client: httpx.Client, edi: Supply) -> None:
    page = client.get("/v1/edi/files", params={"limit": 1}).json()
    (first,) = page["items"]
    assert (first["partner"], first["name"]) == ("trimworks", "trimworks-00000001.edi")
    rest = client.get("/v1/edi/files", params={"after": page["next"]}).json()
    assert [f["name"] for f in rest["items"]] == ["trimworks-00000002.edi"]
    got = client.get(f"/v1/edi/files/{first['id']}")
    assert got.headers["content-type"] == "application/EDIFACT"
    assert got.headers["content-disposition"] == 'attachment; filename="trimworks-00000001.edi"'
    assert len(got.content) == first["bytes"]
    assert [m.kind for m in read_interchange(got.content).messages] == ["DELJIT"]
    assert problem(client.get("/v1/edi/files/999"))["detail"] == "no file 999"
    log = client.get("/v1/edi/messages", params={"limit": 1}).json()
    (newest,) = log["items"]
    assert (newest["interchange"], newest["status"]) == ("00000002", "sent")
    older = client.get("/v1/edi/messages", params={"before": log["next"]}).json()
    assert [m["interchange"] for m in older["items"]] == ["00000001"]


def test_a_forecast_is_held_against_the_calls(client: httpx.Client, edi: Supply) -> None:
    """Of car 1 and 2 on the 2nd, and a third that is cancelled; nobody has called on the 3rd."""
    edi.pass_cars(3)
    edi.say(key(3), "cancel", "plant")
    edi.connection.execute(
        """INSERT INTO part_forecast (plant, owner, partner, part_no, first_day, last_day, firmness,
            quantity, cumulative, document_no, issued_at)
        SELECT 'P1', 'carmaker', 'trimworks', part, day::date, day::date, firmness, quantity, 100,
            'F1', now()
        FROM (VALUES ('DT-RED', '2026-03-02', 'firm', 1), ('DT-RED', '2026-03-03', 'firm', 3),
            ('DT-RED', '2026-03-03', 'forecast', 4), ('DT-WHITE', '2026-03-02', 'firm', 9))
            AS f (part, day, firmness, quantity)"""
    )
    path = "/v1/plants/P1/part-forecasts"
    page = client.get(path, params={"limit": 1}).json()
    (red,) = page["items"]
    assert (red["part_no"], red["partner"], red["document_no"]) == ("DT-RED", "trimworks", "F1")
    shown = [(p["expected"], p["called"], p["open"], p["firmness"]) for p in red["periods"]]
    assert shown == [(1, 2, -1, ["firm"]), (7, 0, 7, ["firm", "forecast"])]
    rest = client.get(path, params={"after": page["next"]}).json()
    assert [(f["part_no"], f["periods"][0]["open"]) for f in rest["items"]] == [("DT-WHITE", 9)]
    (one,) = client.get(path, params={"part_no": "DT-WHITE"}).json()["items"]
    assert one["part_no"] == "DT-WHITE"


def test_a_file_is_taken_once_and_what_is_refused_says_why(
    client: httpx.Client, edi: Supply
) -> None:
    data = file([notice(1)], "100")
    taken = client.post("/v1/edi/files", content=data)
    assert taken.status_code == 200, taken.text
    assert taken.json() == {
        "partner": "trimworks", "interchange": "100", "status": "taken",
        "messages": [["DESADV", "1"]],
    }  # fmt: skip
    assert edi.part(key(1)) == "shipped"
    assert client.post("/v1/edi/files", content=data).json()["status"] == "duplicate"
    reused = client.post("/v1/edi/files", content=file([notice(2)], "100"))
    assert "another file with this reference" in problem(reused)["detail"]
    no_call = problem(client.post("/v1/edi/files", content=file([notice(3)], "101")))
    assert "0000003" in no_call["errors"][0]["what"]
    newest = client.get("/v1/edi/messages", params={"limit": 1}).json()["items"][0]
    assert (newest["kind"], newest["direction"]) == ("CONTRL", "out")
    garbage = client.post("/v1/edi/files", content=b"\x00 no interchange")
    assert problem(garbage)["errors"]


def test_a_partner_brings_and_fetches_its_own_files_alone(world: Database, edi: Supply) -> None:
    def session(tenant: str) -> httpx.Client:
        key = make_key(
            edi.connection, tenant, "edi", "supplier", datetime.now(UTC) + timedelta(days=1), "test"
        )
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    with (
        serving(world, ApiSettings(token=TOKEN)) as url,
        session("trimworks") as its_own,
        session("seatworks") as another,
    ):
        data = file([notice(1)], "100")
        refused = problem(another.post("/v1/edi/files", content=data))
        assert "no partner sends as" in refused["detail"]
        assert its_own.post("/v1/edi/files", content=data).json()["status"] == "taken"
        names = [f["name"] for f in its_own.get("/v1/edi/files").json()["items"]]
        assert names[-1] == "trimworks-00000003-contrl.edi"
        assert another.get("/v1/edi/files").json()["items"] == []
