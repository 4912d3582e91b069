"""Births and deaths: what they change in the database and in a session.

Each is a transaction of its own. It may be run again after a failure: it reads what it needs anew.
A session changes only once its transaction is committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from hub.ingest import cursors, gaps, new_logs
from hub.ingest.births import (
    EPOCH,
    OFFSET,
    Aliases,
    BirthError,
    clean,
    clock_offset_ms,
    is_control,
    status_value,
    stream_notes,
    stream_state,
    tag_births,
)
from hub.ingest.cursors import Position
from hub.ingest.gaps import Gap
from hub.ingest.registry import Gateway, TagBirth, device_born, devices_died, tag_ids
from hub.ingest.rows import NOT_STORED, AliasTable
from hub.ingest.session import Delivery, Device
from protocols.inspection import PICTURE, RESULT
from protocols.sparkplug import DataType, Payload
from protocols.sparkplug.server_times import ORIGIN, SERVER_TIMES
from protocols.sparkplug.session import bd_seq_of
from protocols.streams import State, read_state

NODE_ITSELF = ""
"""Name of the device row that holds a foreign node's own metrics."""


@dataclass(frozen=True, slots=True)
class NodeBirth:
    """What came of an NBIRTH. `refused`: its epoch has ended, another gateway took its place."""

    position: Position
    delivery: Delivery
    aliases: Aliases
    bd_seq: int | None
    node: Device | None = None
    refused: bool = False
    epoch_began: bool = False
    backlog_in_order: bool = False


def node_born(
    conn: psycopg.Connection,
    gateway: Gateway,
    payload: Payload,
    at: datetime,
    *,
    late: bool = False,
) -> NodeBirth:
    """An NBIRTH; `late`: it came to another worker before, and what it says of the gateway is old.
    Raises `BirthError`, `StaleCursorError`, `psycopg.Error`; then nothing changed."""
    aliases = Aliases.of(payload)
    state = stream_state(payload)
    bd_seq = bd_seq_of(payload)
    with _refusal_is_birth_error(), conn.transaction():
        position = cursors.load(conn, gateway)
        if state is None:
            node = _own_tags(conn, gateway, payload, aliases, at)
            _note_online(conn, gateway, Delivery.STANDARD, {}, payload, at, late=late)
            return NodeBirth(position, Delivery.STANDARD, aliases, bd_seq, node)
        in_order, repeats_from = stream_notes(payload)
        opened, refused = _open_stream(conn, gateway, position, state, repeats_from, at)
        if refused:
            _note_conflict(conn, gateway, state.epoch, at)
            return NodeBirth(position, Delivery.STREAM, aliases, bd_seq, refused=True)
        metrics = {
            clean(metric.name): status_value(metric.value)
            for metric in payload.metrics
            if metric.name and not is_control(metric.name)
        }
        _note_online(conn, gateway, Delivery.STREAM, metrics, payload, at, late=late)
        began = position.cursor is None or position.cursor.epoch != state.epoch
        return NodeBirth(
            opened,
            Delivery.STREAM,
            aliases,
            bd_seq,
            epoch_began=began,
            backlog_in_order=in_order,
        )


def device_birth(
    conn: psycopg.Connection, gateway: Gateway, name: str, payload: Payload, at: datetime
) -> Device:
    """A DBIRTH. Raises `BirthError`, `psycopg.Error`; then nothing changed."""
    aliases = Aliases.of(payload)
    tags = tag_births(payload.metrics)
    with _refusal_is_birth_error(), conn.transaction():
        device = device_born(conn, gateway, name, at)
        return _device(payload, aliases, tags, tag_ids(conn, gateway, device, tags))


def node_died(conn: psycopg.Connection, gateway: Gateway, at: datetime) -> None:
    """The node is gone, and its devices with it: what they said last is stale from `at` on."""
    with conn.transaction():
        conn.execute(
            "UPDATE gateway_status SET online = false, since = %s WHERE gateway = %s AND online",
            [at, gateway.id],
        )
        devices_died(conn, gateway, None, at)


