"""Trends and last values over HTTP."""

from __future__ import annotations

import httpx

from hub.api.settings import ApiSettings
from hub.identity.settings import IdentitySettings, RateSettings
from hub.store import Database
from tests.hub.api.conftest import serving
from tests.hub.api.test_telemetry import START, store, tag

__all__ = ["tag"]

DAY = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}


def test_a_trend_says_what_it_is_made_of_and_what_is_missing(
    client: httpx.Client, world: Database, tag: int
) -> None:
    store(world, tag, [1.0, 2.0, 1e6, float("nan"), None, 3.0])
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gap (owner, partner, gateway, device, stream, from_time, to_time, cause)"
            " VALUES ('seatworks', 'carmaker', 1, 'SEAT1', 'telemetry', %s, %s, 'away')",
            [START, START],
        )
    page = client.get(f"/v1/tags/{tag}/trend", params=DAY | {"points": 24}).json()
    assert page["tag"]["name"] == "Force"
    assert page["resolution"] == "hour"
    assert [gap["cause"] for gap in page["gaps"]] == ["away"]
    assert not page["complete"]
    (interval,) = page["intervals"]
    assert interval["time"] == "2026-03-02T06:00:00Z"
    assert (interval["samples"], interval["numbers"]) == (6, 4)
    assert (interval["low"], interval["high"], interval["last"]) == (1.0, 1e6, 3.0)
    assert interval["high_at"] == "2026-03-02T06:00:02Z"
    exact = client.get(f"/v1/tags/{tag}/trend", params=DAY | {"resolution": "raw", "points": 1})
    assert exact.json()["intervals"][0] | {"time": ""} == interval | {"time": ""}


def test_infinite_values_do_not_break_the_answer(
    client: httpx.Client, world: Database, tag: int
) -> None:
    store(world, tag, [float("inf"), float("-inf")])
    for resolution in ("raw", "minute", "day"):
        answer = client.get(f"/v1/tags/{tag}/trend", params=DAY | {"resolution": resolution})
        assert answer.status_code == 200
        assert answer.json()["intervals"][0]["numbers"] == 2


def test_last_values_of_many_tags_come_at_once(
    client: httpx.Client, world: Database, tag: int
) -> None:
    assert client.get("/v1/latest", params={"tag": tag}).json() == [{"tag": tag, "sample": None}]
    store(world, tag, [1.0, 2.0])
    (found,) = client.get("/v1/latest", params={"tag": [tag, tag]}).json()
    assert found["sample"]["value"] == 2.0
    assert client.get("/v1/latest", params={"tag": [tag, 999]}).status_code == 404
    assert client.get("/v1/latest").status_code == 422
    assert client.get("/v1/latest", params={"tag": [tag] * 501}).status_code == 422


def test_a_span_that_ends_before_it_begins_is_refused(client: httpx.Client, tag: int) -> None:
    wrong = client.get(f"/v1/tags/{tag}/trend", params={"from": DAY["to"], "to": DAY["from"]})
    assert wrong.status_code == 422
    assert wrong.json()["detail"] == "query.from: must lie before query.to"
    assert client.get("/v1/tags/999/trend").status_code == 404


def test_a_tenant_that_has_asked_for_too_much_has_to_wait(world: Database, tag: int) -> None:
    little = IdentitySettings(rate=RateSettings(reading_seconds_per_minute=0.000_001))
    with serving(world, ApiSettings(), identity=little) as url:
        assert httpx.get(f"{url}/v1/tags/{tag}/trend", timeout=60).status_code == 200
        refused = httpx.get(f"{url}/v1/tags/{tag}/trend", timeout=60)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert httpx.get(f"{url}/v1/tags", timeout=60).status_code == 200
