"""Calls as commands of the plant work with them: with their place, their line and its profile.

Locks are taken in one order always: the plant, supplier lines by name, streams by gateway, calls by
number. So commands, passes and acknowledgements do not wait for one another in a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from hub.calls.history import FoundCall
from hub.calls.refused import RefusedError, UnknownError
from hub.orders.problems import did_you_mean
from hub.orders.profile import Profile, stored_profile
from hub.sequencing.numbering import LoadOrder, rack_and_slot, rack_name, sequence_number
from protocols.jis.messages import Call, CallKey
from protocols.jis.net import Pair, Situation, status_net

_LINES = """
SELECT plant, id, owner, partner, gateway, lead_s, rack_slots, load_order, sequence_wrap,
    next_place, profile
FROM supplier_line WHERE plant = %s ORDER BY id
"""
_LOCK_LINES = _LINES.rstrip() + " FOR NO KEY UPDATE"
_LOCK_STREAMS = """
SELECT FROM call_stream WHERE gateway = ANY (%s) AND NOT closed ORDER BY gateway FOR NO KEY UPDATE
"""
_CALL = """
SELECT c.id, c.owner, c.partner, l.gateway, c.plant, c.line, c.production_no, c.part_group,
    c.reorder_index, c.car, c.status AS part, c.revision, c.serial, c.rack, c.slot, c.packed_rack,
    c.required_at, c.call_no, c.sequence_no, c.part_no, c.quantity, c.colour, c.unloading_point,
    c.control_point,
    c.called_at, c.priority, c.pre_series, c.vin, c.model, c.place,
    coalesce(c.timed_from, c.called_at) AS timed_from, coalesce(c.lead_s, l.lead_s) AS lead_s,
    c.asked, c.asked_record, c.confirmed_revision
FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
"""
_CALLS = (
    _CALL
    + """
WHERE c.plant = %(plant)s
    AND (%(line)s::text IS NULL OR c.line = %(line)s)
    AND (%(cars)s::text[] IS NULL OR c.production_no = ANY (%(cars)s))
    AND (NOT %(moving)s OR c.car = 'released' AND c.status <> ALL (%(ended)s))
    AND (%(since)s::timestamptz IS NULL OR c.required_at > %(since)s)
ORDER BY c.id FOR UPDATE OF c
"""
)
CALLS_BEHIND = (
    _CALL
    + """
WHERE c.plant = %s AND c.line = %s AND c.place >= %s ORDER BY c.place FOR UPDATE OF c
"""
)
CALLS_BY_ID = _CALL + "WHERE c.id = ANY (%s) ORDER BY c.id FOR UPDATE OF c"
_PART_STATUSES = status_net().names("part")
AT_SUPPLIER = frozenset(_PART_STATUSES[: _PART_STATUSES.index("loaded")])
"""Statuses of parts that stand in no truck yet, so that their slot can be given to another."""
WITH_SUPPLIER = frozenset(_PART_STATUSES[: _PART_STATUSES.index("shipped")])
"""Of parts that have not left: their gateway is told what changes."""
NOT_BEGUN = frozenset(("released", "received", "accepted", "refused", "unclear", "missing"))
"""Of calls for which nothing has been built."""
ENDED = tuple(s.id for s in status_net().statuses if s.axis == "part" and s.final)

Action = Literal["change", "resequence", "swap", "pull_out", "reinsert", "cancel", "reorder"]
"""What the plant can ask for, by the names of the status net."""


@dataclass(frozen=True, slots=True)
class By:
    """Who gives a command, and as which message: what is repeated changes nothing."""

    actor: str
    message_id: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class LineRow:
    """A supplier's line, its row locked."""

    plant: str
    id: str
    owner: str
    partner: str
    gateway: int
    lead_s: float
    rack_slots: int
    load_order: LoadOrder
    sequence_wrap: int
    next_place: int
    profile: dict[str, Any]

    @cached_property
    def agreed(self) -> Profile:
        """How plant and supplier work together there."""
        return stored_profile(self.profile)

    def numbers_at(self, place: int) -> dict[str, Any]:
        """Sequence number, rack and slot of a place."""
        rack, slot = rack_and_slot(place, self.rack_slots, self.load_order)
        return {
            "place": place,
            "sequence_no": sequence_number(place, self.sequence_wrap),
            "rack": rack_name(self.id, rack),
            "slot": slot,
        }


