"""The ledger of every call of a day: what plant and line PLCs wrote down of it, and what the hub
says. What is expected follows from the plant's record alone, never from the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from deploy.local.verify import LineTruth, Verdict
from firmware_sim.line.clock import instant_us
from firmware_sim.line.ledger import CallDecision, Result, read_ledger
from firmware_sim.plant.record import PlantEntry
from protocols.jis.messages import CallKey

_CALLS = """
SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key, call_no,
    car, status AS part, called_at, acknowledged_at
FROM lineside.jis_call ORDER BY line, call_no
"""
_DOCK_EVENTS = """
SELECT concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index), e.kind,
    count(*)
FROM lineside.call_event e JOIN lineside.jis_call c ON c.id = e.call
WHERE e.kind = ANY (%s) GROUP BY 1, 2
"""
_AT_PLANT = ("consumed", "rejected", "returned")
_ONCE = ("called", "taken", "shipped", "received", "consumed", "rejected", "returned")
_LET_GO = ("dropped", "scrapped", "stocked", "returned")
_ENDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "fitted": ("fitted", ("consumed",)),
    "reordered": ("replaced", ("rejected",)),
    "cancelled": ("cancelled", _LET_GO),
}
"""What plant and supplier made of a part, and what the hub must say then: the car's status, and the
part's."""


@dataclass(slots=True)
class CallLine:
    """One call. Instants are None where it never came to it."""

    key: str
    car: str
    line: str
    call_no: int | None = None
    passed_at: datetime | None = None
    called_at: datetime | None = None
    acknowledged_at: datetime | None = None
    taken_at: datetime | None = None
    produced_at: datetime | None = None
    shipped_at: datetime | None = None
    received_at: datetime | None = None
    ended_at: datetime | None = None
    fate: str = "open"
    """By plant and supplier: fitted, reordered, cancelled, or open."""
    hub_car: str | None = None
    hub_part: str | None = None
    at_supplier: list[str] = field(default_factory=list)
    """How its part ended there, if it did not leave."""
    times: dict[str, int] = field(default_factory=dict)
    """How often each thing happened that may happen once."""


def read_ledger_of_calls(
    database: psycopg.Connection[Any], plant: Sequence[PlantEntry], lines: Sequence[LineTruth]
) -> list[CallLine]:
    """All calls that plant, PLCs or hub know, by line and number. `database` sees all rows."""
    calls: dict[str, CallLine] = {}

    def call(key: str) -> CallLine:
        parsed = CallKey.parse(key)
        return calls.setdefault(key, CallLine(key, parsed.production_no, parsed.line))

    _from_plant(plant, call)
    for line in lines:
        for entry in read_ledger(line.ledger, samples=False):
            if isinstance(entry, CallDecision) and entry.builds:
                _count(call(entry.key), "taken", "taken_at", entry.at)
            elif isinstance(entry, Result) and entry.key:
                _from_line(entry, call(entry.key))
    passed = {entry.car: entry.instant for entry in plant if entry.what == "passed"}
    cancelled = {entry.car for entry in plant if entry.what == "cancelled"}
    with database.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_CALLS).fetchall():
            one = call(row["key"])
            one.call_no, one.hub_car, one.hub_part = row["call_no"], row["car"], row["part"]
            one.called_at, one.acknowledged_at = row["called_at"], row["acknowledged_at"]
            one.times["called"] = one.times.get("called", 0) + 1
    for one in calls.values():
        one.passed_at = passed.get(one.car)
        if one.fate == "open" and one.car in cancelled:
            one.fate = "cancelled"
    return sorted(calls.values(), key=lambda one: (one.line, one.call_no or 0, one.key))


def check_day(
    ledger: Sequence[CallLine],
    entries: Sequence[PlantEntry],
    groups: Mapping[str, Sequence[str]],
    plant: str,
    verdict: Verdict,
) -> None:
    """Whether each call that the plant's day asks for is there once, and ended once. `groups`: part
    groups by line, of which each car has one part."""
    expected = {
        f"{plant}/{line}/{entry.car}/{group}/0"
        for entry in entries
        if entry.what == "passed"
        for line, members in groups.items()
        for group in members
    }
    expected |= {_next(entry.key) for entry in entries if entry.what == "reordered"}
    known = {one.key for one in ledger if "called" in one.times}
    verdict.add("calls of the plant's day missing at the hub", sorted(expected - known))
    named = {one.key for one in ledger}
    verdict.add("calls that the plant's day did not ask for", sorted(named - expected))
    for what in _ONCE:
        many = [one.key for one in ledger if one.times.get(what, 0) > 1]
        verdict.duplicates += verdict.add(f"calls {what} more than once", many)
    verdict.add("parts that never ended", (one.key for one in ledger if one.fate == "open"))
    verdict.add("calls that end at the hub otherwise than in the plant", _otherwise(ledger))
    verdict.add("messages that the hub refused", (e.detail for e in entries if e.what == "refused"))


