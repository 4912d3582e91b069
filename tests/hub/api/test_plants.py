from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.api import context
from hub.api.app import MAX_BODY_BYTES
from hub.api.settings import ApiSettings
from hub.store import Database
from tests.fixtures.postgres import DatabaseServer
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.world import eventually

PASSES = "/v1/plants/P1/control-points/TRIM-IN/passes"


def report(client: httpx.Client, number: int, **headers: str) -> httpx.Response:
    return client.post(
        PASSES,
        json={"production_no": f"{number:07d}", "passed_at": f"2026-03-02T06:{number:02d}:00Z"},
        headers=headers,
    )


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["status"] == response.status_code
    assert found["title"]
    return found


def test_a_pass_is_created_once_and_answered_the_same_again(client: httpx.Client) -> None:
    first = report(client, 1)
    assert first.status_code == 201
    assert first.json() == {
        "pass_no": 1,
        "calls": [
            {"key": "P1/SEAT1/0000001/SEAT-FRONT/0", "call_no": 1, "line": "SEAT1"},
            {"key": "P1/SEAT1/0000001/SEAT-REAR/0", "call_no": 2, "line": "SEAT1"},
            {"key": "P1/TRIM1/0000001/DOOR-TRIM/0", "call_no": 1, "line": "TRIM1"},
        ],
    }
    again = report(client, 1)
    assert again.status_code == 200
    assert again.json() == first.json()


def test_the_plant_at_a_glance(client: httpx.Client) -> None:
    report(client, 2)
    (plant,) = client.get("/v1/plants").json()
    assert (plant["id"], plant["cars"], plant["method"]) == ("P1", 20, "given")
    assert [point["id"] for point in plant["control_points"]] == ["BODY", "TRIM-IN", "LINE-OFF"]
    assert [point["passes"] for point in plant["control_points"]] == [0, 1, 0]
    assert plant["control_points"][1] == {
        "id": "TRIM-IN",
        "passes": 1,
        "last_production_no": "0000002",
        "last_passed_at": "2026-03-02T06:02:00Z",
        "last_position": 2,
    }


def test_pages_join_without_a_gap(client: httpx.Client) -> None:
    report(client, 1)
    positions, after = [], 0
    while after is not None:
        page = client.get("/v1/plants/P1/sequence", params={"after": after, "limit": 7}).json()
        positions += [item["position"] for item in page["items"]]
        after = page["next"]
    assert positions == list(range(1, 21))
    (first,) = client.get("/v1/plants/P1/sequence", params={"limit": 1}).json()["items"]
    assert first["passed"][0]["control_point"] == "TRIM-IN"


def test_lines_and_their_calls(client: httpx.Client) -> None:
    for number in range(1, 4):
        report(client, number)
    seat, trim = client.get("/v1/plants/P1/lines").json()
    assert (seat["id"], seat["gateway"], seat["calls"]) == (
        "SEAT1",
        "seatworks/gw-seat",
        {"released": 6},
    )
    assert (trim["unacknowledged"], trim["first_open_call_no"]) == (3, 1)
    page = client.get("/v1/plants/P1/lines/SEAT1/calls", params={"after": 2, "limit": 3}).json()
    assert [call["call_no"] for call in page["items"]] == [3, 4, 5]
    assert page["next"] == 5
    assert page["items"][0]["key"] == "P1/SEAT1/0000002/SEAT-FRONT/0"
    assert (page["items"][2]["rack"], page["items"][2]["slot"]) == ("SEAT1-00002", 1)


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (PASSES, {"production_no": "x", "passed_at": "2026-03-02T06:00:00Z"}, 404, "no order x"),
        (PASSES, {"production_no": "1", "passed_at": "2026-03-02T06:00:00"}, 422, "passed_at"),
        (PASSES, {"production_no": 1, "passed_at": "2026-03-02T06:00:00Z"}, 422, "production_no"),
        (PASSES, {"production_no": "a/b", "passed_at": "2026-03-02T06:00:00Z"}, 422, "pattern"),
        (PASSES, {"production_no": "\0", "passed_at": "2026-03-02T06:00:00Z"}, 422, ""),
        (PASSES, {"production_no": "1"}, 422, "passed_at"),
        (PASSES, {"production_no": "1", "passed_at": "2026-03-02T06:00:00Z", "x": 1}, 422, "x"),
        (PASSES, [], 422, "body"),
        (PASSES.replace("TRIM-IN", "TRIM-N"),
         {"production_no": "0000001", "passed_at": "2026-03-02T06:00:00Z"},
         404, "no control point TRIM-N in plant P1; did you mean TRIM-IN?"),
        (PASSES, {"production_no": "0000001", "passed_at": "9999-12-31T23:59:59Z"},
         409, "required_at"),
        (PASSES.replace("P1", "P9"), {"production_no": "1", "passed_at": "2026-03-02T06:00:00Z"},
         404, "no plant P9"),
    ],
)  # fmt: skip
def test_a_bad_pass_is_refused_with_what_and_where(
    client: httpx.Client, path: str, body: Any, status: int, says: str
) -> None:
    response = client.post(path, json=body)
    assert response.status_code == status
    assert says in problem(response)["detail"]


