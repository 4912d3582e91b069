"""What a run came to, as a table for people and as JSON for machines."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.judge import Made
from tests.faults.run import Outcome


def as_json(outcome: Outcome, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was counted. `settings` is what the run was asked for."""
    verdict = outcome.verdict
    return {
        "settings": dict(settings),
        "good": outcome.good,
        "began_at": outcome.began_at.isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 1),
        "rounds": outcome.rounds,
        "load": {
            "cores": os.cpu_count(),
            "median": round(statistics.median(outcome.loads or [0.0]), 1),
            "highest": round(max(outcome.loads, default=0.0), 1),
        },
        "faults": len(outcome.made),
        "kinds": {
            name: {"faults": len(made), **_recoveries(made)}
            for name, made in _by_kind(outcome.made).items()
        },
        "values": {
            "produced": verdict.samples_produced,
            "stored": verdict.samples_committed,
            "in_gaps": verdict.samples_in_gaps,
            "lost": verdict.samples_lost,
            "reordered": verdict.reordered,
        },
        "events": {"produced": verdict.events, "in_gaps": verdict.events_in_gaps},
        "cars": outcome.cars,
        "calls": outcome.calls,
        "calls_undecided": verdict.undecided,
        "doubled": verdict.duplicates,
        "gaps": dict(outcome.gaps),
        "ended_by_themselves": {name: list(codes) for name, codes in outcome.ended.items()},
        "problems": [*outcome.problems, *verdict.problems],
    }


def render(report: Mapping[str, Any]) -> str:
    """The report as a table."""
    values, events = report["values"], report["events"]
    rows = [("fault", "made", "recovery, median", "longest")]
    rows += [
        (name, str(kind["faults"]), _seconds(kind["median_s"]), _seconds(kind["longest_s"]))
        for name, kind in sorted(report["kinds"].items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines += [
        "",
        f"{report['faults']} faults in {report['seconds']:.0f} s, {report['rounds']} rounds; "
        f"load {report['load']['median']} (highest {report['load']['highest']}) "
        f"on {report['load']['cores']} cores",
        f"values: {values['produced']} produced, {values['stored']} stored, "
        f"{values['in_gaps']} in named gaps, {values['lost']} lost, "
        f"{values['reordered']} out of order",
        f"events: {events['produced']} produced, {events['in_gaps']} in named gaps; "
        f"{report['cars']} cars, {report['calls']} calls, "
        f"{report['calls_undecided']} left to a person",
        f"doubled, of any kind: {report['doubled']}",
    ]
    lines += [f"gaps: {count} × {cause}" for cause, count in report["gaps"].items()]
    lines += [
        f"ended by itself: {name}, {len(codes)} times (exit codes {sorted(set(codes))})"
        for name, codes in report["ended_by_themselves"].items()
    ]
    lines += [f"WRONG: {problem}" for problem in report["problems"]]
    lines.append("all there once, or in a named gap" if report["good"] else "NOT as promised")
    return "\n".join(lines)


def _by_kind(made: Sequence[Made]) -> dict[str, list[Made]]:
    kinds: dict[str, list[Made]] = {}
    for one in made:
        kinds.setdefault(one.fault.kind, []).append(one)
    return kinds


def _recoveries(made: Sequence[Made]) -> dict[str, float | None]:
    times = [one.recovery_s for one in made if one.recovery_s is not None]
    return {
        "median_s": round(statistics.median(times), 2) if times else None,
        "longest_s": round(max(times), 2) if times else None,
    }


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
