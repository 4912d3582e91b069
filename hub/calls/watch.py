"""What goes wrong by the clock alone: trucks and racks that are late, gateways that are not heard,
clocks that are off, calls that nobody acknowledges, numbers that are left out.

A round looks at how things stand and lets exactly that be open; so a round that was missed is made
good by the next one, and two hubs that both watch agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import psycopg
from psycopg.rows import class_row

from hub.calls.answers import note_unanswered
from hub.calls.dock import AT_DOCK
from hub.calls.exceptions import Finding, bring_in_line
from hub.calls.gaps import watch_gaps
from hub.calls.loop import at_line, leave_by, slack_s
from hub.calls.racks import ENDED
from hub.orders.profile import Profile, stored_profile
from hub.store.rounds import Rounds

EVERY_S = 2.0
UNACKNOWLEDGED_S = 60.0
"""How long a call may be without its gateway's word, if the line's `edi_s` is not longer."""
AHEAD_S = 5.0
"""A gateway's clock is ahead if it reports from further in the future than this."""
BEHIND_S = 30.0
"""It is behind if even the quickest of its last events seems to have taken longer than this."""
EVENTS_JUDGED = 20
"""Of each gateway, to judge its clock by."""

_TRUCKS = """
SELECT s.plant, s.line, s.id AS shipment, s.owner, s.partner, s.eta, l.profile,
    c.production_no, c.required_at
FROM shipment s
JOIN supplier_line l ON l.plant = s.plant AND l.id = s.line
JOIN shipment_slot t ON (t.plant, t.line, t.shipment) = (s.plant, s.line, s.id)
JOIN jis_call c ON c.id = t.call AND c.car = 'released' AND NOT c.status = ANY (%s)
WHERE s.arrived_at IS NULL AND s.eta IS NOT NULL
ORDER BY s.plant, s.line, s.id, c.required_at, c.id
"""
_RACKS = """
SELECT r.plant, r.line, r.rack, r.owner, r.partner, l.profile, c.required_at, c.production_no
FROM rack r JOIN supplier_line l ON l.plant = r.plant AND l.id = r.line
JOIN LATERAL (
    SELECT required_at, production_no FROM jis_call c
    WHERE c.plant = r.plant AND c.line = r.line AND c.rack = r.rack AND c.car = 'released'
        AND NOT c.status = ANY (%s)
    ORDER BY required_at, id LIMIT 1
) c ON true
WHERE r.status IN ('open', 'closed')
ORDER BY r.plant, r.line, r.rack
"""
# What the line has been called tells how long it can go on by itself.
_BLIND = """
SELECT l.plant, l.owner, l.partner, g.group_id || '/' || g.node_id AS gateway, s.since,
    array_agg(DISTINCT l.id ORDER BY l.id) AS lines, max(c.required_at) AS horizon,
    count(c.id) AS calls
FROM gateway_status s JOIN gateway g ON g.id = s.gateway
JOIN supplier_line l ON l.gateway = g.id
LEFT JOIN jis_call c ON c.plant = l.plant AND c.line = l.id AND c.acknowledged_at IS NOT NULL
    AND c.car = 'released' AND c.status IN ('received', 'accepted', 'started')
WHERE NOT s.online
GROUP BY l.plant, l.owner, l.partner, g.group_id, g.node_id, s.since
"""
# The hub's clock less the gateway's, of its last events; the quickest tells of the clock, since
# nothing arrives before it was sent.
_CLOCKS = """
SELECT l.plant, l.owner, l.partner, g.group_id || '/' || g.node_id AS gateway,
    extract(epoch FROM min(e.received_at - e.source_at))::float8 AS quickest_s, count(*) AS events,
    extract(epoch FROM (max(e.source_at) - min(e.source_at))
        - (max(e.received_at) - min(e.received_at)))::float8 AS burst_s
FROM gateway g
JOIN LATERAL (SELECT DISTINCT plant, owner, partner FROM supplier_line WHERE gateway = g.id) l
    ON true
JOIN stream_cursor s ON s.gateway = g.id AND s.stream = 'events' AND NOT s.closed
JOIN LATERAL (
    SELECT received_at, source_at FROM call_event e
    WHERE e.gateway = g.id AND e.epoch = s.epoch ORDER BY record_offset DESC LIMIT %s
) e ON true
GROUP BY l.plant, l.owner, l.partner, g.group_id, g.node_id
"""
_UNACKNOWLEDGED = """
SELECT c.plant, c.line, c.owner, c.partner, l.profile, count(*) AS calls,
    min(c.released_at) AS oldest, min(c.call_no) AS first_call_no
FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
WHERE c.acknowledged_at IS NULL AND c.car IN ('released', 'pulled_out')
GROUP BY c.plant, c.line, c.owner, c.partner, l.profile
"""
_UNBUILT = """
SELECT c.plant, c.line, c.owner, c.partner, c.id, c.eta, c.required_at, c.production_no,
    c.part_no, c.rack, c.slot, l.profile,
    concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key
FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
WHERE c.status = %s AND c.car = 'released'
"""


