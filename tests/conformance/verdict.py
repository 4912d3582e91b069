"""What a check is, and what comes of running one on a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from tests.conformance.recording import Record, Recording


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check looked at. `problem` is empty if it is as it should be."""

    record: Record
    problem: str = ""


Test = Callable[[Recording], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """`rule` in our words; `test` yields a finding for each thing it judges, at least one."""

    rule: str
    test: Test


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """`reason` says why nothing is to be judged. Where a recording can disprove it, `disproof`
    yields a finding with a problem for each record that does."""

    reason: str
    disproof: Test = lambda _recording: ()


Entry = Check | NotApplicable


class Outcome(Enum):
    """What a recording says of one assertion."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_APPLICABLE = "n/a"
    NOT_SEEN = "not seen"
    """The check applies, and nothing was recorded that it could judge."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`text`: how much was looked at, the first problem with its packet, or the reason."""

    outcome: Outcome
    text: str


def judge(entry: Entry, recording: Recording) -> Verdict:
    """Run one check on a recording."""
    if isinstance(entry, NotApplicable):
        for finding in entry.disproof(recording):
            if finding.problem:
                return _failed(finding, recording)
        return Verdict(Outcome.NOT_APPLICABLE, entry.reason)
    looked_at = 0
    for finding in entry.test(recording):
        if finding.problem:
            return _failed(finding, recording)
        looked_at += 1
    if not looked_at:
        return Verdict(Outcome.NOT_SEEN, entry.rule)
    return Verdict(Outcome.PASS, f"{entry.rule} ({looked_at} looked at)")


def _failed(finding: Finding, recording: Recording) -> Verdict:
    record = finding.record
    place = f"record {recording.position.get(id(record), -1)}, connection {record.connection}"
    packet = str(record.packet)
    if len(packet) > 160:
        packet = packet[:160] + "…"
    return Verdict(Outcome.FAIL, f"{finding.problem}; {place}: {packet}")
