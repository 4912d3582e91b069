from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from hub.api.settings import ApiSettings
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.api.test_plants import report


@dataclass
class Stream:
    """Server-sent events as they come."""

    lines: Iterator[str]
    last: str = ""
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def until(self, event: str, **data: Any) -> None:
        """Read on until this event; fails by the client's time-out."""
        fields: dict[str, str] = {}
        for line in self.lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if "event" in fields:
                self.last = fields["id"]
                told = json.loads(fields["data"])
                self.seen.append((fields["event"], told))
                if fields["event"] == event and told.items() >= data.items():
                    return
            fields = {}
        raise AssertionError(f"the stream ended before {event}")

    def until_both_lines(self) -> None:
        """Read on until calls of either line are told, in whatever order they come."""
        begun = len(self.seen)
        for line in ("SEAT1", "TRIM1"):
            if ("calls", {"plant": "P1", "line": line}) not in self.seen[begun:]:
                self.until("calls", line=line)


@contextmanager
def live(client: httpx.Client, last: str | None = None, tag: int | None = None) -> Iterator[Stream]:
    with client.stream(
        "GET",
        "/v1/live",
        headers={"Last-Event-ID": last} if last else {},
        params={"tag": tag} if tag else {},
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response.iter_lines())


def test_a_pass_is_told_as_it_happens(client: httpx.Client, url: str) -> None:
    with live(client) as stream:
        stream.until("reset")
        with httpx.Client(base_url=url, timeout=60) as other:
            report(other, 1)
        stream.until_both_lines()
        if ("sequence", {"plant": "P1"}) not in stream.seen:
            stream.until("sequence", plant="P1")


def test_who_comes_back_hears_what_was_missed(client: httpx.Client, url: str) -> None:
    with live(client) as stream:
        stream.until("reset")
        with httpx.Client(base_url=url, timeout=60) as other:
            report(other, 1)
        stream.until_both_lines()
    with httpx.Client(base_url=url, timeout=60) as other, live(client) as witness:
        witness.until("reset")
        report(other, 2)
        witness.until_both_lines()  # so that the hub has heard of it before we come back
    with live(client, stream.last) as again:
        again.until("calls", line="SEAT1")
    assert "reset" not in [event for event, _ in again.seen]


def test_who_has_missed_too_much_begins_anew(client: httpx.Client) -> None:
    for last in ("nonsense", "00000000-3", "-"):
        with live(client, last) as stream:
            stream.until("reset")


def test_who_watches_begins_anew_once_the_hub_listens_again(
    client: httpx.Client, url: str, world: Database
) -> None:
    """What changes while the hub does not hear of it is told to nobody."""
    listening = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    with live(client) as stream:
        stream.until("reset")
        first = stream.last
        with world.connect("ingest") as connection:
            assert len(connection.execute(listening).fetchall()) == 1
        stream.until("reset")
        assert stream.last != first
        with httpx.Client(base_url=url, timeout=60) as other:
            report(other, 1)
        stream.until("calls", line="SEAT1")
    with live(client, first) as again:
        again.until("reset")


def test_health_and_samples_are_told_too(client: httpx.Client, world: Database) -> None:
    with world.connect("ingest") as connection:
        row = connection.execute(
            """
            WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
                VALUES ('seatworks', 'carmaker', 1, 'SEAT1', true, now()) RETURNING id)
            INSERT INTO tag (owner, partner, device, name, datatype)
            SELECT 'seatworks', 'carmaker', id, 'Force', 10 FROM d RETURNING id
            """
        ).fetchone()
    assert row is not None
    with live(client, tag=row[0]) as stream:
        stream.until("reset")
        with world.connect("ingest") as connection:
            connection.execute(
                "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
                " VALUES (1, 'seatworks', 'carmaker', true, now())"
            )
        stream.until("gateways")
        with world.connect("ingest") as connection:
            connection.execute(
                "INSERT INTO sample (tag_id, time, value) VALUES (%s, now(), 1)", (row[0],)
            )
        stream.until("samples", tag=row[0])


def test_a_supplier_hears_of_its_own_calls_only(world: Database) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serving(world, ApiSettings(token=TOKEN, tenant="trimworks")) as url,
        serving(world, ApiSettings()) as plant,
        httpx.Client(base_url=url, headers=bearer, timeout=60) as client,
        live(client) as stream,
    ):
        stream.until("reset")
        with httpx.Client(base_url=plant, timeout=60) as owner:
            report(owner, 1)
        stream.until("calls", line="TRIM1")
        assert {event for event, _ in stream.seen} <= {"reset", "calls", "racks", "exceptions"}
        assert {data.get("line") for _, data in stream.seen} <= {None, "TRIM1"}
