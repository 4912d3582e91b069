"""What gateways say of pictures that they have taken: references, into a table of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg

from hub.ingest.registry import Gateway
from hub.ingest.results import told
from hub.ingest.session import Device
from protocols.inspection import PICTURE, Picture, parse_picture
from protocols.inspection.fetching import Part
from protocols.sparkplug import Samples

# A picture that was missing may come to be kept, and one that was kept may go; told again in
# another order, as after a lost disk, it stays as it was. What was kept is described once: part of
# it may be here by that.
_INSERT = """
INSERT INTO inspection_picture AS p (owner, partner, tag, key, event, found_by, found_key, what,
    serial, happened_at, state, reason, media_type, size, sha256, frames, taken_from, taken_to)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tag, key) DO UPDATE SET state = excluded.state, reason = excluded.reason,
    media_type = CASE p.state WHEN 'kept' THEN p.media_type ELSE excluded.media_type END,
    size = CASE p.state WHEN 'kept' THEN p.size ELSE excluded.size END,
    sha256 = CASE p.state WHEN 'kept' THEN p.sha256 ELSE excluded.sha256 END,
    frames = CASE p.state WHEN 'kept' THEN p.frames ELSE excluded.frames END,
    taken_from = CASE p.state WHEN 'kept' THEN p.taken_from ELSE excluded.taken_from END,
    taken_to = CASE p.state WHEN 'kept' THEN p.taken_to ELSE excluded.taken_to END
WHERE (p.state, excluded.state) IN (('missed', 'kept'), ('kept', 'dropped'))
"""
# Only the part that is next has a place; what came twice, or after a hole, is asked for again.
_PIECE = """
WITH p AS (
    UPDATE inspection_picture p SET fetch_state = 'arriving',
        here = p.here + length(%(data)s::bytea), heard_at = clock_timestamp()
    FROM tag t JOIN device d ON d.id = t.device
    WHERE t.id = p.tag AND d.gateway = %(gateway)s AND p.key = %(key)s
        AND p.fetch_state IN ('asked', 'arriving') AND p.here = %(at)s
        AND p.here + length(%(data)s::bytea) <= p.size
    RETURNING p.id, p.owner, p.partner
)
INSERT INTO picture_part (picture, at, owner, partner, data)
SELECT id, %(at)s, owner, partner, %(data)s FROM p
"""
_GONE = """
WITH gone AS (
    UPDATE inspection_picture p SET fetch_state = 'gone', fetch_reason = %(gone)s, here = 0,
        heard_at = clock_timestamp()
    FROM tag t JOIN device d ON d.id = t.device
    WHERE t.id = p.tag AND d.gateway = %(gateway)s AND p.key = %(key)s
        AND p.fetch_state IN ('asked', 'arriving')
    RETURNING p.id
)
DELETE FROM picture_part USING gone WHERE picture = gone.id
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A row of table `inspection_picture`."""

    gateway: Gateway
    tag: int
    picture: Picture


def read(gateway: Gateway, device: Device, samples: Samples) -> Iterator[Told]:
    """The references among the samples of a message. Raises `PayloadError` at one that is none."""
    if device.picture_tag is None:
        return
    for picture in told(PICTURE, parse_picture, device, samples):
        yield Told(gateway, device.picture_tag, picture)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a picture that was asked for."""

    gateway: Gateway
    part: Part
    data: bytes


def insert(conn: psycopg.Connection, pictures: Iterable[Told]) -> None:
    """Store references, in order."""
    rows = [
        (
            t.gateway.owner,
            t.gateway.partner,
            t.tag,
            p.key,
            p.event,
            p.found_by,
            p.found_key,
            p.what,
            p.serial,
            p.happened_at,
            p.state,
            p.reason,
            p.media_type,
            p.size,
            None if p.sha256 is None else bytes.fromhex(p.sha256),
            p.frames,
            p.taken_from,
            p.taken_to,
        )
        for t in pictures
        for p in [t.picture]
    ]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_INSERT, rows)


def insert_pieces(conn: psycopg.Connection, pieces: Iterable[Piece]) -> None:
    """Store what came of pictures that were asked for, in order."""
    for piece in pieces:
        part = piece.part
        about = {"gateway": piece.gateway.id, "key": part.key, "at": part.at, "gone": part.gone}
        if part.gone:
            conn.execute(_GONE, about)
        elif piece.data:
            conn.execute(_PIECE, {**about, "data": piece.data})
