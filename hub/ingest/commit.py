"""A batch in one transaction: cursors, samples, results, gaps, quarantine, counts: all or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
from psycopg.types.json import Jsonb

from hub.ingest import cursors, gaps, new_logs, pictures, results, stored_births
from hub.ingest.batch import Batch, Quarantined, Record, Share
from hub.ingest.births import clean
from hub.ingest.gaps import Gap
from hub.ingest.pictures import Piece, Told
from hub.ingest.results import Found
from hub.ingest.rows import COLUMNS, HEADER, TRAILER

Fence = Callable[[psycopg.Connection, Iterable[str]], None]
"""Raises if this worker may no longer write what is of these groups."""

_COPY = f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")
_OfGateway = TypeVar("_OfGateway", Found, Told, Piece, Gap)
REFUSALS = (psycopg.DataError, psycopg.IntegrityError)
"""The database is well and does not want these rows."""


def commit(conn: psycopg.Connection, batch: Batch, fence: Fence) -> list[Quarantined]:
    """Store a batch; returns the records that the database refused and that are in quarantine now.

    Raises what `fence` raises, `StaleCursorError` if another worker has moved a cursor,
    `psycopg.Error` if the database cannot; nothing is stored then, or, if the connection broke in
    the commit, perhaps all: read the cursors again.
    """
    try:
        _store(conn, batch, fence, careful=False)
    except REFUSALS:
        # One bad row fails the whole COPY. Do it again and find the record: rare, so it may cost.
        return _store(conn, batch, fence, careful=True)
    return []


def commit_in_turn(
    conn: psycopg.Connection, batch: Batch, fence: Fence, turn: Callable[[], None]
) -> None:
    """Store a batch of which the samples may go ahead: `turn` is called behind them, and before
    anything else. It waits until the batch before is committed, and raises if that was not.

    Raises as `commit`, and `REFUSALS` if the database does not want all of it.
    """
    _store(conn, batch, fence, careful=False, turn=turn)


def _store(
    conn: psycopg.Connection,
    batch: Batch,
    fence: Fence,
    *,
    careful: bool,
    turn: Callable[[], None] | None = None,
) -> list[Quarantined]:
    refused: list[Quarantined] = []
    with conn.transaction():
        if not careful:
            _copy(conn, batch, batch.records)
        if turn is not None:
            turn()
        fence(conn, {share.session.gateway.group for share in batch.shares.values()})
        cursors.move(
            conn,
            [
                (share.session.gateway, share.position, share.cursor)
                for share in batch.shares.values()
                if share.moved and share.cursor is not None
            ],
        )
        if careful:
            refused = [
                _refused(record, error)
                for record, error in _by_halves(
                    conn, batch.records, lambda records: _copy(conn, batch, records)
                )
            ]
        refused += _store_firsts(conn, batch, careful=careful)
        if minutes := batch.rows.minutes | batch.first_rows.minutes:
            touched = [_EPOCH + timedelta(minutes=minute) for minute in minutes]
            conn.execute("SELECT sample_touched(%s::timestamptz[])", [touched])
        refused += [
            *_insert(conn, batch, batch.results, results.insert, careful=careful),
            *_insert(conn, batch, batch.pictures, pictures.insert, careful=careful),
            *_insert(conn, batch, batch.pieces, pictures.insert_pieces, careful=careful),
            *_insert(conn, batch, batch.gaps, gaps.insert, careful=careful),
        ]
        _insert_quarantine(conn, [*batch.quarantined, *refused])
        shares = list(batch.shares.values())
        seqs = {s.session.gateway.id: s.next_seq for s in shares if s.next_seq is not None}
        stored_births.note_seqs(conn, seqs)
        _count(conn, shares)
        _note_status(conn, shares)
    return refused


def _store_firsts(conn: psycopg.Connection, batch: Batch, *, careful: bool) -> list[Quarantined]:
    """Store the records that join on to those of an older log. Rare, and few at a time."""
    refused: list[Quarantined] = []
    for share in batch.shares.values():
        share.awaited, share.repeats = share.position.awaited, 0
    for record in batch.firsts:
        share, rows = record.share, batch.first_rows.slice(record.start, record.stop)
        gateway, cursor = share.session.gateway, share.cursor
        if not record.rows or cursor is None:
            continue
        try:
            with conn.transaction() if careful else nullcontext():
                stored, came = new_logs.store(
                    conn, gateway, cursor.epoch, rows, in_order=record.in_order
                )
            share.awaited = share.awaited.but(came)
            share.repeats += record.rows - stored
        except REFUSALS as error:
            if not careful:
                raise
            refused.append(_refused(record, error))
    return refused


def _copy(conn: psycopg.Connection, batch: Batch, records: Sequence[Record]) -> None:
    """COPY the rows of consecutive records."""
    if not any(record.rows for record in records):
        return
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(HEADER)
        copy.write(batch.rows.slice(records[0].start, records[-1].stop))
        copy.write(TRAILER)


def _by_halves(
    conn: psycopg.Connection, items: Sequence[_T], store: Callable[[Sequence[_T]], None]
) -> list[tuple[_T, psycopg.Error]]:
    """Store what the database takes, by halves; what it refuses is returned."""
    if not items:
        return []
    try:
        with conn.transaction():
            store(items)
    except REFUSALS as error:
        if len(items) == 1:
            return [(items[0], error)]
        half = len(items) // 2
        return [*_by_halves(conn, items[:half], store), *_by_halves(conn, items[half:], store)]
    return []


def _insert(
    conn: psycopg.Connection,
    batch: Batch,
    items: Sequence[_OfGateway],
    insert: Callable[[psycopg.Connection, Iterable[_OfGateway]], None],
    *,
    careful: bool,
) -> list[Quarantined]:
    """Store what has been read of records already; what is refused is kept as it was read."""
    if not careful:
        insert(conn, items)
        return []
    refused = []
    for item, error in _by_halves(conn, items, lambda some: insert(conn, some)):
        batch.shares[item.gateway.id].counts.quarantined += 1
        raw = repr(item).encode(errors="replace")
        refused.append(Quarantined(item.gateway, None, None, _reason(error), raw))
    return refused


def _refused(record: Record, error: psycopg.Error) -> Quarantined:
    share = record.share
    share.counts.records -= 1
    share.counts.samples -= record.rows
    share.counts.quarantined += 1
    epoch = share.cursor.epoch if share.cursor is not None else None
    return Quarantined(share.session.gateway, epoch, record.offset, _reason(error), record.payload)


def _reason(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


def _insert_quarantine(conn: psycopg.Connection, records: Sequence[Quarantined]) -> None:
    if not records:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO quarantine (owner, partner, gateway, stream, epoch, record_offset, reason,"
            " raw) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    record.gateway.owner,
                    record.gateway.partner,
                    record.gateway.id,
                    cursors.STREAM,
                    record.epoch,
                    record.offset,
                    clean(record.reason),
                    record.raw,
                )
                for record in records
            ],
        )


def _count(conn: psycopg.Connection, shares: Sequence[Share]) -> None:
    counts = [share.counts for share in shares]
    conn.execute(
        "INSERT INTO gateway_traffic AS t (gateway, owner, partner, messages, records, samples,"
        " duplicates, quarantined, refused)"
        " SELECT g.id, g.owner, g.partner, c.messages, c.records, c.samples, c.duplicates,"
        " c.quarantined, c.refused FROM unnest(%s::int[], %s::bigint[], %s::bigint[],"
        " %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS c (gateway, messages, records,"
        " samples, duplicates, quarantined, refused) JOIN gateway g ON g.id = c.gateway"
        " ON CONFLICT (gateway) DO UPDATE SET messages = t.messages + excluded.messages,"
        " records = t.records + excluded.records, samples = t.samples + excluded.samples,"
        " duplicates = t.duplicates + excluded.duplicates,"
        " quarantined = t.quarantined + excluded.quarantined,"
        " refused = t.refused + excluded.refused",
        [
            cursors.array_text(share.session.gateway.id for share in shares),
            cursors.array_text(count.messages for count in counts),
            cursors.array_text(count.records for count in counts),
            cursors.array_text(share.counts.samples - share.repeats for share in shares),
            cursors.array_text(count.duplicates for count in counts),
            cursors.array_text(count.quarantined for count in counts),
            cursors.array_text(count.refused for count in counts),
        ],
    )


def _note_status(conn: psycopg.Connection, shares: Sequence[Share]) -> None:
    for share in shares:
        if share.status:
            conn.execute(
                "UPDATE gateway_status SET metrics = metrics || %s, heard_at = now(),"
                " clock_offset_ms = coalesce(%s, clock_offset_ms) WHERE gateway = %s",
                [Jsonb(share.status), share.clock_offset_ms, share.session.gateway.id],
            )
