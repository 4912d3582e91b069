"""Did everything arrive, once? Compares the database with what the line PLCs wrote down themselves.

Nothing here asks the parts under test what they think: expected calls are worked out anew from the
bill of material, events and samples come from the PLCs' own ledgers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from firmware_sim.line.ledger import (
    CallDecision,
    Entry,
    Result,
    Sample,
    TagValue,
    read_ledger,
)
from protocols.opcua.line import PART_RESULTS, TRUCK_RESULTS
from protocols.sparkplug import DataType

Row = dict[str, Any]
Identity = tuple[str, datetime, float | str]
"""A value of a line as it travels: its tag's name at the hub, source time, and value."""
Place = tuple[int, tuple[int, int]]
"""Where a row was stored: its transaction, and within that its partition and page."""
Loaded = tuple[str, str, str, int]
"""A part on a truck: its call, serial, rack and slot."""
ANSWERED_COMMANDS = ("replace", "hold", "resume", "cancel")
"""What the gateway reports the answer to."""
_LEFT = ("shipped", "arrived", "mismatched", "confirmed", "consumed", "rejected", "returned")
_ENDED_CARS = ("cancelled", "replaced")
_LET_GO = ("dropped", "scrapped", "stocked")
_EVER = datetime.min.replace(tzinfo=UTC)
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
    since: int = 0
    """Index of the ledger's first entry whose value must be there: nobody can have what a line
    produced before a gateway read it for the first time."""


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


@dataclass(frozen=True, slots=True)
class Judge:
    """Says what may be missing where something was broken on purpose. By default for faults that
    destroy nothing: a value may lie in a gap that names it, whatever the gap's cause; no event may
    be missing, and every part has left in the end, or was let go of with its car.

    An index counts the entries of a line's ledger, from 0.
    """

    value_may_be_missing: Callable[[LineTruth, int, Sequence[Gap]], bool] = lambda *_: True
    """Whether this value may be missing, which lies in all of these gaps, one at least."""
    event_may_be_missing: Callable[[LineTruth, int], bool] = lambda *_: False
    """Whether the event of this result or decision may be missing."""
    call_may_stay: Callable[[LineTruth, str, str], bool] = lambda *_: False
    """Whether the call of this key may end in this status, which is not shipped."""


@dataclass(slots=True)
class Verdict:
    """What was found: `problems` is empty if all is well; the counts go into the report."""

    problems: list[str] = field(default_factory=list)
    samples_produced: int = 0
    samples_committed: int = 0
    samples_in_gaps: int = 0
    samples_lost: int = 0
    gaps: int = 0
    duplicates: int = 0
    reordered: int = 0
    events: int = 0
    events_in_gaps: int = 0
    undecided: int = 0

    def add(self, what: str, things: Iterable[object]) -> int:
        """One problem for all `things`, if any; returns how many there were."""
        listed = [str(thing) for thing in things]
        if listed:
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            self.problems.append(f"{len(listed)} {what}: {'; '.join(listed[:SHOWN])}{more}")
        return len(listed)


def verify(
    database: psycopg.Connection[Any], lines: Sequence[LineTruth], judge: Judge | None = None
) -> Verdict:
    """Check all calls, events and samples. `database` must see every row of schema lineside."""
    verdict, judge = Verdict(), judge or Judge()
    check_calls(database, lines, verdict, judge)
    quarantined = _rows(database, "SELECT stream, record_offset, reason FROM lineside.quarantine")
    verdict.add(
        "records in quarantine",
        (f"{row['stream']} {row['record_offset']}: {row['reason']}" for row in quarantined),
    )
    check_event_offsets(database, verdict)
    for line in lines:
        entries = list(read_ledger(line.ledger))
        check_decisions(database, line, entries, verdict, judge)
        check_commands(database, line, entries, verdict, judge)
        check_results(database, line, entries, verdict, judge)
        check_trucks(database, line, entries, verdict, judge)
        check_samples(database, line, entries, verdict, judge)
    return verdict


