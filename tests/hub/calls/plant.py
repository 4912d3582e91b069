"""The plant's commands on a small plant, and what its suppliers are told of them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from hub.calls.answers import take_answer
from hub.calls.called import By, CalledCall, call_of_key
from hub.calls.history import find_call
from hub.orders.profile import Profile
from protocols.jis.messages import CALL_RECORD, CallKey, CallRecord, Event
from tests.hub.calls.supply import Supply
from tests.hub.calls.world import passed_at

_count = itertools.count(1)


def by(at: datetime | None = None, message_id: str | None = None) -> By:
    """A planner, who never says the same twice unless `message_id` says so."""
    return By(
        "planner", message_id or f"command {next(_count)}", at or passed_at(4), "paint rework"
    )


def agree(connection: psycopg.Connection, line: str = "SEAT1", **profile: Any) -> None:
    """Give a line this profile."""
    connection.execute(
        "UPDATE supplier_line SET profile = %s WHERE id = %s",
        (Profile(**profile).model_dump_json(), line),
    )


def told(connection: psycopg.Connection, line: str = "SEAT1") -> list[CallRecord]:
    """All that this line's gateway was told, in order."""
    rows = connection.execute(
        "SELECT o.record FROM call_outbox o JOIN supplier_line l ON l.gateway = o.gateway "
        "WHERE l.id = %s ORDER BY o.epoch, o.record_offset",
        (line,),
    ).fetchall()
    return [CALL_RECORD.validate_python(record) for (record,) in rows]


def call(connection: psycopg.Connection, key: CallKey) -> CalledCall:
    """The call as it stands."""
    return call_of_key(connection, key)


def places(connection: psycopg.Connection, line: str = "SEAT1") -> list[tuple[int, int, int]]:
    """(car, place, slot) of all calls that stand in a place, by place."""
    rows = connection.execute(
        "SELECT production_no, place, slot FROM jis_call WHERE line = %s AND place IS NOT NULL "
        "ORDER BY place",
        (line,),
    ).fetchall()
    return [(int(number), place, slot) for number, place, slot in rows]


def claims(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """(kind, who caused it), in order."""
    return connection.execute("SELECT kind, by_whom FROM claim ORDER BY id").fetchall()


def answer(supply: Supply, key: CallKey, kind: Any, reason: str | None = None) -> None:
    """The supplier answers the newest revision."""
    revision = call(supply.connection, key).revision
    supply.say(key, kind, revision=revision)
    found = find_call(supply.connection, key)
    assert found is not None
    event = Event(kind=kind, key=key, at=passed_at(6), revision=revision, reason=reason)
    take_answer(supply.connection, found, event)


__all__ = ["agree", "answer", "by", "call", "claims", "class_row", "places", "told"]
