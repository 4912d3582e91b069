"""What a supplier's line says by phone where no gateway can say it: the plant notes its answer to
what it was asked. Of a partner by EDI, or while the line works by hand."""

from __future__ import annotations

import psycopg

from hub.calls.answers import take_answer
from hub.calls.called import By, call_of_key, lock_plant
from hub.calls.commands import Done
from hub.calls.history import add
from hub.calls.refused import RefusedError
from protocols.jis.messages import CallKey, Event

_NO_GATEWAY = """
SELECT g.transport = 'edi' OR coalesce(m.mode = 'manual', false)
FROM supplier_line l JOIN gateway g ON g.id = l.gateway
LEFT JOIN line_mode m ON m.plant = l.plant AND m.line = l.id AND m.until IS NULL
WHERE l.plant = %s AND l.id = %s
"""


def answer_by_phone(
    connection: psycopg.Connection, tenant: str, key: CallKey, by: By, *, confirmed: bool
) -> Done:
    """Carry out what the supplier has answered: the change is made, or it is not. Raises
    `UnknownError`, `RefusedError`."""
    with connection.transaction():
        lock_plant(connection, tenant, key.plant)
        call = call_of_key(connection, key)
        said = connection.execute(
            "SELECT FROM call_event WHERE call = %s AND source = 'supplier' AND message_id = %s",
            (call.id, by.message_id),
        ).fetchone()
        if said is not None:
            return Done(repeated=True)
        if connection.execute(_NO_GATEWAY, (key.plant, key.line)).fetchone() != (True,):
            raise RefusedError(
                f"line {key.line} answers by its gateway: wait for it, or set the mode manual "
                "while it is not heard"
            )
        if call.asked is None:
            raise RefusedError(f"nothing is asked of call {key}")
        event = Event(
            kind="confirmed_change" if confirmed else "refused_change",
            key=key,
            at=by.at,
            revision=call.revision,
            reason=by.reason or None,
            by=by.actor[:64],
        )
        add(
            connection,
            call,
            "supplier",
            event.kind,
            by.at,
            body=event.model_dump(mode="json", exclude_none=True),
            message_id=by.message_id,
            actor=by.actor,
        )
        take_answer(connection, call, event)
        return Done([key])
