"""What goes into one transaction: rows, cursors, gaps, quarantine, counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hub.ingest.cursors import Position
from hub.ingest.gaps import Gap
from hub.ingest.inbox import Message
from hub.ingest.new_logs import Awaited
from hub.ingest.pictures import Piece, Told
from hub.ingest.registry import Gateway
from hub.ingest.results import Found
from hub.ingest.rows import RowBuffer
from hub.ingest.session import Session
from protocols.streams import Cursor


@dataclass(slots=True)
class Counts:
    """Of one node in one batch; the columns of `gateway_traffic`."""

    messages: int = 0
    records: int = 0
    samples: int = 0
    duplicates: int = 0
    quarantined: int = 0
    refused: int = 0


@dataclass(slots=True)
class Share:
    """What a batch holds of one node. `cursor` is as it will be once the batch is committed, and
    `position` as it was before."""

    session: Session
    position: Position
    cursor: Cursor | None
    answer: bool = False
    counts: Counts = field(default_factory=Counts)
    status: dict[str, Any] = field(default_factory=dict)
    next_seq: int | None = None
    """Of a node without stream: it has said all before this number once the batch is committed."""
    clock_offset_ms: int | None = None
    """By the last message of this batch that says how the gateway is."""
    awaited: Awaited = field(default_factory=Awaited)
    """Tags that will be awaited once the batch is committed: see `new_logs`."""
    repeats: int = 0
    """Samples among those counted that were stored before."""
    joins_on: bool = False
    """Whether a record of this batch has a tag that is awaited: then all later ones of the node are
    stored with it, so that they stay in order."""

    @property
    def moved(self) -> bool:
        """Whether the cursor moves with this batch."""
        return self.cursor is not self.position.cursor


class Record(NamedTuple):
    """A message and where its rows stand in the buffer; `offset` None: the node has no stream."""

    share: Share
    offset: int | None
    payload: bytes
    start: int
    stop: int
    rows: int
    in_order: bool = False
    """Whether it came at the watermark: there is nothing below it that is yet to come."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record kept raw, and why."""

    gateway: Gateway
    epoch: int | None
    offset: int | None
    reason: str
    raw: bytes


class Batch:
    """Grows message by message, is committed as a whole, and can be done again from `messages`."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.bytes = 0
        self.began_at = 0.0
        """Monotonic; when the first thing came in."""
        self.rows = RowBuffer()
        self.records: list[Record] = []
        self.first_rows = RowBuffer()
        """Rows of the records in `firsts`, which may be stored already: see `new_logs`. They come
        after all others."""
        self.firsts: list[Record] = []
        self.results: list[Found] = []
        self.pictures: list[Told] = []
        self.pieces: list[Piece] = []
        self.gaps: list[Gap] = []
        self.quarantined: list[Quarantined] = []
        self.shares: dict[int, Share] = {}

    def share(self, session: Session) -> Share:
        """The part of one node, begun from where the batches before will have left it."""
        share = self.shares.get(session.gateway.id)
        if share is None:
            if not self.shares:
                self.began_at = time.monotonic()
            position = session.position
            share = Share(session, position, position.cursor, awaited=position.awaited)
            self.shares[session.gateway.id] = share
        return share

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self.shares

    def add_message(self, message: Message) -> None:
        """Remember a message; its effects are added by whoever reads it."""
        self.messages.append(message)
        self.bytes += len(message.payload)

    def clear(self) -> None:
        """Begin anew; the row buffer keeps its memory."""
        self.messages = []
        self.bytes = 0
        self.rows.clear()
        self.records = []
        self.first_rows.clear()
        self.firsts = []
        self.results = []
        self.pictures = []
        self.pieces = []
        self.gaps = []
        self.quarantined = []
        self.shares = {}
