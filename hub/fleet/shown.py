"""Gateways as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from hub.fleet.gateways import GatewayView
from hub.fleet.proposals import Proposed

_HEAD = ("gateway", "state", "heard", "version", "configuration", "clock", "journal", "certificate")


def shown(view: GatewayView) -> dict[str, Any]:
    """As plain data."""
    return {
        "gateway": f"{view.group}/{view.node}",
        "supplier": view.owner,
        "partner": view.partner,
        "state": _state(view),
        "since": _iso(view.since),
        "conflict": view.conflict,
        "heard_at": _iso(view.heard_at),
        "committed_at": _iso(view.committed_at),
        "version": view.version,
        "configuration": view.configuration,
        "clock_offset_ms": view.clock_offset_ms,
        "journal_records": view.journal_records,
        "certificate_ends": _iso(view.certificate_ends),
        "gaps": view.gap_count,
        "metrics": view.metrics,
    }


def table(views: Sequence[GatewayView]) -> Iterator[str]:
    """A line for each, below a head."""
    return _aligned([_HEAD, *(_row(view) for view in views)])


def shown_proposal(made: Proposed) -> dict[str, Any]:
    """As plain data."""
    return {
        "number": made.number,
        "sections": made.sections,
        "base": made.base,
        "made_at": _iso(made.made_at),
        "made_by": made.made_by,
        "fetched_at": _iso(made.fetched_at),
        "decision": made.decision,
        "reason": made.reason,
        "decided_at": _iso(made.decided_at),
    }


def proposal_table(made: Sequence[Proposed]) -> Iterator[str]:
    """A line for each, below a head."""
    head = ("proposal", "made", "by", "sections", "decision", "decided", "reason")
    return _aligned(
        [
            head,
            *(
                (
                    str(each.number),
                    _minute(each.made_at),
                    _plain(each.made_by),
                    _plain(", ".join(each.sections)),
                    each.decision or ("under way" if each.fetched_at else "waits"),
                    _minute(each.decided_at),
                    _plain(each.reason),
                )
                for each in made
            ),
        ]
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def facts(view: GatewayView) -> Iterator[str]:
    """All of one, a line for each thing that is known."""
    told = shown(view)
    metrics = told.pop("metrics")
    named = [*told.items(), *sorted(metrics.items())]
    width = max(len(name) for name, _ in named)
    for name, value in named:
        if value is not None:
            yield f"{_plain(name).ljust(width)}  {_plain(value)}"


def _row(view: GatewayView) -> tuple[str, ...]:
    offset, journal = view.clock_offset_ms, view.journal_records
    return (
        f"{view.group}/{view.node}",
        _state(view),
        _minute(view.heard_at),
        _plain(view.version or "-"),
        _plain(view.configuration or "-"),
        "-" if offset is None else f"{offset / 1000:+.1f} s",
        "-" if journal is None else f"{journal:,}",
        _minute(view.certificate_ends),
    )


def _state(view: GatewayView) -> str:
    if view.shut_out_at is not None:
        return "shut out"
    if view.conflict is not None:
        return "conflict"
    return "online" if view.online else "offline" if view.since else "never heard"


def _minute(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _plain(value: object) -> str:
    """Without what steers a terminal: names and texts come from gateways."""
    return "".join(each if each.isprintable() else "?" for each in str(value))