def device_died(conn: psycopg.Connection, gateway: Gateway, name: str, at: datetime) -> None:
    """A device is gone: what it said last is stale from `at` on."""
    with conn.transaction():
        devices_died(conn, gateway, name, at)


def devices_absent(
    conn: psycopg.Connection, born: Mapping[Gateway, Sequence[str]], at: datetime
) -> None:
    """Devices that the last births of these gateways no longer name are offline."""
    named = [(gateway.id, name) for gateway, names in born.items() for name in names]
    with conn.transaction():
        conn.execute(
            "UPDATE device AS d SET online = false, since = %s"
            " WHERE gateway = ANY(%s) AND online AND NOT EXISTS (SELECT"
            " FROM unnest(%s::int[], %s::text[]) AS b (gateway, name)"
            " WHERE b.gateway = d.gateway AND b.name = d.name)",
            [
                at,
                [gateway.id for gateway in born],
                [gateway for gateway, _ in named],
                [name for _, name in named],
            ],
        )


def in_conflict(conn: psycopg.Connection, gateway: Gateway) -> bool:
    """Whether two gateways of this identity were noticed, perhaps before this worker began."""
    row = conn.execute(
        "SELECT FROM gateway_status WHERE gateway = %s AND conflict IS NOT NULL", [gateway.id]
    ).fetchone()
    return row is not None


def conflict_ended(conn: psycopg.Connection, gateway: Gateway) -> None:
    """No second gateway of this identity was noticed for long."""
    with conn.transaction():
        conn.execute("UPDATE gateway_status SET conflict = NULL WHERE gateway = %s", [gateway.id])


def unseen(conn: psycopg.Connection, device: Device, birth: Payload) -> AliasTable:
    """The tags of a birth whose value in it is newer than any that is stored; others are passed
    over. For nodes without a stream: ours send every value as a record too."""
    ids = [tag for tag, _ in device.tags.values() if tag != NOT_STORED]
    newest: dict[int, datetime] = dict(
        conn.execute(
            "SELECT t.id, s.time FROM unnest(%s::int[]) AS t (id), LATERAL"
            " (SELECT time FROM sample WHERE tag_id = t.id ORDER BY time DESC LIMIT 1) AS s",
            [ids],
        ).fetchall()
    )
    tags = dict(device.tags)
    for metric in birth.metrics:
        stored = newest.get(tags.get(metric.name or "", (NOT_STORED, 0))[0])
        time_ms = metric.timestamp or birth.timestamp
        if stored is not None and time_ms is not None and time_ms <= stored.timestamp() * 1000:
            tags[metric.name or ""] = NOT_STORED, 0
    return AliasTable({alias: tags[name] for alias, name in device.aliases.names.items()}, tags)


@contextmanager
def _refusal_is_birth_error() -> Iterator[None]:
    """A birth that the database refuses is a bad birth, not a bad database: not tried again.

    A name too long for an index passes for an operational error, as if the server were in trouble.
    """
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded) as error:
        raise BirthError(f"the database refuses it: {error}") from None


def _open_stream(
    conn: psycopg.Connection,
    gateway: Gateway,
    position: Position,
    state: State,
    repeats_from: int | None,
    at: datetime,
) -> tuple[Position, bool]:
    """Where the stream stands from now on, and whether the state was refused."""
    opening = read_state(position.cursor, position.closed, state)
    if opening.refused or opening.cursor is None:
        return position, True
    lost = [
        Gap(
            gateway,
            "the gateway no longer keeps these records",
            epoch=state.epoch,
            first_offset=first,
            next_offset=after,
            end=at,
        )
        for first, after in opening.lost
    ]
    if opening.closes is not None and position.cursor is not None:
        lost.append(_ended(conn, gateway, position, at))
    gaps.insert(conn, lost)
    opened = position
    if opening.cursor != position.cursor:
        opened = cursors.open_epoch(
            conn, gateway, position, opening, repeats=repeats_from is not None
        )
    if repeats_from and not opened.has(repeats_from - 1):
        opened = replace(opened, awaited=new_logs.expect_repeats(conn, gateway))
    return opened, False


