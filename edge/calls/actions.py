"""What people at the line say and do: each press becomes events in one transaction, and once.

A press carries what the person had before them (`seen`: a revision, a serial, the call's version).
The same press again, by a second click, a reload or a second tablet, finds what came of the first;
one that was made in view of something else is refused.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge.calls import demand, racks
from edge.calls.book import ENDED, LEFT, CallBook
from protocols.jis.messages import Call, CallKey, Delay, Event, EventKind, Identifier, Shipment
from protocols.jis.net import status_net

Operator = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]
Serial = Annotated[str, Field(min_length=1, max_length=128)]
Reason = Annotated[str, Field(max_length=300)]
_FAR = timedelta(days=30)


class ActionError(Exception):
    """The press is refused, and nothing has changed. `code` names the sentence
    (`edge.board.words`), `detail` fills it."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Operator = Field(description="who did it")
    line: str = Field(max_length=129, description="plant/line")


class _OfCall(_Action):
    key: str = Field(max_length=300)

    @property
    def target(self) -> str:
        return self.key


class Answer(_OfCall):
    """Yes or no to what the plant asks."""

    verb: Literal["answer"] = "answer"
    revision: int = Field(ge=1, description="what is answered: the revision asked for")
    yes: bool
    reason: Reason = ""

    @property
    def seen(self) -> str:
        return str(self.revision)


class Nok(_OfCall):
    """This part is not in order: it is built again, scrapped, or kept in stock."""

    verb: Literal["nok"] = "nok"
    serial: Serial
    then: Literal["rebuild", "scrap", "stock"]
    reason: Reason = ""

    @property
    def seen(self) -> str:
        return self.serial


class _InView(_OfCall):
    version: int = Field(ge=0, description="of the call, as the person saw it")

    @property
    def seen(self) -> str:
        return str(self.version)


class Missing(_InView):
    """Material for it is missing."""

    verb: Literal["missing"] = "missing"
    eta: AwareDatetime = Field(description="when it is expected")
    reason: Reason = ""


class Supplied(_InView):
    """It is there."""

    verb: Literal["supplied"] = "supplied"


class Unclear(_InView):
    """A person has looked whether the line took the call."""

    verb: Literal["unclear"] = "unclear"
    taken: bool


class CloseRack(_Action):
    """Every serial of a rack was scanned."""

    verb: Literal["close_rack"] = "close_rack"
    rack: Identifier
    scans: dict[int, Serial] = Field(min_length=1, max_length=1000, description="serial by slot")

    @property
    def target(self) -> str:
        return f"{self.line}/{self.rack}"

    @property
    def seen(self) -> str:
        return _digest(sorted(self.scans.items()))


class Depart(_Action):
    """A truck has left with these racks."""

    verb: Literal["depart"] = "depart"
    racks: list[Identifier] = Field(min_length=1, max_length=200)
    content: str = Field(max_length=64, description="digest of what stands in all closed racks")
    eta: AwareDatetime | None = None
    carrier: str | None = Field(default=None, max_length=64)
    vehicle: str | None = Field(default=None, max_length=64)

    @property
    def target(self) -> str:
        return f"{self.line}/{','.join(sorted(self.racks))}"

    @property
    def seen(self) -> str:
        return self.content


class Late(_Action):
    """A truck under way will be late."""

    verb: Literal["delay"] = "delay"
    shipment: Identifier
    eta: AwareDatetime
    reason: Reason = ""

    @property
    def target(self) -> str:
        return self.shipment

    @property
    def seen(self) -> str:
        return self.eta.isoformat()


Action = Annotated[
    Answer | Nok | Missing | Supplied | Unclear | CloseRack | Depart | Late,
    Field(discriminator="verb"),
]


