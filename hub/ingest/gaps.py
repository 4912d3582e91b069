"""What is known to be missing, as gateways say it and as the database keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.ingest.births import MAX_OFFSET, clean
from hub.ingest.cursors import STREAM
from hub.ingest.registry import Gateway
from protocols.moment import Moment
from protocols.refusal import first_problem
from protocols.streams import Range


class GapTextError(ValueError):
    """A gap or a loss that cannot be read; the text says where and why."""


class _GapText(BaseModel):
    """JSON of `Stream/Gap`: what was lost before it could be written."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device: str | None = Field(default=None, max_length=500)  # more would not fit its index
    start: Moment | None = Field(default=None, alias="from")
    end: Moment | None = Field(default=None, alias="to")
    cause: str = Field(min_length=1, max_length=2000)


class _LostText(_GapText):
    """JSON of `Stream/Lost`: records that were written and are no longer there."""

    first: int = Field(ge=0, lt=MAX_OFFSET)
    next: int = Field(gt=0, lt=MAX_OFFSET)


_Text = TypeVar("_Text", bound=_GapText)


@dataclass(frozen=True, slots=True)
class Gap:
    """One row of table `gap`. `device` None: the whole gateway; a time None: not known."""

    gateway: Gateway
    cause: str
    device: str | None = None
    epoch: int | None = None
    first_offset: int | None = None
    next_offset: int | None = None
    start: datetime | None = None
    end: datetime | None = None


def read_gap(gateway: Gateway, epoch: int, text: str) -> Gap:
    """A gap record. Raises `GapTextError`."""
    return _gap(gateway, epoch, _parse(_GapText, text))


def read_lost(gateway: Gateway, epoch: int, text: str) -> tuple[Gap, Range]:
    """A tombstone, and the offsets it stands for. Raises `GapTextError`."""
    said = _parse(_LostText, text)
    if said.first >= said.next:
        raise GapTextError(f"no offsets from {said.first} to {said.next}")
    return _gap(gateway, epoch, said), (said.first, said.next)


def _gap(gateway: Gateway, epoch: int, said: _GapText) -> Gap:
    return Gap(gateway, clean(said.cause), said.device, epoch, start=said.start, end=said.end)


def insert(conn: psycopg.Connection, gaps: Iterable[Gap]) -> None:
    """Store gaps of the telemetry stream."""
    rows = [
        (
            gap.gateway.owner,
            gap.gateway.partner,
            gap.gateway.id,
            gap.device,
            STREAM,
            gap.epoch,
            gap.first_offset,
            gap.next_offset,
            gap.start,
            gap.end,
            gap.cause,
        )
        for gap in gaps
    ]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO gap (owner, partner, gateway, device, stream, epoch, first_offset,"
                " next_offset, from_time, to_time, cause)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
            )


def _parse(model: type[_Text], text: str) -> _Text:
    try:
        said = model.model_validate_json(text)
    except ValidationError as error:
        raise GapTextError(first_problem(error, "text")) from None
    if said.device is not None and "\0" in said.device:
        raise GapTextError("device: has a NUL character")
    return said
