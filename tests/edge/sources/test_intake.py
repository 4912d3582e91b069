"""From notifications to records, without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from edge.journal import Gap, JournalSettings, SampleBatch, TelemetryJournal
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.intake import Intake
from edge.sources.outflow import MAX_SAMPLES
from protocols.sparkplug import DataType
from tests.edge.sources.plc import START, us

pytestmark = pytest.mark.anyio
OVERFLOW = 0x480
TAGS = [
    {"name": "A", "node": "ns=2;s=A"},
    {"name": "B", "node": "ns=2;s=B", "class": "low"},
    {"name": "C", "node": "ns=2;s=C", "deadband": 1.0},
]


@asynccontextmanager
async def intake_on(path: Path) -> AsyncIterator[tuple[Intake, TelemetryJournal]]:
    settings = OpcUaSettings.model_validate(
        {
            "device": "press",
            "endpoint": "opc.tcp://x:1",
            "publishing_ms": 100,
            "sampling_ms": 50,
            "tags": TAGS,
        }
    )
    journal = TelemetryJournal.open(
        path / "journal.sqlite", JournalSettings(commit_ms=1, keep_free_mb=0)
    )
    intake = Intake(settings, journal)
    intake.begin(range(len(TAGS)))
    try:
        yield intake, journal
    finally:
        await journal.close()


def message(sequence: int, *values: tuple[int, Any, int | None, int]) -> ua.NotificationMessage:
    """A message of (handle, value, at_ms or None for no time, status code)."""
    items = [
        ua.MonitoredItemNotification(
            ClientHandle=handle,
            Value=ua.DataValue(
                ua.Variant(value),
                StatusCode=ua.StatusCode(status),  # type: ignore[arg-type]
                SourceTimestamp=None if at is None else START + timedelta(milliseconds=at),  # type: ignore[arg-type]
            ),
        )
        for handle, value, at, status in values
    ]
    data = ua.DataChangeNotification(MonitoredItems=items)
    return ua.NotificationMessage(
        SequenceNumber=sequence,
        NotificationData=[data],
    )


async def put(intake: Intake, journal: TelemetryJournal, sent: Any) -> list[SampleBatch | Gap]:
    records = intake.take(sent, us(0))
    if records:
        await journal.append(*records)
    return records


async def test_classes_never_share_a_batch(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        low, normal = await put(
            intake, journal, message(1, (0, 1.0, 1, 0), (1, 2.0, 2, 0), (0, 3.0, 3, 0))
        )
        assert isinstance(low, SampleBatch)
        assert isinstance(normal, SampleBatch)
        assert list(low.numbers) == [2.0]
        assert list(normal.numbers) == [1.0, 3.0]


async def test_a_long_message_becomes_several_batches(tmp_path: Path) -> None:
    count = 2 * MAX_SAMPLES + 5
    async with intake_on(tmp_path) as (intake, journal):
        values = [(0, f"text {n}" if n % 1000 == 7 else float(n), n, 0) for n in range(count)]
        # A tag that is text now and a number then is two tags, and both come whole.
        records = await put(intake, journal, message(1, *values))
        batches = [r for r in records if isinstance(r, SampleBatch)]
        assert [len(b) for b in batches] == [MAX_SAMPLES, MAX_SAMPLES, 5]
        got = [b.others.get(i, b.numbers[i]) for b in batches for i in range(len(b))]
        assert got == [value for _, value, _, _ in values]
        assert len(journal.tags()) == 2


async def test_a_missed_message_is_a_gap(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        await put(intake, journal, message(1, (0, 1.0, 10_000, 0)))
        assert len(await put(intake, journal, message(2, (0, 2.0, 20_000, 0)))) == 1
        intake.gaps.missed("OPC UA messages missed: 3 to 4")
        gap, _ = await put(intake, journal, message(5, (0, 3.0, 30_000, 0)))
        assert isinstance(gap, Gap)
        assert gap.cause == "OPC UA messages missed: 3 to 4"
        # 1 s and the publishing and sampling intervals before the last that came
        assert (gap.from_us, gap.to_us) == (us(20_000 - 1150), us(30_000))


async def test_only_the_first_value_after_a_new_subscription_can_be_a_repetition(
    tmp_path: Path,
) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        # A PLC may stamp two changes with one instant.
        assert len(await put(intake, journal, message(1, (0, 1.0, 5, 0), (0, 2.0, 5, 0)))) == 1
        intake.begin(range(len(TAGS)))
        assert await put(intake, journal, message(1, (0, 2.0, 5, 0))) == []
        (batch,) = await put(intake, journal, message(2, (0, 3.0, 5, 0)))
        assert isinstance(batch, SampleBatch)
        assert list(batch.numbers) == [3.0]


async def test_the_gap_of_an_interruption_begins_where_the_device_was_last_heard(
    tmp_path: Path,
) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        await put(intake, journal, message(1, (0, 1.0, 0, 0), (1, 1.0, 60_000, 0)))
        intake.gaps.interrupted("connection lost: x")
        intake.begin(range(len(TAGS)))
        gap, *_ = await put(intake, journal, message(1, (0, 2.0, 90_000, 0), (1, 1.0, 60_000, 0)))
        # Tag A had not changed for a minute; what it did until then was handed over.
        assert gap == Gap("press", us(60_000 - 1150), us(90_000), "connection lost: x")


async def test_what_a_filter_dropped_is_no_gap_when_it_is_repeated(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        await put(intake, journal, message(1, (2, 1.0, 10, 0), (2, 1.5, 20, 0)))
        intake.begin(range(len(TAGS)))
        assert await put(intake, journal, message(1, (2, 1.5, 20, 0))) == []


async def test_overflow_of_several_tags_is_one_gap(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        await put(intake, journal, message(1, (0, 1.0, 10, 0), (1, 1.0, 20, 0)))
        gap, *batches = await put(
            intake, journal, message(2, (0, 9.0, 70, OVERFLOW), (1, 9.0, 80, OVERFLOW))
        )
        assert gap == Gap("press", us(10), us(80), "OPC UA queue overflow: A, B")
        assert all(isinstance(b, SampleBatch) and not b.qualities for b in batches)


async def test_a_device_without_a_clock_gets_ours(tmp_path: Path) -> None:
    before_1970_ms = -2_000_000_000_000
    async with intake_on(tmp_path) as (intake, journal):
        sent = message(1, (0, 1.0, before_1970_ms, 0), (0, 2.0, before_1970_ms, 0))
        (batch,) = await put(intake, journal, sent)
        assert isinstance(batch, SampleBatch)
        assert list(batch.times_us) == [us(0), us(0)]


async def test_times_source_then_now(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        (batch,) = await put(intake, journal, message(1, (0, 1.0, None, 0), (0, 2.0, 7, 0)))
        assert isinstance(batch, SampleBatch)
        assert list(batch.times_us) == [us(0), us(7)]


async def test_a_null_before_any_value_has_no_type_and_is_left_out(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        assert await put(intake, journal, message(1, (0, None, 1, 0))) == []
        (batch,) = await put(intake, journal, message(2, (0, 1, 2, 0), (0, None, 3, 0x80000000)))
        assert isinstance(batch, SampleBatch)
        assert batch.others == {1: None}
        assert batch.qualities == {1: 0}


async def test_an_unknown_handle_is_left_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        for sequence in (1, 2):
            assert await put(intake, journal, message(sequence, (99, 1.0, 1, 0))) == []
        assert sum(record.name.startswith("edge.") for record in caplog.records) == 1


def stamped(handle: int, value: Any, at_ms: int, server_ms: float | None) -> ua.NotificationMessage:
    """A message of one value with a server time."""
    sent = message(1, (handle, value, at_ms, 0))
    said = sent.NotificationData[0].MonitoredItems[0].Value
    if server_ms is not None:
        said.ServerTimestamp = START + timedelta(milliseconds=server_ms)
    return sent


async def test_a_server_time_is_kept_where_its_millisecond_is_another(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        kept: list[list[int] | None] = []
        # C has a filter, A has none and after its first value goes the short way.
        for handle in (0, 0, 0, 0, 2, 2):
            at = 10 * (len(kept) + 1)
            server = {1: None, 2: at + 0.9, 3: at + 1.2, 5: at - 4000}.get(len(kept), at + 7)
            records = await put(intake, journal, stamped(handle, 9.0 * at, at, server))
            (batch,) = records
            assert isinstance(batch, SampleBatch)
            kept.append([s and s - us(0) for s in batch.server_us] or None)
        assert kept == [[17_000], None, None, [41_200], [57_000], [-3_940_000]]


async def test_server_times_stay_with_their_samples_in_a_long_message(tmp_path: Path) -> None:
    count = MAX_SAMPLES + 5
    async with intake_on(tmp_path) as (intake, journal):
        sent = message(1, *((0, float(n), n, 0) for n in range(count)))
        items = sent.NotificationData[0].MonitoredItems
        items[MAX_SAMPLES + 2].Value.ServerTimestamp = START + timedelta(hours=1)
        first, second = await put(intake, journal, sent)
        assert isinstance(first, SampleBatch)
        assert isinstance(second, SampleBatch)
        assert not first.server_us
        assert list(second.server_us) == [0, 0, us(3_600_000), 0, 0]


HELD = [
    {"name": "A", "node": "ns=2;s=A", "swinging_door": 1.0, "class": "high"},
    {"name": "B", "node": "ns=2;s=B", "at_most_every_s": 10},
    {"name": "C", "node": "ns=2;s=C"},
]


def values_of(records: list[SampleBatch | Gap]) -> list[float]:
    return [n for r in records if isinstance(r, SampleBatch) for n in r.numbers]


@pytest.fixture
def held_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.edge.sources.test_intake.TAGS", HELD)


async def store(intake: Intake, journal: TelemetryJournal, records: list[Any]) -> None:
    """As a source does: records and marks in one transaction."""
    marks = intake.marks()
    if records or marks:
        await journal.submit(*records, bookmarks=marks)


@pytest.mark.usefixtures("held_tags")
async def test_what_filters_hold_survives_the_process(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        records = intake.take(message(1, (0, 1.0, 0, 0), (1, 1.0, 0, 0), (2, 1.0, 0, 0)), us(0))
        await store(intake, journal, records)
        records = intake.take(message(2, (0, 1.2, 100, 0), (1, 2.0, 100, 0)), us(100))
        assert records == []
        await store(intake, journal, records)
        # No flush: the process is killed.
    async with intake_on(tmp_path) as (intake, journal):
        records = intake.take(message(3, (2, 5.0, 200, 0)), us(200))
        assert values_of(records) == [2.0, 5.0, 1.2]
        times = {(t, n) for r in records if isinstance(r, SampleBatch)
                 for t, n in zip(r.times_us, r.numbers, strict=True)}  # fmt: skip
        assert times == {(us(100), 2.0), (us(200), 5.0), (us(100), 1.2)}
        await store(intake, journal, records)
    async with intake_on(tmp_path) as (intake, journal):  # and only once
        assert values_of(intake.take(message(4, (2, 6.0, 300, 0)), us(300))) == [6.0]


@pytest.mark.usefixtures("held_tags")
async def test_held_samples_pass_in_time_and_at_the_end_of_a_session(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        for at in (0, 100, 200):
            records = intake.take(message(1, (0, 1.0 + at / 1e4, at, 0), (1, at, at, 0)), us(at))
            await store(intake, journal, records)
        assert intake.due(us(10_099)) == []
        records = list(intake.due(us(10_100)))  # ten seconds after B's first was held
        assert values_of(records) == [200.0]
        await store(intake, journal, records)
        assert values_of(list(intake.flush())) == [1.02]
        assert intake.flush() == []


@pytest.mark.usefixtures("held_tags")
async def test_a_held_sample_goes_out_under_the_datatype_it_had(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        intake.take(message(1, (1, 1.0, 0, 0), (1, 2.0, 10, 0)), us(0))
        datatypes = []
        for records in (intake.take(message(2, (1, "text", 20, 0)), us(20)), intake.flush()):
            (batch,) = records
            assert isinstance(batch, SampleBatch)
            datatypes += [journal.tag(tag).datatype for tag in batch.tags]
        assert datatypes == [DataType.Double, DataType.String]


async def test_history_is_not_held(tmp_path: Path) -> None:
    async with intake_on(tmp_path) as (intake, journal):
        settings = OpcUaSettings.model_validate(
            {"device": "press", "endpoint": "opc.tcp://x:1", "tags": HELD}
        )
        history = Intake(settings, journal, hold=False)
        sent = message(1, *((0, 1.0, n, 0) for n in range(5)))
        assert values_of(history.take(sent, us(0))) == [1.0] * 5
        assert history.marks() == {}
        assert intake.marks() == {}
