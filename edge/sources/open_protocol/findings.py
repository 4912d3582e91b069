"""What a tightening says, as results: one for the operation, one for each value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.sources.open_protocol.config import OpenProtocolSettings
from edge.sources.results import Results, identity
from protocols.inspection import Result
from protocols.open_protocol import TIGHTENING, Message, Tightening

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_TEXT = 100


class Findings:
    """Makes results of one controller's tightenings."""

    def __init__(self, settings: OpenProtocolSettings, results: Results) -> None:
        self._results = results
        self._identifier = settings.identifier - 1
        self._zone = UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone)
        self.tool: str | None = None
        """Serial number of the controller's tool, for results that do not name it."""

    def measured_at(self, tightening: Tightening) -> datetime | None:
        """When it was done; None: the controller gave no time that can be kept."""
        at = tightening.at
        if at is None or not 1971 <= at.year < 2199:
            return None
        return at.replace(tzinfo=self._zone).astimezone(UTC)

    def of(self, tightening: Tightening, message: Message, now: datetime) -> Iterator[Result]:
        """Its results. The key has the time, too, since a controller may begin its ids anew; or of
        one without a clock what it sent."""
        at = self.measured_at(tightening)
        raw_sha256 = hashlib.sha256(message.raw or message.encode()).hexdigest()
        stamp = raw_sha256[:16] if tightening.at is None else tightening.at.isoformat()
        known = tightening.identifiers[self._identifier : self._identifier + 1]
        serial, code = self._results.part(known[0]) if known else (None, None)
        number = f"sync {tightening.id:05}" if tightening.together else f"{tightening.id:010}"
        operation = Result(
            key=identity(f"{number}@{stamp}"),
            serial=serial,
            code=code,
            characteristic=_clean(tightening.what),
            verdict=tightening.verdict if tightening.what == TIGHTENING else "unknown",
            tool=_clean(tightening.tool or self.tool or "") or None,
            programme=_clean(_programme(tightening)) or None,
            measured_at=at or now,
            raw_sha256=raw_sha256,
        )
        yield operation
        if tightening.what != TIGHTENING:
            return
        for measured in tightening.measured:
            yield operation.model_copy(
                update={
                    "characteristic": measured.name,
                    "value": measured.value,
                    "lower": measured.lower,
                    "upper": measured.upper,
                    "nominal": measured.target,
                    "unit": measured.unit,
                    "verdict": measured.verdict,
                }
            )


def _programme(tightening: Tightening) -> str:
    if tightening.programme is None:
        return ""
    return f"{tightening.programme} {tightening.programme_name or ''}".strip()


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text)[:_LONGEST_TEXT].strip()