class Actions:
    """Does what people say, within a transaction of the store.

    `append` adds an event of a call, `append_body` any other record of the stream.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        book: CallBook,
        append: Callable[[Event], int],
        append_body: Callable[[str], int],
        rack_slots: Mapping[str, int],
    ) -> None:
        self._db = database
        self._book = book
        self._append = append
        self._append_body = append_body
        self._rack_slots = rack_slots

    def act(self, action: Action, at: datetime) -> str:
        """Do it, or find that it was done; what came of it. Raises `ActionError`."""
        done = self._db.execute(
            "SELECT said FROM action WHERE verb = ? AND target = ? AND seen = ?",
            (action.verb, action.target, action.seen),
        ).fetchone()
        if done is not None:
            return str(done[0])
        said = self._do(action, at)
        self._db.execute(
            "INSERT INTO action VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(action.verb, action.target, action.seen, action.by, said),
                int(at.timestamp() * 1_000_000),
            ),
        )
        return said

    def _do(self, action: Action, at: datetime) -> str:
        match action:
            case Answer():
                return self._answer(action)
            case Nok():
                return self._nok(action, at)
            case Missing():
                _check_eta(action.eta, at)
                row = self._in_view(action)
                fields = {"eta": action.eta, "reason": action.reason or None}
                self._tell(row, action.by, at, "missing", **fields)
                return "missing"
            case Supplied():
                self._tell(self._in_view(action), action.by, at, "supplied")
                return "supplied"
            case Unclear():
                return self._unclear(action, at)
            case CloseRack():
                return self._close_rack(action, at)
            case Depart():
                return self._depart(action, at)
            case Late():
                return self._late(action, at)

    def _answer(self, action: Answer) -> str:
        row = self._row(action)
        change = row["change_body"]
        of_change = change is not None and row["change_due"] == 2
        if of_change and Call.model_validate_json(change).revision == action.revision:
            subject = "change"
        elif row["wish_due"] == 2 and row["wish_revision"] == action.revision:
            subject = "wish"
        else:
            raise ActionError("not_asked")
        said_yes = action.yes
        tells_plc = demand.takes_commands(self._db, action.line) is not False
        self._book.person_answers(
            row, subject, yes=said_yes, tells_plc=tells_plc, by=action.by, reason=action.reason
        )
        return "confirmed" if said_yes else "refused"

    def _nok(self, action: Nok, at: datetime) -> str:
        row = self._row(action)
        if row["serial"] != action.serial:
            raise ActionError("other_part", row["serial"] or "-")
        commands = demand.takes_commands(self._db, action.line)
        if action.then == "rebuild" and commands is False:
            raise ActionError("no_commands")
        part = {"serial": action.serial}
        if row["part"] == "packed":
            self._tell(row, action.by, at, "unpacked", **part)
        if action.then != "stock":
            reason = action.reason or None
            self._tell(row, action.by, at, "inspected", verdict="nok", reason=reason, **part)
        if action.then == "scrap":
            self._tell(row, action.by, at, "scrapped", **part)
        elif action.then == "stock":
            self._tell(row, action.by, at, "stocked", **part)
        if commands is not False:
            self._book.redo(row["key"], "rework" if action.then == "rebuild" else "scrap")
        return action.then

    def _unclear(self, action: Unclear, at: datetime) -> str:
        row = self._in_view(action)
        if row["state"] != "unclear":
            raise ActionError("not_possible", row["part"])
        self._book.person_settles(row, taken=action.taken, by=action.by, at=at)
        return "taken" if action.taken else "not_taken"

    def _close_rack(self, action: CloseRack, at: datetime) -> str:
        called = self._book.calls_of_rack(action.line, action.rack)
        if not called:
            raise ActionError("no_rack", action.rack)
        standing = {part.key: part for part in racks.parts_of(self._db, action.line, action.rack)}
        wrong, to_pack = [], []
        for row in called:
            call = Call.model_validate_json(row["body"])
            scanned = action.scans.get(call.slot)
            stands = standing.get(row["key"])
            if scanned is None or row["part"] not in ("packed", "inspected", "loaded"):
                raise ActionError("rack_incomplete", str(call.slot))
            if scanned != row["serial"]:
                wrong.append(f"{call.slot}: {scanned} ≠ {row['serial']}")
            elif stands is not None and stands.slot != call.slot:
                wrong.append(f"{call.slot}: {row['serial']} → {stands.slot}")
            elif stands is None:
                to_pack.append((row, call))
        slots = {Call.model_validate_json(row["body"]).slot for row in called}
        wrong += [f"{slot}: {action.scans[slot]}" for slot in sorted(action.scans.keys() - slots)]
        if wrong:
            raise ActionError("wrong_part", "; ".join(wrong)[:300])
        for row, call in to_pack:
            place = {"rack": call.rack, "slot": call.slot, "serial": row["serial"]}
            self._tell(row, action.by, at, "packed", **place)
        self._db.execute(
            "INSERT OR REPLACE INTO closed_rack VALUES (?, ?, ?, ?)",
            (action.line, action.rack, action.by, int(at.timestamp() * 1_000_000)),
        )
        return "closed"

    def _depart(self, action: Depart, at: datetime) -> str:
        closed = racks.closed_racks(self._db, action.line)
        if action.content != racks.content_digest(self._db, action.line):
            raise ActionError("changed")
        if not_closed := [rack for rack in action.racks if rack not in closed]:
            raise ActionError("not_closed", ", ".join(not_closed))
        if action.eta is not None:
            _check_eta(action.eta, at)
        plant, _, line = action.line.partition("/")
        shipment = f"{line[:40]}-{at:%y%m%d}-{secrets.token_hex(3).upper()}"
        for rack in action.racks:
            for part in racks.parts_of(self._db, action.line, rack):
                self._append(
                    Event(
                        kind="shipped",
                        key=CallKey.parse(part.key),
                        at=at,
                        serial=part.serial or None,
                        rack=part.rack,
                        slot=part.slot,
                        shipment=shipment,
                        by=action.by,
                    )
                )
        at_us = int(at.timestamp() * 1_000_000)
        slots = self._rack_slots.get(action.line)
        left = racks.depart(self._db, action.line, shipment, at_us, action.eta, slots)
        if not left:
            raise ActionError("no_rack", ", ".join(action.racks))
        advice = Shipment(
            plant=plant,
            line=line,
            shipment=shipment,
            departed_at=at,
            eta=action.eta,
            carrier=action.carrier,
            vehicle=action.vehicle,
            racks=left,
        )
        self._append_body(advice.model_dump_json())
        return shipment

    def _late(self, action: Late, at: datetime) -> str:
        _check_eta(action.eta, at)
        moved = self._db.execute(
            "UPDATE truck SET eta = ? WHERE line_key = ? AND shipment = ?",
            (action.eta.isoformat(), action.line, action.shipment),
        ).rowcount
        if not moved:
            raise ActionError("no_truck", action.shipment)
        plant, _, line = action.line.partition("/")
        delay = Delay(
            plant=plant,
            line=line,
            shipment=action.shipment,
            at=at,
            eta=action.eta,
            reason=action.reason,
        )
        self._append_body(delay.model_dump_json())
        return "late"

    def _row(self, action: _OfCall) -> sqlite3.Row:
        row = self._book.find(action.key)
        if row is None or row["line_key"] != action.line:
            raise ActionError("no_call", action.key)
        return row

    def _in_view(self, action: _InView) -> sqlite3.Row:
        row = self._row(action)
        if row["version"] != action.version:
            raise ActionError("changed")
        return row

    def _tell(
        self, row: sqlite3.Row, by: str, at: datetime, kind: EventKind, **fields: object
    ) -> None:
        """Append an event of the call. Raises `ActionError` if its part cannot take it."""
        now = self._book.find(row["key"]) or row
        name = f"inspected_{fields['verdict']}" if kind == "inspected" else kind
        if now["part"] in LEFT | ENDED or status_net().target(name, now["part"]) is None:
            raise ActionError("not_possible", now["part"])
        event = {"kind": kind, "key": CallKey.parse(row["key"]), "at": at, "by": by, **fields}
        self._append(Event.model_validate(event))


def _check_eta(eta: datetime, at: datetime) -> None:
    if not at - _FAR < eta < at + _FAR:
        raise ActionError("far_eta")


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=12).hexdigest()
