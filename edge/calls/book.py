"""What is known of each call: its content, what the plant wants of it, how far its part is.

A call's content and the plant's wish (build, hold, cancel) each have a revision; the newest that
has come counts, in whatever order and however often records come. What the line's PLC holds already
changes only when the PLC, or a person, has said yes; until then the older content stays in force.
No order here is by this machine's clock.

Everything runs within a transaction of `edge.calls.store`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from edge.calls import racks
from edge.calls.work import Work
from protocols.jis.messages import (
    Call,
    CallChange,
    CallKey,
    Delivery,
    Event,
    EventKind,
    Instruction,
)
from protocols.jis.net import status_net

Append = Callable[[Event], int]
"""Adds an event to the stream; gives when, in microseconds."""

TO_THE_LINE = ("part_no", "quantity", "colour", "rack", "slot", "sequence_no")
"""Fields of a call that its PLC holds. A change of others is nothing to it."""
LEFT = frozenset(
    {"shipped", "arrived", "mismatched", "confirmed", "consumed", "rejected", "returned"}
)
"""Part statuses in which the supplier can change nothing any more."""
_DECISIONS = frozenset({"accepted", "refused", "unclear", "dropped"})
"""Events that say what became of a hand-over: a call's states."""
ENDED = frozenset({"dropped", "scrapped", "stocked"})
NO_COMMANDS = "the line's PLC takes no changes of a call that it has taken"

_WISHES = {"hold": "hold", "resume": "build", "cancel": "cancel"}
_COMMANDS = {"hold": "hold", "build": "resume", "cancel": "cancel"}
_INSERT = """
INSERT INTO call (key, line_key, call_no, express, body, revision, seen, state, received_us, part,
    part_us)
VALUES (?, ?, ?, ?, ?, ?, ?, 'received', ?, 'received', ?)
"""
_CONTENT = """
UPDATE call SET body = ?, call_no = ?, express = ?, revision = ?, version = version + 1
WHERE key = ?
"""
_NEXT = """
SELECT * FROM call WHERE line_key = ? AND work > 0
ORDER BY work DESC, express DESC, call_no LIMIT 1
"""


_AT_LINE = """
SELECT * FROM call WHERE line_key = ?
    AND part NOT IN ('shipped', 'arrived', 'mismatched', 'confirmed', 'consumed', 'rejected',
                     'returned', 'dropped', 'scrapped', 'stocked')
ORDER BY express DESC, call_no
"""