def check_calls(
    database: psycopg.Connection[Any],
    lines: Sequence[LineTruth],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """Each car that passed has each call that its bill of material asks for, once; numbers run
    1, 2, 3 … at each line; each call is acknowledged and shipped."""
    truths = {line.line: line for line in lines}
    calls = _rows(
        database,
        """SELECT line, call_no, status, car, acknowledged_at,
                  concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key
           FROM lineside.jis_call ORDER BY line, call_no""",
    )
    found = Counter(row["key"] for row in calls)
    expected = expected_calls(database)
    verdict.add("calls missing", sorted(expected - found.keys()))
    replaced = {row["key"] for row in calls if row["car"] == "replaced"}
    reorders = {key for key in found if _reordered(key) in replaced}
    verdict.add("calls nobody asked for", sorted(found.keys() - expected - reorders))
    verdict.duplicates += verdict.add("calls doubled", [k for k, n in found.items() if n > 1])
    for line in sorted({row["line"] for row in calls}):
        numbers = {row["call_no"] for row in calls if row["line"] == line}
        verdict.add(
            f"call numbers missing at {line}", sorted(set(range(1, max(numbers) + 1)) - numbers)
        )
    verdict.add("calls not acknowledged", (c["key"] for c in calls if not c["acknowledged_at"]))
    left = [c for c in calls if not _ended_well(c["car"], c["status"])]
    wrong = [c for c in left if not judge.call_may_stay(truths[c["line"]], c["key"], c["status"])]
    verdict.undecided += len(left) - len(wrong)
    verdict.add("calls not shipped", (f"{c['key']} is {c['status']}" for c in wrong))


def _ended_well(car: str, part: str) -> bool:
    """Whether the part has left, or was let go of with its car."""
    return part in _LEFT or (car in _ENDED_CARS and part in _LET_GO)


def _reordered(key: str) -> str:
    """Key of the call that a reorder takes the place of; empty for a first call."""
    rest, _, index = key.rpartition("/")
    return f"{rest}/{int(index) - 1}" if int(index) else ""


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
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """The PLC took each call of its line once, and the hub heard so once."""
    called = _calls(database, line)
    taken = Counter[str]()
    index_of: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if isinstance(entry, CallDecision) and entry.builds:
            taken[entry.key] += 1
            index_of[entry.key] = index
    verdict.add(
        f"calls never taken by the PLC of {line.line}",
        sorted(
            key
            for key, (car, part) in called.items()
            if key not in taken
            # The gateway lets go of a call that ends before its line has taken it.
            and not (car in _ENDED_CARS and part == "dropped")
            and not judge.call_may_stay(line, key, part)
        ),
    )
    verdict.add(
        f"parts the PLC of {line.line} was not called for", sorted(taken.keys() - called.keys())
    )
    verdict.duplicates += verdict.add(
        f"calls taken twice by the PLC of {line.line}", [k for k, n in taken.items() if n > 1]
    )
    heard = Counter(row["key"] for row in _events(database, line) if row["kind"] == "accepted")
    missing = list((taken - heard).elements())
    lost = [key for key in missing if not judge.event_may_be_missing(line, index_of[key])]
    verdict.events += sum(taken.values())
    verdict.events_in_gaps += len(missing) - len(lost)
    verdict.add(f"'accepted' events missing at {line.line}", sorted(lost))
    verdict.duplicates += verdict.add(
        f"'accepted' events doubled at {line.line}", sorted((heard - taken).elements())
    )


def check_results(
    database: psycopg.Connection[Any],
    line: LineTruth,
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """Each result of the PLC is one event, with the same content; and there are no others."""
    results = {i: entry for i, entry in enumerate(entries) if isinstance(entry, Result)}
    if [result.no for result in results.values()] != list(range(1, len(results) + 1)):
        verdict.problems.append(f"the ledger of {line.line} does not number its results 1, 2, 3 …")
    of_parts = {i: r for i, r in results.items() if r.result in PART_RESULTS}
    index_of = {
        (r.result, r.key, r.serial, r.verdict, r.rack, r.slot, _instant(r.at)): index
        for index, r in of_parts.items()
    }
    taken = {e.key for e in entries if isinstance(e, CallDecision) and e.builds}
    stored = Counter(
        (
            *(row["kind"], row["key"], row["serial"] or "", row["verdict"] or ""),
            *(row["rack"] or "", int(row["slot"] or 0), _to_ms(row["source_at"])),
        )
        for row in _events(database, line)
        # A person may say the same kinds, and the gateway lets go of what the line never took.
        if row["kind"] in PART_RESULTS
        and row["by"] is None
        and not (row["kind"] == "dropped" and row["key"] not in taken)
    )
    missing = index_of.keys() - stored.keys()
    lost = [key for key in missing if not judge.event_may_be_missing(line, index_of[key])]
    verdict.events += len(of_parts)
    verdict.events_in_gaps += len(missing) - len(lost)
    verdict.add(f"PLC results without their event at {line.line}", map(_result_name, sorted(lost)))
    verdict.duplicates += verdict.add(
        f"events doubled at {line.line}",
        (_result_name(key) for key, n in stored.items() if key in index_of and n > 1),
    )
    verdict.add(
        f"events the PLC of {line.line} never reported",
        (_result_name(key) for key in sorted(stored.keys() - index_of.keys())),
    )


def check_commands(
    database: psycopg.Connection[Any],
    line: LineTruth,
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """What the PLC said last to each change, hold and cancel is what the hub heard, once."""
    said: dict[tuple[str, int], tuple[str, int]] = {}
    for index, entry in enumerate(entries):
        if isinstance(entry, CallDecision) and entry.command in ANSWERED_COMMANDS:
            kind = "confirmed_change" if entry.accepted else "refused_change"
            said[entry.key, entry.revision] = kind, index
    heard = Counter(
        (row["key"], int(row["revision"] or 0), row["kind"])
        for row in _events(database, line)
        if row["kind"] in ("confirmed_change", "refused_change")
    )
    told = {(key, revision, kind): index for (key, revision), (kind, index) in said.items()}
    missing = [answer for answer in told if not heard[answer]]
    lost = [answer for answer in missing if not judge.event_may_be_missing(line, told[answer])]
    verdict.events += len(told)
    verdict.events_in_gaps += len(missing) - len(lost)
    verdict.add(f"answers of the PLC of {line.line} that the hub never heard", sorted(lost))
    verdict.duplicates += verdict.add(
        f"answers to changes doubled at {line.line}", [a for a, n in heard.items() if n > 1]
    )
    verdict.add(
        f"answers that the PLC of {line.line} never gave",
        sorted(a for a in heard if a[:2] in said and a not in told),
    )


def check_trucks(
    database: psycopg.Connection[Any],
    line: LineTruth,
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """Each truck that the PLC sent is one dispatch advice with all its parts; so is each delay."""
    results = {i: entry for i, entry in enumerate(entries) if isinstance(entry, Result)}
    parts: dict[str, set[Loaded]] = {}
    for result in results.values():
        if result.result == "shipped" and result.shipment:
            part = (result.key, result.serial, result.rack, result.slot)
            parts.setdefault(result.shipment, set()).add(part)
    told = {
        ("shipment" if r.result == "departed" else "delay", r.shipment): index
        for index, r in results.items()
        if r.result in TRUCK_RESULTS
    }
    rows = _rows(
        database,
        "SELECT kind, body FROM lineside.line_event WHERE line = %(line)s",
        {"line": line.line},
    )
    heard = Counter((row["kind"], row["body"]["shipment"]) for row in rows)
    missing = [truck for truck in told if not heard[truck]]
    lost = [truck for truck in missing if not judge.event_may_be_missing(line, told[truck])]
    verdict.events += len(told)
    verdict.events_in_gaps += len(missing) - len(lost)
    verdict.add(f"trucks of {line.line} that the hub never heard of", map(_truck_name, lost))
    verdict.duplicates += verdict.add(
        f"trucks of {line.line} told twice", (_truck_name(t) for t, n in heard.items() if n > 1)
    )
    for row in rows:
        body = row["body"]
        # A truck whose loading lies in a gap is known by what is left of it.
        if row["kind"] != "shipment" or body["shipment"] not in parts:
            continue
        wrong = parts[body["shipment"]] ^ _loaded(body)
        may = [i for i, r in results.items() if r.shipment == body["shipment"]]
        if not any(judge.event_may_be_missing(line, index) for index in may):
            verdict.add(
                f"parts that the advice of {body['shipment']} and its truck do not share",
                sorted(f"{key} (serial {serial})" for key, serial, _, _ in wrong),
            )


def check_samples(
    database: psycopg.Connection[Any],
    line: LineTruth,
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
) -> None:
    """Each sample of the PLC is committed once, in order, or lies in a named gap, and there are no
    others."""
    produced = produced_by(line, entries)
    findings = compare(produced, _samples(database, line))
    gaps = _gaps(database, line)
    lost = _judge_missing(line, findings.missing, gaps, verdict, judge)
    verdict.duplicates += verdict.add(
        f"samples of {line.line} committed twice", map(_sample_name, findings.doubled)
    )
    verdict.reordered += verdict.add(
        f"samples of {line.line} out of order", map(_sample_name, findings.reordered)
    )
    verdict.add(f"samples the PLC of {line.line} never had", findings.strange)
    verdict.samples_produced += sum(index >= line.since for index, _ in produced)
    verdict.samples_committed += findings.committed
    due = sum(index >= line.since for index, _ in findings.missing)
    verdict.samples_in_gaps += due - lost
    verdict.samples_lost += lost
    verdict.gaps += len(gaps)


def check_missing_samples(
    database: psycopg.Connection[Any],
    line: LineTruth,
    entries: Sequence[Entry],
    verdict: Verdict,
    judge: Judge,
    *,
    since: int,
) -> None:
    """As `check_samples`, of what is missing alone, among the entries from index `since`."""
    produced = [(i, identity) for i, identity in produced_by(line, entries) if i >= since]
    if produced:
        oldest = min(time for _, (_, time, _) in produced)
        findings = compare(produced, _samples(database, line, oldest))
        _judge_missing(line, findings.missing, _gaps(database, line), verdict, judge)


def _judge_missing(
    line: LineTruth,
    missing: Iterable[tuple[int, Identity]],
    gaps: Sequence[Gap],
    verdict: Verdict,
    judge: Judge,
) -> int:
    """How many of the missing values are in no gap."""
    lost, needless = [], []
    for index, identity in missing:
        if index < line.since:
            continue
        covering = [gap for gap in gaps if gap.covers(line.device, identity[1])]
        if not covering:
            lost.append(identity)
        elif not judge.value_may_be_missing(line, index, covering):
            needless.append(f"{_sample_name(identity)} ({covering[0].cause})")
    verdict.add(f"samples of {line.line} in a gap that no fault explains", needless)
    return verdict.add(
        f"samples of {line.line} lost outside any named gap", map(_sample_name, lost)
    )


@dataclass(slots=True)
class SampleFindings:
    """How what is committed differs from what a line produced."""

    committed: int = 0
    missing: list[tuple[int, Identity]] = field(default_factory=list)
    """With its index in the ledger."""
    doubled: list[Identity] = field(default_factory=list)
    reordered: list[Identity] = field(default_factory=list)
    """Came after a later value of its tag, both live or both historical: in a later transaction, or
    in the same one and behind it on the same page."""
    strange: list[str] = field(default_factory=list)
    """Never produced, or with another value."""


def produced_by(line: LineTruth, entries: Sequence[Entry]) -> list[tuple[int, Identity]]:
    """The values of a line's known tags, each with its index in the ledger."""
    return [
        (index, (line.tags[entry.node], _instant(entry.at), _comparable(entry.value)))
        for index, entry in enumerate(entries)
        if isinstance(entry, Sample) and entry.node in line.tags
    ]


def compare(
    produced: Sequence[tuple[int, Identity]], rows: Iterable[tuple[Identity, bool, Place]]
) -> SampleFindings:
    """Compare what was produced, in its order, with what is committed, by transaction and by the
    order on each page; of each row its identity, whether it came as historical, and its place.

    Which of two pages a transaction filled first cannot be told: one COPY fills its page, then the
    room left on an older page, then a new page.
    """
    findings = SampleFindings()
    waiting: dict[Identity, list[int]] = {}
    for index, identity in reversed(produced):
        waiting.setdefault(identity, []).append(index)
    times = {identity[:2]: identity[2] for _, identity in produced}
    before: dict[tuple[str, bool], int] = {}
    """The newest of each tag from earlier transactions."""
    here: dict[tuple[tuple[str, bool], tuple[int, int]], int] = {}
    """The same on each page that this transaction has filled."""
    current = -1
    for identity, historical, (transaction, page) in rows:
        if transaction != current:
            for (stream, _), index in here.items():
                before[stream] = max(index, before.get(stream, -1))
            here.clear()
            current = transaction
        findings.committed += 1
        indices = waiting.get(identity)
        if indices is None:
            truth = times.get(identity[:2])
            but = "" if truth is None else f", but it was {truth!r}"
            findings.strange.append(f"{_sample_name(identity)} is {identity[2]!r}{but}")
        elif not indices:
            findings.doubled.append(identity)
        else:
            index, stream = indices.pop(), (identity[0], historical)
            newest = max(before.get(stream, -1), here.get((stream, page), -1))
            if index < newest:
                findings.reordered.append(identity)
            here[stream, page] = max(index, newest)
    findings.missing = sorted(
        (index, identity) for identity, indices in waiting.items() for index in indices
    )
    return findings


def check_event_offsets(database: psycopg.Connection[Any], verdict: Verdict) -> None:
    """The events of a stream have all offsets below its watermark, but those that a gap names and
    those that were told before, under an earlier epoch."""
    rows = _rows(
        database,
        """SELECT g.node_id, c.epoch, c.watermark, c.repeated + count(e.id) + (
               SELECT coalesce(sum(p.next_offset - p.first_offset), 0) FROM lineside.gap p
               WHERE (p.gateway, p.stream, p.epoch) = (c.gateway, c.stream, c.epoch)
             ) + (
               SELECT count(*) FROM lineside.line_event l
               WHERE (l.gateway, l.epoch) = (c.gateway, c.epoch) AND l.record_offset < c.watermark
             ) AS stored
           FROM lineside.stream_cursor c
           JOIN lineside.gateway g ON g.id = c.gateway
           LEFT JOIN lineside.call_event e
             ON (e.gateway, e.epoch) = (c.gateway, c.epoch) AND e.record_offset < c.watermark
           WHERE c.stream = 'events'
           GROUP BY g.node_id, c.gateway, c.stream, c.epoch""",
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


def _calls(database: psycopg.Connection[Any], line: LineTruth) -> dict[str, tuple[str, str]]:
    """Status of car and part of each call of a line, by key."""
    rows = _rows(
        database,
        """SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key,
                  car, status
           FROM lineside.jis_call WHERE line = %(line)s""",
        {"line": line.line},
    )
    return {row["key"]: (row["car"], row["status"]) for row in rows}


def _events(database: psycopg.Connection[Any], line: LineTruth) -> list[Row]:
    return _rows(
        database,
        """SELECT e.kind, e.serial, e.source_at, e.body->>'verdict' AS verdict,
                  e.body->>'rack' AS rack, e.body->>'slot' AS slot, e.body->>'by' AS by,
                  e.body->>'revision' AS revision,
                  concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index)
                    AS key
           FROM lineside.call_event e JOIN lineside.jis_call c ON c.id = e.call
           WHERE c.line = %(line)s AND e.source = 'supplier'""",
        {"line": line.line},
    )


def _samples(
    database: psycopg.Connection[Any], line: LineTruth, since: datetime = _EVER
) -> Iterator[tuple[Identity, bool, Place]]:
    """The samples of that source time and later, by transaction and then place. Nothing updates or
    deletes samples, so on one page places follow the order of storing; see `compare`."""
    rows = database.execute(
        """SELECT t.name, s.time, s.value, s.text, t.datatype, s.historical,
                  s.xmin::text::bigint, s.tableoid::bigint, (s.ctid::text::point)[0]::bigint
           FROM lineside.sample s
           JOIN lineside.tag t ON t.id = s.tag_id
           JOIN lineside.device d ON d.id = t.device
           JOIN lineside.gateway g ON g.id = d.gateway
           WHERE (g.group_id, g.node_id, d.name) = (%s, %s, %s) AND s.time >= %s
           ORDER BY s.xmin::text::bigint, s.tableoid, s.ctid""",
        (line.group, line.node, line.device, since),
    )
    for name, time, value, text, datatype, historical, transaction, partition, page in rows:
        plain = text if datatype == DataType.String else value
        yield (name, time, plain), historical, (transaction, (partition, page))


def _gaps(database: psycopg.Connection[Any], line: LineTruth) -> list[Gap]:
    rows = _rows(
        database,
        """SELECT p.device, p.from_time, p.to_time, p.cause
           FROM lineside.gap p JOIN lineside.gateway g ON g.id = p.gateway
           WHERE (g.group_id, g.node_id) = (%(group)s, %(node)s) AND p.stream = 'telemetry'""",
        {"group": line.group, "node": line.node},
    )
    return [Gap(r["device"], r["from_time"], r["to_time"], r["cause"]) for r in rows]


def _loaded(advice: Mapping[str, Any]) -> set[Loaded]:
    """The parts that a dispatch advice names."""
    found = set()
    for rack in advice["racks"]:
        for slot in rack["slots"]:
            if (key := slot["key"]) is not None:
                name = "/".join(
                    str(key[part])
                    for part in ("plant", "line", "production_no", "part_group", "reorder_index")
                )
                found.add((name, slot["serial"] or "", rack["rack"], int(slot["slot"])))
    return found


def _truck_name(truck: tuple[str, str]) -> str:
    return " ".join(truck)


def _comparable(value: TagValue) -> float | str:
    """A value as the database gives it back."""
    return value if isinstance(value, str) else float(value)


def _instant(microseconds: int) -> datetime:
    """The instant as it travels: whole milliseconds."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=microseconds // 1000)


def _to_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _result_name(key: tuple[str, str, str, str, str, int, datetime]) -> str:
    kind, call, serial, *_ = key
    return f"{kind} {call} (serial {serial or '-'})"


def _sample_name(identity: Identity) -> str:
    return f"{identity[0]} at {identity[1].isoformat(timespec='milliseconds')}"
