"""What the board of a line shows, out of the calls' file."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.calls import demand, racks
from protocols.jis.messages import Demand

SHOWN_CALLS = 200
"""Calls at the line that are looked at, first needed first."""
SHOWN_TRUCKS = 3
SHOWN_AHEAD = 8

_CALLS = """
SELECT * FROM call WHERE line_key = ?
    AND part NOT IN ('shipped', 'arrived', 'mismatched', 'confirmed', 'consumed', 'rejected',
                     'returned', 'dropped', 'scrapped', 'stocked')
ORDER BY express DESC, call_no LIMIT ?
"""
_AT_WORK = ("started", "missing", "rework", "produced")


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call as the board shows it."""

    key: str
    version: int
    state: str
    part: str
    wish: str
    express: bool
    production_no: str
    part_group: str
    part_no: str
    quantity: int
    colour: str
    sequence_no: int
    rack: str
    slot: int
    required_at: datetime
    serial: str | None
    eta: datetime | None
    note: str | None
    revision: int

    @property
    def at_work(self) -> bool:
        return self.part in _AT_WORK


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is to decide."""

    call: ShownCall
    kind: str
    """`change`, `hold`, `resume`, `cancel` or `unclear`."""
    revision: int
    reason: str
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of a change: field, as it is and as it is to be."""


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """A slot of the rack that is being filled."""

    slot: int
    state: str
    """`filled`, `wrong`, `next`, `open`, `held` or `empty`."""
    call: ShownCall | None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class ShownTruck:
    shipment: str
    racks: list[str]
    eta: datetime | None


@dataclass(frozen=True, slots=True)
class LineView:
    """All of it."""

    calls: list[ShownCall]
    questions: list[Question]
    rack: str | None
    slots: list[ShownSlot]
    closed: list[str]
    """Racks that wait for a truck."""
    content: str
    """Digest of what stands in those."""
    trucks: list[ShownTruck]
    ahead: list[Demand]
    """The first of what the preview names and no call yet."""
    demand: int
    """How much that is in all."""
    mode: str
    mode_since: datetime | None
    mode_reason: str
    stopped: bool
    commands: bool | None


def view(database: sqlite3.Connection, line: str, rack_slots: int | None = None) -> LineView:
    """What is to be shown of a line. `rack_slots`: slots of a rack, where that is known."""
    cursor = database.cursor()
    cursor.row_factory = sqlite3.Row
    rows = cursor.execute(_CALLS, (line, SHOWN_CALLS)).fetchall()
    calls = [_shown(row) for row in rows]
    questions = [q for row, call in zip(rows, calls, strict=True) for q in _questions(row, call)]
    to_build = [call for call in calls if call.wish == "build"]
    open_calls = [c for c in to_build if c.part not in ("packed", "parked", "loaded")]
    at_work = [c for c in open_calls if c.at_work] or [c for c in open_calls if not c.express]
    first = next(iter(at_work or open_calls), None)
    rack = None if first is None else first.rack
    standing = racks.parts_of(database, line)
    closed = racks.closed_racks(database, line)
    if rack is None:
        rack = next((p.rack for p in standing if not p.shipment and p.rack not in closed), None)
    state: dict[str, Any] = {}
    ahead, demanded = demand.ahead(database, line, SHOWN_AHEAD)
    commands = None
    known = cursor.execute("SELECT * FROM line WHERE line_key = ?", (line,)).fetchone()
    if known is not None:
        state = json.loads(known["state"] or "{}")
        commands = None if known["commands"] is None else bool(known["commands"])
    since = state.get("since")
    return LineView(
        calls=calls,
        questions=questions,
        rack=rack,
        slots=[] if rack is None else _slots(rack, first, calls, standing, rack_slots),
        closed=list(closed),
        content=racks.content_digest(database, line),
        trucks=_trucks(database, line),
        ahead=ahead,
        demand=demanded,
        mode=state.get("mode", "normal"),
        mode_since=None if since is None else datetime.fromisoformat(since),
        mode_reason=state.get("reason", ""),
        stopped=bool(state.get("stopped")),
        commands=commands,
    )


def _shown(row: sqlite3.Row) -> ShownCall:
    body = json.loads(row["body"])
    key = body["key"]
    return ShownCall(
        key=row["key"],
        version=row["version"],
        state=row["state"],
        part=row["part"],
        wish=row["wish"],
        express=bool(row["express"]),
        production_no=key["production_no"],
        part_group=key["part_group"],
        part_no=body["part_no"],
        quantity=body["quantity"],
        colour=body["colour"],
        sequence_no=body["sequence_no"],
        rack=body["rack"],
        slot=body["slot"],
        required_at=datetime.fromisoformat(body["required_at"]),
        serial=row["serial"],
        eta=None if row["eta"] is None else datetime.fromisoformat(row["eta"]),
        note=row["note"],
        revision=row["revision"],
    )


def _questions(row: sqlite3.Row, call: ShownCall) -> list[Question]:
    found = []
    if row["change_due"] == 2:
        new, held = json.loads(row["change_body"]), json.loads(row["body"])
        changed = {
            name: (str(held.get(name)), str(new[name]))
            for name in ("part_no", "colour", "quantity", "sequence_no", "rack", "slot")
            if held.get(name) != new[name]
        }
        found.append(Question(call, "change", new["revision"], row["change_reason"], changed))
    if row["wish_due"] == 2:
        kind = "resume" if row["wish"] == "build" else row["wish"]
        found.append(Question(call, kind, row["wish_revision"], row["wish_reason"]))
    if row["state"] == "unclear":
        found.append(Question(call, "unclear", row["revision"], row["note"] or ""))
    return found


def _slots(
    rack: str,
    first: ShownCall | None,
    calls: list[ShownCall],
    standing: list[racks.RackPart],
    rack_slots: int | None,
) -> list[ShownSlot]:
    """`first`: the call that is at work, or to be begun."""
    of_slot = {call.slot: call for call in reversed(calls) if call.rack == rack}
    by_key = {call.key: call for call in calls}
    parts = {part.slot: part for part in standing if part.rack == rack}
    last = max([rack_slots or 0, *of_slot, *parts])
    in_turn = [call for call in (first, *calls) if call is not None and call.wish == "build"]
    following = next((c.slot for c in in_turn if c.rack == rack and c.slot not in parts), None)
    found = []
    for slot in range(1, last + 1):
        call, part = of_slot.get(slot), parts.get(slot)
        if part is not None:
            right = call is not None and call.key == part.key
            gone = call is None and part.key not in by_key
            state = "filled" if right or gone else "wrong"
            call = by_key.get(part.key, call)
        elif call is None:
            state = "empty"
        elif call.wish != "build":
            state = "held"
        else:
            state = "next" if slot == following else "open"
        found.append(ShownSlot(slot, state, call, "" if part is None else part.serial))
    return found


def _trucks(database: sqlite3.Connection, line: str) -> list[ShownTruck]:
    return [
        ShownTruck(
            shipment, json.loads(names), None if eta is None else datetime.fromisoformat(eta)
        )
        for shipment, names, eta in database.execute(
            "SELECT shipment, racks, eta FROM truck WHERE line_key = ?"
            " ORDER BY departed_us DESC LIMIT ?",
            (line, SHOWN_TRUCKS),
        )
    ]
