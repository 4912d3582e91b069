"""What people enter at a station: judged here, and on the disk before anybody is told so."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from edge.journal import TelemetryJournal
from edge.sources.manual.config import ManualCharacteristic, ManualSettings
from edge.sources.results import LONGEST_CODE, Results
from edge.status import SourceFigures
from protocols.aqdef.fields import number
from protocols.inspection import Result, Verdict, judged

_TICKET = re.compile(r"[A-Za-z0-9_-]{16,64}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_REMEMBERED = 100
"""Entries that are known again over a restart; the hub knows all, by their ticket."""
LONGEST_REASON = 200
SHOWN = 8
WAIT_S = 15.0
"""So long a person waits for the disk before the page says that it takes nothing."""

Refusal = Literal["serial", "code", "number", "missing", "choice", "reason", "sent", "waits", "bad"]


class EntryError(Exception):
    """An entry is not taken: why, and of which characteristic."""

    def __init__(self, code: Refusal, detail: str = "") -> None:
        self.code: Refusal = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A form as it was sent: texts as people typed them."""

    ticket: str
    """Of the form: the same one sent twice is one entry."""
    serial: str
    values: Mapping[int, str]
    """By the characteristic's place; `ok` and `nok` of a check."""
    reason: str
    operator: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on the disk."""

    verdict: Verdict
    failed: tuple[str, ...]
    """Characteristics that are not ok."""
    serial: str | None
    again: bool = False
    """It was there before."""


class Station:
    """Takes the entries of one station."""

    def __init__(
        self, settings: ManualSettings, journal: TelemetryJournal, figures: SourceFigures
    ) -> None:
        self.settings = settings
        self._journal = journal
        self._figures = figures
        self._results = Results(settings.device, journal, figures, settings.serial)
        self._forms = [re.compile(form.pattern) for form in settings.serial]
        self._bookmark = f"{settings.device}/entered"
        self._known: dict[str, str] = dict(
            json.loads(journal.bookmarks.get(self._bookmark) or "[]")
        )
        """What was entered, as a hash, by ticket; the latest last."""
        self._waiting: dict[str, asyncio.Future[int]] = {}
        self.recent: deque[tuple[datetime, Recorded]] = deque(maxlen=SHOWN)
        """What was recorded last since the gateway began, the latest first."""

    async def record(self, entry: Entry) -> Recorded:
        """Judge an entry and put it on the disk; the same one again only finds what it came to.
        Raises `EntryError`, `JournalError`."""
        ticket = entry.ticket
        if not _TICKET.fullmatch(ticket):
            raise EntryError("bad", "ticket")
        sha256 = hashlib.sha256(
            json.dumps(
                [self.settings.device, entry.serial, sorted(entry.values.items()), entry.reason]
            ).encode(errors="surrogatepass")
        ).hexdigest()
        again = ticket in self._known
        if again and self._known[ticket] != sha256[:16]:
            raise EntryError("sent")
        results = self._judge(entry, sha256)
        if not again:
            self._submit(ticket, sha256, results)
        if (durable := self._waiting.get(ticket)) is not None:
            try:
                async with asyncio.timeout(WAIT_S):
                    await asyncio.shield(durable)
            except TimeoutError:
                raise EntryError("waits") from None
        failed = tuple(r.characteristic for r in results if r.verdict == "nok")
        doubtful = any(r.verdict == "unknown" for r in results)
        verdict: Verdict = "nok" if failed else "unknown" if doubtful else "ok"
        recorded = Recorded(verdict, failed, results[0].serial, again)
        if not again:
            self.recent.appendleft((results[0].measured_at, recorded))
        return recorded

    def _submit(self, ticket: str, sha256: str, results: list[Result]) -> None:
        """Hand the results to the journal, and with them that this ticket was used."""
        self._known[ticket] = sha256[:16]
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        marks = {self._bookmark: json.dumps(list(self._known.items()), separators=(",", ":"))}
        batches = self._results.batches(results)
        durable = self._journal.submit(*batches, bookmarks=marks)
        self._waiting[ticket] = durable

        def done(settled: asyncio.Future[int]) -> None:
            self._waiting.pop(ticket, None)
            if settled.cancelled() or settled.exception() is not None:
                return
            self._figures.batches += len(batches)
            self._figures.samples += len(results)
            self._figures.last_sample_us = batches[-1].times_us[-1]

        durable.add_done_callback(done)

    def _judge(self, entry: Entry, sha256: str) -> list[Result]:
        serial, code = self._results.part(self._serial(entry.serial))
        now = datetime.now(UTC).replace(microsecond=0)
        reason = " ".join(_CONTROLS.sub(" ", entry.reason).split())[:LONGEST_REASON]
        found: list[Result] = []
        for place, described in enumerate(self.settings.characteristics):
            text = entry.values.get(place, "").strip()
            if not text:
                if not described.optional:
                    raise EntryError("missing", described.name)
                continue
            value, verdict = _judged(described, text)
            found.append(
                Result(
                    key=entry.ticket,
                    serial=serial,
                    code=code,
                    characteristic=described.name,
                    value=value,
                    lower=described.lower,
                    upper=described.upper,
                    nominal=described.nominal,
                    unit=described.unit,
                    verdict=verdict,
                    tool=described.tool,
                    programme=self.settings.programme,
                    operator=entry.operator,
                    reason=(reason or None) if verdict == "nok" else None,
                    measured_at=now,
                    raw_sha256=sha256,
                )
            )
        if not found:
            raise EntryError("missing", self.settings.characteristics[0].name)
        failed = [result.characteristic for result in found if result.verdict == "nok"]
        if failed and not reason:
            raise EntryError("reason", ", ".join(failed))
        return found

    def _serial(self, text: str) -> str:
        """A code that may be taken. Typed by hand, one that follows no form is a mistake."""
        code = text.strip()
        if not code and not self.settings.without_serial:
            raise EntryError("serial")
        if len(code) > LONGEST_CODE:
            raise EntryError("code", code[:20])
        if code and self._forms and not any(form.fullmatch(code) for form in self._forms):
            raise EntryError("code", code)
        return code


def _judged(described: ManualCharacteristic, text: str) -> tuple[float | None, Verdict]:
    if described.check:
        if text not in ("ok", "nok"):
            raise EntryError("choice", described.name)
        return None, "ok" if text == "ok" else "nok"
    try:
        value = number(text)
    except ValueError:
        raise EntryError("number", described.name) from None
    return value, judged(value, described.lower, described.upper)
