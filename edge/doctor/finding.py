"""One line of the doctor: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "failed"]
_RANK: dict[Verdict, int] = {"ok": 0, "warning": 1, "failed": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    part: str
    """What it belongs to: `machine`, `broker HOST:PORT`, `source NAME`, `line PLANT/LINE`."""
    what: str
    remedy: str = ""


def ok(part: str, what: str) -> Finding:
    """It is as it should be."""
    return Finding("ok", part, what)


def warning(part: str, what: str, remedy: str = "") -> Finding:
    """It works, but may not for long, or not well."""
    return Finding("warning", part, what, remedy)


def failed(part: str, what: str, remedy: str = "") -> Finding:
    """It does not work."""
    return Finding("failed", part, what, remedy)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict; ok if there are none."""
    return max((f.verdict for f in findings), key=_RANK.__getitem__, default="ok")