@dataclass(frozen=True, slots=True)
class CalledCall(FoundCall):
    """A call with all that it says, its row locked."""

    call_no: int
    sequence_no: int
    part_no: str
    quantity: int
    colour: str
    unloading_point: str
    control_point: str
    called_at: datetime
    priority: Literal["normal", "express"]
    pre_series: bool
    vin: str | None
    model: str | None
    place: int | None
    timed_from: datetime
    lead_s: float
    asked: str | None
    asked_record: dict[str, Any] | None
    confirmed_revision: int | None

    @property
    def situation(self) -> Situation:
        """What its pair of statuses means."""
        return status_net().situation(self.pair)

    def message(self) -> Call:
        """As it is told."""
        told = {name: getattr(self, name) for name in Call.model_fields if name not in _MADE}
        return Call(key=self.key, **told)

    def moved(self, pair: Pair) -> CalledCall:
        """After an event."""
        return replace(self, car=pair.car, part=pair.part)


_MADE = frozenset(("kind", "key"))


def lock_plant(connection: psycopg.Connection, tenant: str, plant: str) -> dict[str, LineRow]:
    """Lock the plant, its supplier lines and their streams; the lines by name. Passes of the plant
    wait until the transaction ends. Raises `UnknownError` unless the plant is the tenant's."""
    row = connection.execute(
        "SELECT owner FROM plant WHERE id = %s FOR NO KEY UPDATE", (plant,)
    ).fetchone()
    if row is None or row[0] != tenant:
        raise UnknownError(f"no plant {plant}")
    with connection.cursor(row_factory=class_row(LineRow)) as cursor:
        lines = cursor.execute(_LOCK_LINES, (plant,)).fetchall()
    connection.execute(_LOCK_STREAMS, (sorted({line.gateway for line in lines}),))
    return {line.id: line for line in lines}


def lines_of(connection: psycopg.Connection, plant: str) -> dict[str, LineRow]:
    """The plant's supplier lines by name, not locked."""
    with connection.cursor(row_factory=class_row(LineRow)) as cursor:
        return {line.id: line for line in cursor.execute(_LINES, (plant,)).fetchall()}


def find_calls(
    connection: psycopg.Connection,
    plant: str,
    *,
    line: str | None = None,
    cars: Sequence[str] | None = None,
    moving: bool = False,
    since: datetime | None = None,
) -> list[CalledCall]:
    """Calls in the order they were made, locked. moving: only those whose car is in the line, and
    whose part has not ended. since: only those required later than then; of a plant that does not
    report what is fitted, all older ones seem to move."""
    with connection.cursor(row_factory=class_row(CalledCall)) as cursor:
        return cursor.execute(
            _CALLS,
            {
                "plant": plant,
                "line": line,
                "cars": None if cars is None else list(cars),
                "moving": moving,
                "ended": list(ENDED),
                "since": since,
            },
        ).fetchall()


def calls_of_car(
    connection: psycopg.Connection, plant: str, production_no: str
) -> list[CalledCall]:
    """All calls of a car that is on order, locked; none if nothing was called yet. Raises
    `UnknownError`."""
    known = connection.execute(
        "SELECT FROM vehicle_order WHERE plant = %s AND production_no = %s", (plant, production_no)
    ).fetchone()
    if known is None:
        raise UnknownError(f"no order {production_no} in plant {plant}")
    return find_calls(connection, plant, cars=[production_no])


def call_of_key(connection: psycopg.Connection, key: CallKey) -> CalledCall:
    """The call of this key, locked. Raises `UnknownError` that names those of the car."""
    calls = find_calls(connection, key.plant, cars=[key.production_no])
    for call in calls:
        if call.key == key:
            return call
    hint = did_you_mean(str(key), [str(call.key) for call in calls])
    raise UnknownError(f"no call {key}{hint or f'; nothing is called for {key.production_no}'}")


def said_before(connection: psycopg.Connection, calls: Sequence[FoundCall], by: By) -> bool:
    """Whether this very command was carried out on any of the calls."""
    return (
        connection.execute(
            "SELECT FROM call_event WHERE call = ANY (%s) AND source = 'plant' AND message_id = %s "
            "LIMIT 1",
            ([call.id for call in calls], by.message_id),
        ).fetchone()
        is not None
    )


def must_ask(call: CalledCall, action: Action) -> bool:
    """Whether the supplier decides; False: it happens. Raises `RefusedError` if neither."""
    situation = call.situation
    if action in situation.may:
        return False
    if action in situation.may_ask:
        return True
    raise RefusedError(f"{told_state(call)}; {action} is not possible{_possible(situation)}")


def allowed(call: CalledCall, action: Action) -> bool:
    """Whether the plant may do so, if need be by asking."""
    return action in call.situation.may | call.situation.may_ask


def told_state(call: CalledCall) -> str:
    """Where a call stands, in a sentence."""
    return (
        f"call {call.key}: its car is {call.car}, its part is {call.part} ({call.situation.text})"
    )


def _possible(situation: Situation) -> str:
    names = [*sorted(situation.may), *(f"{name} by asking" for name in sorted(situation.may_ask))]
    return f"; possible: {', '.join(names)}" if names else "; it has ended"
