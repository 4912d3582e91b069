"""What is entered at a station: judged, on the disk before it is told, and once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.journal import JournalSettings, SampleBatch, TelemetryJournal
from edge.sources.manual import ManualSettings
from edge.sources.manual.station import Entry, EntryError, Recorded, Station
from edge.status import SourceFigures
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.reading import reading, until

pytestmark = pytest.mark.anyio
TICKET = "a-ticket-of-a-form-1"


def settings_for(**more: Any) -> ManualSettings:
    described = [
        {"name": "Gap", "unit": "mm", "lower": 0.4, "upper": 0.9, "tool": "feeler"},
        {"name": "Surface", "check": True},
        {"name": "Weight", "unit": "g", "optional": True},
    ]
    plain = {"kind": "manual", "device": "hand", "programme": "P7", "characteristics": described}
    return ManualSettings.model_validate({**plain, **more})


@asynccontextmanager
async def station(path: Path, **more: Any) -> AsyncIterator[Station]:
    settings = JournalSettings(commit_ms=1, keep_free_mb=0)
    journal = TelemetryJournal.open(path / "journal.sqlite", settings)
    try:
        yield Station(settings_for(**more), journal, SourceFigures("hand"))
    finally:
        await journal.close()


def stored(path: Path) -> list[Result]:
    """What a journal holds that nobody has open."""

    async def look() -> list[Result]:
        journal = TelemetryJournal.open(path / "journal.sqlite", JournalSettings(keep_free_mb=0))
        records = [s.record for s in journal.read(0, 2**53, 10**9)]
        await journal.close()
        batches = [r for r in records if isinstance(r, SampleBatch)]
        return [parse_result(str(text)) for b in batches for text in b.others.values()]

    return asyncio.run(look())


def entry(gap: str = "0,5", surface: str = "ok", **more: Any) -> Entry:
    given: dict[str, Any] = {"ticket": TICKET, "serial": " S1 ", "reason": "", "operator": "Li Na"}
    return Entry(values={0: gap, 1: surface} | more.pop("values", {}), **{**given, **more})


async def refused(station: Station, given: Entry) -> tuple[str, str]:
    with pytest.raises(EntryError) as caught:
        await station.record(given)
    return caught.value.code, caught.value.detail


async def test_an_entry_is_judged_and_kept(tmp_path: Path) -> None:
    async with station(tmp_path) as at:
        assert await at.record(entry()) == Recorded("ok", (), "S1")
        late = entry("0.95", "nok", ticket=TICKET + "2", serial="S2", reason="tool\n worn")
        assert await at.record(late) == Recorded("nok", ("Gap", "Surface"), "S2")
        more = entry(values={2: "12"}, ticket=TICKET + "3")
        assert (await at.record(more)).verdict == "unknown"
        assert [done.verdict for _, done in at.recent] == ["unknown", "nok", "ok"]
    found = await asyncio.to_thread(stored, tmp_path)
    assert [(r.serial, r.characteristic, r.value, r.verdict, r.reason) for r in found] == [
        ("S1", "Gap", 0.5, "ok", None), ("S1", "Surface", None, "ok", None),
        ("S2", "Gap", 0.95, "nok", "tool worn"), ("S2", "Surface", None, "nok", "tool worn"),
        ("S1", "Gap", 0.5, "ok", None), ("S1", "Surface", None, "ok", None),
        ("S1", "Weight", 12.0, "unknown", None),
    ]  # fmt: skip
    assert (found[0].key, found[0].operator, found[0].tool) == (TICKET, "Li Na", "feeler")
    assert (found[0].lower, found[0].upper, found[0].unit) == (0.4, 0.9, "mm")
    assert {r.programme for r in found} == {"P7"}


async def test_what_is_not_taken_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    async with station(tmp_path, serial=[{"form": "us", "pattern": r"S\d"}]) as at:
        assert await refused(at, entry(serial=" ")) == ("serial", "")
        assert await refused(at, entry(serial="X1")) == ("code", "X1")
        assert await refused(at, entry("half")) == ("number", "Gap")
        assert await refused(at, entry("")) == ("missing", "Gap")
        assert await refused(at, entry(surface="good")) == ("choice", "Surface")
        assert await refused(at, entry("1", "nok")) == ("reason", "Gap, Surface")
        assert await refused(at, entry(ticket="x")) == ("bad", "ticket")
        assert not at.recent
    assert await asyncio.to_thread(stored, tmp_path) == []
    async with station(tmp_path, without_serial=True) as at:
        assert (await at.record(entry(serial=""))).serial is None


async def test_a_form_that_is_sent_again_counts_once_over_restarts(tmp_path: Path) -> None:
    async with station(tmp_path) as at:
        twice = await asyncio.gather(*(at.record(entry()) for _ in range(3)))
        assert sorted(done.again for done in twice) == [False, True, True]
        assert await refused(at, entry("0.6")) == ("sent", "")
    async with station(tmp_path) as at:
        assert (await at.record(entry())).again
        assert await refused(at, entry("0.6")) == ("sent", "")
    assert len(await asyncio.to_thread(stored, tmp_path)) == 2


async def test_the_station_is_a_device(tmp_path: Path) -> None:
    async with reading(tmp_path / "journal.sqlite", settings_for()) as got:
        await until(lambda: got.devices.heard == ["hand online"])
        assert [tag.name for tag in got.journal.tags()] == [RESULT]
        assert got.figures.state == "online"


def test_settings_that_make_no_form() -> None:
    for wrong, said in (
        ([{"name": "A", "check": True, "unit": "mm"}], "a check has no value"),
        ([{"name": "A", "lower": 2, "upper": 1}], r"lower \(2\) is above upper \(1\)"),
        ([{"name": "A"}, {"name": "A"}], "two characteristics are 'A'"),
        ([], "at least 1"),
    ):
        with pytest.raises(ValidationError, match=said):
            settings_for(characteristics=wrong)


def test_whatever_is_typed_is_taken_or_refused(tmp_path: Path) -> None:
    texts = st.text(max_size=150)

    async def main() -> None:
        async with station(tmp_path, without_serial=True) as at:
            loop = asyncio.get_running_loop()

            @given(texts, texts, texts, st.text("0123456789,.-e", max_size=12))
            def any_text(serial: str, reason: str, surface: str, gap: str) -> None:
                given_ = entry(gap, surface, serial=serial, reason=reason)
                with contextlib.suppress(EntryError):
                    at._judge(given_, "0" * 64)

            await loop.run_in_executor(None, any_text)

    asyncio.run(main())
