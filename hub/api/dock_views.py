"""Racks, trucks, exceptions and modes as they are read: by the API and by the screens alike.

Each connection sees the rows of one tenant alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from hub.api.dock_models import (
    ExceptionPage,
    ExceptionView,
    LoopView,
    ModePage,
    ModeView,
    RackPage,
    RackPicture,
    RackView,
    ShipmentContent,
    ShipmentPage,
    ShipmentView,
    ShippedSlotView,
    SlotView,
)
from hub.calls.exception_kinds import exception_kinds
from hub.calls.loop import at_line, departure, leave_by, racks_in_loop, slack_s, trucks_in_loop
from hub.calls.racks import ENDED, IN_RACK, content, wrong_in
from hub.orders.profile import stored_profile

_NOT_AT_DOCK = [*ENDED, "arrived", "mismatched", "confirmed", "consumed"]

_RACKS = sql.SQL("""
SELECT r.plant, r.line, r.partner AS supplier, r.rack, r.kind, r.status, r.load_order, r.slots,
    c.called, c.wanted, c.filled, c.first_fit, r.shipment, r.opened_at, r.closed_at, r.shipped_at,
    r.arrived_at, r.unloaded_at, r.returned_at, l.profile
FROM rack r JOIN supplier_line l ON l.plant = r.plant AND l.id = r.line
CROSS JOIN LATERAL (
    SELECT count(*) AS called, count(*) FILTER (WHERE wanted) AS wanted,
        count(*) FILTER (WHERE wanted AND in_rack) AS filled,
        min(required_at) FILTER (WHERE wanted) AS first_fit
    FROM (SELECT required_at, status = ANY (%(in_rack)s) AS in_rack,
            car IN ('released', 'fitted') AND NOT status = ANY (%(ended)s) AS wanted
        FROM jis_call WHERE plant = r.plant AND line = r.line AND rack = r.rack) each
) c
WHERE r.plant = %(plant)s AND {which} ORDER BY {order} LIMIT %(limit)s
""")
_OF_RACK = """
SELECT id, concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key,
    slot, production_no, part_group, part_no, colour, sequence_no, car, status AS part, serial,
    packed_serial AS scanned_serial, required_at
FROM jis_call WHERE plant = %s AND line = %s AND rack = %s ORDER BY slot, id
"""
_SHIPMENTS = sql.SQL("""
SELECT row_number() OVER () AS place, s.plant, s.line, s.partner AS supplier, s.id AS shipment,
    s.departed_at, s.eta, s.carrier, s.vehicle, s.arrived_at, s.unloaded_at, l.profile,
    (SELECT coalesce(array_agg(rack ORDER BY rack), '{{}}') FROM rack r
        WHERE r.plant = s.plant AND r.line = s.line AND r.shipment = s.id) AS racks,
    (extract(epoch FROM s.received_at) * 1000000)::bigint AS cursor
FROM shipment s JOIN supplier_line l ON l.plant = s.plant AND l.id = s.line
WHERE s.plant = %(plant)s AND {which} ORDER BY s.received_at DESC LIMIT %(limit)s
""")
_WAITING = """
SELECT c.production_no, c.required_at FROM shipment_slot t JOIN jis_call c ON c.id = t.call
WHERE t.plant = %s AND t.line = %s AND t.shipment = %s AND c.car = 'released'
    AND NOT c.status = ANY (%s)
ORDER BY c.required_at, c.id
"""
_SHIPPED_SLOTS = """
SELECT s.rack, s.slot, s.key, c.part_no, c.quantity, c.sequence_no, s.serial, s.problem,
    r.verdict AS received, r.serial AS received_serial, r.reason
FROM shipment_slot s LEFT JOIN jis_call c ON c.id = s.call
LEFT JOIN LATERAL (
    SELECT verdict, serial, reason FROM receipt r WHERE r.plant = s.plant AND r.line = s.line
        AND r.shipment = s.shipment AND r.rack = s.rack AND r.slot = s.slot
    ORDER BY id DESC LIMIT 1) r ON true
