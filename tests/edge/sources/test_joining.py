"""What a machine's result says of a part, without a network."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.journal import TelemetryJournal
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.companion import MACHINERY
from edge.sources.opcua.findings import Findings
from edge.sources.opcua.machinery_config import MachineryResultSettings
from edge.sources.results import Results
from edge.status import SourceFigures
from protocols.inspection import Result, parse_result
from tests.edge.sources.reading import journal_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[TelemetryJournal]:
    with journal_in(tmp_path) as it:
        yield it


def findings(journal: TelemetryJournal, **config: Any) -> Findings:
    wanted = MachineryResultSettings.model_validate(config)
    results = Results("press", journal, SourceFigures("press"), wanted.forms)
    return Findings("press", wanted, results)


def of(journal: TelemetryJournal, meta: Any, content: Any, **config: Any) -> list[Result]:
    said = {"EventId": "ZXZlbnQ=", "SourceName": "Press", "Time": NOW}
    result = {"ResultMetaData": meta, "ResultContent": content}
    fields = MACHINERY.flat({**said, "Result": result})
    return findings(journal, **config).of(fields, now=NOW, sha256="0" * 64)


META = {"ResultId": "r1", "PartId": "SN1", "CreationTime": "2026-03-01T11:59:58+00:00"}


def test_a_result_is_known_by_its_id_and_time(journal: TelemetryJournal) -> None:
    (found,) = of(journal, META, None)
    assert (found.key, found.serial) == ("r1/2026-03-01T11:59:58+00:00", "SN1")
    assert found.measured_at == datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC)
    (found,) = of(journal, {}, None)
    assert (found.key, found.measured_at) == ("event/ZXZlbnQ=", NOW)
    with pytest.raises(ValueError, match="no ResultMetaData"):
        of(journal, None, None)


def test_what_the_machine_says_goes_before_what_its_characteristics_do(
    journal: TelemetryJournal,
) -> None:
    force = {"name": "Force", "value": "ResultContent.0", "lower": 1, "upper": 2}
    for evaluation, verdict in ((1, "ok"), (2, "nok"), (3, "unknown"), (0, "nok"), ([], "nok")):
        whole, _ = of(journal, {**META, "ResultEvaluation": evaluation}, [5.0], measured=[force])
        assert whole.verdict == verdict
    aborted, _ = of(
        journal, {**META, "ResultEvaluation": 1, "ResultState": 3}, [1.5], measured=[force]
    )
    assert aborted.verdict == "unknown"


def test_values_of_one_quantity_have_names_of_their_own(journal: TelemetryJournal) -> None:
    torque = {"MeasuredValue": 4.0, "PhysicalQuantity": 2, "HighLimit": 3.0, "LowLimit": "NaN"}
    values = [torque, torque, {"Name": "Result"}, {"PhysicalQuantity": 99}, None, 5]
    found = of(journal, META, [{"OverallResultValues": values}])
    assert [(r.characteristic, r.verdict) for r in found] == [
        ("Result", "nok"),
        ("Torque", "nok"),
        ("Torque 2", "nok"),
        ("Result 2", "unknown"),
        ("Value", "unknown"),
    ]
    assert (found[1].lower, found[1].upper) == (None, 3.0)


def test_results_within_results_have_an_end(journal: TelemetryJournal) -> None:
    inner: Any = {"ResultMetaData": {"ResultId": "deepest"}, "ResultContent": None}
    for n in range(6):
        inner = {"ResultMetaData": {"ResultId": f"r{n}"}, "ResultContent": [inner]}
    found = of(journal, META, [inner])
    assert [r.key for r in found] == ["r1/2026-03-01T11:59:58+00:00", "r5", "r4", "r3"]
    with pytest.raises(ValueError, match="more than 2000 results"):
        of(journal, META, [inner] * 1000)
    unnamed = {"ResultMetaData": {"PartId": "SN2"}, "ResultContent": None}
    two = of(journal, META, [unnamed, unnamed])
    assert [r.key for r in two[1:]] == [f"event/{two[0].key}/{place}" for place in (0, 1)]
    assert {r.serial for r in two} == {"SN1", "SN2"}
    assert {r.measured_at for r in two} == {two[0].measured_at}


def test_a_result_that_is_fetched_has_the_keys_of_its_event(journal: TelemetryJournal) -> None:
    unnamed: Any = {"ResultMetaData": {}, "ResultContent": None}
    told = of(journal, META, [unnamed, unnamed])
    held = MACHINERY.held({"ResultMetaData": META, "ResultContent": [unnamed, unnamed]})
    assert [r.key for r in findings(journal).of(held, now=NOW, sha256="0" * 64)] == [
        r.key for r in told
    ]
    assert len({r.key for r in told}) == 3


def test_a_result_within_another_is_of_its_part_wherever_that_stands(
    journal: TelemetryJournal,
) -> None:
    meta = {**META, "AssociatedEntities": [{"EntityId": "SN7"}]}
    inner = {"ResultMetaData": {"ResultId": "r2"}, "ResultContent": None}
    found = of(journal, meta, [inner], serial="AssociatedEntities.0.EntityId")
    assert [r.serial for r in found] == ["SN7", "SN7"]


def test_what_is_not_where_it_should_be_is_said_once(
    journal: TelemetryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    here = {"ResultMetaData": {"ResultId": "r2", "ResultEvaluation": 1}, "ResultContent": None}
    result = {"ResultMetaData": META, "ResultContent": [here]}
    ours = findings(journal, verdict="ResultEvaluation")
    for _ in range(3):
        ours.of(MACHINERY.held(result), now=NOW, sha256="0" * 64)
    assert [r.levelname for r in caplog.records if "members" in r.getMessage()] == ["WARNING"]


def test_settings_are_refused_with_what_was_meant() -> None:
    with pytest.raises(ValidationError, match="did you mean PartId"):
        MachineryResultSettings(serial="PartID")
    with pytest.raises(ValidationError, match="machine_vision or machinery_result"):
        OpcUaSettings.model_validate(
            {
                "device": "press",
                "endpoint": "opc.tcp://x:1",
                "machine_vision": {},
                "machinery_result": {},
            }
        )


_MEMBERS = (
    "ResultMetaData", "ResultContent", "ResultId", "PartId", "CreationTime", "ResultEvaluation",
    "ResultState", "OverallResultValues", "MeasuredValue", "Name", "PhysicalQuantity", "LowLimit",
    "HighLimit", "EngineeringUnits", "DisplayName", "SourceName",
)  # fmt: skip
_PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=200)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(_MEMBERS, inner),
        ),
    ),
    max_leaves=20,
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(meta=_PLAIN, content=_PLAIN)
def test_whatever_a_result_holds_it_is_results_or_refused(
    journal: TelemetryJournal, meta: Any, content: Any
) -> None:
    try:
        found = of(journal, meta, content)
    except (ValueError, TypeError):  # as `ResultEvents.take` expects, which makes it a gap
        return
    for result in found:
        parse_result(result.text())