def test_broken_and_oversized_bodies_are_refused(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    assert client.post(PASSES, content=b"{", headers=headers).status_code == 422
    half = b" " * (MAX_BODY_BYTES // 2 + 1)
    for content in (2 * half, iter([half] * 2)):  # declared, and in chunks
        large = client.post(PASSES, content=content, headers=headers)
        assert problem(large)["status"] == 413
        assert f"{MAX_BODY_BYTES} bytes" in large.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/plants/P9/sequence", "/v1/plants/P9/lines", "/v1/plants/P1/lines/X/calls", "/v1/x"],
)
def test_what_does_not_exist_is_a_problem(client: httpx.Client, path: str) -> None:
    assert problem(client.get(path))["status"] == 404


def test_the_database_may_go_away_and_come_back(
    client: httpx.Client, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = report(client, 1)
    database_server.embedded.stop()
    try:
        # What is there again has all the time that a busy machine takes.
        monkeypatch.setattr(context, "POOL_WAIT_S", 0.3)
        for refused in (report(client, 2), client.get("/v1/plants"), client.get("/v1/gateways")):
            assert problem(refused)["detail"] == "the database cannot be reached; ask again"
            assert refused.headers["retry-after"] == "1"
            assert refused.status_code == 503
        assert client.get("/healthz").status_code == 200
        unready = client.get("/readyz")
        assert unready.status_code == 503
        assert unready.json()["troubles"] == ["the database cannot be reached"]
    finally:
        monkeypatch.undo()
        database_server.embedded.start()
    # Whoever asks again, as the answer says, finds nothing lost and nothing doubled.
    eventually(lambda: client.get("/readyz").status_code == 200, "the hub's return")
    assert report(client, 1).json() == first.json()
    assert report(client, 2).json()["pass_no"] == 2


def test_without_the_token_nothing_is_told(world: Database) -> None:
    with (
        serving(world, ApiSettings(token=TOKEN)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        for path in ("/v1/plants", "/v1/gateways", "/v1/tags", "/v1/live", "/v1/plants/P1/lines"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
                refused = client.get(path, headers=headers)
                assert problem(refused)["status"] == 401
                assert refused.headers["www-authenticate"] == "Bearer"
        assert report(client, 1).status_code == 401
        assert report(client, 1, Authorization=f"Bearer {TOKEN}").status_code == 201
        assert client.get("/healthz").status_code == 200


def test_a_supplier_sees_its_own_line_and_no_plant(world: Database) -> None:
    settings = ApiSettings(token=TOKEN, tenant="seatworks")
    with (
        serving(world, settings) as url,
        httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        ) as client,
    ):
        assert client.get("/v1/plants").json() == []
        assert report(client, 1).status_code == 404
        assert [g["gateway"] for g in client.get("/v1/gateways").json()] == ["seatworks/gw-seat"]
        assert client.get("/v1/plants/P1/lines/TRIM1/calls").status_code == 404


def test_a_page_of_another_site_is_kept_out_of_a_demo(client: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:8080", "localhost.evil.example", ""):
        refused = client.get("/v1/plants", headers={"Host": host})
        assert problem(refused)["status"] == 400
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"):
        assert client.get("/v1/plants", headers={"Host": host}).status_code == 200


def test_the_api_is_open_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        ApiSettings(host="0.0.0.0")
    with pytest.raises(ValueError, match="16 characters"):
        ApiSettings(token="short").secret()


def test_the_description_names_every_route_and_its_problems(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if kind != "application/json":
                    assert content["example"], path
                    continue
                model = content["schema"]["$ref"].rpartition("/")[2]
                assert schema["components"]["schemas"][model]["examples"], path
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path not in ("/healthz", "/readyz"):
                    assert list(answer["content"]) == ["application/problem+json"], path


def test_who_passed_a_control_point_page_by_page(client: httpx.Client) -> None:
    path = "/v1/plants/P1/control-points/TRIM-IN/passes"
    for car in ("0000002", "0000001"):
        client.post(path, json={"production_no": car, "passed_at": "2026-03-02T06:01:00Z"})
    page = client.get(path, params={"limit": 1}).json()
    assert [(p["pass_no"], p["production_no"]) for p in page["items"]] == [(1, "0000002")]
    rest = client.get(path, params={"after": page["next"]}).json()
    assert [(p["pass_no"], p["production_no"]) for p in rest["items"]] == [(2, "0000001")]
    assert rest["next"] is None
    wrong = problem(client.get("/v1/plants/P1/control-points/TRIM-INN/passes"))
    assert wrong["detail"] == "no control point TRIM-INN in plant P1; did you mean TRIM-IN?"