WHERE s.plant = %s AND s.line = %s AND s.shipment = %s ORDER BY s.rack, s.slot
"""
_EXCEPTIONS = sql.SQL("""
SELECT id, kind, severity, plant, line, subject, detail, told, source_at, opened_at, closed_at,
    closed_by, decision, decided_at, decided_by, note
FROM exception WHERE {which}
ORDER BY (closed_at IS NOT NULL), id DESC LIMIT %(limit)s
""")
_MODES = """
SELECT l.id AS line, coalesce(m.mode, 'normal') AS mode, m.since, m.until, m.set_by, m.reason
FROM supplier_line l LEFT JOIN line_mode m ON m.plant = l.plant AND m.line = l.id
    AND m.until IS NULL
WHERE l.plant = %(plant)s AND (%(line)s::text IS NULL OR l.id = %(line)s) ORDER BY l.id
"""
_MODES_OF_LINE = """
SELECT id, line, mode, since, until, set_by, reason FROM line_mode
WHERE plant = %s AND line = %s AND id < %s ORDER BY id DESC LIMIT %s
"""
_IS_LINE = "SELECT FROM supplier_line WHERE plant = %s AND id = %s"
_LOOP = """
SELECT p.takt_s, l.rack_slots, l.profile,
    (SELECT count(*) FROM rack r WHERE r.plant = l.plant AND r.line = l.id
        AND r.status = 'closed') AS waiting,
    (SELECT min(closed_at) FROM rack r WHERE r.plant = l.plant AND r.line = l.id
        AND r.status = 'closed') AS first_closed,
    (SELECT array_agg(closed_at ORDER BY closed_at) FROM rack r WHERE r.plant = l.plant
        AND r.line = l.id AND r.status = 'closed') AS closed,
    (SELECT min(c.required_at) FROM rack r JOIN jis_call c ON c.plant = r.plant
        AND c.line = r.line AND c.rack = r.rack AND c.car = 'released'
        AND NOT c.status = ANY (%(ended)s)
        WHERE r.plant = l.plant AND r.line = l.id AND r.status IN ('open', 'closed')) AS first_fit