class CallBook:
    """The calls of a gateway. `append` adds an event and calls `apply` with it."""

    def __init__(
        self, database: sqlite3.Connection, append: Append, now: Callable[[], int]
    ) -> None:
        self._db = database
        self._append = append
        self._now = now

    # --- the plant's word ----------------------------------------------------------------------

    def take_call(self, line: str, call: Call, change: CallChange | None, *, person: bool) -> bool:
        """A call has come, or the change that makes it this. False if that was known. `person`: a
        person of this line decides on what the plant asks."""
        key = str(call.key)
        row = self.find(key)
        if row is None:
            now = self._now()
            express = call.priority == "express"
            body = call.model_dump_json()
            self._db.execute(
                _INSERT,
                (key, line, call.call_no, express, body, call.revision, call.revision, now, now),
            )
            self._recall(call.key)
            self._take_ahead(key, person)
            return True
        if call.revision <= row["seen"]:
            # A new epoch begins with all open calls: one that is only waiting may be renumbered.
            same = change is None and (row["state"], row["seen"]) == ("received", call.revision)
            renumbered = same and call.model_dump_json() != row["body"]
            if renumbered:
                self._content(key, call)
            return renumbered
        self._update(key, seen=call.revision)
        asked = change is not None and change.confirm
        reason = "" if change is None else change.reason
        if row["state"] == "dropped" or row["part"] in LEFT | ENDED:
            self._answer(row, "refused_change", call.revision, self._too_late(row))
        elif row["state"] in ("received", "refused") or (
            row["change_body"] is None and not _concerns_line(row, call)
        ):
            self._content(key, call)
            if row["state"] == "refused":
                self._update(key, state="received", decided_us=None)
            if asked:
                self._answer(row, "confirmed_change", call.revision)
        else:
            self._update(
                key,
                change_body=call.model_dump_json(),
                change_due=2 if asked and person else 1,
                change_reason=reason,
                said_by=None,
            )
            self._touch(key)
        return True

    def take_instruction(self, instruction: Instruction, *, person: bool) -> bool:
        """Hold, resume or cancel a call; kept if the call has not come yet."""
        key = str(instruction.key)
        row = self.find(key)
        if row is None:
            self._db.execute(
                "INSERT INTO instruction_ahead VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
                " SET revision = excluded.revision, body = excluded.body"
                " WHERE excluded.revision > revision",
                (key, instruction.revision, instruction.model_dump_json(), self._now()),
            )
            return False
        if instruction.revision <= row["wish_revision"]:
            return False
        wish = _WISHES[instruction.kind]
        self._update(
            key,
            wish=wish,
            wish_revision=instruction.revision,
            wish_reason=instruction.reason,
            keep_slot=instruction.slot_policy == "keep_empty",
        )
        self._touch(key)
        if row["state"] == "dropped" or row["part"] in LEFT | ENDED:
            if row["state"] != "dropped" or wish != "cancel":
                self._answer(row, "refused_change", instruction.revision, self._too_late(row))
        elif row["state"] in ("received", "refused"):
            if wish == "cancel":
                self._drop(row, instruction.revision)
            elif instruction.confirm:
                self._answer(row, "confirmed_change", instruction.revision)
        else:
            due = 2 if instruction.confirm and person else 1
            self._update(key, wish_due=due, said_by=None)
        return True

    def take_delivery(self, delivery: Delivery) -> None:
        """The plant's word on a delivered part. Of a call that is forgotten here it is nothing."""
        self._move(str(delivery.key), delivery.what)

    def _recall(self, key: CallKey) -> None:
        """A call that comes again to a new file: what was saved of it from a damaged one holds, so
        that what is decided is neither shown to the line nor told a second time."""
        for (body,) in self._db.execute(
            "SELECT body FROM event WHERE instr(body, ?) ORDER BY event_offset",
            (key.production_no,),
        ).fetchall():
            said = json.loads(body)
            if not isinstance(said, dict) or said.get("key") != key.model_dump(mode="json"):
                continue
            event = Event.model_validate(said)
            if event.kind in _DECISIONS:
                self._update(str(key), state=event.kind, decided_us=self._now(), note=event.reason)
            self.apply(event)

    def _take_ahead(self, key: str, person: bool) -> None:
        ahead = self._db.execute(
            "DELETE FROM instruction_ahead WHERE key = ? RETURNING body", (key,)
        ).fetchone()
        if ahead is not None:
            self.take_instruction(Instruction.model_validate_json(ahead[0]), person=person)

    # --- what the line's PLC is to be told -----------------------------------------------------

    def next_work(self, line: str) -> Work | None:
        """What is to be told next: what it may have seen, then commands, then calls to build:
        express before others, by `call_no`. Held and cancelled calls are not handed over."""
        row = self._rows(_NEXT, (line,)).fetchone()
        if row is None:
            return None
        if row["shown"] is not None:
            return Work.stored(json.loads(row["shown"]))
        call = Call.model_validate_json(row["body"])
        if row["state"] != "accepted":
            before, strobe = row["strobe_before"], row["strobe"]
            return Work(
                call,
                shown=row["state"] == "offered",
                revision=row["revision"],
                strobes=None if before is None or strobe is None else (before, strobe),
            )
        if row["redo"] is not None:
            return Work(call, False, row["redo"], row["revision"], row["serial"] or "")
        if row["wish_due"] == 1:
            return Work(
                call,
                False,
                _COMMANDS[row["wish"]],  # type: ignore[arg-type]  # one of the commands
                row["wish_revision"],
                keep_slot=bool(row["keep_slot"]),
            )
        call = Call.model_validate_json(row["change_body"])
        return Work(call, False, "replace", call.revision)

    def offer(self, work: Work, strobes: tuple[int, int] | None) -> bool:
        """The PLC is about to be shown it; `strobes` as in `Work`. False if it is due no more: the
        plant or the line has said something since it was asked for."""
        key = str(work.call.key)
        if work.command == "build":
            before, strobe = strobes or (None, None)
            offered = self._db.execute(
                "UPDATE call SET state = 'offered', strobe_before = ?, strobe = ?"
                " WHERE key = ? AND state IN ('received', 'offered')",
                (before, strobe, key),
            )
            return offered.rowcount > 0
        row = self.find(key)
        if row is None or not _is_due(row, work):
            return False
        self._update(key, shown=json.dumps(work.plain()))
        return True

    def settle(self, work: Work, accepted: bool, reason: str, at: datetime) -> None:
        """The PLC has answered a command, or cannot be asked. `at`: when it answered. What was not
        before it and is due no more has had its answer."""
        key = str(work.call.key)
        row = self.find(key)
        if row is None or (row["shown"] is None and not _is_due(row, work)):
            return
        self._update(key, shown=None)
        if work.command in ("rework", "scrap"):
            self._update(key, redo=None, note=None if accepted else reason)
            self._touch(key)
            return
        if work.command == "replace":
            if accepted:
                self._content(key, work.call)
            settled = row["change_body"] is not None and (
                Call.model_validate_json(row["change_body"]).revision == work.revision
            )
            if settled:
                self._update(key, change_body=None, change_due=0)
        elif row["wish_revision"] == work.revision:
            self._update(key, wish_due=0)
        kind: EventKind = "confirmed_change" if accepted else "refused_change"
        by = row["said_by"] if accepted else None
        self._answer(row, kind, work.revision, None if accepted else reason, by=by, at=at)

    def ask_person(self, work: Work, reason: str) -> None:
        """Whether the PLC has taken a command nobody can tell: a person looks and decides."""
        key = str(work.call.key)
        due = "change_due" if work.command == "replace" else "wish_due"
        self._update(key, shown=None, note=reason)
        if work.command in ("rework", "scrap"):
            self._update(key, redo=None)
        else:
            self._update(key, **{due: 2})
            row = self.find(key)
            if row is not None and row["part"] in LEFT | ENDED:
                self._let_go(key)
        self._touch(key)

    def decide(self, event: Event) -> bool:
        """What became of a hand-over. False if it was decided before."""
        key = str(event.key)
        changed = self._db.execute(
            "UPDATE call SET state = ? WHERE key = ? AND state IN ('received', 'offered')",
            (event.kind, key),
        ).rowcount
        if changed:
            self._update(key, decided_us=self._append(event), note=event.reason)
        if changed and event.kind == "accepted":
            self._catch_up(key, event.revision)
        return changed > 0

    def _catch_up(self, key: str, held: int | None) -> None:
        """The line has it: whatever is other by now than what it was told is due. `held`: the
        revision that the PLC says it has."""
        row = self.find(key)
        if row is None:
            return
        if held is not None and held < row["revision"] and row["change_body"] is None:
            self._update(key, change_body=row["body"], change_due=1)
        if row["wish"] != "build" and not row["wish_due"]:
            self._update(key, wish_due=1)

    # --- what people say -----------------------------------------------------------------------

    def person_answers(
        self,
        row: sqlite3.Row,
        subject: str,
        *,
        yes: bool,
        tells_plc: bool,
        by: str,
        reason: str,
    ) -> None:
        """A person answers the plant about a `change` of content or a `wish`. With a yes the PLC is
        told first, if it can be; its answer is then the line's."""
        key = row["key"]
        change = subject == "change"
        revision = row["wish_revision"]
        if change:
            call = Call.model_validate_json(row["change_body"])
            revision = call.revision
        self._touch(key)
        if yes and tells_plc:
            self._update(key, said_by=by, note=None, **{f"{subject}_due": 1})
            return
        if change:
            if yes:
                self._content(key, call)
            self._update(key, change_body=None)
        self._update(key, note=None, **{f"{subject}_due": 0})
        kind: EventKind = "confirmed_change" if yes else "refused_change"
        self._answer(row, kind, revision, None if yes else reason or "refused at the line", by=by)

    def person_settles(self, row: sqlite3.Row, *, taken: bool, by: str, at: datetime) -> None:
        """A person has seen whether the line took an unclear call; if not, it is shown again."""
        key = row["key"]
        if not taken:
            self._update(key, state="received", decided_us=None, note=None)
            self._touch(key)
            if row["wish"] == "cancel":
                self._drop(row, row["wish_revision"], by)
            return
        self._update(key, state="accepted", note=None)
        self._append(Event(kind="accepted", key=CallKey.parse(key), at=at, by=by))
        self._catch_up(key, None)

    def redo(self, key: str, what: str) -> None:
        """Let the PLC know that a person has taken the part away."""
        self._update(key, redo=what)
        self._touch(key)

    def calls_of_rack(self, line: str, rack: str) -> list[sqlite3.Row]:
        """The calls whose parts belong into a rack that has not left, by slot; without those that
        are held or cancelled."""
        rows = self._rows(_AT_LINE, (line,)).fetchall()
        named = [(Call.model_validate_json(row["body"]), row) for row in rows]
        found = [(call.slot, row) for call, row in named if call.rack == rack]
        return [row for _, row in sorted(found, key=lambda pair: pair[0]) if row["wish"] == "build"]

    # --- how far its part is -------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """An event of ours has been appended: move the part by the status net."""
        key = str(event.key)
        row = self.find(key)
        name = f"inspected_{event.verdict}" if event.kind == "inspected" else event.kind
        # What the net does not take is overtaken: a person has taken away what the PLC had packed.
        if row is None or status_net().target(name, row["part"]) is not None:
            racks.apply(self._db, event, self._now())
        if row is None:
            return
        self._move(key, name)
        if event.kind == "produced":
            self._update(key, serial=event.serial)
        elif event.kind == "missing":
            self._update(key, eta=event.eta and event.eta.isoformat(), note=event.reason)
        elif event.kind == "supplied":
            self._update(key, eta=None, note=None)
        self._touch(key)
        if event.kind in LEFT | ENDED:
            self._let_go(key)

    def replay(self, events: Sequence[Any]) -> None:
        """Take in the events that a file of an earlier release holds."""
        for event in events:
            if isinstance(event, dict) and "key" in event:
                self.apply(Event.model_validate(event))

    def find(self, key: str) -> sqlite3.Row | None:
        """A call's row."""
        found: sqlite3.Row | None = self._rows(
            "SELECT * FROM call WHERE key = ?", (key,)
        ).fetchone()
        return found

    # --- within ------------------------------------------------------------------------------

    def _move(self, key: str, event: str) -> None:
        row = self._db.execute("SELECT part FROM call WHERE key = ?", (key,)).fetchone()
        target = None if row is None else status_net().target(event, row[0])
        if target is not None and target != row[0]:
            self._update(key, part=target, part_us=self._now())

    def _let_go(self, key: str) -> None:
        """The part has left or ended: what was still to be settled is too late. What the PLC has
        before it stays: its own answer is on the way, and there is to be one alone."""
        row = self.find(key)
        if row is None:
            return
        before_plc = None if row["shown"] is None else json.loads(row["shown"])["revision"]
        wished = row["wish"] == "cancel" and row["part"] in ENDED
        if row["change_due"]:
            revision = Call.model_validate_json(row["change_body"]).revision
            if revision != before_plc:
                self._answer(row, "refused_change", revision, self._too_late(row))
                self._update(key, change_body=None, change_due=0)
        if row["wish_due"] and row["wish_revision"] != before_plc:
            if not wished:
                self._answer(row, "refused_change", row["wish_revision"], self._too_late(row))
            self._update(key, wish_due=0)
        self._update(key, redo=None)

    def _drop(self, row: sqlite3.Row, revision: int, by: str | None = None) -> None:
        """Let go of a call that the line never took."""
        key = CallKey.parse(row["key"])
        self._update(row["key"], state="dropped")
        event = Event(kind="dropped", key=key, at=datetime.now(UTC), revision=revision, by=by)
        self._update(row["key"], decided_us=self._append(event))

    def _answer(
        self,
        row: sqlite3.Row,
        kind: EventKind,
        revision: int,
        reason: str | None = None,
        *,
        by: str | None = None,
        at: datetime | None = None,
    ) -> None:
        self._append(
            Event(
                kind=kind,
                key=CallKey.parse(row["key"]),
                at=at or datetime.now(UTC),
                revision=revision,
                reason=reason and reason[:500],
                by=by,
            )
        )

    @staticmethod
    def _too_late(row: sqlite3.Row) -> str:
        return f"too late: its part is {row['part']}"

    def _content(self, key: str, call: Call) -> None:
        express = call.priority == "express"
        self._db.execute(
            _CONTENT, (call.model_dump_json(), call.call_no, express, call.revision, key)
        )

    def _touch(self, key: str) -> None:
        self._db.execute("UPDATE call SET version = version + 1 WHERE key = ?", (key,))

    def _update(self, key: str, **columns: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(
            f"UPDATE call SET {assignments} WHERE key = ?",  # noqa: S608 - names in this module
            (*columns.values(), key),
        )

    def _rows(self, query: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(query, parameters)


def _is_due(row: sqlite3.Row, work: Work) -> bool:
    """Whether a command is what the line is to be told still."""
    if work.command in ("rework", "scrap"):
        return bool(row["redo"] == work.command)
    if work.command == "replace":
        due = row["change_due"] == 1 and Call.model_validate_json(row["change_body"]).revision
        return due == work.revision
    return (row["wish_due"], row["wish_revision"]) == (1, work.revision)


def _concerns_line(row: sqlite3.Row, call: Call) -> bool:
    """Whether this content is another for the PLC than the one that holds."""
    held = Call.model_validate_json(row["body"])
    return any(getattr(held, name) != getattr(call, name) for name in TO_THE_LINE)
