"""What the control tower shows at a glance: the pearl chain by control point, the supplier lines,
their racks and trucks. What wants attention comes from `hub/api/dock_views.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from hub.api import dock_views
from hub.api.dock_models import ModeView, RackView, ShipmentView
from hub.calls.racks import ENDED, IN_RACK
from hub.orders.profile import Profile, stored_profile

BEFORE = 9
AFTER = 34
"""Cars of the chain that are shown behind and before the last one that passed."""
RACKS_SHOWN = 4
POINTS_SHOWN = 5

_POINTS = """
SELECT c.id, coalesce(l.pass_no, 0) AS passes, l.production_no AS last, l.passed_at AS last_at,
    coalesce(q.position, 0) AS head
FROM control_point c
LEFT JOIN LATERAL (
    SELECT * FROM control_point_pass x WHERE x.plant = %(plant)s AND x.control_point = c.id
    ORDER BY pass_no DESC LIMIT 1
) l ON true
LEFT JOIN sequence_position q ON q.sequence = %(sequence)s AND q.production_no = l.production_no
WHERE c.plant = %(plant)s ORDER BY c.rank LIMIT %(limit)s
"""
_PEARLS = """
SELECT q.position, q.production_no, o.model, o.colour, o.blocked_at IS NOT NULL AS blocked,
    o.cancelled_at IS NOT NULL AS cancelled,
    EXISTS (SELECT FROM control_point_pass x WHERE x.plant = q.plant
        AND x.control_point = %(point)s AND x.production_no = q.production_no) AS passed,
    coalesce((SELECT bool_or(c.car = 'pulled_out') FROM jis_call c WHERE c.plant = q.plant
        AND c.production_no = q.production_no), false) AS pulled_out
FROM sequence_position q
JOIN vehicle_order o ON o.plant = q.plant AND o.production_no = q.production_no
WHERE q.sequence = %(sequence)s AND q.position > %(after)s ORDER BY q.position LIMIT %(limit)s
"""
_OFF_LINE = """
SELECT DISTINCT production_no, colour FROM jis_call
WHERE plant = %s AND car = 'pulled_out' ORDER BY production_no LIMIT 20
"""
_LINES = """
SELECT l.id, l.partner AS supplier, t.name AS supplier_name,
    g.group_id || '/' || g.node_id AS gateway,
    coalesce(s.online, CASE g.transport WHEN 'mqtt' THEN false END) AS online, s.since,
    l.unloading_point, l.profile, n.*, k.*
FROM supplier_line l JOIN gateway g ON g.id = l.gateway LEFT JOIN tenant t ON t.id = l.partner
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN LATERAL (
    SELECT concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
        c.production_no, c.part_group, c.part_no, c.colour, c.sequence_no, c.rack, c.slot,
        c.required_at, c.status AS part
    FROM jis_call c WHERE c.plant = l.plant AND c.line = l.id AND c.car = 'released'
        AND c.status <> ALL (%(gone)s)
    ORDER BY c.required_at, c.id LIMIT 1
) n ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.status <> ALL (%(gone)s)) AS to_build,
        count(*) FILTER (WHERE c.status IN ('packed', 'loaded')) AS in_racks,
        count(*) FILTER (WHERE c.status = 'shipped') AS on_trucks,
        count(*) FILTER (WHERE c.acknowledged_at IS NULL) AS unacknowledged
    FROM jis_call c WHERE c.plant = l.plant AND c.line = l.id AND c.car = 'released'
        AND c.status <> ALL (%(over)s)
) k
WHERE l.plant = %(plant)s ORDER BY l.id
"""
_SLOTS = """
SELECT line, rack, slot, car, status FROM jis_call
WHERE plant = %s AND (line, rack) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
ORDER BY call_no
"""
_COLOURS = "SELECT DISTINCT colour FROM vehicle_order WHERE plant = %s LIMIT 500"


@dataclass(frozen=True, slots=True)
class Pearl:
    """A car of the chain."""

    position: int
    production_no: str
    model: str
    colour: str
    blocked: bool
    cancelled: bool
    passed: bool
    pulled_out: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A control point, and the cars around it."""

    id: str
    passes: int
    last: str | None
    last_at: datetime | None
    head: int
    pearls: tuple[Pearl, ...] = ()


@dataclass(frozen=True, slots=True)
class Next:
    """The call of a line that its car needs first, and that is in no rack yet."""

    key: str
    production_no: str
    part_group: str
    part_no: str
    colour: str
    sequence_no: int
    rack: str
    slot: int
    required_at: datetime
    part: str
    spare_s: float
    """Until it is too late to be at its car in time, from where the part is now."""


@dataclass(frozen=True, slots=True)
class MiniRack:
    """A rack and what each of its slots looks like."""

    view: RackView
    slots: tuple[str, ...]


@dataclass(slots=True)
class LineCard:
    """A supplier's line."""

    id: str
    supplier: str
    supplier_name: str
    gateway: str
    online: bool | None
    since: datetime | None
    unloading_point: str
    profile: Profile
    next: Next | None
    to_build: int
    in_racks: int
    on_trucks: int
    unacknowledged: int
    mode: ModeView
    racks: list[MiniRack] = field(default_factory=list)
    trucks: list[ShipmentView] = field(default_factory=list)

    @property
    def spare_light(self) -> str:
        """Of the next call alone: green, yellow, red, or off where nothing is to be done."""
        if self.next is None:
            return "off"
        if self.next.spare_s < self.profile.late_red_s:
            return "red"
        return "yellow" if self.next.spare_s < self.profile.late_yellow_s else "green"

    @property
    def light(self) -> str:
        """Of the line: as its next call's, and red while its gateway is not heard."""
        return "red" if self.online is False else self.spare_light


