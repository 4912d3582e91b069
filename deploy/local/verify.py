"""Did everything arrive, once? Compares the database with what the line PLCs wrote down themselves.

Nothing here asks the parts under test what they think: expected calls are worked out anew from the
bill of material, events and samples come from the PLCs' own ledgers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from firmware_sim.line.ledger import CallDecision, Result, Sample, read_ledger

Row = dict[str, Any]
SHOWN = 3
"""Findings of one kind shown one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class LineTruth:
    """One line: where its PLC wrote what it did, and which tag of the hub stands for which node."""

    line: str
    group: str
    node: str
    device: str
    ledger: Path
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """What the database says is missing. Open ends are None."""

    device: str | None
    start: datetime | None
    end: datetime | None
    cause: str

    def covers(self, device: str, at: datetime) -> bool:
        return (
            self.device in (None, device)
            and (self.start is None or self.start <= at)
            and (self.end is None or at <= self.end)
        )


@dataclass(slots=True)
class Verdict:
    """What was found: `problems` is empty if all is well; the counts go into the report."""

    problems: list[str] = field(default_factory=list)
    samples_produced: int = 0
    samples_committed: int = 0
    samples_in_gaps: int = 0
    gaps: int = 0
    duplicates: int = 0

    def add(self, what: str, things: Iterable[object]) -> int:
        """One problem for all `things`, if any; returns how many there were."""
        listed = [str(thing) for thing in things]
        if listed:
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            self.problems.append(f"{len(listed)} {what}: {'; '.join(listed[:SHOWN])}{more}")
        return len(listed)


def verify(database: psycopg.Connection[Any], lines: Sequence[LineTruth]) -> Verdict:
    """Check all calls, events and samples. `database` must see every row of schema lineside."""
    verdict = Verdict()
    check_calls(database, verdict)
    quarantined = _rows(database, "SELECT stream, record_offset, reason FROM lineside.quarantine")
    verdict.add(
        "records in quarantine",
        (f"{row['stream']} {row['record_offset']}: {row['reason']}" for row in quarantined),
    )
    check_event_offsets(database, verdict)
    for line in lines:
        entries = list(read_ledger(line.ledger))
        decisions = [entry for entry in entries if isinstance(entry, CallDecision)]
        results = [entry for entry in entries if isinstance(entry, Result)]
        samples = [entry for entry in entries if isinstance(entry, Sample)]
        check_decisions(database, line, decisions, verdict)
        check_results(database, line, results, verdict)
        check_samples(database, line, samples, verdict)
    return verdict


def check_calls(database: psycopg.Connection[Any], verdict: Verdict) -> None:
    """Each car that passed has each call that its bill of material asks for, once; numbers run
    1, 2, 3 … at each line; each call is acknowledged and shipped."""
    calls = _rows(
        database,
        """SELECT line, call_no, status, acknowledged_at,
                  concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key
           FROM lineside.jis_call ORDER BY line, call_no""",
    )
    found = Counter(row["key"] for row in calls)
    expected = expected_calls(database)
    verdict.add("calls missing", sorted(expected - found.keys()))
    verdict.add("calls nobody asked for", sorted(found.keys() - expected))
    verdict.duplicates += verdict.add("calls doubled", [k for k, n in found.items() if n > 1])
    for line in sorted({row["line"] for row in calls}):
        numbers = {row["call_no"] for row in calls if row["line"] == line}
        verdict.add(
            f"call numbers missing at {line}", sorted(set(range(1, max(numbers) + 1)) - numbers)
        )
    verdict.add("calls not acknowledged", (c["key"] for c in calls if not c["acknowledged_at"]))
    verdict.add(
        "calls not shipped",
        (f"{c['key']} is {c['status']}" for c in calls if c["status"] != "shipped"),
    )


