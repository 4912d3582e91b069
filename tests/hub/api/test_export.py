"""Samples and trends as files: each format read back by what others read it with."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.api.settings import ApiSettings
from hub.identity.settings import IdentitySettings, RateSettings
from hub.store import Database, tenant
from hub.store.export import ROWS, Format, Selection, write
from tests.hub.api.conftest import serving
from tests.hub.api.test_telemetry import START, store, tag
from tests.hub.calls.world import eventually

__all__ = ["tag"]

SPAN = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-05T00:00:00Z"}


@pytest.fixture
def second(world: Database, tag: int) -> int:
    """Another tag of the same device."""
    with world.connect("ingest") as connection:
        row = connection.execute(
            "INSERT INTO tag (owner, partner, device, name, datatype)"
            " SELECT owner, partner, device, 'State', 12 FROM tag WHERE id = %s RETURNING id",
            [tag],
        ).fetchone()
    assert row is not None
    return int(row[0])


def read(form: str, content: bytes) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    if form == "arrow":
        rows: list[dict[str, Any]] = pa.ipc.open_stream(content).read_all().to_pylist()
        return rows
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return found


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
def test_what_comes_out_is_what_is_stored(
    client: httpx.Client, world: Database, tag: int, second: int, form: str
) -> None:
    store(world, tag, [1.5, -2.25, None])
    store(world, second, [None] * 2, 'run, "fast"\nagain')
    both = f"tag={second}&tag={tag}&format={form}&from={SPAN['from']}&to={SPAN['to']}"
    answer = client.get(f"/v1/export?{both}")
    assert answer.status_code == 200
    assert answer.headers["Lineside-Complete"] in ("true", "false")
    rows = read(form, answer.content)
    assert [int(row["tag_id"]) for row in rows] == [second] * 2 + [tag] * 3
    assert [row["text"] or None for row in rows] == ['run, "fast"\nagain'] * 2 + [None] * 3
    assert [float(row["value"]) if row["value"] not in ("", None) else None for row in rows] == [
        *[None] * 2, 1.5, -2.25, None,
    ]  # fmt: skip
    at = rows[3]["time"]
    assert at == ("2026-03-02T06:00:01.000000Z" if form == "csv" else START + timedelta(seconds=1))


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
def test_trends_are_exported_too(
    client: httpx.Client, world: Database, tag: int, form: str
) -> None:
    store(world, tag, [1.0, 9.0, 2.0])
    asked: dict[str, str | int] = {"tag": tag, "format": form, "resolution": "hour", **SPAN}
    (row,) = read(form, client.get("/v1/export", params=asked).content)
    assert (int(row["samples"]), float(row["high"]), float(row["total"])) == (3, 9.0, 12.0)


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
def test_nothing_stored_is_an_empty_file(client: httpx.Client, tag: int, form: str) -> None:
    answer = client.get("/v1/export", params=SPAN | {"tag": tag, "format": form})
    assert read(form, answer.content) == []


def test_gaps_are_named_in_the_file(client: httpx.Client, world: Database, tag: int) -> None:
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gap (owner, partner, gateway, device, stream, from_time, to_time, cause)"
            " VALUES ('seatworks', 'carmaker', 1, 'SEAT1', 'telemetry', %s, %s, 'away')",
            [START, START],
        )
    answer = client.get("/v1/export", params=SPAN | {"tag": tag, "format": "parquet"})
    assert answer.headers["Lineside-Complete"] == "false"
    metadata = pq.read_schema(io.BytesIO(answer.content)).metadata
    assert [gap["cause"] for gap in json.loads(metadata[b"lineside.gaps"])] == ["away"]


def pieces(world: Database, selection: Selection, form: Format) -> Iterator[bytes]:
    with world.connect("api") as connection, tenant(connection, "carmaker"):
        yield from write(connection, selection, form, {})


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
def test_memory_does_not_grow_with_the_export(world: Database, tag: int, form: Format) -> None:
    """Four times as many rows take no more of it, but for the row group that Parquet holds, which
    the short export does not fill."""
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO sample (tag_id, time, value)"
            " SELECT %s, %s::timestamptz + n * interval '100 ms', random()"
            " FROM generate_series(1, %s) n",
            [tag, START, 12 * ROWS],
        )
    peaks = []
    for share in (3, 12):
        end = START + timedelta(milliseconds=100) * (share * ROWS + 1)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        most = count = 0
        for piece in pieces(world, Selection([tag], START, end), form):
            most = max(most, pa.total_allocated_bytes() - before)
            count += len(piece)
        peaks.append(tracemalloc.get_traced_memory()[1] + most)
        tracemalloc.stop()
        assert count > share * ROWS * 8
    assert peaks[1] < 2 * peaks[0]


def test_others_tags_are_not_exported(client: httpx.Client, tag: int) -> None:
    assert client.get("/v1/export", params={"tag": [tag, 999]}).status_code == 404


def test_without_the_extra_it_says_what_to_install(
    client: httpx.Client, tag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = client.get("/v1/export", params={"tag": tag, "format": "arrow"})
    assert answer.status_code == 501
    assert "lineside[export]" in answer.json()["detail"]
    assert client.get("/v1/export", params={"tag": tag}).status_code == 200


def fill(world: Database, tag: int, rows: int) -> None:
    """A kilobyte each millisecond from START on."""
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO sample (tag_id, time, text)"
            " SELECT %s, %s::timestamptz + n * interval '1 ms', repeat('x', 1000)"
            " FROM generate_series(1, %s) n",
            [tag, START, rows],
        )


def test_an_export_that_takes_too_long_has_no_end(world: Database, tag: int) -> None:
    fill(world, tag, 50_000)  # in a thousandth of a second no machine tells of so many
    short = IdentitySettings(rate=RateSettings(export_s=0.001))
    with serving(world, ApiSettings(), identity=short) as url:
        # Nothing at all, or a beginning without an end, by how fast the machine is.
        try:
            answer = httpx.get(f"{url}/v1/export", params=SPAN | {"tag": tag}, timeout=60)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return
        assert answer.status_code == 503


def test_a_reader_that_stops_reading_is_given_up(world: Database, tag: int) -> None:
    """Its connection to the database is free again for the next export."""
    fill(world, tag, 20_000)
    little = IdentitySettings(rate=RateSettings(export_s=2, exports_at_a_time=1))
    nothing: dict[str, str | int] = {"tag": tag, **SPAN, "to": START.isoformat()}
    with serving(world, ApiSettings(), identity=little) as url, ExitStack() as reading:

        def begun() -> bool:
            answer = reading.enter_context(
                httpx.stream("GET", f"{url}/v1/export", params=SPAN | {"tag": tag}, timeout=60)
            )
            return answer.status_code == 200

        eventually(begun, "an export that begins before it is given up")
        while httpx.get(f"{url}/v1/export", params=nothing, timeout=60).status_code == 429:
            time.sleep(0.1)
