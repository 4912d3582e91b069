"""What a command changes of calls, and who is told: content, history and the gateways' records in
one transaction.

A change that the supplier must agree to leaves the call as it is: it waits in `asked_record` until
the answer comes (`answers.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from hub.calls.called import CALLS_BY_ID, WITH_SUPPLIER, Action, By, CalledCall
from hub.calls.calling import LATE
from hub.calls.exceptions import close_exception
from hub.calls.history import add
from hub.calls.notify import CHANGES, calls_changed
from hub.calls.outbox import Outgoing, send
from hub.calls.racks import review
from protocols.jis.messages import CallChange, CallRecord, Instruction, InstructionKind

_STORE = """
UPDATE jis_call SET revision = %(revision)s, part_no = %(part_no)s, quantity = %(quantity)s,
    colour = %(colour)s, vin = %(vin)s, model = %(model)s, place = %(place)s,
    sequence_no = %(sequence_no)s, rack = %(rack)s, slot = %(slot)s,
    required_at = %(required_at)s, timed_from = %(timed_from)s, lead_s = %(lead_s)s
WHERE id = %(id)s
"""
_ASK = """
UPDATE jis_call SET revision = %s, asked = %s, asked_record = %s, asked_at = %s WHERE id = %s
"""
_WITHDRAW = "UPDATE jis_call SET asked = NULL, asked_record = NULL, asked_at = NULL WHERE id = %s"
_CLAIM = """
INSERT INTO claim
    (plant, line, owner, partner, call, kind, by_whom, part_no, quantity, serial, reason, source_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

UNANSWERED = "change_unanswered"
"""Kind of the exception of a supplier that has not answered in time."""

ClaimKind = Literal["obsolete", "changed_late", "nok_at_line"]


class Content(BaseModel):
    """What a change can make other of a call."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    part_no: str
    quantity: int
    colour: str
    vin: str | None
    model: str | None
    place: int | None
    sequence_no: int
    rack: str
    slot: int
    required_at: datetime
    timed_from: datetime
    lead_s: float

    def on(self, call: CalledCall) -> CalledCall:
        """The call with this content."""
        return replace(call, **dict(self))


_SAID = (
    *("part_no", "quantity", "colour", "vin", "model"),
    *("sequence_no", "rack", "slot", "required_at"),
)
"""The fields of the content that a supplier is told."""


class Asked(BaseModel):
    """What waits for the supplier's answer."""

    content: Content
    with_call: int | None = None
    """Of a swap: the id of the other call. Both agree, or neither changes."""


class Telling:
    """Collects what one command tells, and sends it at the end: `flush`."""

    def __init__(self, connection: psycopg.Connection, by: By) -> None:
        self.connection = connection
        self.by = by
        self._outgoing: dict[tuple[int, str, str], list[Outgoing]] = {}
        self._lines: set[tuple[str, str, str, str]] = set()
        self._racks: set[tuple[str, str, str]] = set()

    def change(
        self,
        before: CalledCall,
        after: CalledCall,
        kind: Literal["change", "resequence"],
        *,
        ask: Action | None = None,
        with_call: int | None = None,
        message_id: str | None = None,
    ) -> CalledCall:
        """Make a call other than it was, or ask to, as `ask`. Returns it as it is now.

        kind: as the history names it. Nothing is written where nothing differs.
        """
        changed = {f: getattr(after, f) for f in _SAID if getattr(after, f) != getattr(before, f)}
        if after == before:
            return before
        by = self.by
        revision = before.revision + 1 if changed else before.revision
        told = replace(after, revision=revision)
        if ask is not None:
            asked = Asked(content=Content.model_validate(after), with_call=with_call)
            self.connection.execute(
                _ASK, (revision, ask, Jsonb(asked.model_dump(mode="json")), by.at, before.id)
            )
        else:
            self.store(told)
        if not changed:
            return told
        if ask is None and before.rack != after.rack:
            self._racks |= {(before.plant, before.line, r) for r in (before.rack, after.rack)}
        add(
            self.connection,
            before,
            "plant",
            kind,
            by.at,
            body={
                "changed": {
                    name: {"from": _plain(getattr(before, name)), "to": _plain(value)}
                    for name, value in changed.items()
                },
                "revision": revision,
                "reason": by.reason,
                "asked": ask is not None,
            },
            message_id=message_id or by.message_id,
            actor=by.actor,
        )
        if before.part in WITH_SUPPLIER:
            record = CallChange(
                call=told.message(),
                changed=sorted(changed),
                reason=by.reason or kind,
                confirm=ask is not None,
            )
            self.tell(told, record)
        if ask is None and (told.rack, told.slot) != (before.rack, before.slot):
            for rack in sorted({before.rack, told.rack}):
                review(self.connection, told.plant, told.line, rack, by.at)
        self.touched(before)
        return told if ask is None else replace(before, revision=revision, asked=ask)

    def instruct(
        self,
        call: CalledCall,
        kind: InstructionKind,
        *,
        confirm: bool = False,
        slot_policy: Literal["keep_empty", "compress"] = "keep_empty",
    ) -> CalledCall:
        """Tell the supplier what to do with a call; whatever it was asked is no longer asked, and
        of a call that it goes on with it is told the content as it is: it may have taken the other
        already."""
        if call.asked_record is not None:
            self._take_back_other(Asked.model_validate(call.asked_record))
            if kind != "cancel":
                call = self.take_back(call, "it is not asked any more")
        told = self.raise_revision(call)
        record = Instruction(
            kind=kind,
            key=call.key,
            revision=told.revision,
            at=self.by.at,
            reason=self.by.reason or kind,
            slot_policy=slot_policy,
            confirm=confirm,
        )
        self.tell(told, record)
        self.touched(call)
        return told

    def event(self, call: CalledCall, kind: str, body: dict[str, Any] | None = None) -> CalledCall:
        """Add an event of the plant to a call's history. Returns the call after it."""
        moved = add(
            self.connection,
            call,
            "plant",
            kind,
            self.by.at,
            body={"reason": self.by.reason, **(body or {})},
            message_id=self.by.message_id,
            actor=self.by.actor,
        )
        self.touched(call)
        if moved is None:
            return call
        if moved.after.car != "released":
            self._close(call, LATE)
        return call.moved(moved.after)

    def store(self, call: CalledCall) -> None:
        """Write a call's content and revision."""
        values = Content.model_validate(call).model_dump()
        self.connection.execute(_STORE, values | {"revision": call.revision, "id": call.id})

    def take_back(self, call: CalledCall, reason: str) -> CalledCall:
        """The supplier is no longer asked, and is told the call as it was: it may have taken the
        change already."""
        told = self.raise_revision(call)
        self.tell(told, CallChange(call=told.message(), changed=list(_SAID), reason=reason))
        self.touched(call)
        return told

    def _take_back_other(self, asked: Asked) -> None:
        """A swap that one of two calls leaves is none for the other."""
        if asked.with_call is None:
            return
        with self.connection.cursor(row_factory=class_row(CalledCall)) as cursor:
            other = cursor.execute(CALLS_BY_ID, ([asked.with_call],)).fetchone()
        if other is not None and other.asked is not None:
            self.take_back(other, "the other call of this swap stays as it is")

    def raise_revision(self, call: CalledCall) -> CalledCall:
        """The call with the next revision; whatever its supplier was asked, it is asked no more."""
        self.withdraw(call)
        told = replace(call, revision=call.revision + 1, asked=None, asked_record=None)
        self.connection.execute(
            "UPDATE jis_call SET revision = %s WHERE id = %s", (told.revision, call.id)
        )
        return told

    def withdraw(self, call: CalledCall) -> None:
        """The supplier need no longer answer what it was asked of this call."""
        if call.asked is not None:
            self.connection.execute(_WITHDRAW, (call.id,))
            self._close(call, UNANSWERED)

    def _close(self, call: CalledCall, kind: str) -> None:
        close_exception(self.connection, call.plant, kind, str(call.key), self.by.actor)

    def claim(
        self, call: CalledCall, kind: ClaimKind, by_whom: Literal["plant", "supplier"]
    ) -> None:
        """Record what settlement will ask for."""
        self.connection.execute(
            _CLAIM,
            (
                *(call.plant, call.line, call.owner, call.partner, call.id, kind, by_whom),
                *(call.part_no, call.quantity, call.serial, self.by.reason, self.by.at),
            ),
        )

    def tell(self, call: CalledCall, record: CallRecord) -> None:
        """Send a record about a call with the rest."""
        stream = call.gateway, call.owner, call.partner
        self._outgoing.setdefault(stream, []).append(Outgoing(record, call.id, call.revision))

    def touched(self, call: CalledCall) -> None:
        """Whoever watches the call's line is to look again."""
        self._lines.add((call.plant, call.line, call.owner, call.partner))

    def flush(self) -> None:
        """Write the records into the gateways' streams and tell who watches."""
        for plant, line, rack in sorted(self._racks):
            review(self.connection, plant, line, rack, self.by.at)
        self._racks.clear()
        for (gateway, owner, partner), records in sorted(
            self._outgoing.items(), key=lambda item: item[0]
        ):
            send(self.connection, gateway, owner, partner, records)
        self._outgoing.clear()
        for payload in calls_changed(self._lines):
            self.connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, payload))
        self._lines.clear()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
