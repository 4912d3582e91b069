"""The comparison of what stations found with what the hub has finds what is planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from deploy.local.full_line import check_findings
from deploy.local.verify import Verdict
from firmware_sim.stations import STATIONS, Finding

Found = Counter[Finding]
TORQUE = Finding("tightening", "S-1", "Torque", 25.0, "ok")
BESIDE = replace(TORQUE, characteristic="Tightening", value=None)


def expected() -> Found:
    return Counter([TORQUE, *(Finding(name, "S-1", "Gap", 0.5, "ok") for name in STATIONS)])


def problems(spoil: Callable[[Found, Found, set[str]], object]) -> list[str]:
    found, built, verdict = expected() + Counter([BESIDE]), {"S-1"}, Verdict()
    noted = expected()
    spoil(noted, found, built)
    check_findings(noted, found, built, verdict)
    return [problem.partition(":")[0] for problem in verdict.problems]


def test_what_is_there_once_is_well() -> None:
    assert problems(lambda *_: None) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda _, found, __: found.pop(TORQUE), ["1 results that the hub does not have"]),
        (
            lambda _, found, __: found.update([TORQUE]),
            ["1 results that the hub has too often, or otherwise"],
        ),
        (
            lambda _, found, __: found.update([replace(TORQUE, value=26.0)]),
            ["1 results that the hub has too often, or otherwise"],
        ),
        (
            lambda _, __, built: built.add("S-2"),
            [f"1 parts that went past {name}" for name in STATIONS],
        ),
    ],
)
def test_what_is_planted_is_found(
    spoil: Callable[[Found, Found, set[str]], object], problem: list[str]
) -> None:
    assert problems(spoil) == problem
