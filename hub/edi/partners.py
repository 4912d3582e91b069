"""Partners by EDI: who they are in UNB, and which code of theirs means what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from protocols.edifact.profile import EdiProfile

_COLUMNS = """
SELECT owner, partner, plant, our_id, our_qualifier, their_id, their_qualifier, profile
FROM edi_partner
"""
_SENDER = _COLUMNS + "WHERE their_id = %s AND our_id = %s"
_OF = _COLUMNS + "WHERE owner = %s AND (%s::text IS NULL OR partner = %s) ORDER BY partner"
_PUT = """
INSERT INTO edi_partner
    (owner, partner, plant, our_id, our_qualifier, their_id, their_qualifier, profile)
VALUES (%(owner)s, %(partner)s, %(plant)s, %(our_id)s, %(our_qualifier)s, %(their_id)s,
    %(their_qualifier)s, %(profile)s)
ON CONFLICT (owner, partner) DO UPDATE SET plant = excluded.plant, our_id = excluded.our_id,
    our_qualifier = excluded.our_qualifier, their_id = excluded.their_id,
    their_qualifier = excluded.their_qualifier, profile = excluded.profile
"""
_NEXT = """
UPDATE edi_partner SET next_reference = next_reference + 1 WHERE owner = %s AND partner = %s
RETURNING next_reference - 1
"""


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner of a tenant, as files name both."""

    owner: str
    partner: str
    plant: str
    """What comes in is of this plant of the owner."""
    our_id: str
    our_qualifier: str
    their_id: str
    their_qualifier: str
    profile: dict[str, Any]

    @property
    def codes(self) -> EdiProfile:
        """Which code of theirs means what."""
        return EdiProfile.model_validate(self.profile)


def find_sender(connection: psycopg.Connection, sender: str, recipient: str) -> Partner | None:
    """The partner that sends as this to us as that."""
    with connection.cursor(row_factory=class_row(Partner)) as cursor:
        return cursor.execute(_SENDER, (sender, recipient)).fetchone()


def partners_of(
    connection: psycopg.Connection, owner: str, partner: str | None = None
) -> list[Partner]:
    """A tenant's partners by name, or one of them."""
    with connection.cursor(row_factory=class_row(Partner)) as cursor:
        return cursor.execute(_OF, (owner, partner, partner)).fetchall()


def store_partner(connection: psycopg.Connection, partner: Partner) -> None:
    """Write a partner, new or known. Raises `psycopg.IntegrityError` where tenant or plant are not
    there, or the pair of ids is taken."""
    values = {name: getattr(partner, name) for name in Partner.__slots__}
    connection.execute(_PUT, values | {"profile": Jsonb(partner.profile)})


def next_reference(connection: psycopg.Connection, partner: Partner) -> str:
    """The number of the next interchange to a partner."""
    row = connection.execute(_NEXT, (partner.owner, partner.partner)).fetchone()
    return f"{row[0] if row else 1:08d}"
