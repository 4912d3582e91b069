"""Results of any source: what is read of a code, and what of it the journal holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from edge.journal import JournalSettings, Origin, SampleBatch, SampleClass, TelemetryJournal
from edge.sources.results import CodeForm, CodeForms, Results, identity
from edge.status import SourceFigures
from protocols.inspection import RESULT, Code, Result, parse_result

FORMS = [
    CodeForm(
        form="envelope",
        pattern=r"\[\)>\x1e06\x1dV(?P<supplier>\w+)\x1dP(?P<part_number>[^\x1d]+)"
        r"\x1dS(?P<serial>[^\x1d]+)\x1e\x04",
    ),
    CodeForm(form="engine", pattern=r"(?P<type>[A-Z]{3})\d{6}"),
]
FIGURES = SourceFigures("press")


def in_journal(path: Path, work: Callable[[Results, TelemetryJournal], object]) -> None:
    async def main() -> None:
        journal = TelemetryJournal.open(path, JournalSettings(commit_ms=1, keep_free_mb=0))
        try:
            done = work(Results("press", journal, FIGURES, FORMS), journal)
            if asyncio.iscoroutine(done):
                await done
        finally:
            await journal.close()

    asyncio.run(main())


def result(number: int, serial: str | None = None, code: Code | None = None) -> Result:
    return Result(
        key=identity("4", str(number)),
        serial=serial,
        code=code,
        characteristic="Torque",
        value=25.0,
        verdict="ok",
        measured_at=datetime(2026, 3, 2, 7, 1, number % 60, tzinfo=UTC),
        raw_sha256="0a" * 32,
    )


def test_a_code_is_read_by_the_first_form_that_fits_or_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def read(results: Results, _journal: TelemetryJournal) -> None:
        before = FIGURES.unread_codes
        assert results.part("[)>\x1e06\x1dV0815\x1dPSF-SPORT\x1dS88123\x1e\x04") == (
            "88123",
            Code(
                text="[)>␞06␝V0815␝PSF-SPORT␝S88123␞␄",
                form="envelope",
                parts={"supplier": "0815", "part_number": "SF-SPORT", "serial": "88123"},
            ),
        )
        assert results.part("DKX004711     ") == (
            "DKX004711",
            Code(text="DKX004711", form="engine", parts={"type": "DKX"}),
        )
        assert results.part("   ") == (None, None)
        assert FIGURES.unread_codes == before
        for strange in ("DKX0047", "DKX0048\x1d"):
            text = strange.replace("\x1d", "␝")
            assert results.part(strange) == (text, Code(text=text))
        assert FIGURES.unread_codes == before + 2
        results.part("DKX004711")

    with caplog.at_level("INFO"):
        in_journal(tmp_path / "journal.sqlite", read)
    said = [record.message for record in caplog.records if "codes of parts" in record.message]
    assert len(said) == 2
    assert "DKX0047" in said[0]
    assert "well again" in said[1]


def test_whatever_is_read_makes_a_result(tmp_path: Path) -> None:
    def read(results: Results, _journal: TelemetryJournal) -> None:
        @given(st.text(max_size=300))
        def any_text(text: str) -> None:
            serial, code = results.part(text)
            made = result(1, serial, code)
            assert parse_result(made.text()) == made

        any_text()

    in_journal(tmp_path / "journal.sqlite", read)


def test_results_are_records_of_the_highest_class_and_their_metric_is_in_the_birth(
    tmp_path: Path,
) -> None:
    async def write(results: Results, journal: TelemetryJournal) -> None:
        assert [(tag.device, tag.name) for tag in journal.tags()] == [("press", RESULT)]
        found = [result(n) for n in range(250)]
        assert results.batches([]) == []
        await journal.append(*results.batches(found, Origin.HISTORY))
        records = [stored.record for stored in journal.read(0, 2**53, 10**9)]
        batches = [r for r in records if isinstance(r, SampleBatch)]
        assert [len(batch) for batch in batches] == [100, 100, 50]
        assert {batch.sample_class for batch in batches} == {SampleClass.HIGH}
        assert {batch.origin for batch in batches} == {Origin.HISTORY}
        texts = [batch.others[at] for batch in batches for at in range(len(batch))]
        assert [parse_result(str(text)) for text in texts] == found
        assert batches[0].times_us[1] == 1_772_434_861_000_000

    in_journal(tmp_path / "journal.sqlite", write)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_an_identity_fits_and_is_the_same_again(parts: list[str]) -> None:
    key = identity(*parts)
    assert Result.model_validate(result(1).model_dump() | {"key": key}).key == key
    assert identity(*parts) == key


def test_an_identity_is_readable_while_it_is_short() -> None:
    assert identity("4711", "2026-03-02T07:01:40") == "4711/2026-03-02T07:01:40"
    assert len(identity("x" * 65)) == 64
    assert identity("a\0b") != identity("a", "b")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "no regular expression"),
        ("".join(f"(?P<p{n}>.)" for n in range(9)), "at most 8 named groups"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(CodeForms).validate_python([{"form": "x", "pattern": pattern}])
