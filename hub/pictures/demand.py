"""What somebody wants of the pictures that gateways keep, and what of them is here. In transactions
of the caller, past the policies: the caller has made sure that the tenant may see the picture."""

from __future__ import annotations

from datetime import datetime

import psycopg

MOST_BYTES = 1024 * 1024 * 1024
"""Of one owner's pictures that are here at a time; the oldest go for newer ones."""

_ASK = """
UPDATE inspection_picture SET fetch_state = 'asked', fetch_reason = '', here = 0, asked_by = %s,
    asked_at = now(), asked_to = 0, sent_at = NULL, heard_at = NULL, there_at = NULL
WHERE id = %s AND state = 'kept' AND (fetch_state IS NULL OR fetch_state IN ('gone', 'failed'))
RETURNING owner, size
"""
# Each that is here, newest first, with the bytes of it and of all newer ones.
_MAKE_ROOM = """
WITH kept AS (
    SELECT id, sum(size) OVER (ORDER BY there_at DESC, id DESC) AS bytes
    FROM inspection_picture WHERE owner = %s AND fetch_state = 'there'
)
UPDATE inspection_picture SET fetch_state = NULL, here = 0 WHERE id IN
    (SELECT id FROM kept WHERE bytes > %s) RETURNING id
"""
_LET_GO = """
UPDATE inspection_picture SET fetch_state = NULL, here = 0
WHERE fetch_state = 'there' AND there_at < %s RETURNING id
"""
_PARTS = "DELETE FROM picture_part WHERE picture = ANY (%s)"


def ask(connection: psycopg.Connection, picture: int, actor: str) -> None:
    """Want a picture that its gateway keeps; one that is on its way or here stays so."""
    row = connection.execute(_ASK, (actor, picture)).fetchone()
    if row is None:
        return
    owner, size = row
    without_parts(connection, [picture])
    room = connection.execute(_MAKE_ROOM, (owner, MOST_BYTES - size)).fetchall()
    without_parts(connection, [found for (found,) in room])


def let_go(connection: psycopg.Connection, before: datetime) -> int:
    """Let go of what came before then; it can be fetched again while its gateway keeps it. Returns
    how many."""
    gone = [found for (found,) in connection.execute(_LET_GO, (before,)).fetchall()]
    without_parts(connection, gone)
    return len(gone)


def without_parts(connection: psycopg.Connection, pictures: list[int]) -> None:
    """Let go of the bytes of these."""
    if pictures:
        connection.execute(_PARTS, (pictures,))
