"""What happens at the line that is worth a picture, told by whoever notices it to the cameras."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from edge.journal import Gap, SampleBatch, TelemetryJournal
from protocols.inspection import RESULT, PictureEvent, parse_result

_NOK = '"verdict":"nok"'
_LOOKED_BACK = 500
"""Records: more than the seconds before a stop."""


@dataclass(frozen=True, slots=True)
class Event:
    """A result that is not in order, or a wrong part in a rack."""

    kind: PictureEvent
    found_by: str
    """Device, or `plant/line`."""
    found_key: str
    """What tells it from all others of its device, for good."""
    what: str
    serial: str | None
    happened_at: datetime
    """By the station's clock."""


class Events:
    """Carries events to those who listen. Nobody waits for them."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """From now on; the listener must not block."""
        self._listeners.append(listener)

    def leave(self, listener: Callable[[Event], None]) -> None:
        """No longer."""
        self._listeners.remove(listener)

    def tell(self, event: Event) -> None:
        """It has happened."""
        for listener in tuple(self._listeners):
            listener(event)


class NokWatch:
    """Looks at what the journal has written: a result is told of once it is durable, whichever
    source found it, and its source waits for nothing."""

    def __init__(self, journal: TelemetryJournal, events: Events) -> None:
        self._journal = journal
        self._events = events

    def look(self, records: Sequence[SampleBatch | Gap]) -> None:
        """These are in the journal now."""
        if not self._events.heard:
            return
        for record in records:
            if isinstance(record, SampleBatch):
                for event in nok_results(self._journal, record):
                    self._events.tell(event)


def nok_results(journal: TelemetryJournal, batch: SampleBatch) -> Iterator[Event]:
    """The results of a batch that are not in order: one event of an operation, however much of it
    is not."""
    told: set[str] = set()
    for position, text in batch.others.items():
        if not isinstance(text, str) or _NOK not in text:
            continue
        if journal.tag(batch.tags[position]).name != RESULT:
            continue
        try:
            result = parse_result(text)
        except ValueError:
            continue  # some device has a value of this name
        if result.verdict != "nok" or result.key in told:
            continue
        told.add(result.key)
        yield Event(
            "nok",
            batch.device,
            result.key,
            result.characteristic,
            result.serial,
            result.measured_at,
        )


async def newest(journal: TelemetryJournal) -> AsyncIterator[SampleBatch]:
    """The last batches that an earlier run wrote, by their offsets."""
    state = journal.state
    at = max(state.first_kept, state.next - _LOOKED_BACK)
    while at < state.next:
        found = journal.read(at, state.next)
        for stored in found:
            if isinstance(stored.record, SampleBatch):
                yield stored.record
        if not found:
            return
        at = found[-1].after
        await asyncio.sleep(0)


def wrong_part(line: str, rack: str, what: str, happened_at: datetime) -> Event:
    """Somebody closed a rack in which a part is wrong. The same mistake scanned again is the same
    event."""
    key = hashlib.sha256(f"{rack}\0{what}".encode()).hexdigest()[:32]
    return Event("wrong_part", line, key, f"{rack}: {what}"[:100], None, happened_at)
