"""The table of ids and results."""

from __future__ import annotations

from collections import Counter

from tests.conformance.recording import Recording
from tests.conformance.registry import assertions, entries
from tests.conformance.verdict import Outcome, Verdict, judge


def verdicts(recording: Recording) -> dict[str, Verdict]:
    """The verdict of each id, in the order of the standard."""
    checks = entries()
    return {
        assertion.id: judge(checks[assertion.id], recording)
        for assertion in assertions()
        if assertion.id in checks
    }


def table(found: dict[str, Verdict]) -> str:
    """Id, result, and what was looked at, or why not; the totals below."""
    width = max(map(len, found))
    lines = [
        f"{id_:{width}}  {verdict.outcome.value:8}  {verdict.text}"
        for id_, verdict in found.items()
    ]
    return "\n".join([*lines, "", totals(found)])


def totals(found: dict[str, Verdict]) -> str:
    """How many of each result."""
    counts = Counter(verdict.outcome for verdict in found.values())
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
