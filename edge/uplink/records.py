"""Journal records as Sparkplug payloads."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime

from edge.journal import Gap, Lost, Origin, SampleBatch, Stored
from edge.uplink.births import EPOCH, GAP, LOST, OFFSET, StreamAliases
from protocols.sparkplug import GOOD, Metric, Payload, encode, encode_samples
from protocols.sparkplug.server_times import FROM_HISTORY, pack_offsets

_BAD = 0
_QUALITIES = frozenset({_BAD, GOOD, 500})
"""All that the property Quality may say; 500 is stale. What is uncertain is not good, hence bad."""


def samples_payload(
    batch: SampleBatch,
    kinds: bytes,
    aliases: StreamAliases,
    epoch: int,
    offset: int,
    *,
    seq: int,
    now_ms: int,
    historical: bool,
) -> bytes:
    """A batch as a DDATA payload: `kinds` are the datatypes of its samples, `aliases` those of its
    device."""
    qualities = None
    if batch.qualities:
        qualities = array("H", [GOOD]) * len(batch)
        for position, quality in batch.qualities.items():
            qualities[position] = quality if quality in _QUALITIES else _BAD
    return encode_samples(
        seq,
        now_ms,
        aliases.epoch,
        epoch,
        aliases.offset,
        offset,
        array("Q", batch.tags),
        array("q", [time_us // 1000 for time_us in batch.times_us]),
        kinds,
        batch.numbers,
        batch.others,
        qualities,
        historical,
        _notes(batch, aliases, now_ms, historical=historical),
    )


def _notes(
    batch: SampleBatch, aliases: StreamAliases, now_ms: int, *, historical: bool
) -> list[Metric]:
    """What the batch says beside its samples; mostly nothing."""
    notes: list[Metric] = []
    if batch.server_us:
        offsets = [
            server_us // 1000 - time_us // 1000 if server_us else 0
            for time_us, server_us in zip(batch.times_us, batch.server_us, strict=True)
        ]
        if any(offsets):
            notes.append(
                Metric(
                    alias=aliases.server_times,
                    timestamp=now_ms,
                    value=pack_offsets(offsets),
                    is_historical=historical,
                )
            )
    if batch.origin is Origin.HISTORY:
        notes.append(
            Metric(
                alias=aliases.origin,
                timestamp=now_ms,
                value=FROM_HISTORY,
                is_historical=historical,
            )
        )
    return notes


def gap_payload(
    gap: Gap, epoch: int, offset: int, *, seq: int, now_ms: int, historical: bool
) -> bytes:
    """A gap record as an NDATA payload."""
    text = {
        "device": gap.device,
        "from": _iso(gap.from_us),
        "to": _iso(gap.to_us),
        "cause": gap.cause,
    }
    values: dict[str, int | str] = {EPOCH: epoch, OFFSET: offset, GAP: json.dumps(text)}
    return node_data(values, seq, now_ms, historical=historical)


def lost_payload(
    stored: Stored, lost: Lost, epoch: int, *, seq: int, now_ms: int, historical: bool
) -> bytes:
    """A tombstone as an NDATA payload."""
    text = {
        "first": stored.first,
        "next": stored.after,
        "cause": lost.cause,
        "device": None,
        "from": _iso(lost.from_us),
        "to": _iso(lost.to_us),
    }
    values: dict[str, int | str] = {EPOCH: epoch, LOST: json.dumps(text)}
    return node_data(values, seq, now_ms, historical=historical)


def node_data(
    values: Mapping[str, int | str | bytes | None], seq: int, now_ms: int, *, historical: bool
) -> bytes:
    """An NDATA payload of these values by name, as of now. Their datatypes are in the NBIRTH: data
    leaves them out."""
    metrics = [
        Metric(name=name, value=value, timestamp=now_ms, is_historical=historical)
        for name, value in values.items()
    ]
    return encode(Payload(timestamp=now_ms, metrics=metrics, seq=seq))


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else datetime.fromtimestamp(time_us / 1e6, UTC).isoformat()