def look(connection: psycopg.Connection, now: datetime) -> None:
    """One round, as the role `lineside_ingest`; each kind in a transaction of its own."""
    for kind, find in _FINDERS.items():
        with connection.transaction():
            bring_in_line(connection, kind, find(connection, now), now)
    watch_gaps(connection, now)
    with connection.transaction():
        note_unanswered(connection, now)


class Watch(Rounds):
    """Looks every few seconds."""

    def __init__(self, dsn: str, every_s: float = EVERY_S) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        super().__init__("calls watch", dsn, every_s)

    def _round(self, connection: psycopg.Connection, now: datetime) -> None:
        look(connection, now)


@dataclass(frozen=True, slots=True)
class _OnTruck:
    plant: str
    line: str
    shipment: str
    owner: str
    partner: str
    eta: datetime
    profile: dict[str, Any]
    production_no: str
    required_at: datetime


@dataclass(frozen=True, slots=True)
class _Unbuilt:
    """A call whose part cannot be built yet, or must be built again."""

    id: int
    key: str
    owner: str
    partner: str
    plant: str
    line: str
    production_no: str
    part_no: str
    rack: str
    slot: int
    required_at: datetime
    eta: datetime | None
    profile: dict[str, Any]


def late_trucks(connection: psycopg.Connection, now: datetime) -> Iterator[Finding]:
    """Trucks under way that come too late for their first car, each with the cars it hits: those
    whose fit time lies before its parts are at the line."""
    with connection.cursor(row_factory=class_row(_OnTruck)) as cursor:
        rows = cursor.execute(_TRUCKS, ([*AT_DOCK, *ENDED],)).fetchall()
    for (plant, line, shipment), group in groupby(rows, attrgetter("plant", "line", "shipment")):
        calls = list(group)
        first = calls[0]
        profile = stored_profile(first.profile)
        # A truck that should be here and is not comes now at the earliest.
        eta = max(first.eta, _minute(now))
        slack = slack_s(eta, first.required_at, profile)
        if slack >= 0:
            continue
        ready = at_line(eta, profile)
        hit = list(dict.fromkeys(c.production_no for c in calls if c.required_at < ready))
        yield Finding(
            subject=f"{plant}/{line}/{shipment}",
            owner=first.owner,
            partner=first.partner,
            plant=plant,
            line=line,
            detail={
                "shipment": shipment,
                "eta": eta.isoformat(),
                "at_line": ready.isoformat(),
                "first_fit": first.required_at.isoformat(),
                "slack_s": round(slack),
                "cars": hit,
            },
        )


def overdue_racks(connection: psycopg.Connection, now: datetime) -> Iterator[Finding]:
    """Racks that have not left though their first car can wait no longer."""
    rows = connection.execute(_RACKS, ([*AT_DOCK, *ENDED],)).fetchall()
    for plant, line, rack, owner, partner, profile, required_at, production_no in rows:
        latest = leave_by(required_at, stored_profile(profile))
        if now > latest:
            yield Finding(
                subject=f"{plant}/{line}/{rack}",
                owner=owner,
                partner=partner,
                plant=plant,
                line=line,
                detail={
                    "rack": rack,
                    "leave_by": latest.isoformat(),
                    "first_car": production_no,
                    "first_fit": required_at.isoformat(),
                },
            )


def blind_gateways(connection: psycopg.Connection, _now: datetime) -> Iterator[Finding]:
    """Gateways that are not heard: their lines work on what they have been called."""
    for plant, owner, partner, gateway, since, lines, horizon, calls in connection.execute(
        _BLIND
    ).fetchall():
        yield Finding(
            subject=f"{plant}/{gateway}",
            owner=owner,
            partner=partner,
            plant=plant,
            line=lines[0] if len(lines) == 1 else None,
            detail={
                "gateway": gateway,
                "blind_since": since.isoformat(),
                "lines": lines,
                "calls_at_the_line": calls,
                "works_until": horizon.isoformat() if horizon else None,
            },
        )


