"""How parts come out: by the seed, the call and the attempt alone."""

from __future__ import annotations

import math

from firmware_sim.line.process import (
    PROCESS_TAGS,
    STATIONS,
    PartProcess,
    Station,
    extra_tags,
    lot,
)

KEYS = [f"P1/SEAT1/{number:07d}/SEAT-FRONT/0" for number in range(2000)]


def values(station: Station, process: PartProcess) -> dict[str, list[float]]:
    curves: dict[str, list[float]] = {}
    for step in process.values(station, 12):
        for tag, value in step:
            curves.setdefault(tag.node, []).append(value)
    return curves


def test_the_same_part_has_the_same_values_whatever_was_asked_before() -> None:
    first, second = (PartProcess(1, KEYS[0], 1, 0.1) for _ in range(2))
    in_turn = [values(station, first) for station in STATIONS]
    backwards = [values(station, second) for station in reversed(STATIONS)]
    assert in_turn == backwards[::-1]


def test_another_seed_call_or_attempt_is_another_part() -> None:
    parts = [
        PartProcess(seed, key, attempt, 0.1)
        for seed in (1, 2)
        for key in KEYS[:2]
        for attempt in (1, 2)
    ]
    curves = {str(values(STATIONS[0], part)) for part in parts}
    assert len(curves) == len(parts)
    assert lot(1) != lot(2)


def test_the_share_of_failing_parts_is_as_set() -> None:
    failing = sum(not PartProcess(1, key, 1, 0.1).ok for key in KEYS)
    assert 150 < failing < 250
    assert all(PartProcess(1, key, 1, 0.0).ok for key in KEYS)


def test_a_failing_part_shows_in_its_torque() -> None:
    parts = [PartProcess(1, key, 1, 0.5) for key in KEYS[:50]]
    peaks = {
        ok: [max(values(STATIONS[1], p)["Line.Station20.Torque"]) for p in parts if p.ok == ok]
        for ok in (True, False)
    }
    assert max(peaks[False]) < min(peaks[True])


def test_values_are_finite_and_move() -> None:
    for station in STATIONS:
        for curve in values(station, PartProcess(1, KEYS[0], 1, 0.0)).values():
            assert all(math.isfinite(value) for value in curve)
            assert len(set(curve)) > 1


def test_every_tag_has_its_own_node() -> None:
    nodes = [tag.node for tag in (*PROCESS_TAGS, *extra_tags(120))]
    assert len(set(nodes)) == len(nodes)
    assert len(PROCESS_TAGS) == 23
    assert all(node.startswith("Line.") for node in nodes)
