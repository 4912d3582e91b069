"""`lineside-hub sequence calls`: what each supplier line is called for, by a day's calendar."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

import typer

from hub.orders.cli import refusing
from hub.orders.formats import GivenDay, read_given
from hub.orders.problems import InputError, did_you_mean
from hub.sequencing.call_plan import (
    Changes,
    PlannedCall,
    plan_calls,
    replan,
)
from hub.sequencing.cli.common import DayArgument, SequenceArgument, placing, table_text
from hub.sequencing.model import Car
from hub.sequencing.numbering import MOVED, RENUMBERED, REPLACED, RETIMED

_CHANGES = {
    RENUMBERED: "renumbered",
    RETIMED: "retimed",
    MOVED: "other slot",
    REPLACED: "other part",
}


class Form(StrEnum):
    """How calls are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class _Row(NamedTuple):
    """A call as it is printed, and what has changed of it where that was asked."""

    call: PlannedCall
    change: str | None = None


def calls(
    day: DayArgument,
    sequence: SequenceArgument = None,
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="BEFORE", help="The sequence until now: print only calls that change, and how."
        ),
    ] = None,
    line: Annotated[str | None, typer.Option(help="Calls of this supplier line only.")] = None,
    form: Annotated[Form, typer.Option("--as", help="How to print them.")] = Form.TABLE,
) -> None:
    """Print the calls that a sequence becomes: number, part, required time, rack and slot.

    Needs a day file with calendar and lines. Times are the plant's; in CSV and JSON UTC.
    """
    with refusing("refused"):
        given = read_given(day)
        if given.day is None or given.day.calendar is None or not given.day.lines:
            raise InputError([f"{day}: calls need a day file with a calendar and with part groups"])
        known = [each.id for each in given.day.lines]
        if line is not None and line not in known:
            raise InputError([f"--line {line}: no such line{did_you_mean(line, known)}"])
        with placing(day):
            plan = plan_calls(
                _cars(given, sequence if since is None else since),
                given.day.bill,
                given.day.lines,
                given.day.calendar.shifts,
                given.day.calendar.start,
                given.day.first_calls,
            )
            if since is None:
                rows = [_Row(call) for call in plan]
            else:
                rows = _changed(replan(plan, _cars(given, sequence))[1])
    wanted = [row for row in rows if line is None or row.call.line == line]
    zone = ZoneInfo(plan.calendar.zone)
    typer.echo(_PRINTED[form](wanted, zone, since is not None), nl=False)


def _cars(given: GivenDay, sequence: Path | None) -> tuple[Car, ...]:
    """Cars that are held need not be in a sequence: nothing is called for them."""
    return given.instance.cars if sequence is None else given.read_sequence(sequence, whole=False)


def _changed(changes: Changes) -> list[_Row]:
    rows = []
    for (before, after), what in zip(changes, changes.what, strict=True):
        if after is not None:
            told = [name for flag, name in _CHANGES.items() if what & flag]
            rows.append(_Row(after, ", ".join(told) if before is not None else "new"))
        elif before is not None:
            rows.append(_Row(before, "gone"))
    return rows


def _table(rows: list[_Row], zone: ZoneInfo, changes: bool) -> str:
    head = ("line", "call", "seq", "required", "car", "part", "qty", "rack", "slot", "dock")
    cells = (
        (
            call.line,
            call.call_no,
            call.sequence_no,
            f"{call.required_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            call.production_no,
            call.part_no,
            call.quantity,
            call.rack,
            call.slot,
            call.unloading_point,
            *([change] if changes else []),
        )
        for call, change in sorted(rows, key=lambda row: (row.call.line, row.call.call_no))
    )
    return table_text((*head, "change") if changes else head, cells) + "\n"


def _csv(rows: list[_Row], _zone: ZoneInfo, changes: bool) -> str:
    text = io.StringIO(newline="")
    fields = (*PlannedCall._fields, *(["change"] if changes else []))
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(row) for row in rows)
    return text.getvalue()


def _json(rows: list[_Row], _zone: ZoneInfo, _changes: bool) -> str:
    return "[\n" + ",\n".join(json.dumps(_record(row)) for row in rows) + "\n]\n"


def _record(row: _Row) -> dict[str, object]:
    required_at = row.call.required_at.isoformat().replace("+00:00", "Z")
    changed = {} if row.change is None else {"change": row.change}
    return {**row.call._asdict(), "required_at": required_at, **changed}


_PRINTED = {Form.TABLE: _table, Form.CSV: _csv, Form.JSON: _json}
