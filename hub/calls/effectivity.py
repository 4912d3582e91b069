"""Engineering changes: from a break point on a part takes the place of another.

What is called from then on has the new index; what is out with the old one for cars behind the
break is changed, or its supplier is asked; and the old index is not called any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from hub.calls.called import By, CalledCall, allowed, find_calls, lock_plant
from hub.calls.commands import Done, tell_order
from hub.calls.content import asks
from hub.calls.exceptions import open_exception
from hub.calls.history import FoundCall
from hub.calls.parts import PartChange, position_of
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.telling import Telling
from hub.orders.problems import did_you_mean
from protocols.jis.messages import CallKey

_GROUPS = "SELECT id, line FROM part_group WHERE plant = %s"
_ADD = """
INSERT INTO part_change (plant, part_group, owner, partner, old_part_no, new_part_no,
    from_production_no, from_position, from_at, reason, set_by, message_id)
SELECT plant, id, owner, partner, %(old_part_no)s, %(new_part_no)s, %(from_production_no)s,
    %(from_position)s, %(from_at)s, %(reason)s, %(actor)s, %(message_id)s
FROM part_group WHERE plant = %(plant)s AND id = %(part_group)s
ON CONFLICT DO NOTHING
RETURNING id
"""
_KNOWN = "SELECT FROM part_change WHERE plant = %s AND message_id = %s"
_OF_CALL = """
SELECT p.part_group, p.old_part_no, p.new_part_no, p.from_production_no, p.from_position, p.from_at
FROM part_change p JOIN jis_call c ON c.plant = p.plant AND c.part_group = p.part_group
    AND c.part_no = p.old_part_no
WHERE c.id = %s
"""
_AHEAD = """
SELECT coalesce(sum(quantity), 0) FROM demand
WHERE plant = %s AND part_group = %s AND part_no = %s
"""
_CALLED_AT = "SELECT called_at FROM jis_call WHERE id = %s"


@dataclass
class Affected(Done):
    """The calls behind the break that were out with the old index: those changed, those left since
    it is too late, those whose supplier is asked."""

    run_out: int = 0
    """Pieces of the old index that are still needed: called or ahead, before the break."""
    before: list[CallKey] = field(default_factory=list)
    """Open calls before the break, which keep the old index."""


def change_part(
    connection: psycopg.Connection, tenant: str, plant: str, change: PartChange, by: By
) -> Affected:
    """Set a break point. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        groups: dict[str, str] = dict(connection.execute(_GROUPS, (plant,)).fetchall())
        if change.part_group not in groups:
            hint = did_you_mean(change.part_group, groups)
            raise UnknownError(f"no part group {change.part_group} in plant {plant}{hint}")
        values = {name: getattr(change, name) for name in PartChange.__slots__}
        more = {"plant": plant, "reason": by.reason, "actor": by.actor, "message_id": by.message_id}
        if connection.execute(_ADD, values | more).fetchone() is None:
            if connection.execute(_KNOWN, (plant, by.message_id)).fetchone() is not None:
                return Affected(repeated=True)
            raise RefusedError(
                f"part {change.old_part_no} of {change.part_group} is replaced already: set the "
                "next change on its successor"
            )
        line = lines[groups[change.part_group]]
        telling = Telling(connection, by)
        found = Affected()
        for call in open_calls(connection, plant, line.id, change, by.at - timedelta(days=1)):
            if not _holds(connection, change, call):
                found.before.append(call.key)
                found.run_out += call.quantity
            elif not allowed(call, "change") or call.asked is not None:
                found.left.append(call.key)
            else:
                ask = asks(line, call, "change", by)
                after = replace(call, part_no=change.new_part_no)
                telling.change(call, after, "change", ask="change" if ask else None)
                found.calls.append(call.key)
                found.asked += [call.key] if ask else []
        telling.flush()
        tell_order(connection, tenant, plant, by.at)
        row = connection.execute(_AHEAD, (plant, change.part_group, change.old_part_no)).fetchone()
        found.run_out += int(row[0]) if row else 0
        return found


def open_calls(
    connection: psycopg.Connection, plant: str, line: str, change: PartChange, since: datetime
) -> list[CalledCall]:
    """Calls that are out with the old index, whose part has not ended, required since then."""
    return [
        call
        for call in find_calls(connection, plant, line=line, moving=True, since=since)
        if (call.part_group, call.part_no) == (change.part_group, change.old_part_no)
    ]


def _holds(connection: psycopg.Connection, change: PartChange, call: CalledCall) -> bool:
    position = position_of(connection, call.plant, call.production_no)
    return change.holds(call.production_no, position, call.called_at)


def check_index(connection: psycopg.Connection, call: FoundCall, at: datetime) -> None:
    """A part was built: say so if it was called with an index that is replaced for its car."""
    with connection.cursor(row_factory=class_row(PartChange)) as cursor:
        change = cursor.execute(_OF_CALL, (call.id,)).fetchone()
    if change is None:
        return
    position = position_of(connection, call.plant, call.production_no)
    row = connection.execute(_CALLED_AT, (call.id,)).fetchone()
    if row is None or not change.holds(call.production_no, position, row[0]):
        return
    open_exception(
        connection,
        "old_index",
        str(call.key),
        owner=call.owner,
        partner=call.partner,
        plant=call.plant,
        line=call.line,
        call=call.id,
        severity="critical",
        at=at,
        detail={"built": change.old_part_no, "counts": change.new_part_no},
    )
