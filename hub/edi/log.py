"""The record of messages, append-only, and the files that go out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from hub.edi.partners import Partner

Status = Literal["taken", "refused", "duplicate", "sent"]

_ADD = """
INSERT INTO edi_message (owner, partner, direction, kind, interchange, reference, document_no,
    status, errors, checksum)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_TAKEN = """
SELECT checksum FROM edi_message
WHERE owner = %s AND partner = %s AND direction = 'in' AND interchange = %s AND status = 'taken'
LIMIT 1
"""
_DOCUMENT = """
SELECT FROM edi_message WHERE owner = %s AND partner = %s AND direction = 'in' AND kind = %s
    AND document_no = %s AND status = 'taken' LIMIT 1
"""
_PUT_FILE = "INSERT INTO edi_file (owner, partner, name, body) VALUES (%s, %s, %s, %s)"
_TO_WRITE = """
SELECT id, name, body FROM edi_file WHERE owner = %s AND written_at IS NULL ORDER BY id
FOR UPDATE SKIP LOCKED
"""
_WRITTEN = "UPDATE edi_file SET written_at = clock_timestamp() WHERE id = %s"
_LIST = """
SELECT id, partner, direction, kind, interchange, reference, document_no, status, errors, at
FROM edi_message WHERE owner = %s AND id < %s ORDER BY id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """A message as it was noted."""

    id: int
    partner: str
    direction: str
    kind: str
    interchange: str
    reference: str
    document_no: str
    status: Status
    errors: list[str]
    at: datetime


def checksum(data: bytes) -> bytes:
    """What tells one file from another."""
    return hashlib.sha256(data).digest()


def log_messages(
    connection: psycopg.Connection,
    partner: Partner,
    direction: Literal["in", "out"],
    interchange: str,
    messages: Iterable[tuple[str, str, str]],
    status: Status,
    file: bytes,
    errors: Sequence[str] = (),
) -> None:
    """Note messages of a file, each as (kind, reference, document number)."""
    for kind, reference, document_no in messages:
        connection.execute(
            _ADD,
            (
                *(partner.owner, partner.partner, direction, kind, interchange, reference),
                *(document_no, status, Jsonb(list(errors)), checksum(file)),
            ),
        )


def taken_before(
    connection: psycopg.Connection, partner: Partner, interchange: str
) -> bytes | None:
    """The checksum of the file of this reference that was taken, if one was."""
    row = connection.execute(_TAKEN, (partner.owner, partner.partner, interchange)).fetchone()
    return None if row is None else bytes(row[0])


def document_taken(
    connection: psycopg.Connection, partner: Partner, kind: str, document_no: str
) -> bool:
    """Whether a message of this kind and number of the partner was taken before."""
    values = (partner.owner, partner.partner, kind, document_no)
    return connection.execute(_DOCUMENT, values).fetchone() is not None


def put_file(connection: psycopg.Connection, partner: Partner, name: str, body: bytes) -> None:
    """Keep a file that goes to a partner."""
    connection.execute(_PUT_FILE, (partner.owner, partner.partner, name, body))


def files_to_write(connection: psycopg.Connection, owner: str) -> list[tuple[int, str, bytes]]:
    """Files that stand in no folder yet, locked: (id, name, body)."""
    rows: list[tuple[Any, ...]] = connection.execute(_TO_WRITE, (owner,)).fetchall()
    return [(int(number), str(name), bytes(body)) for number, name, body in rows]


def note_written(connection: psycopg.Connection, file: int) -> None:
    """The file stands in the folder."""
    connection.execute(_WRITTEN, (file,))


def messages_of(
    connection: psycopg.Connection, owner: str, before: int, limit: int
) -> list[Logged]:
    """A tenant's messages, newest first, below the number `before`."""
    with connection.cursor(row_factory=class_row(Logged)) as cursor:
        return cursor.execute(_LIST, (owner, before, limit)).fetchall()