@dataclass(frozen=True, slots=True)
class Board:
    """All of it, as it stands now."""

    plant: str
    takt_s: float
    now: datetime
    points: tuple[Point, ...]
    off_line: tuple[tuple[str, str], ...]
    lines: tuple[LineCard, ...]


def the_plant(connection: psycopg.Connection) -> tuple[str, float] | None:
    """(id, takt in seconds) of the first plant the tenant sees."""
    return connection.execute("SELECT id, takt_s FROM plant ORDER BY id LIMIT 1").fetchone()


def read_board(connection: psycopg.Connection, plant: str, takt_s: float, now: datetime) -> Board:
    """What the tower shows; the connection sees one tenant's rows alone."""
    row = connection.execute(
        "SELECT max(id) FROM production_sequence WHERE plant = %s", (plant,)
    ).fetchone()
    sequence = row[0] if row else None
    off = connection.execute(_OFF_LINE, (plant,)).fetchall()
    return Board(
        plant,
        takt_s,
        now,
        tuple(_points(connection, plant, sequence)),
        tuple((car, colour) for car, colour in off),
        tuple(_lines(connection, plant, now)),
    )


def colours_of(connection: psycopg.Connection, plant: str) -> list[str]:
    """Every colour that the plant's orders have."""
    return [colour for (colour,) in connection.execute(_COLOURS, (plant,)).fetchall()]


def slot_look(car: str, part: str) -> str:
    """How a slot is drawn: the class of its fill."""
    if part in ENDED or car in ("pulled_out", "cancelled", "replaced"):
        return "kept"
    if part in ("refused", "unclear", "missing", "mismatched"):
        return "bad"
    if part == "rework":
        return "rework"
    if part in IN_RACK or part == "consumed":
        return "full"
    return "built" if part in ("produced", "inspected", "parked", "started") else "called"


def _points(connection: psycopg.Connection, plant: str, sequence: int | None) -> Iterable[Point]:
    values = {"plant": plant, "sequence": sequence, "limit": POINTS_SHOWN}
    for point, passes, last, last_at, head in connection.execute(_POINTS, values).fetchall():
        with connection.cursor(row_factory=class_row(Pearl)) as cursor:
            pearls = cursor.execute(
                _PEARLS,
                {
                    "sequence": sequence,
                    "point": point,
                    "after": max(0, head - BEFORE),
                    "limit": BEFORE + AFTER,
                },
            ).fetchall()
        yield Point(point, passes, last, last_at, head, tuple(pearls))


def _lines(connection: psycopg.Connection, plant: str, now: datetime) -> Iterable[LineCard]:
    modes = {mode.line: mode for mode in dock_views.modes(connection, plant)}
    racks = _mini_racks(connection, plant)
    trucks: dict[str, list[ShipmentView]] = defaultdict(list)
    for truck in dock_views.shipments(connection, plant, now, under_way=True).items:
        trucks[truck.line].append(truck)
    gone = [*ENDED, *IN_RACK, "consumed"]
    over = [*ENDED, "arrived", "mismatched", "confirmed", "consumed"]
    rows = connection.execute(_LINES, {"plant": plant, "gone": gone, "over": over}).fetchall()
    for line, supplier, name, gateway, online, since, dock, stored, *rest in rows:
        profile = stored_profile(stored)
        call, (to_build, in_racks, on_trucks, unacknowledged) = rest[:10], rest[10:]
        yield LineCard(
            id=line,
            supplier=supplier,
            supplier_name=name or supplier,
            gateway=gateway,
            online=online,
            since=since,
            unloading_point=dock,
            profile=profile,
            next=_next(call, profile, now) if call[0] is not None else None,
            to_build=to_build,
            in_racks=in_racks,
            on_trucks=on_trucks,
            unacknowledged=unacknowledged,
            mode=modes[line],
            racks=racks[line][:RACKS_SHOWN],
            trucks=trucks[line],
        )


def _next(call: list[Any], profile: Profile, now: datetime) -> Next:
    key, production_no, part_group, part_no, colour, sequence_no, rack, slot, required_at, part = (
        call
    )
    ahead = profile.load_s + profile.transport_s + profile.unload_s + profile.lineside_s
    if part not in ("produced", "inspected", "parked"):
        ahead += profile.produce_s
    return Next(
        key,
        production_no,
        part_group,
        part_no,
        colour,
        sequence_no,
        rack,
        slot,
        required_at,
        part,
        spare_s=(required_at - now).total_seconds() - ahead,
    )


def _mini_racks(connection: psycopg.Connection, plant: str) -> dict[str, list[MiniRack]]:
    views = dock_views.racks_under_way(connection, plant)
    looks: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for line, rack, slot, car, part in connection.execute(
        _SLOTS, (plant, [view.line for view in views], [view.rack for view in views])
    ).fetchall():
        looks[line, rack][slot] = slot_look(car, part)
    found: dict[str, list[MiniRack]] = defaultdict(list)
    for view in views:
        slots = looks[view.line, view.rack]
        last = max(view.slots, *slots) if slots else view.slots
        found[view.line].append(
            MiniRack(view, tuple(slots.get(n, "empty") for n in range(1, last + 1)))
        )
    return found
