"""A number left out: later parts of a rack are packed, and this one has not been begun.

It is waited for as long as the line's profile says (`gap_timeout_s`); then the calls are sent once
more, in case the supplier has lost them, and people are told. After the same time again their slots
are left empty, so that the rack can go, and the parts follow in the line's emergency rack.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import psycopg
from psycopg.rows import class_row

from hub.calls.called import NOT_BEGUN, By, call_of_key
from hub.calls.exceptions import Finding, bring_in_line, open_exception
from hub.calls.outbox import Outgoing, hold, send
from hub.calls.racks import emergency_place
from hub.calls.shipments import find_line
from hub.calls.telling import Telling
from hub.orders.profile import Profile
from protocols.jis.messages import CALL_RECORD, CallKey

logger = logging.getLogger(__name__)

SEQUENCE_GAP = "sequence_gap"
LEFT_EMPTY = "slot_left_empty"

_SILENT = ("released", "received", "accepted", "refused", "unclear")
"""Of calls for which nothing has been built, and nobody has said why."""
_GAPS = """
SELECT c.id, c.owner, c.partner, c.plant, c.line, l.gateway, c.rack, c.slot, c.call_no,
    concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    now.at - max_later.packed_since > 2 * wait.s * interval '1 s' AS over
FROM rack r
JOIN supplier_line l ON l.plant = r.plant AND l.id = r.line
JOIN jis_call c ON c.plant = r.plant AND c.line = r.line AND c.rack = r.rack
CROSS JOIN (SELECT %(now)s::timestamptz AS at) now
CROSS JOIN LATERAL (
    SELECT coalesce((l.profile ->> 'gap_timeout_s')::float8, %(timeout_s)s) AS s) wait
CROSS JOIN LATERAL (
    SELECT min(later.part_since) AS packed_since FROM jis_call later
    WHERE later.plant = c.plant AND later.line = c.line AND later.rack = c.rack
        AND later.place > c.place AND later.status = 'packed') max_later
WHERE r.status = 'open' AND r.kind = 'regular' AND c.car = 'released'
    AND c.status = ANY (%(not_begun)s)
    AND now.at - max_later.packed_since > wait.s * interval '1 s'
ORDER BY c.plant, c.line, c.rack, c.place
"""
_LAST_TOLD = """
SELECT record, revision FROM call_outbox WHERE call = %s AND record ->> 'kind' IN ('call', 'change')
ORDER BY revision DESC, record_offset DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A call that is left out. The times are the hub's own."""

    id: int
    owner: str
    partner: str
    plant: str
    line: str
    gateway: int
    rack: str
    slot: int
    call_no: int
    key: str
    over: bool
    """Waited for twice as long as agreed: its slot stays empty."""


def watch_gaps(connection: psycopg.Connection, now: datetime) -> None:
    """One round: tell of gaps that are new and send their calls again; give up what is over."""
    with connection.transaction():
        gaps = find_gaps(connection, now)
        findings, by_subject = [], {}
        for (plant, line, rack), group in groupby(gaps, attrgetter("plant", "line", "rack")):
            members = list(group)
            subject = f"{plant}/{line}/{rack}"
            by_subject[subject] = members
            findings.append(
                Finding(
                    subject=subject,
                    owner=members[0].owner,
                    partner=members[0].partner,
                    plant=plant,
                    line=line,
                    detail={
                        "rack": rack,
                        "calls": [gap.key for gap in members],
                        "slots": [gap.slot for gap in members],
                    },
                )
            )
        for subject in sorted(bring_in_line(connection, SEQUENCE_GAP, findings, now)):
            send_again(connection, by_subject[subject])
    for gap in gaps:
        if gap.over:
            with connection.transaction():
                leave_empty(connection, CallKey.parse(gap.key), now, "watch")


def find_gaps(connection: psycopg.Connection, now: datetime) -> list[Gap]:
    """All calls left out for longer than agreed, by rack."""
    with connection.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(
            _GAPS,
            {
                "now": now,
                "timeout_s": Profile().gap_timeout_s,
                "not_begun": list(_SILENT),
            },
        ).fetchall()


def send_again(connection: psycopg.Connection, gaps: list[Gap]) -> None:
    """Write what the supplier was last told of these calls once more: it takes it as known if it
    has it."""
    for gap in gaps:
        row = connection.execute(_LAST_TOLD, (gap.id,)).fetchone()
        if row is not None:
            record = CALL_RECORD.validate_python(row[0])
            again = Outgoing(record, gap.id, row[1])
            send(connection, gap.gateway, gap.owner, gap.partner, [again])
            logger.info("call %s is sent again: it is left out of its rack", gap.key)


def leave_empty(connection: psycopg.Connection, key: CallKey, at: datetime, by: str) -> bool:
    """Let a call's slot stay empty, and its part follow in the emergency rack. False if the call
    has gone on meanwhile."""
    line = find_line(connection, key.plant, key.line)
    if line is None:
        return False
    hold(connection, line.gateway)
    call = call_of_key(connection, key)
    if call.car != "released" or call.part not in NOT_BEGUN:
        return False
    rack, slot = emergency_place(connection, call.plant, call.line)
    reason = f"left out of {call.rack}, slot {call.slot}: it follows in the emergency rack"
    told = Telling(connection, By(by, f"left empty {call.revision}", at, reason))
    told.change(call, replace(call, place=None, rack=rack, slot=slot), "resequence")
    told.flush()
    open_exception(
        connection,
        LEFT_EMPTY,
        str(key),
        owner=call.owner,
        partner=call.partner,
        plant=call.plant,
        line=call.line,
        call=call.id,
        at=at,
        detail={
            "car": call.production_no,
            "rack": call.rack,
            "slot": call.slot,
            "follows_in": rack,
            "required_at": call.required_at.isoformat(),
        },
    )
    return True
