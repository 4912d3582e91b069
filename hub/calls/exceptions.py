"""Exceptions: what wants somebody's attention. At most one of a kind is open for one subject.

Those that follow from where a call stands open and close with its situation in the status net;
others (a late truck, a gap in the sequence) are opened and closed by who finds them. What each kind
is, who is told and what can be decided stands in `exceptions.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.exception_kinds import Severity, exception_kinds
from protocols.jis.net import Pair, status_net

if TYPE_CHECKING:
    from hub.calls.history import FoundCall

logger = logging.getLogger(__name__)

_OPEN = """
INSERT INTO exception
    (owner, partner, plant, line, kind, subject, call, severity, detail, told, source_at)
VALUES (%(owner)s, %(partner)s, %(plant)s, %(line)s, %(kind)s, %(subject)s, %(call)s, %(severity)s,
    %(detail)s, %(told)s, %(at)s)
ON CONFLICT (plant, kind, subject) WHERE closed_at IS NULL DO NOTHING
RETURNING id
"""
_RENEW = """
UPDATE exception SET severity = %(severity)s, detail = %(detail)s
WHERE plant = %(plant)s AND kind = %(kind)s AND subject = %(subject)s AND closed_at IS NULL
    AND (severity, detail) IS DISTINCT FROM (%(severity)s, %(detail)s)
"""
_CLOSE = """
UPDATE exception SET closed_at = clock_timestamp(), closed_by = %(by)s,
    decision = coalesce(%(decision)s, decision)
WHERE plant = %(plant)s AND kind = %(kind)s AND subject = %(subject)s AND closed_at IS NULL
RETURNING id
"""
_OPEN_OF_KIND = "SELECT plant, subject FROM exception WHERE kind = %s AND closed_at IS NULL"
_CLOSE_OTHERS = """
UPDATE exception SET closed_at = clock_timestamp(), closed_by = 'net'
WHERE call = %s AND kind = ANY (%s) AND closed_at IS NULL
"""


def open_exception(
    connection: psycopg.Connection,
    kind: str,
    subject: str,
    *,
    owner: str,
    plant: str,
    at: datetime,
    severity: Severity | None = None,
    partner: str | None = None,
    line: str | None = None,
    call: int | None = None,
    detail: Mapping[str, Any] | None = None,
    renew: bool = False,
) -> int | None:
    """Open one; None if one of this kind is open for this subject, whose detail and severity become
    these if `renew` says so. Severity and who is told are the kind's, unless said otherwise.

    Raises `LookupError` for a kind that `exceptions.md` does not have.
    """
    known = exception_kinds().kind(kind)
    parties = {"plant": owner, "supplier": partner}
    told = [tenant for party in known.told if (tenant := parties[party])]
    values = {
        "owner": owner,
        "partner": partner,
        "plant": plant,
        "line": line,
        "kind": kind,
        "subject": subject,
        "call": call,
        "severity": severity or known.severity,
        "detail": Jsonb(dict(detail or {})),
        "told": told,
        "at": at,
    }
    row = connection.execute(_OPEN, values).fetchone()
    if row is None and renew:
        connection.execute(_RENEW, values)
    return None if row is None else int(row[0])


def close_exception(
    connection: psycopg.Connection,
    plant: str,
    kind: str,
    subject: str,
    by: str,
    decision: str | None = None,
) -> bool:
    """Close the open one of this kind; False if there is none. What was decided stays with it."""
    row = connection.execute(
        _CLOSE,
        {"plant": plant, "kind": kind, "subject": subject, "by": by, "decision": decision},
    ).fetchone()
    return row is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that stands now and wants attention for as long as it does."""

    subject: str
    owner: str
    plant: str
    detail: Mapping[str, Any]
    partner: str | None = None
    line: str | None = None
    call: int | None = None
    severity: Severity | None = None


def bring_in_line(
    connection: psycopg.Connection, kind: str, findings: Iterable[Finding], at: datetime
) -> set[str]:
    """Let exactly these be open of a kind. Returns the subjects that are new; says in the log what
    has changed, once."""
    rows = connection.execute(_OPEN_OF_KIND, (kind,)).fetchall()
    before = {(plant, subject) for plant, subject in rows}
    new = set()
    for found in findings:
        opened = open_exception(
            connection,
            kind,
            found.subject,
            owner=found.owner,
            plant=found.plant,
            at=at,
            severity=found.severity,
            partner=found.partner,
            line=found.line,
            call=found.call,
            detail=found.detail,
            renew=True,
        )
        before.discard((found.plant, found.subject))
        if opened is not None:
            new.add(found.subject)
            logger.warning("%s: %s begins: %s", found.subject, kind, dict(found.detail))
    for plant, subject in sorted(before):
        close_exception(connection, plant, kind, subject, "watch")
        logger.info("%s: %s has ended", subject, kind)
    return new


def settle(connection: psycopg.Connection, call: FoundCall, pair: Pair, at: datetime) -> None:
    """Bring a call's exceptions in line with where it stands now."""
    situation = status_net().situation(pair)
    others = {s.raises for s in status_net().situations} - {"", situation.raises}
    connection.execute(_CLOSE_OTHERS, (call.id, sorted(others)))
    if situation.raises:
        open_exception(
            connection,
            situation.raises,
            str(call.key),
            owner=call.owner,
            partner=call.partner,
            plant=call.plant,
            line=call.line,
            call=call.id,
            at=at,
            detail={"means": situation.text, "part_group": call.part_group, "rack": call.rack},
        )
