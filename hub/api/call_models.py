"""A call and its history as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from pydantic import BaseModel, ConfigDict, Field

from protocols.jis.net import Pair, status_net

_CALLS = """
SELECT c.id, concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    c.line, c.production_no, c.part_group, c.reorder_index, c.call_no, c.place, c.sequence_no,
    c.part_no, c.quantity, c.colour, c.unloading_point, c.rack, c.slot, c.control_point,
    c.called_at, c.required_at, c.car, c.status AS part, c.priority, c.pre_series, c.revision,
    c.acknowledged_revision, c.asked, c.serial, c.eta, c.fitted_at
FROM jis_call c
WHERE c.plant = %(plant)s AND c.id > %(after)s
    AND (%(line)s::text IS NULL OR c.line = %(line)s)
    AND (%(car)s::text IS NULL OR c.production_no = %(car)s)
    AND (%(part_group)s::text IS NULL OR c.part_group = %(part_group)s)
    AND (%(reorder_index)s::integer IS NULL OR c.reorder_index = %(reorder_index)s)
    AND (%(car_status)s::text[] IS NULL OR c.car = ANY (%(car_status)s))
    AND (%(part_status)s::text[] IS NULL OR c.status = ANY (%(part_status)s))
    AND (%(rack)s::text IS NULL OR c.rack = %(rack)s)
    AND (%(sequence_no)s::integer IS NULL OR c.sequence_no = %(sequence_no)s)
ORDER BY c.id LIMIT %(limit)s
"""
_HISTORY = """
SELECT call, kind, source, source_at, received_at, message_id, actor, serial, body, car_before,
    part_before, car_after, part_after, applied,
    CASE WHEN epoch IS NOT NULL THEN epoch || ':' || record_offset END AS stream_place
FROM call_event WHERE call = ANY (%s) ORDER BY id
"""
MOST = 100_000

CALL_EXAMPLE: dict[str, Any] = {
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "line": "SEAT1",
    "production_no": "0004711",
    "part_group": "SEAT-FRONT",
    "reorder_index": 0,
    "call_no": 33,
    "place": 33,
    "sequence_no": 33,
    "part_no": "SF-SPORT",
    "quantity": 1,
    "colour": "RED",
    "unloading_point": "DOCK-7",
    "rack": "SEAT1-00003",
    "slot": 9,
    "control_point": "TRIM-IN",
    "called_at": "2026-03-02T06:15:00Z",
    "required_at": "2026-03-02T10:15:00Z",
    "car": "released",
    "part": "started",
    "means": "being built",
    "means_zh": "生产中",
    "may": ["pull_out", "reorder", "resequence", "swap"],
    "may_ask": ["cancel", "change"],
    "priority": "normal",
    "pre_series": False,
    "revision": 1,
    "acknowledged_revision": 1,
    "asked": None,
    "serial": None,
    "eta": None,
    "fitted_at": None,
}


class CallState(BaseModel):
    """A call as it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [CALL_EXAMPLE]})

    key: str = Field(description="plant/line/production_no/part_group/reorder_index")
    line: str
    production_no: str
    part_group: str
    reorder_index: int
    call_no: int = Field(description="1, 2, 3 … per supplier line, without gaps")
    place: int | None = Field(
        description="in the line's order; null: in none, since its car is out or it is express"
    )
    sequence_no: int = Field(description="short number on the label; wraps")
    part_no: str
    quantity: int
    colour: str
    unloading_point: str
    rack: str
    slot: int
    control_point: str
    called_at: datetime
    required_at: datetime
    car: str = Field(description="status of the car")
    part: str = Field(description="status of the part")
    means: str = Field(description="what the two mean together")
    means_zh: str
    may: list[str] = Field(description="what the plant can ask for now, and it happens")
    may_ask: list[str] = Field(description="what the supplier would decide")
    priority: str
    pre_series: bool
    revision: int
    acknowledged_revision: int | None = Field(description="the newest on the gateway's disk")
    asked: str | None = Field(description="what the supplier is asked and has not answered")
    serial: str | None
    eta: datetime | None = Field(description="of missing material")
    fitted_at: datetime | None


class FoundState(CallState):
    """A call with the id that pages and histories go by."""

    id: int = Field(exclude=True)


class HistoryEntry(BaseModel):
    """One event of a call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "produced",
                    "source": "supplier",
                    "source_at": "2026-03-02T07:02:11Z",
                    "received_at": "2026-03-02T07:02:11.3Z",
                    "message_id": None,
                    "stream_place": "812903:4711",
                    "actor": None,
                    "serial": "S-88123",
                    "body": {"kind": "produced"},
                    "car_before": "released",
                    "part_before": "started",
                    "car_after": "released",
                    "part_after": "produced",
                    "applied": True,
                }
            ]
        }
    )

    kind: str
    source: str = Field(description="plant, gateway, supplier or dock")
    source_at: datetime
    received_at: datetime
    message_id: str | None = Field(description="of who did not come by a stream")
    stream_place: str | None = Field(description="epoch:offset in the supplier's stream")
    actor: str | None
    serial: str | None
    body: dict[str, Any]
    car_before: str | None
    part_before: str | None
    car_after: str | None
    part_after: str | None
    applied: bool = Field(description="false: it is kept, and moved nothing")


def calls_of(
    connection: psycopg.Connection, plant: str, *, after: int = 0, limit: int = MOST, **filters: Any
) -> list[FoundState]:
    """Calls in the order they were made; filters as the query names them."""
    values = dict.fromkeys(
        ("line", "car", "part_group", "reorder_index", "car_status", "part_status", "rack",
         "sequence_no")
    ) | {"plant": plant, "after": after, "limit": limit} | filters  # fmt: skip
    cursor = connection.execute(_CALLS, values)
    names = [column.name for column in cursor.description or ()]
    return [_state(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def histories_of(
    connection: psycopg.Connection, ids: Sequence[int]
) -> dict[int, list[HistoryEntry]]:
    """By call."""
    cursor = connection.execute(_HISTORY, (list(ids),))
    names = [column.name for column in cursor.description or ()]
    found: dict[int, list[HistoryEntry]] = {}
    for row in cursor.fetchall():
        entry = dict(zip(names, row, strict=True))
        found.setdefault(entry.pop("call"), []).append(HistoryEntry(**entry))
    return found


def _state(row: dict[str, Any]) -> FoundState:
    situation = status_net().situation(Pair(row["car"], row["part"]))
    return FoundState(
        **row,
        means=situation.text,
        means_zh=situation.text_zh,
        may=sorted(situation.may),
        may_ask=sorted(situation.may_ask),
    )
