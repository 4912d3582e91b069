"""Key figures of a day, worked out from the plant's record by the plainest means there are, to be
held against what the hub says. Nothing here uses the hub's code."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx

from firmware_sim.plant.record import PlantEntry

SHOWN = ("exact", "within", "in_order", "not_overtaken", "successors", "inversions")


def adherence_by_record(entries: Sequence[PlantEntry]) -> dict[str, float]:
    """How the cars that passed kept to the sequence that was planned; at most a place off counts as
    within. Figures by the definitions of the trade."""
    actual = [entry.car for entry in entries if entry.what == "passed"]
    passed = set(actual)
    planned = [e.car for e in entries if e.what == "planned" and e.car in passed]
    place = {car: n for n, car in enumerate(planned)}
    order = [place[car] for car in actual]
    count = len(order)
    off = [abs(at - n) for n, at in enumerate(order)]
    kept: list[int] = []  # the least last places of growing series of each length
    for at in order:
        where = bisect_left(kept, at)
        kept[where : where + 1] = [at]
    overtaken = sum(any(before > at for before in order[:n]) for n, at in enumerate(order))
    follows = sum(later == at + 1 for at, later in pairwise(order))
    return {
        "cars": count,
        "exact": sum(places == 0 for places in off) / count,
        "within": sum(places <= 1 for places in off) / count,
        "in_order": len(kept) / count,
        "not_overtaken": 1 - overtaken / count,
        "successors": follows / (count - 1) if count > 1 else 1.0,
        "inversions": sum(b > a for n, a in enumerate(order) for b in order[:n]),
    }


def stop_minutes_by_record(entries: Sequence[PlantEntry]) -> dict[str, float]:
    """Minutes on the wall clock for which the line stood, by cause."""
    began: dict[str, PlantEntry] = {}
    minutes: dict[str, float] = {}
    for entry in entries:
        if entry.what == "stopped":
            began[entry.detail] = entry
        elif entry.what == "moved_on":
            cause = entry.detail.split()[0]
            stood = (entry.at - began[entry.detail].at) / 60e6
            minutes[cause] = minutes.get(cause, 0.0) + stood
    return minutes


def reorders_by_record(
    entries: Sequence[PlantEntry], groups: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, int]]:
    """(calls, those that were no reorder) by line."""
    cars = sum(entry.what == "passed" for entry in entries)
    again = [entry.key.split("/")[1] for entry in entries if entry.what == "reordered"]
    return {
        line: (cars * len(members) + again.count(line), cars * len(members))
        for line, members in groups.items()
    }


def differences(
    url: str,
    plant: str,
    began: datetime,
    entries: Sequence[PlantEntry],
    groups: Mapping[str, Sequence[str]],
) -> list[str]:
    """Where the hub's figures are not those of the plant's record. Raises `httpx.HTTPError`."""
    with httpx.Client(base_url=f"{url}v1/plants/{plant}/kpis", timeout=30) as client:

        def groups_of(figure: str) -> list[dict[str, Any]]:
            answer = client.get(f"/{figure}", params={"from": began.isoformat()})
            answer.raise_for_status()
            found: list[dict[str, Any]] = answer.json()["groups"]
            return found

        found = _adherence_differs(groups_of("adherence"), adherence_by_record(entries), groups)
        counted = {g["line"]: (g["counted"], g["good"]) for g in groups_of("first_time")}
        if counted != (want := reorders_by_record(entries, groups)):
            found.append(f"calls and first calls by line: the hub {counted}, the plant {want}")
        stood = {g["cause"]: g["total"] for g in groups_of("line_stops")}
        want_stood = stop_minutes_by_record(entries)
        if stood.keys() != want_stood.keys() or any(
            not math.isclose(stood[cause], want_stood[cause], abs_tol=1e-6) for cause in stood
        ):
            found.append(f"minutes of stops by cause: the hub {stood}, the plant {want_stood}")
        return found


def _adherence_differs(
    hub: list[dict[str, Any]],
    plant: Mapping[str, float],
    groups: Mapping[str, Sequence[str]],
) -> list[str]:
    lines = sorted(group["line"] for group in hub)
    found = [] if lines == sorted(groups) else [f"adherence of lines {lines}"]
    for group in hub:
        says = group.get("adherence", group)
        found += [
            f"{name} of {group['line']}: the hub says {says[name]}, the plant {value}"
            for name, value in plant.items()
            if not math.isclose(says[name], value, abs_tol=1e-9)
        ]
    return found
