"""`lineside-hub db status`: what is said of the storage, on both kinds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.store.settings import KeepSettings
from hub.store.status import store_status
from tests.fixtures.timescale import LastingStorage
from tests.hub.store.test_cli import run
from tests.hub.store.test_samples import make_tag


def test_sizes_parts_compression_and_lag_are_told(lasting_storage: LastingStorage) -> None:
    connection = lasting_storage.connection
    tag = make_tag(connection)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    now = noon - timedelta(days=5)
    connection.execute(
        "INSERT INTO sample (tag_id, time, value)"
        " SELECT %s, %s::timestamptz + n * interval '1 s', n / 4 FROM generate_series(1, 1500) n",
        [tag, now],
    )
    lasting_storage.keep_house(now + timedelta(hours=3))
    if lasting_storage.kind == "timescale":
        connection.execute("SELECT public.compress_chunk(c) FROM public.show_chunks('sample') c")
    with lasting_storage.as_role("owner"):
        found = store_status(
            connection,
            "timescale" if lasting_storage.kind == "timescale" else "postgres",
            KeepSettings(),
        )
    classes = {one.name: one for one in found.classes}
    assert list(classes) == ["sample", "minute", "hour", "day"]
    assert all(classes[name].lying.parts >= 1 for name in ("sample", "minute", "hour"))
    assert all(classes[name].lying.bytes > 0 for name in ("sample", "minute", "hour"))
    assert [one.keep_days for one in classes.values()] == [400, 1200, 5500, None]
    assert classes["sample"].aggregated_until is None
    behind = classes["hour"].behind
    assert behind is not None
    assert behind > timedelta(days=4)
    ratio = classes["sample"].lying.ratio
    if lasting_storage.kind == "timescale":
        assert ratio is not None
        assert ratio > 1
        assert {job.relation for job in found.jobs} == {
            "sample",
            "sample_minute",
            "sample_hour",
            "sample_day",
        }
    else:
        assert ratio is None
        assert found.jobs == []
    json.dumps(found.as_json())


def test_the_command_says_it_in_lines_or_as_json(configured: None) -> None:
    lines = run("db", "status")
    assert lines.exit_code == 0
    assert "kept 400 days" in lines.output
    told = json.loads(run("db", "status", "--json").output)
    assert told["schema"]["pending"] == []
    assert [one["name"] for one in told["classes"]] == ["sample", "minute", "hour", "day"]


def test_settings_that_are_wrong_are_named(
    configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINESIDE_HUB_KEEP__MINUTE_TRENDS_DAYS", "30")
    refused = run("db", "status")
    assert refused.exit_code == 2
    assert "minute_trends_days must not be less than samples_days" in refused.output
