"""Gateway and hub hold to Sparkplug B 3.0, and the checks that say so can fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conformance.faults import FAULTS, Fault
from tests.conformance.recording import Recording
from tests.conformance.registry import PARTS, PREFIX, assertions, entries
from tests.conformance.report import table, totals, verdicts
from tests.conformance.scenario import SUBJECT, record
from tests.conformance.verdict import Check, Outcome, Verdict, judge
from tests.fixtures.postgres import DatabaseServer

# The scenario is played within the first test that wants it.
pytestmark = pytest.mark.timeout(600)

STANDARD = Path(__file__).resolve().parents[3] / "shared/reference/sparkplug_assertions.tsv"
"""The list of the standard's assertions, where it is at hand."""


@pytest.fixture(scope="module")
def recording(
    database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Recording:
    """The scenario, played once."""
    database = database_server.create("conformance")
    return asyncio.run(record(tmp_path_factory.mktemp("conformance"), database))


@pytest.fixture(scope="module")
def found(recording: Recording) -> dict[str, Verdict]:
    return verdicts(recording)


def test_every_assertion_is_answered_for_once() -> None:
    ids = [assertion.id for assertion in assertions()]
    assert len(ids) == len(set(ids)) == 299
    assert set(ids) == entries().keys()
    for role, checks in PARTS.items():
        assert {a.id for a in assertions() if a.role == role} == checks.keys()


@pytest.mark.skipif(not STANDARD.exists(), reason="no list of the standard's assertions here")
def test_the_list_is_that_of_the_standard() -> None:
    rows = (line.split("\t") for line in STANDARD.read_text().splitlines()[1:])
    standard = {(id_.removeprefix(PREFIX), int(chapter.split()[0])) for id_, chapter, _ in rows}
    assert standard == {(assertion.id, assertion.chapter) for assertion in assertions()}


@pytest.mark.slow
def test_gateway_and_hub_hold_to_the_standard(
    found: dict[str, Verdict], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        id_: verdict
        for id_, verdict in found.items()
        if verdict.outcome in (Outcome.FAIL, Outcome.NOT_SEEN)
    }
    with capsys.disabled():
        print(f"\nSparkplug B 3.0: {totals(found)}")
    assert not bad, table(bad)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_is_found(recording: Recording, fault: Fault) -> None:
    spoilt = Recording(fault.spoil(recording), SUBJECT)
    checks = entries()
    for id_ in fault.fails:
        before, after = (judge(checks[id_], each) for each in (recording, spoilt))
        assert before.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE), before
        assert after.outcome is Outcome.FAIL, f"{id_}: {after}"


def test_every_check_is_shown_to_fail() -> None:
    can_fail = {id_ for fault in FAULTS for id_ in fault.fails}
    checked = {id_ for id_, entry in entries().items() if isinstance(entry, Check)}
    assert checked <= can_fail, sorted(checked - can_fail)