def expected_calls(database: psycopg.Connection[Any]) -> set[str]:
    """Keys of the calls that the passed cars must have, from the bill of material."""
    cars = _rows(
        database,
        """SELECT o.plant, o.production_no, o.colour, o.options, p.control_point
           FROM lineside.control_point_pass p
           JOIN lineside.vehicle_order o USING (plant, production_no)""",
    )
    rules = _rows(
        database,
        """SELECT g.plant, g.id, g.line, g.control_point, r.requires, r.excludes, r.colours
           FROM lineside.part_group g
           JOIN lineside.bom_rule r ON (r.plant, r.part_group) = (g.plant, g.id)""",
    )
    return {
        f"{car['plant']}/{rule['line']}/{car['production_no']}/{rule['id']}/0"
        for car in cars
        for rule in rules
        if (rule["plant"], rule["control_point"]) == (car["plant"], car["control_point"])
        and set(rule["requires"]) <= set(car["options"])
        and not set(rule["excludes"]) & set(car["options"])
        and (rule["colours"] is None or car["colour"] in rule["colours"])
    }


def check_decisions(
    database: psycopg.Connection[Any],
    line: LineTruth,
    decisions: Sequence[CallDecision],
    verdict: Verdict,
) -> None:
    """The PLC took each call of its line once, and the hub heard so once."""
    called = set(_call_keys(database, line))
    taken = Counter(d.key for d in decisions if d.accepted and not d.repeated)
    verdict.add(f"calls never taken by the PLC of {line.line}", sorted(called - taken.keys()))
    verdict.add(f"parts the PLC of {line.line} was not called for", sorted(taken.keys() - called))
    verdict.duplicates += verdict.add(
        f"calls taken twice by the PLC of {line.line}", [k for k, n in taken.items() if n > 1]
    )
    heard = Counter(row["key"] for row in _events(database, line) if row["kind"] == "accepted")
    verdict.add(f"'accepted' events missing at {line.line}", sorted((taken - heard).elements()))
    verdict.duplicates += verdict.add(
        f"'accepted' events doubled at {line.line}", sorted((heard - taken).elements())
    )


def check_results(
    database: psycopg.Connection[Any],
    line: LineTruth,
    results: Sequence[Result],
    verdict: Verdict,
) -> None:
    """Each result of the PLC is one event, with the same content; and there are no others."""
    numbers = [result.no for result in results]
    if numbers != list(range(1, len(numbers) + 1)):
        verdict.problems.append(f"the ledger of {line.line} does not number its results 1, 2, 3 …")
    produced = Counter(
        (r.result, r.key, r.serial, r.verdict, r.rack, r.slot, _instant(r.at)) for r in results
    )
    stored = Counter(
        (
            *(row["kind"], row["key"], row["serial"] or "", row["verdict"] or ""),
            *(row["rack"] or "", int(row["slot"] or 0), _to_ms(row["source_at"])),
        )
        for row in _events(database, line)
        if row["kind"] in ("produced", "inspected", "packed", "shipped")
    )
    verdict.add(
        f"PLC results without their event at {line.line}",
        (_result_name(key) for key in (produced - stored).elements()),
    )
    surplus = list((stored - produced).elements())
    verdict.duplicates += verdict.add(
        f"events doubled at {line.line}", (_result_name(key) for key in surplus if key in produced)
    )
    verdict.add(
        f"events the PLC of {line.line} never reported",
        (_result_name(key) for key in surplus if key not in produced),
    )


def check_samples(
    database: psycopg.Connection[Any],
    line: LineTruth,
    samples: Sequence[Sample],
    verdict: Verdict,
) -> None:
    """Each sample of the PLC is committed once or lies in a named gap, and there are no others."""
    produced = {(line.tags[s.node], _instant(s.at)): s for s in samples if s.node in line.tags}
    gaps = _gaps(database, line)
    stored = Counter[tuple[str, datetime]]()
    wrong = []
    for row in _samples(database, line):
        key = (row["name"], row["time"])
        stored[key] += 1
        if (truth := produced.get(key)) is not None and not _same_value(truth, row):
            wrong.append(
                f"{_sample_name(key)} is {row['value']}, {row['text']!r}, not {truth.value!r}"
            )
    missing = sorted(produced.keys() - stored.keys())
    lost = [key for key in missing if not any(g.covers(line.device, key[1]) for g in gaps)]
    verdict.add(f"samples of {line.line} lost outside any named gap", map(_sample_name, lost))
    verdict.duplicates += verdict.add(
        f"samples of {line.line} committed twice",
        (_sample_name(key) for key, count in stored.items() if count > 1),
    )
    verdict.add(
        f"samples the PLC of {line.line} never had",
        map(_sample_name, sorted(stored.keys() - produced.keys())),
    )
    verdict.add(f"samples of {line.line} with another value", wrong)
    verdict.samples_produced += len(produced)
    verdict.samples_committed += sum(stored.values())
    verdict.samples_in_gaps += len(missing) - len(lost)
    verdict.gaps += len(gaps)