def _ended(conn: psycopg.Connection, gateway: Gateway, position: Position, at: datetime) -> Gap:
    """What may be missing of an epoch that ends: all that was not committed of it."""
    cursor = position.cursor
    if cursor is None:
        raise ValueError("no epoch is open")
    (moved_at,) = conn.execute(
        "SELECT moved_at FROM stream_cursor WHERE gateway = %s AND stream = %s AND epoch = %s",
        [gateway.id, cursors.STREAM, cursor.epoch],
    ).fetchone() or (None,)
    return Gap(
        gateway,
        "the gateway began a new log; what it had not delivered of the old one is missing",
        epoch=cursor.epoch,
        first_offset=cursor.watermark,
        # With ranges ahead of the watermark, what is missing may be older than the last commit.
        start=None if cursor.ahead else moved_at,
        end=at,
    )


def _own_tags(
    conn: psycopg.Connection, gateway: Gateway, payload: Payload, aliases: Aliases, at: datetime
) -> Device:
    """The metrics of a node that is not ours are tags of a device without a name."""
    tags = tag_births(payload.metrics)
    ids: Mapping[str, int] = {}
    if tags:
        ids = tag_ids(conn, gateway, device_born(conn, gateway, NODE_ITSELF, at), tags)
    return _device(payload, aliases, tags, ids)


def _device(
    payload: Payload, aliases: Aliases, tags: Sequence[TagBirth], ids: Mapping[str, int]
) -> Device:
    entries = {tag.name: (ids[tag.name], tag.datatype) for tag in tags}
    apart: dict[str, int] = {}
    for name in (RESULT, PICTURE):
        if name in entries and entries[name][1] == DataType.String:
            apart[name] = entries[name][0]
            entries[name] = NOT_STORED, 0  # they have a table of their own
    for metric in payload.metrics:
        if metric.name:
            entries.setdefault(metric.name, (NOT_STORED, 0))
    by_name = {name: alias for alias, name in aliases.names.items()}
    table = AliasTable(
        {alias: entries[name] for alias, name in aliases.names.items()},
        entries,
    )
    return Device(
        aliases,
        entries,
        table,
        epoch_alias=by_name.get(EPOCH),
        offset_alias=by_name.get(OFFSET),
        server_times_alias=by_name.get(SERVER_TIMES),
        origin_alias=by_name.get(ORIGIN),
        result_tag=apart.get(RESULT),
        picture_tag=apart.get(PICTURE),
    )


def _note_online(
    conn: psycopg.Connection,
    gateway: Gateway,
    delivery: Delivery,
    metrics: dict[str, Any],
    birth: Payload,
    at: datetime,
    *,
    late: bool,
) -> None:
    offset_ms = None
    if not late:
        offset_ms = clock_offset_ms(birth.timestamp, round(at.timestamp() * 1000))
    conn.execute(
        "INSERT INTO gateway_status AS s"
        " (gateway, owner, partner, online, since, metrics, delivery, heard_at, clock_offset_ms)"
        " VALUES (%s, %s, %s, true, %s, %s, %s, now(), %s) ON CONFLICT (gateway) DO UPDATE"
        " SET online = true, since = CASE WHEN s.online THEN s.since ELSE excluded.since END,"
        " metrics = CASE WHEN %s THEN excluded.metrics || s.metrics ELSE excluded.metrics END,"
        " delivery = excluded.delivery, heard_at = excluded.heard_at,"
        " clock_offset_ms = CASE WHEN %s THEN s.clock_offset_ms ELSE excluded.clock_offset_ms END",
        [
            *(gateway.id, gateway.owner, gateway.partner, at),
            *(Jsonb(metrics), delivery.value, offset_ms, late, late),
        ],
    )


def _note_conflict(conn: psycopg.Connection, gateway: Gateway, epoch: int, at: datetime) -> None:
    conn.execute(
        "UPDATE gateway_status SET conflict = %s WHERE gateway = %s AND conflict IS NULL",
        [
            f"two gateways speak as {gateway}: one of them with the log {epoch}, which had ended"
            f" (first noticed {at:%Y-%m-%d %H:%M:%S} UTC). Its records are not taken; it keeps"
            " them. Give one of the two another node id.",
            gateway.id,
        ],
    )
