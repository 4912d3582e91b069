"""The supplier answers what it was asked: the change is made, or it is not, and then the plant
decides anew. Who does not answer in time is named.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg.rows import class_row

from hub.calls.called import CALLS_BY_ID, NOT_BEGUN, By, CalledCall, lines_of
from hub.calls.exceptions import close_exception, open_exception
from hub.calls.history import FoundCall
from hub.calls.retime import retime_line
from hub.calls.telling import UNANSWERED, Asked, Telling
from protocols.jis.messages import Event

ANSWERS = frozenset(("confirmed_change", "refused_change"))
REFUSED = "change_refused"

_CONFIRM = "UPDATE jis_call SET confirmed_revision = revision WHERE id = %s"
_UNANSWERED = """
SELECT c.id FROM jis_call c JOIN supplier_line l ON l.plant = c.plant AND l.id = c.line
WHERE c.asked IS NOT NULL AND c.confirmed_revision IS DISTINCT FROM c.revision
    AND c.asked_at + coalesce((l.profile ->> 'answer_s')::double precision, 900)
        * interval '1 second' < %s
"""


def take_answer(connection: psycopg.Connection, call: FoundCall, event: Event) -> None:
    """Carry out an answer that stands in the history already. One to another revision than was last
    asked says nothing."""
    asked = _calls(connection, [call.id])[0]
    if asked.asked_record is None or event.revision != asked.revision:
        return
    by = By(event.by or "supplier", f"answer to {call.key} {asked.revision}", event.at)
    what = Asked.model_validate(asked.asked_record)
    with connection.transaction():
        telling = Telling(connection, by)
        close_exception(connection, call.plant, UNANSWERED, str(call.key), by.actor)
        if event.kind == "refused_change":
            _refused(telling, asked, what, event)
        else:
            connection.execute(_CONFIRM, (asked.id,))
            _confirmed(telling, asked, what)
        retime_line(telling, lines_of(connection, call.plant)[call.line])
        telling.flush()


def _confirmed(telling: Telling, call: CalledCall, what: Asked) -> None:
    if what.with_call is None:
        _make(telling, call, what)
        return
    (other,) = _calls(telling.connection, [what.with_call])
    if other.asked_record is not None and other.confirmed_revision == other.revision:
        _make(telling, call, what)
        _make(telling, other, Asked.model_validate(other.asked_record))


def _make(telling: Telling, call: CalledCall, what: Asked) -> None:
    telling.store(what.content.on(call))
    telling.withdraw(call)
    telling.touched(call)
    if call.asked == "change" and call.part not in NOT_BEGUN:
        telling.claim(call, "changed_late", "plant")


def _refused(telling: Telling, call: CalledCall, what: Asked, event: Event) -> None:
    telling.withdraw(call)
    telling.touched(call)
    open_exception(
        telling.connection,
        REFUSED,
        str(call.key),
        owner=call.owner,
        partner=call.partner,
        plant=call.plant,
        line=call.line,
        call=call.id,
        severity="critical",
        at=event.at,
        detail={"asked": call.asked, "reason": event.reason or "", "by": event.by or ""},
    )
    if what.with_call is not None:
        (other,) = _calls(telling.connection, [what.with_call])
        if other.asked is not None:
            telling.take_back(other, "the other call of this swap stays as it is")


def note_unanswered(connection: psycopg.Connection, now: datetime) -> int:
    """Open an exception for each call whose supplier has not answered in time; how many are new."""
    ids = [number for (number,) in connection.execute(_UNANSWERED, (now,)).fetchall()]
    opened = 0
    for call in _calls(connection, ids):
        opened += (
            open_exception(
                connection,
                UNANSWERED,
                str(call.key),
                owner=call.owner,
                partner=call.partner,
                plant=call.plant,
                line=call.line,
                call=call.id,
                severity="warning",
                at=now,
                detail={"asked": call.asked, "revision": call.revision},
            )
            is not None
        )
    return opened


def _calls(connection: psycopg.Connection, ids: list[int]) -> list[CalledCall]:
    with connection.cursor(row_factory=class_row(CalledCall)) as cursor:
        return cursor.execute(CALLS_BY_ID, (ids,)).fetchall()