def check_dock(
    database: psycopg.Connection[Any], entries: Iterable[PlantEntry], verdict: Verdict
) -> None:
    """What the plant says of its parts is in the hub's history, each once."""
    said = {(entry.key, entry.what) for entry in entries if entry.what in _AT_PLANT}
    heard = {
        (key, kind): count
        for key, kind, count in database.execute(_DOCK_EVENTS, (list(_AT_PLANT),)).fetchall()
    }
    verdict.add("things said of parts that the hub has not", sorted(said - heard.keys()))
    verdict.add("things the plant never said of parts", sorted(heard.keys() - said))
    verdict.duplicates += verdict.add(
        "things said of parts that the hub has more than once",
        sorted(what for what, count in heard.items() if count > 1),
    )


def table(ledger: Iterable[CallLine], counts: Mapping[str, int]) -> str:
    """The ledger as a table, and what it comes to."""
    head = ("call", "no", "passed", "ack", "taken", "built", "shipped", "received", "ended", "end")
    rows: list[tuple[str, ...]] = [head]
    for one in ledger:
        instants = (one.passed_at, one.acknowledged_at, one.taken_at, one.produced_at)
        later = (one.shipped_at, one.received_at, one.ended_at)
        times = tuple("-" if at is None else f"{at:%H:%M:%S}" for at in (*instants, *later))
        states = f"{one.fate}: {one.hub_car}, {one.hub_part}"
        rows.append((one.key, str(one.call_no or "-"), *times, states))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *(f"{name:<25} {count}" for name, count in counts.items())])


def plain(one: CallLine) -> dict[str, Any]:
    """As it stands in the JSON file: instants in ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }


def counts(ledger: Iterable[CallLine]) -> dict[str, int]:
    """Calls by line and by how they ended."""
    found = Counter[str]()
    for one in ledger:
        found[f"calls of {one.line}"] += 1
        found[f"calls {one.fate}"] += 1
    return dict(sorted(found.items()))


def _from_plant(entries: Iterable[PlantEntry], call: Callable[[str], CallLine]) -> None:
    for entry in entries:
        if entry.what == "received":
            _count(call(entry.key), "received", "received_at", entry.at)
        elif entry.what in _AT_PLANT:
            one = call(entry.key)
            _count(one, entry.what, "ended_at", entry.at)
            if entry.what == "consumed":
                one.fate = "fitted"
        elif entry.what == "reordered":
            call(entry.key).fate = "reordered"


def _from_line(result: Result, one: CallLine) -> None:
    if result.result == "produced":
        one.produced_at = instant_us(result.at)
    elif result.result == "shipped":
        _count(one, "shipped", "shipped_at", result.at)
    elif result.result in _LET_GO:
        one.at_supplier.append(result.result)
        one.ended_at = instant_us(result.at)


def _count(one: CallLine, what: str, when: str, at_us: int) -> None:
    one.times[what] = one.times.get(what, 0) + 1
    setattr(one, when, instant_us(at_us))


def _otherwise(calls: Iterable[CallLine]) -> list[str]:
    found = []
    for one in calls:
        if one.fate not in _ENDS:
            continue
        car, parts = _ENDS[one.fate]
        if one.hub_car != car or one.hub_part not in parts:
            found.append(f"{one.key} is {one.fate}, the hub says {one.hub_car}, {one.hub_part}")
        elif one.fate == "cancelled" and len(one.at_supplier) + one.times.get("returned", 0) > 1:
            found.append(f"{one.key} ended twice: {one.at_supplier}, {one.times}")
    return found


def _next(key: str) -> str:
    rest, _, index = key.rpartition("/")
    return f"{rest}/{int(index) + 1}"
