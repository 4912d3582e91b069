from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hub.store import Database

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture
def tag(world: Database) -> int:
    """A tag of gateway 1, device SEAT1, without samples."""
    with world.connect("ingest") as connection:
        row = connection.execute(
            """
            WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
                VALUES ('seatworks', 'carmaker', 1, 'SEAT1', true, now()) RETURNING id)
            INSERT INTO tag (owner, partner, device, name, datatype, unit)
            SELECT 'seatworks', 'carmaker', id, 'Force', 10, 'kN' FROM d RETURNING id
            """
        ).fetchone()
    assert row is not None
    return int(row[0])


def store(world: Database, tag: int, values: list[float | None], text: str | None = None) -> None:
    """A sample each second from START on."""
    with world.connect("ingest") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sample (tag_id, time, value, text) VALUES (%s, %s, %s, %s)",
            [(tag, START + timedelta(seconds=n), value, text) for n, value in enumerate(values)],
        )


def samples(client: httpx.Client, tag: int, seconds: float, points: int = 600) -> dict[str, Any]:
    response = client.get(
        f"/v1/tags/{tag}/samples",
        params={
            "from": START.isoformat(),
            "to": (START + timedelta(seconds=seconds)).isoformat(),
            "points": points,
        },
    )
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found


def test_a_sample_says_when_the_server_had_it_and_where_it_comes_from(
    client: httpx.Client, world: Database, tag: int
) -> None:
    store(world, tag, [1.0])
    late = START + timedelta(seconds=1, milliseconds=250)
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO sample (tag_id, time, value, server_time, from_history)"
            " VALUES (%s, %s, 2.0, %s, true)",
            [tag, START + timedelta(seconds=1), late],
        )
    page = samples(client, tag, 2)
    said = [(s["server_time"], s["from_history"]) for s in page["samples"]]
    assert said == [(None, False), ("2026-03-02T06:00:01.250000Z", True)]
    store(world, tag, [1.5, 1.5, 1.5])
    thinned = samples(client, tag, 2, 2)
    assert thinned["downsampled"]
    assert thinned["samples"][-1]["from_history"]


def test_few_samples_come_as_they_are(client: httpx.Client, world: Database, tag: int) -> None:
    store(world, tag, [1.0, 2.0, 3.0])
    page = samples(client, tag, 2)
    assert page["tag"]["name"] == "Force"
    assert not page["downsampled"]
    assert [sample["value"] for sample in page["samples"]] == [1.0, 2.0]


def test_many_are_thinned_out_and_no_spike_is_lost(
    client: httpx.Client, world: Database, tag: int
) -> None:
    values: list[float | None] = [float(n % 5) for n in range(2000)]
    values[777], values[1234] = 1e6, -1e6
    store(world, tag, values)
    page = samples(client, tag, 2000, points=50)
    shown = [sample["value"] for sample in page["samples"]]
    assert page["downsampled"]
    assert len(shown) <= 50
    assert {1e6, -1e6} <= set(shown)
    times = [sample["time"] for sample in page["samples"]]
    assert times == sorted(times)


def test_text_is_cut_where_it_is_too_much(client: httpx.Client, world: Database, tag: int) -> None:
    store(world, tag, [None] * 30, "run")
    page = samples(client, tag, 60, points=10)
    assert [sample["text"] for sample in page["samples"]] == ["run"] * 10
    assert page["downsampled"]


def test_a_long_span_answers_from_the_minutes(
    client: httpx.Client, world: Database, tag: int
) -> None:
    store(world, tag, [float(n) for n in range(600)])
    with world.connect("ingest") as connection:
        connection.execute("SELECT sample_roll_up(now())")
    page = samples(client, tag, 86_400, points=1000)
    shown = [sample["value"] for sample in page["samples"]]
    assert page["downsampled"]
    assert (min(shown), max(shown)) == (0.0, 599.0)


def test_gaps_of_the_time_and_the_device_are_named(
    client: httpx.Client, world: Database, tag: int
) -> None:
    def at(second: int) -> datetime:
        return START + timedelta(seconds=second)

    rows = [
        (1, "SEAT1", at(10), at(20), "in the span"),
        (1, None, at(-100), at(5), "the whole gateway"),
        (1, "SEAT1", None, None, "unknown ends"),
        (1, "OTHER", at(10), at(20), "another device"),
        (2, None, at(10), at(20), "another gateway"),
        (1, "SEAT1", at(60), at(70), "later"),
    ]
    with world.connect("ingest") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO gap (owner, partner, gateway, device, stream, from_time, to_time, cause)"
            " VALUES ('seatworks', 'carmaker', %s, %s, 'telemetry', %s, %s, %s)",
            rows,
        )
    causes = {gap["cause"] for gap in samples(client, tag, 60)["gaps"]}
    assert causes == {"in the span", "the whole gateway", "unknown ends"}
    gateway, other = client.get("/v1/gateways").json()
    assert (gateway["gap_count"], other["gap_count"]) == (5, 1)
    assert gateway["gaps"][0]["cause"] == "later"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=2026-03-02T06:00:00Z&to=2026-03-02T05:00:00Z", 422),
        ("from=2026-03-02T06:00:00", 422),
        ("from=yesterday", 422),
        ("points=1", 422),
        ("points=100000", 422),
    ],
)
def test_bad_questions_are_refused(client: httpx.Client, tag: int, query: str, status: int) -> None:
    assert client.get(f"/v1/tags/{tag}/samples?{query}").status_code == status


def test_the_first_instant_there_is_can_be_asked_for(client: httpx.Client, tag: int) -> None:
    assert client.get(f"/v1/tags/{tag}/samples?to=0001-01-01T00:00:01Z").json()["samples"] == []


def test_what_is_no_number_is_null(client: httpx.Client, world: Database, tag: int) -> None:
    store(world, tag, [float("nan"), float("inf"), 1.0])
    assert [sample["value"] for sample in samples(client, tag, 10)["samples"]] == [None, None, 1.0]


def test_an_unknown_tag_is_not_found(client: httpx.Client) -> None:
    assert client.get("/v1/tags/99/samples").status_code == 404
