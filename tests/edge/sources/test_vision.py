"""Results of a vision system's events, without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.journal import Gap, SampleBatch, TelemetryJournal
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.companion import VISION
from edge.sources.opcua.events import ResultEvents
from edge.sources.opcua.findings import Findings, find
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.vision_config import MachineVisionSettings
from edge.sources.results import Results
from edge.status import SourceFigures
from protocols.inspection import Result, parse_result
from protocols.opcua.machine_vision import RESULT_FIELDS
from tests.edge.sources.reading import journal_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MADE = datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC)
SHA = "0" * 64


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[TelemetryJournal]:
    with journal_in(tmp_path) as it:
        yield it


def fields(**more: Any) -> dict[str, Any]:
    return {
        "EventId": "ZXZlbnQ=",
        "Time": NOW,
        "SourceName": "Camera 1",
        "ResultId": {"Id": "r-17"},
        "CreationTime": MADE,
        "ResultState": 1,
        "IsPartial": False,
        "IsSimulated": None,
        "PartId": {"Id": "SN0001"},
        "ExternalRecipeId": None,
        "InternalRecipeId": {"Id": "door left"},
        "ResultContent": [{"Width": 4.2, "Score": 0.98}, True, "NIO"],
        **more,
    }


def findings(journal: TelemetryJournal, **config: Any) -> Findings:
    vision = MachineVisionSettings.model_validate(config)
    results = Results("camera", journal, SourceFigures("camera"), vision.forms)
    return Findings("camera", vision, results)


def of(journal: TelemetryJournal, said: dict[str, Any], **config: Any) -> dict[str, Result]:
    found = findings(journal, **config).of(said, now=NOW, sha256=SHA)
    return {result.characteristic: result for result in found}


MEASURED = [
    {
        "name": "Width",
        "value": "ResultContent.0.Width",
        "unit": "mm",
        "lower": 4,
        "upper": 5,
        "nominal": 4.5,
    },
    {"name": "Clip", "value": "ResultContent.1"},
    {"name": "Label", "value": "ResultContent.2"},
]


def test_an_event_is_the_verdict_on_the_part_and_its_characteristics(
    journal: TelemetryJournal,
) -> None:
    found = of(journal, fields(), measured=MEASURED)
    assert {name: r.verdict for name, r in found.items()} == {
        "Vision": "nok",
        "Width": "ok",
        "Clip": "ok",
        "Label": "nok",
    }
    width = found["Width"]
    assert (width.value, width.lower, width.upper, width.unit) == (4.2, 4, 5, "mm")
    assert {r.key for r in found.values()} == {"r-17/2026-03-01T11:59:58+00:00"}
    assert (width.serial, width.tool, width.programme) == ("SN0001", "Camera 1", "door left")
    assert (width.measured_at, width.raw_sha256) == (MADE, SHA)


def test_the_verdict_may_stand_in_the_content_in_the_words_of_the_system(
    journal: TelemetryJournal,
) -> None:
    for said, verdict in {"IO": "ok", " Pass ": "ok", "2": "nok", "?": "unknown"}.items():
        found = of(
            journal,
            fields(ResultContent=[said]),
            verdict="ResultContent.0",
            characteristic="Door",
            nok_words=["2"],
        )
        assert found["Door"].verdict == verdict
    number = of(journal, fields(ResultContent=[2]), verdict="ResultContent.0", nok_words=["2"])
    assert number["Vision"].verdict == "nok"


def test_a_characteristic_may_have_a_verdict_of_its_own(journal: TelemetryJournal) -> None:
    each = {"name": "Gap", "value": "ResultContent.0", "verdict": "ResultContent.1"}
    found = of(journal, fields(ResultContent=[7.5, False]), measured=[each])
    assert (found["Gap"].value, found["Gap"].verdict) == (7.5, "nok")


@pytest.mark.parametrize("content", [None, [], "text", [None, None, None], [math.nan, [], {}]])
def test_what_is_not_there_or_of_a_wrong_type_is_of_unknown_verdict(
    journal: TelemetryJournal, content: Any
) -> None:
    found = of(journal, fields(ResultContent=content), measured=MEASURED)
    assert {r.verdict for r in found.values()} == {"unknown"}
    assert {r.value for r in found.values()} == {None}


def test_what_was_not_processed_to_the_end_is_not_ok(journal: TelemetryJournal) -> None:
    good = {"ResultContent": [{"Width": 4.2}, True, "ok"]}
    assert of(journal, fields(**good), measured=MEASURED)["Vision"].verdict == "ok"
    broken = of(journal, fields(**good, ResultState=3), measured=MEASURED)
    assert broken["Vision"].verdict == "unknown"


def test_partial_and_simulated_results_do_not_count(journal: TelemetryJournal) -> None:
    assert of(journal, fields(IsPartial=True)) == {}
    assert of(journal, fields(IsSimulated=True)) == {}
    assert of(journal, fields(IsSimulated=True), simulated=True)


def test_a_result_without_id_and_time_goes_by_its_event(journal: TelemetryJournal) -> None:
    null = datetime(1601, 1, 1, tzinfo=UTC)
    (found,) = of(journal, fields(ResultId=None, CreationTime=null)).values()
    assert (found.key, found.measured_at) == ("event/ZXZlbnQ=", NOW)
    with pytest.raises(ValueError, match="neither a ResultId nor an EventId"):
        of(journal, fields(ResultId=None, EventId=None))


def test_the_serial_is_read_by_the_forms_of_the_customer(journal: TelemetryJournal) -> None:
    form = {"form": "plant", "pattern": r"(?P<type>[A-Z]{2})(?P<serial>\d{4})"}
    found = of(journal, fields(), forms=[form])["Vision"]
    assert found.serial == "0001"
    assert found.code is not None
    assert found.code.parts == {"type": "SN", "serial": "0001"}


def test_a_path_leads_through_structures_and_arrays() -> None:
    said = fields(ResultContent=[{"Points": [{"X": 1.0}, {"X": 2.0}]}])
    assert find(said, "ResultContent.0.Points.1.X") == 2.0
    for path in ("ResultContent.9", "ResultContent.-1", "ResultContent.x", "PartId.Id.Id"):
        assert find(said, path) is None


def test_settings_are_refused_with_what_was_meant() -> None:
    with pytest.raises(ValidationError, match="did you mean ResultContent"):
        MachineVisionSettings(verdict="ResultContents.0")
    with pytest.raises(ValidationError, match="two characteristics are called Width"):
        MachineVisionSettings.model_validate({"measured": [MEASURED[0], MEASURED[0]]})


_SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=300),
    st.binary(max_size=20),
    st.datetimes(timezones=st.just(UTC)),
    st.builds(
        lambda body: ua.ExtensionObject(TypeId=ua.NodeId.from_string("ns=3;i=5"), Body=body),
        st.binary(max_size=30),
    ),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    values=st.lists(
        st.one_of(_SCALARS, st.lists(_SCALARS, max_size=4)),
        min_size=len(RESULT_FIELDS) + 4,
        max_size=len(RESULT_FIELDS) + 6,
    )
)
def test_whatever_an_event_holds_it_is_results_or_a_gap(
    journal: TelemetryJournal, values: list[Any]
) -> None:
    vision = MachineVisionSettings.model_validate({"measured": MEASURED})
    of_device = OpcUaSettings(device="camera", endpoint="opc.tcp://x:1", machine_vision=vision)
    watch = GapWatch("camera", 100, None)
    events = ResultEvents(of_device, VISION, vision, journal, watch, SourceFigures("camera"))
    fields_ = [_variant(value) for value in values]
    event = ua.EventFieldList(ClientHandle=ua.UInt32(0), EventFields=fields_)
    for record in events.take([event], 1_800_000_000_000_000):
        if isinstance(record, SampleBatch):
            for text in record.others.values():
                parse_result(str(text))
        else:
            assert isinstance(record, Gap)


@pytest.mark.parametrize("why", ["BadFilterOperatorUnsupported", "BadFilterOperandCountMismatch"])
def test_a_server_that_cannot_tell_types_apart_is_asked_for_all_events(
    journal: TelemetryJournal, why: str
) -> None:
    vision = MachineVisionSettings()
    of_device = OpcUaSettings(device="camera", endpoint="opc.tcp://x:1", machine_vision=vision)
    watch = GapWatch("camera", 100, None)
    events = ResultEvents(of_device, VISION, vision, journal, watch, SourceFigures("camera"))

    def asked() -> int:
        wanted: Any = events.request([VISION.namespace]).RequestedParameters.Filter
        return len(wanted.WhereClause.Elements)

    refusal = ua.StatusCode(ua.UInt32(getattr(ua.StatusCodes, why)))
    assert (asked(), events.fallback(refusal), asked()) == (1, True, 0)
    assert not events.fallback(refusal)


def test_results_that_are_held_and_cannot_be_read_are_a_gap(journal: TelemetryJournal) -> None:
    vision = MachineVisionSettings()
    of_device = OpcUaSettings(device="camera", endpoint="opc.tcp://x:1", machine_vision=vision)
    watch = GapWatch("camera", 100, None)
    events = ResultEvents(of_device, VISION, vision, journal, watch, SourceFigures("camera"))
    unknown = ua.ExtensionObject(ua.NodeId.from_string("ns=9;i=1"), ua.ByteString(b"xx"))
    held: list[Any] = [unknown, None, 5, "text"]
    assert events.resume(held, 1_800_000_000_000_000, whole=True) == []  # nothing was heard before
    (gap,) = events.resume(held, 1_800_000_001_000_000, whole=True)
    assert gap == Gap(
        "camera",
        1_800_000_000_000_000,
        1_800_000_001_000_000,
        "machine vision results: agent stopped",
    )
    set_back_us = 1_700_000_000_000_000
    (gap,) = events.resume(held, set_back_us, whole=True)
    assert isinstance(gap, Gap)
    assert (gap.from_us, gap.to_us) == (set_back_us, 1_800_000_001_000_000)  # given twice


def test_a_server_that_says_that_its_queue_overflowed_leaves_a_gap(
    journal: TelemetryJournal,
) -> None:
    vision = MachineVisionSettings()
    of_device = OpcUaSettings(device="camera", endpoint="opc.tcp://x:1", machine_vision=vision)
    watch = GapWatch("camera", 100, None)
    events = ResultEvents(of_device, VISION, vision, journal, watch, SourceFigures("camera"))
    said = [ua.Variant(ua.NodeId.from_string("i=3035"))]
    said += [ua.Variant(None)] * (len(RESULT_FIELDS) + 4)
    overflow = [ua.EventFieldList(ua.UInt32(0), said)]
    cause = "machine vision results: the server's queue of 1000 was full"
    at_us = 1_800_000_000_000_000
    assert events.take(overflow, at_us) == [Gap("camera", None, at_us, cause)]
    events.hear(at_us + 60_000_000)  # and then the clock is set back
    (gap,) = events.take(overflow, at_us)
    assert isinstance(gap, Gap)
    assert gap.from_us == at_us
    assert gap.to_us is not None
    assert gap.to_us > at_us


def _variant(value: Any) -> ua.Variant:
    if isinstance(value, list):
        inner = [ua.Variant(each) for each in value]
        return ua.Variant(inner, ua.VariantType.Variant, is_array=True)
    return ua.Variant(value)
