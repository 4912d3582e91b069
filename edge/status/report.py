"""What the status endpoint tells, as plain data: the figures, and what of them is not well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from edge.status.figures import Figures, IdentityFigures, SourceFigures
from edge.status.recent import LoggedProblem


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not well now. Its sentence is in `edge.status.words`, by its kind."""

    part: str
    """`uplink`, `calls`, `journal`, `certificate`, or `source NAME`."""
    kind: str
    detail: str = ""


def problems(figures: Figures) -> list[Problem]:
    """All that is not well. A gateway that is just starting is not well until all is connected."""
    found: list[Problem] = []
    uplink, journal = figures.uplink, figures.journal
    if not uplink.connected:
        found.append(Problem("uplink", "broker_away"))
    elif not uplink.host_online:
        found.append(Problem("uplink", "hub_away"))
    if not figures.calls.connected:
        found.append(Problem("calls", "broker_away"))
    if journal.full:
        found.append(Problem("journal", "disk_full"))
    if figures.identity.reason:
        found.append(_certificate_problem(figures.identity))
    for source in figures.sources.values():
        found += _source_problems(source)
    return found


def report(
    figures: Figures, gateway: tuple[str, str], recent: Iterable[LoggedProblem]
) -> dict[str, Any]:
    """The answer to `/status.json`: the figures under their names, instants as ISO 8601 in UTC.

    Besides: `gateway` (group, node), `now`, `well`, `problems` (part, kind, detail) and `log`, the
    last warnings, newest first.
    """
    found = problems(figures)
    told: dict[str, Any] = {
        "gateway": {"group": gateway[0], "node": gateway[1]},
        "now": datetime.now(UTC),
        "well": not found,
        "problems": [asdict(problem) for problem in found],
        **asdict(figures),
        "log": [asdict(line) for line in reversed(list(recent))],
    }
    for part in ("uplink", "calls"):
        del told[part]["beat_at"]
    told["sources"] = [_source(source) for source in figures.sources.values()]
    plain: dict[str, Any] = _plain(told)
    return plain


def _certificate_problem(identity: IdentityFigures) -> Problem:
    ends = identity.not_after
    if ends is None:
        return Problem("certificate", "certificate_unread", identity.reason)
    kind = "certificate_ended" if ends <= datetime.now(UTC) else "certificate_ends"
    return Problem("certificate", kind, f"{ends:%Y-%m-%d %H:%M} UTC; {identity.reason}")


def _source_problems(source: SourceFigures) -> Iterator[Problem]:
    part = f"source {source.device}"
    if source.state != "online":
        yield Problem(part, source.state, source.reason)
    if source.refused_nodes:
        yield Problem(part, "nodes_refused", str(source.refused_nodes))


def _source(source: SourceFigures) -> dict[str, Any]:
    told = asdict(source)
    del told["beat_at"]  # of a clock that only this process knows
    for key in ("last_heard", "last_sample"):
        instant_us = told.pop(f"{key}_us")
        told[key] = None if instant_us is None else datetime.fromtimestamp(instant_us / 1e6, UTC)
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
