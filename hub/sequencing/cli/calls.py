"""`lineside-hub sequence calls`: what each supplier line is called for, by a day's calendar."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from hub.orders.cli import refusing
from hub.orders.formats import read_given
from hub.orders.problems import InputError, did_you_mean
from hub.sequencing.call_plan import PlannedCall, plan_calls
from hub.sequencing.cli.common import DayArgument, SequenceArgument, placing, table_text


class Form(StrEnum):
    """How calls are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def calls(
    day: DayArgument,
    sequence: SequenceArgument = None,
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
        cars = given.instance.cars if sequence is None else given.read_sequence(sequence)
        known = [each.id for each in given.day.lines]
        if line is not None and line not in known:
            raise InputError([f"--line {line}: no such line{did_you_mean(line, known)}"])
        calendar = given.day.calendar
        with placing(day):
            plan = plan_calls(
                cars,
                given.day.bill,
                given.day.lines,
                calendar.shifts,
                calendar.start,
                given.day.first_calls,
            )
    wanted = (call for call in plan if line is None or call.line == line)
    typer.echo(_PRINTED[form](wanted, ZoneInfo(calendar.shifts.zone)), nl=False)


def _table(found: Iterable[PlannedCall], zone: ZoneInfo) -> str:
    head = ("line", "call", "seq", "required", "car", "part", "qty", "rack", "slot", "dock")
    rows = (
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
        )
        for call in sorted(found, key=lambda call: (call.line, call.call_no))
    )
    return table_text(head, rows) + "\n"


def _csv(found: Iterable[PlannedCall], _: ZoneInfo) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PlannedCall._fields)
    writer.writerows((*call[:-1], _utc(call)) for call in found)
    return text.getvalue()


def _json(found: Iterable[PlannedCall], _: ZoneInfo) -> str:
    rows = (json.dumps({**call._asdict(), "required_at": _utc(call)}) for call in found)
    return "[\n" + ",\n".join(rows) + "\n]\n"


def _utc(call: PlannedCall) -> str:
    return call.required_at.isoformat().replace("+00:00", "Z")


_PRINTED = {Form.TABLE: _table, Form.CSV: _csv, Form.JSON: _json}
