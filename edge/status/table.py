"""The report of a running agent as it is shown in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.status.words import sentence, word

_STYLES = {"online": "green", "late": "yellow", "connecting": "yellow", "offline": "red"}
_MEGABYTE = 1024 * 1024


def tables(told: dict[str, Any]) -> RenderableType:
    """What `edge.status.report.report` says, for rich to print."""
    gateway = told["gateway"]
    head = Text.assemble(
        (f"{gateway['group']}/{gateway['node']}", "bold"),
        f"  {told['version']}, {word('running_since', 'en')} {_instant(told['started'])}",
    )
    return Group(head, *_verdict(told), _parts(told), _sources(told["sources"]))


def _verdict(told: dict[str, Any]) -> Iterator[Text]:
    if told["well"]:
        yield Text(word("well", "en"), "green")
    for problem in told["problems"]:
        yield Text(sentence(problem["part"], problem["kind"], problem["detail"], "en"), "red")


def _parts(told: dict[str, Any]) -> Table:
    uplink, journal, calls = told["uplink"], told["journal"], told["calls"]
    table = Table("part", "state", "details", box=None, pad_edge=False)
    table.add_row(
        "uplink",
        _state("online" if uplink["connected"] and uplink["host_online"] else "offline"),
        f"{uplink['server']}; backlog {uplink['backlog']:,} records; "
        f"last answer {_instant(uplink['last_answer'])}",
    )
    used = f"{journal['bytes'] / _MEGABYTE:,.1f} of {journal['quota_bytes'] / _MEGABYTE:,.0f} MB"
    table.add_row(
        "journal",
        Text("full", "red") if journal["full"] else Text("well", "green"),
        f"{used}; {journal['records']:,} records wait; "
        f"{journal['evicted'] + journal['expired']:,} evicted",
    )
    table.add_row(
        "calls",
        _state("online" if calls["connected"] else "offline"),
        f"{calls['calls_open']:,} calls wait for the PLC, "
        f"{calls['events_pending']:,} events for the hub",
    )
    return table


def _sources(sources: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("source", "state", "since", "last heard"):
        table.add_column(name)
    for name in ("offset", "samples", "gaps", "refused"):
        table.add_column(name, justify="right")
    for source in sources:
        offset = source["clock_offset_ms"]
        table.add_row(
            Text(source["device"]),
            _state(source["state"]),
            _instant(source["since"]),
            _instant(source["last_heard"]),
            "" if offset is None else f"{offset:+.1f} ms",
            f"{source['samples']:,}",
            f"{source['gaps']:,}",
            f"{source['refused_nodes']:,}",
        )
    return table


def _state(state: str) -> Text:
    return Text(word(state, "en"), _STYLES[state])


def _instant(text: str | None) -> str:
    """An instant in this machine's own time; the day only if it is not today."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M:%S}" if today else f"{at:%Y-%m-%d %H:%M:%S}"