def clocks_off(connection: psycopg.Connection, _now: datetime) -> Iterator[Finding]:
    """Gateways whose clock cannot be right, by how their events arrive."""
    for plant, owner, partner, gateway, quickest_s, events, burst_s in connection.execute(
        _CLOCKS, (EVENTS_JUDGED,)
    ).fetchall():
        ahead = quickest_s < -AHEAD_S
        # What was held back and then sent at once says nothing of the clock.
        caught_up = burst_s > BEHIND_S
        behind = quickest_s > BEHIND_S and events == EVENTS_JUDGED and not caught_up
        if ahead or behind:
            yield Finding(
                subject=f"{plant}/{gateway}",
                owner=owner,
                partner=partner,
                plant=plant,
                detail={"gateway": gateway, "offset_s": -round(quickest_s)},
            )


def unacknowledged(connection: psycopg.Connection, now: datetime) -> Iterator[Finding]:
    """Lines with calls that have been without their gateway's word for too long."""
    for plant, line, owner, partner, profile, calls, oldest, call_no in connection.execute(
        _UNACKNOWLEDGED
    ).fetchall():
        limit = max(UNACKNOWLEDGED_S, stored_profile(profile).edi_s)
        if now - oldest > timedelta(seconds=limit):
            yield Finding(
                subject=f"{plant}/{line}",
                owner=owner,
                partner=partner,
                plant=plant,
                line=line,
                detail={
                    "calls": calls,
                    "oldest_at": oldest.isoformat(),
                    "first_call_no": call_no,
                },
            )


def missing_parts(connection: psycopg.Connection, now: datetime) -> Iterator[Finding]:
    """Calls without material: whether it comes in time is worked out from when it is expected."""
    for call in _unbuilt(connection, "missing"):
        detail = {"eta": call.eta.isoformat() if call.eta else None}
        yield _against_the_fit(
            call, None if call.eta is None else max(call.eta, _minute(now)), detail
        )


def parts_built_again(connection: psycopg.Connection, now: datetime) -> Iterator[Finding]:
    """Calls whose part was not in order at the supplier: pressing once what is left is shorter than
    what it takes to build it again and bring it."""
    for call in _unbuilt(connection, "rework"):
        latest = leave_by(call.required_at, stored_profile(call.profile))
        yield _against_the_fit(call, _minute(now), {"leave_by": latest.isoformat()})


def _unbuilt(connection: psycopg.Connection, status: str) -> list[_Unbuilt]:
    with connection.cursor(row_factory=class_row(_Unbuilt)) as cursor:
        return cursor.execute(_UNBUILT, (status,)).fetchall()


def _against_the_fit(call: _Unbuilt, begins_at: datetime | None, detail: dict[str, Any]) -> Finding:
    """Whether a part that can be begun then is at its station in time; None: nobody knows when."""
    detail = {
        "car": call.production_no,
        "part_no": call.part_no,
        "rack": call.rack,
        "slot": call.slot,
        "required_at": call.required_at.isoformat(),
    } | detail
    in_time = False
    if begins_at is not None:
        earliest = earliest_at_line(begins_at, stored_profile(call.profile))
        slack = (call.required_at - earliest).total_seconds()
        in_time = slack >= 0
        detail |= {"earliest_at_line": earliest.isoformat(), "slack_s": round(slack)}
    return Finding(
        subject=call.key,
        owner=call.owner,
        partner=call.partner,
        plant=call.plant,
        line=call.line,
        call=call.id,
        severity="warning" if in_time else "critical",
        detail=detail | {"in_time": in_time},
    )


def earliest_at_line(material_at: datetime, profile: Profile) -> datetime:
    """When a part whose material is there then can be at its fitting station."""
    arrives = material_at + timedelta(
        seconds=profile.produce_s + profile.load_s + profile.transport_s
    )
    return at_line(arrives, profile)


_FINDERS: dict[str, Callable[[psycopg.Connection, datetime], Iterator[Finding]]] = {
    "truck_late": late_trucks,
    "rack_overdue": overdue_racks,
    "gateway_blind": blind_gateways,
    "clock_skew": clocks_off,
    "unacknowledged": unacknowledged,
    "missing_part": missing_parts,
    "nok_at_supplier": parts_built_again,
}


def _minute(now: datetime) -> datetime:
    """So that what stands unchanged is not told anew at every look."""
    return now.replace(second=0, microsecond=0)
