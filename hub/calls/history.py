"""The history of a call: every event of every source, by which alone its statuses move.

`add` appends one; the database moves the call by the status net, or keeps the event as not applied.
What the pair means then opens and closes exceptions (`hub/calls/exceptions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from hub.calls.exceptions import settle
from hub.calls.racks import follow
from protocols.jis.messages import CallKey
from protocols.jis.net import Pair, Source

_FIND = """
SELECT c.id, c.owner, c.partner, l.gateway, c.plant, c.line, c.production_no, c.part_group,
    c.reorder_index, c.car, c.status AS part, c.revision, c.serial, c.rack, c.slot, c.packed_rack,
    c.required_at
FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
WHERE c.plant = %s AND c.line = %s AND c.production_no = %s AND c.part_group = %s
    AND c.reorder_index = %s
FOR UPDATE OF c
"""
_ADD = """
INSERT INTO call_event
    (owner, partner, call, source, kind, serial, body, source_at, gateway, epoch, record_offset,
     message_id, actor)
VALUES (%(owner)s, %(partner)s, %(call)s, %(source)s, %(kind)s, %(serial)s, %(body)s,
    %(source_at)s, %(gateway)s, %(epoch)s, %(offset)s, %(message_id)s, %(actor)s)
ON CONFLICT (call, source, message_id) DO NOTHING
RETURNING car_after, part_after, applied
"""


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call as it stands, its row locked until the transaction ends."""

    id: int
    owner: str
    partner: str
    gateway: int
    plant: str
    line: str
    production_no: str
    part_group: str
    reorder_index: int
    car: str
    part: str
    revision: int
    serial: str | None
    rack: str
    slot: int
    packed_rack: str | None
    required_at: datetime

    @property
    def key(self) -> CallKey:
        return CallKey(
            plant=self.plant,
            line=self.line,
            production_no=self.production_no,
            part_group=self.part_group,
            reorder_index=self.reorder_index,
        )

    @property
    def pair(self) -> Pair:
        return Pair(self.car, self.part)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a stream an event came."""

    gateway: int
    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What an event did."""

    before: Pair
    after: Pair
    applied: bool
    """False: the net does not take it from there, so it only stands in the history."""


def find_call(connection: psycopg.Connection, key: CallKey) -> FoundCall | None:
    """The call of this key, locked."""
    with connection.cursor(row_factory=class_row(FoundCall)) as cursor:
        return cursor.execute(
            _FIND, (key.plant, key.line, key.production_no, key.part_group, key.reorder_index)
        ).fetchone()


def add(
    connection: psycopg.Connection,
    call: FoundCall,
    source: Source,
    kind: str,
    at: datetime,
    *,
    body: Mapping[str, Any] | None = None,
    serial: str | None = None,
    place: Place | None = None,
    message_id: str | None = None,
    actor: str | None = None,
) -> Moved | None:
    """Append an event. None: this source has said so before, by the same `message_id`.

    Exactly one of `place` and `message_id` is the event's identity. Raises
    `psycopg.errors.CheckViolation` for an event of the plant that the net does not take: ask
    `Net.situation` before.
    """
    row = connection.execute(
        _ADD,
        {
            "owner": call.owner,
            "partner": call.partner,
            "call": call.id,
            "source": source,
            "kind": kind,
            "serial": serial,
            "body": Jsonb(dict(body or {})),
            "source_at": at,
            "gateway": place.gateway if place else None,
            "epoch": place.epoch if place else None,
            "offset": place.offset if place else None,
            "message_id": message_id,
            "actor": actor,
        },
    ).fetchone()
    if row is None:
        return None
    moved = Moved(call.pair, Pair(row[0], row[1]), applied=row[2])
    if moved.after != moved.before:
        settle(connection, call, moved.after, at)
    if kind == "missing" and (eta := (body or {}).get("eta")):
        connection.execute("UPDATE jis_call SET eta = %s WHERE id = %s", (eta, call.id))
    if moved.applied:
        car_moved = moved.after.car != moved.before.car
        follow(connection, call, kind, at, body or {}, serial, car_moved=car_moved)
    return moved