FROM supplier_line l JOIN plant p ON p.id = l.plant WHERE l.plant = %(plant)s AND l.id = %(line)s
"""


def racks(
    connection: psycopg.Connection,
    plant: str,
    line: str,
    after: str = "",
    limit: int = 100,
    status: Sequence[str] = (),
) -> RackPage:
    """Racks of a line by name, of some statuses alone if any are named."""
    which: sql.Composable = sql.SQL("r.line = %(line)s AND r.rack > %(after)s")
    if status:
        which += sql.SQL(" AND r.status = ANY (%(status)s)")
    items = _racks(
        connection,
        which,
        sql.SQL("r.rack"),
        plant=plant,
        line=line,
        after=after,
        limit=limit,
        status=list(status),
    )
    return RackPage(items=items, next=items[-1].rack if len(items) == limit else None)


def racks_under_way(connection: psycopg.Connection, plant: str) -> list[RackView]:
    """Those that somebody waits for: not yet unloaded, the most urgent first."""
    return _racks(
        connection,
        sql.SQL("r.status IN ('open', 'closed', 'shipped', 'arrived') AND c.called > 0"),
        sql.SQL("r.line, c.first_fit NULLS LAST, r.rack"),
        plant=plant,
        limit=500,
    )


def rack(connection: psycopg.Connection, plant: str, line: str, name: str) -> RackPicture | None:
    """One rack, slot by slot."""
    found = _racks(
        connection,
        sql.SQL("r.line = %(line)s AND r.rack = %(rack)s"),
        sql.SQL("r.rack"),
        plant=plant,
        line=line,
        rack=name,
        limit=1,
    )
    if not found:
        return None
    view = found[0]
    wrong = wrong_in(name, content(connection, plant, line, name))
    with connection.cursor(row_factory=dict_row) as cursor:
        calls = cursor.execute(_OF_RACK, (plant, line, name)).fetchall()
    by_slot: dict[int, SlotView] = {}
    for call in calls:
        slot = SlotView.model_validate(call)
        slot.kept_empty = call["car"] not in ("released", "fitted") or call["part"] in ENDED
        before = by_slot.get(slot.slot)
        if before is None or before.kept_empty:
            by_slot[slot.slot] = slot
    places = sorted({*range(1, view.slots + 1), *by_slot, *wrong})
    slots = []
    for place in places:
        slot = by_slot.get(place) or SlotView(slot=place, key=None)
        slots.append(slot.model_copy(update={"problem": wrong.get(place)}))
    return RackPicture(**view.model_dump(), content=slots)


def shipments(
    connection: psycopg.Connection,
    plant: str,
    now: datetime,
    line: str | None = None,
    after: int | None = None,
    limit: int = 100,
    under_way: bool = False,
) -> ShipmentPage:
    """Shipments of a plant, the newest first."""
    which: sql.Composable = sql.SQL("true")
    if line is not None:
        which += sql.SQL(" AND s.line = %(line)s")
    if after is not None:
        which += sql.SQL(" AND (extract(epoch FROM s.received_at) * 1000000)::bigint < %(after)s")
    if under_way:
        which += sql.SQL(" AND s.unloaded_at IS NULL")
    rows = _shipments(connection, which, plant=plant, line=line, after=after, limit=limit)
    items = [_shipment(connection, row, now) for row in rows]
    return ShipmentPage(items=items, next=rows[-1]["cursor"] if len(rows) == limit else None)


def shipment(
    connection: psycopg.Connection, plant: str, line: str, name: str, now: datetime
) -> ShipmentContent | None:
    """One shipment with all it carries."""
    rows = _shipments(
        connection,
        sql.SQL("s.line = %(line)s AND s.id = %(shipment)s"),
        plant=plant,
        line=line,
        shipment=name,
        limit=1,
    )
    if not rows:
        return None
    with connection.cursor(row_factory=class_row(ShippedSlotView)) as cursor:
        slots = cursor.execute(_SHIPPED_SLOTS, (plant, line, name)).fetchall()
    return ShipmentContent(**_shipment(connection, rows[0], now).model_dump(), slots=slots)


def exceptions(
    connection: psycopg.Connection,
    plant: str,
    state: str = "all",
    after: str | None = None,
    limit: int = 100,
    subject: str | None = None,
) -> ExceptionPage:
    """Exceptions of a plant, open ones first. `after` is `0.id` within the open, `1.id` within the
    closed; `subject`: only those about it, or about a part of it."""
    which: sql.Composable = sql.SQL("plant = %(plant)s")
    if state != "all":
        which += sql.SQL(" AND (closed_at IS NULL) = (%(state)s = 'open')")
    if subject is not None:
        which += sql.SQL(" AND (subject = %(subject)s OR starts_with(subject, %(subject)s || '/'))")
    closed, last = 0, 0
    if after is not None:
        part, _, number = after.partition(".")
        closed, last = int(part), int(number)
        which += sql.SQL(
            " AND ((closed_at IS NOT NULL)::int > %(closed)s"
            " OR (closed_at IS NOT NULL)::int = %(closed)s AND id < %(last)s)"
        )
    items = _exceptions(
        connection,
        which,
        plant=plant,
        state=state,
        subject=subject,
        closed=closed,
        last=last,
        limit=limit,
    )
    more = len(items) == limit
    end = items[-1] if more else None
    return ExceptionPage(
        items=items, next=f"{int(end.closed_at is not None)}.{end.id}" if end else None
    )


def exception(connection: psycopg.Connection, number: int) -> ExceptionView | None:
    """One exception."""
    found = _exceptions(connection, sql.SQL("id = %(id)s"), id=number, limit=1)
    return found[0] if found else None


def modes(connection: psycopg.Connection, plant: str, line: str | None = None) -> list[ModeView]:
    """The mode in force of each line, or of one."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_MODES, {"plant": plant, "line": line}).fetchall()
    return [_mode(row) for row in rows]


