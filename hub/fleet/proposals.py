"""Configurations proposed to gateways: made, signed, given to the gateway that asks, and decided on
by it, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from cryptography import x509
from psycopg.rows import class_row

from hub.fleet import enrolment
from hub.fleet.authority import Authority
from hub.fleet.enrolment import RefusedError
from hub.fleet.registry import Registered
from hub.identity import audit
from protocols.logs import with_bare_settings
from protocols.proposal import LARGEST, Asked, Proposal, signed_proposal, signed_question

NEWEST = 2**31 - 1
_LOCK = "SELECT FROM gateway WHERE id = %s FOR UPDATE"
_NEXT = "SELECT coalesce(max(number), 0) + 1 FROM gateway_proposal WHERE gateway = %s"
_SUPERSEDE = """
UPDATE gateway_proposal SET decision = 'superseded', decided_at = now()
WHERE gateway = %s AND decision IS NULL
"""
_ADD = """
INSERT INTO gateway_proposal (gateway, number, owner, proposal, signature, made_by)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_WAITING = """
UPDATE gateway_proposal SET fetched_at = coalesce(fetched_at, now())
WHERE gateway = %s AND decision IS NULL AND number > %s RETURNING proposal, signature
"""
_DECIDE = """
UPDATE gateway_proposal SET decision = %s, reason = %s, decided_at = now()
WHERE gateway = %s AND number = %s AND fetched_at IS NOT NULL
    AND (decision IS NULL OR decision = 'superseded')
"""
_HISTORY = """
SELECT number, proposal, made_at, made_by, fetched_at, decision, reason, decided_at
FROM gateway_proposal WHERE gateway = %s AND number < %s ORDER BY number DESC LIMIT %s
"""


class TooLargeError(ValueError):
    """A proposal that does not fit into a message."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal, and what came of it."""

    number: int
    proposal: str
    made_at: datetime
    made_by: str
    fetched_at: datetime | None
    decision: str | None
    """applied, refused, rolled_back; superseded: a later one came first; None: not decided yet."""
    reason: str
    decided_at: datetime | None

    @property
    def sections(self) -> dict[str, Any]:
        """What is proposed, by section, as it may be shown: without secrets."""
        shown: dict[str, Any] = with_bare_settings(Proposal.parse(self.proposal).sections)
        return shown

    @property
    def base(self) -> str | None:
        """Fingerprint of the configuration that it was made for."""
        return Proposal.parse(self.proposal).base


def propose(
    connection: psycopg.Connection,
    authority: Authority,
    gateway: Registered,
    address: str,
    sections: dict[str, Any],
    base: str | None,
    made_by: str,
) -> int:
    """Propose sections to a gateway; one that it has not decided on is superseded. Returns the
    number. Raises `TooLargeError`, and `ValueError` for what JSON does not hold."""
    connection.execute(_LOCK, (gateway.id,))
    row = connection.execute(_NEXT, (gateway.id,)).fetchone()
    number = row[0] if row else 1
    group, _, node = address.partition("/")
    text = Proposal(group, node, number, base, sections).text()
    if len(text.encode()) > LARGEST:
        raise TooLargeError(f"a proposal has at most {LARGEST} bytes")
    connection.execute(_SUPERSEDE, (gateway.id,))
    signature = authority.sign(signed_proposal(text))
    connection.execute(_ADD, (gateway.id, number, gateway.owner, text, signature, made_by))
    return number


def answer(
    connection: psycopg.Connection,
    authority: Authority,
    certificate: x509.Certificate,
    question: str,
    signature: bytes,
) -> tuple[str, bytes] | None:
    """Note what a gateway has decided, and give it what waits for it: text and signature.

    Raises `RefusedError` for who is no gateway here, `ProposalError`.
    """
    gateway = enrolment.proven(connection, authority, certificate)
    if not enrolment.signed(certificate, signature, signed_question(question)):
        raise RefusedError("the question is not signed by the key of the certificate")
    asked = Asked.parse(question)
    if asked.decided is not None:
        said = asked.decided
        done = connection.execute(
            _DECIDE, (said.decision, said.reason, gateway.id, said.number)
        ).rowcount
        if done:
            what = f"proposal {said.number} {said.decision} {said.reason}".strip()
            audit.note(connection, gateway.owner, f"gateway {gateway}", "api", what)
    row = connection.execute(_WAITING, (gateway.id, asked.last)).fetchone()
    return (row[0], bytes(row[1])) if row else None


def history(
    connection: psycopg.Connection, gateway: int, before: int = NEWEST, limit: int = 100
) -> Sequence[Proposed]:
    """A gateway's proposals, the newest first, below the number `before`."""
    with connection.cursor(row_factory=class_row(Proposed)) as cursor:
        return cursor.execute(_HISTORY, (gateway, before, limit)).fetchall()


def sections_of(text: str) -> dict[str, Any]:
    """Sections from a file, YAML or JSON. Raises `ValueError`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        told = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
    if not isinstance(told, dict) or not told or not all(isinstance(key, str) for key in told):
        raise ValueError("sections of a gateway's configuration are wanted: `sources:` and others")
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain
