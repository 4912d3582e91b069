"""The report of a running agent as it is shown in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.status.words import Language, sentence, word

_STYLES = {"online": "green", "late": "yellow", "connecting": "yellow", "offline": "red"}
_MEGABYTE = 1024 * 1024


def tables(told: dict[str, Any], language: Language = "en") -> RenderableType:
    """What `edge.status.report.report` says, for rich to print."""
    gateway = told["gateway"]
    head = Text.assemble(
        (f"{gateway['group']}/{gateway['node']}", "bold"),
        f"  {told['version']}, {word('running_since', language)} {instant(told['started'])}",
    )
    return Group(
        head,
        *_verdict(told, language),
        _parts(told, language),
        _sources(told["sources"], language),
    )


def _verdict(told: dict[str, Any], language: Language) -> Iterator[Text]:
    if told["well"]:
        yield Text(word("well", language), "green")
    for problem in told["problems"]:
        yield Text(sentence(problem["part"], problem["kind"], problem["detail"], language), "red")


def _parts(told: dict[str, Any], language: Language) -> Table:
    uplink, journal, calls = told["uplink"], told["journal"], told["calls"]
    table = Table(
        *(word(key, language) for key in ("part", "state", "details")), box=None, pad_edge=False
    )
    table.add_row(
        word("part.uplink", language),
        _state("online" if uplink["connected"] and uplink["host_online"] else "offline", language),
        word("uplink_details", language).format(
            uplink["server"], uplink["backlog"], instant(uplink["last_answer"])
        ),
    )
    table.add_row(
        word("part.journal", language),
        Text(word("journal_full", language), "red")
        if journal["full"]
        else Text(word("journal_well", language), "green"),
        word("journal_details", language).format(
            journal["bytes"] / _MEGABYTE,
            journal["quota_bytes"] / _MEGABYTE,
            journal["records"],
            journal["evicted"] + journal["expired"],
        ),
    )
    table.add_row(
        word("part.calls", language),
        _state("online" if calls["connected"] else "offline", language),
        word("calls_details", language).format(
            calls["calls_open"], calls["events_pending"], calls["quarantined"]
        ),
    )
    identity = told["identity"]
    if identity["not_after"] is not None:
        table.add_row(
            word("part.certificate", language),
            _state("late" if identity["reason"] else "online", language),
            word("certificate_details", language).format(instant(identity["not_after"])),
        )
    return table


def _sources(sources: list[dict[str, Any]], language: Language) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("device", "state", "since", "last_heard"):
        table.add_column(word(name, language))
    for name in ("clock_offset", "samples", "gaps", "nodes_missing"):
        table.add_column(word(name, language), justify="right")
    for source in sources:
        offset = source["clock_offset_ms"]
        table.add_row(
            Text(source["device"]),
            _state(source["state"], language),
            instant(source["since"]),
            instant(source["last_heard"]),
            "" if offset is None else f"{offset:+.1f} ms",
            f"{source['samples']:,}",
            f"{source['gaps']:,}",
            f"{source['refused_nodes']:,}",
        )
    return table


def _state(state: str, language: Language) -> Text:
    return Text(word(state, language), _STYLES[state])


def instant(text: str | None) -> str:
    """An instant in this machine's own time; the day only if it is not today."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M:%S}" if today else f"{at:%Y-%m-%d %H:%M:%S}"