def modes_of_line(
    connection: psycopg.Connection, plant: str, line: str, before: int, limit: int
) -> ModePage | None:
    """Those it was in, the newest first. None: there is no such line."""
    if connection.execute(_IS_LINE, (plant, line)).fetchone() is None:
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_MODES_OF_LINE, (plant, line, before, limit)).fetchall()
    older = rows[-1]["id"] if len(rows) == limit else None
    return ModePage(items=[_mode(row) for row in rows], next=older)


def _mode(row: dict[str, Any]) -> ModeView:
    known = exception_kinds().modes[row["mode"]]
    return ModeView.model_validate(row | {"title": known.title, "title_zh": known.title_zh})


def loop(connection: psycopg.Connection, plant: str, line: str) -> LoopView | None:
    """What a line's round needs, and when its next truck leaves."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            _LOOP, {"plant": plant, "line": line, "ended": _NOT_AT_DOCK}
        ).fetchone()
    if row is None:
        return None
    profile = stored_profile(row["profile"])
    closed: list[datetime] = row["closed"] or []
    full_at = closed[profile.truck_racks - 1] if len(closed) >= profile.truck_racks else None
    leaves = (
        departure(row["first_fit"], row["first_closed"], full_at, profile)
        if row["first_fit"] is not None
        else None
    )
    sets = profile.truck_racks * row["rack_slots"]
    return LoopView(
        line=line,
        takt_s=row["takt_s"],
        trucks=trucks_in_loop(profile.loop_s, sets, row["takt_s"]),
        racks=racks_in_loop(profile.loop_s, row["rack_slots"], row["takt_s"]),
        racks_waiting=row["waiting"],
        truck_racks=profile.truck_racks,
        departs_at=leaves.at if leaves else None,
        because=leaves.because if leaves else None,
        latest=leaves.latest if leaves else None,
    )


def _racks(
    connection: psycopg.Connection, which: sql.Composable, order: sql.Composable, **values: Any
) -> list[RackView]:
    query = _RACKS.format(which=which, order=order)
    more = {"in_rack": sorted(IN_RACK | {"consumed"}), "ended": sorted(ENDED)}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, values | more).fetchall()
    return [
        RackView(
            **row,
            leave_by=leave_by(row["first_fit"], stored_profile(profile))
            if row["first_fit"] and row["status"] in ("open", "closed")
            else None,
        )
        for row in rows
        if (profile := row.pop("profile")) is not None
    ]


def _shipments(
    connection: psycopg.Connection, which: sql.Composable, **values: Any
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SHIPMENTS.format(which=which), values).fetchall()


def _shipment(connection: psycopg.Connection, row: dict[str, Any], now: datetime) -> ShipmentView:
    profile = stored_profile(row["profile"])
    first_fit, slack, hit = None, None, []
    if row["arrived_at"] is None and row["eta"] is not None:
        waiting = connection.execute(
            _WAITING, (row["plant"], row["line"], row["shipment"], _NOT_AT_DOCK)
        ).fetchall()
        eta = max(row["eta"], now)
        if waiting:
            first_fit = waiting[0][1]
            slack = round(slack_s(eta, first_fit, profile))
            ready = at_line(eta, profile)
            hit = list(dict.fromkeys(car for car, at in waiting if at < ready))
    known = {name: row[name] for name in ShipmentView.model_fields if name in row}
    return ShipmentView(**known, first_fit=first_fit, slack_s=slack, cars_hit=hit)


def _exceptions(
    connection: psycopg.Connection, which: sql.Composable, **values: Any
) -> list[ExceptionView]:
    known = exception_kinds()
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_EXCEPTIONS.format(which=which), values).fetchall()
    found = []
    for row in rows:
        kind = known.kind(row["kind"])
        found.append(
            ExceptionView(
                **row,
                title=kind.title,
                title_zh=kind.title_zh,
                decisions=list(kind.decisions),
                help=kind.help,
                help_zh=kind.help_zh,
            )
        )
    return found
