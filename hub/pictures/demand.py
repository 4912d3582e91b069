"""What somebody wants of the pictures that gateways keep, and what of them is here. In transactions
of the caller, past the policies: the caller has made sure that the tenant may see the picture."""

from __future__ import annotations

from datetime import datetime

import psycopg

MOST_BYTES = 1024 * 1024 * 1024
"""Of one owner's pictures that are here or on their way; the oldest go for newer ones."""

_ASK = """
UPDATE inspection_picture SET fetch_state = 'asked', fetch_reason = '', here = 0, asked_by = %s,
    asked_at = now(), asked_to = 0, sent_at = NULL, heard_at = NULL, there_at = NULL
WHERE id = %s AND state = 'kept' AND (fetch_state IS NULL OR fetch_state IN ('gone', 'failed'))
RETURNING owner
"""
_UNDER_WAY = """
SELECT coalesce(sum(size), 0) FROM inspection_picture
WHERE owner = %s AND fetch_state IN ('asked', 'arriving')
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


class TooMuchError(Exception):
    """What is on its way already leaves no room."""


def ask(connection: psycopg.Connection, picture: int, actor: str) -> None:
    """Want a picture that its gateway keeps; one that is on its way or here stays so. Raises
    `TooMuchError`; nothing of the transaction may then stay."""
    row = connection.execute(_ASK, (actor, picture)).fetchone()
    if row is None:
        return
    (owner,) = row
    without_parts(connection, [picture])
    under_way = connection.execute(_UNDER_WAY, (owner,)).fetchone()
    left = MOST_BYTES - int(under_way[0] if under_way else 0)
    if left < 0:
        raise TooMuchError(f"pictures of more than {MOST_BYTES >> 20} MiB would be on their way")
    room = connection.execute(_MAKE_ROOM, (owner, left)).fetchall()
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