def check_event_offsets(database: psycopg.Connection[Any], verdict: Verdict) -> None:
    """The events of a stream have all offsets below its watermark."""
    rows = _rows(
        database,
        """SELECT g.node_id, c.epoch, c.watermark, count(e.id) AS stored
           FROM lineside.stream_cursor c
           JOIN lineside.gateway g ON g.id = c.gateway
           LEFT JOIN lineside.call_event e
             ON (e.gateway, e.epoch) = (c.gateway, c.epoch) AND e.record_offset < c.watermark
           WHERE c.stream = 'events'
           GROUP BY g.node_id, c.epoch, c.watermark""",
    )
    verdict.add(
        "event streams with holes",
        (
            f"{row['node_id']} epoch {row['epoch']}: {row['stored']} of {row['watermark']} stored"
            for row in rows
            if row["stored"] != row["watermark"]
        ),
    )


def _rows(
    database: psycopg.Connection[Any], query: str, parameters: Mapping[str, object] | None = None
) -> list[Row]:
    with database.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def _call_keys(database: psycopg.Connection[Any], line: LineTruth) -> list[str]:
    rows = _rows(
        database,
        """SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key
           FROM lineside.jis_call WHERE line = %(line)s""",
        {"line": line.line},
    )
    return [row["key"] for row in rows]


def _events(database: psycopg.Connection[Any], line: LineTruth) -> list[Row]:
    return _rows(
        database,
        """SELECT e.kind, e.serial, e.source_at, e.body->>'verdict' AS verdict,
                  e.body->>'rack' AS rack, e.body->>'slot' AS slot,
                  concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index)
                    AS key
           FROM lineside.call_event e JOIN lineside.jis_call c ON c.id = e.call
           WHERE c.line = %(line)s""",
        {"line": line.line},
    )


def _samples(database: psycopg.Connection[Any], line: LineTruth) -> list[Row]:
    return _rows(
        database,
        """SELECT t.name, s.time, s.value, s.text
           FROM lineside.sample s
           JOIN lineside.tag t ON t.id = s.tag_id
           JOIN lineside.device d ON d.id = t.device
           JOIN lineside.gateway g ON g.id = d.gateway
           WHERE (g.group_id, g.node_id, d.name) = (%(group)s, %(node)s, %(device)s)""",
        {"group": line.group, "node": line.node, "device": line.device},
    )


def _gaps(database: psycopg.Connection[Any], line: LineTruth) -> list[Gap]:
    rows = _rows(
        database,
        """SELECT p.device, p.from_time, p.to_time, p.cause
           FROM lineside.gap p JOIN lineside.gateway g ON g.id = p.gateway
           WHERE (g.group_id, g.node_id) = (%(group)s, %(node)s) AND p.stream = 'telemetry'""",
        {"group": line.group, "node": line.node},
    )
    return [Gap(r["device"], r["from_time"], r["to_time"], r["cause"]) for r in rows]


def _same_value(truth: Sample, row: Row) -> bool:
    if truth.type == "String":
        return bool(row["text"] == truth.value)
    return row["value"] is not None and float(row["value"]) == float(truth.value)


def _instant(microseconds: int) -> datetime:
    """The instant as it travels: whole milliseconds."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=microseconds // 1000)


def _to_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _result_name(key: tuple[str, str, str, str, str, int, datetime]) -> str:
    kind, call, serial, *_ = key
    return f"{kind} {call} (serial {serial or '-'})"


def _sample_name(key: tuple[str, datetime]) -> str:
    return f"{key[0]} at {key[1].isoformat(timespec='milliseconds')}"
