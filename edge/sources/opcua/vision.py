"""What a vision system's event says of a part, as results. No network here."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge.sources.opcua.values import EPOCH
from edge.sources.opcua.vision_config import MachineVisionSettings, MeasuredMember
from edge.sources.results import Results, identity
from edge.status import Condition
from protocols.inspection import Result, Verdict, judged
from protocols.opcua.machine_vision import COMPLETED, RESULT_STATES

logger = logging.getLogger(__name__)

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_PROGRAMMES = ("ExternalRecipeId.Id", "InternalRecipeId.Id")

Fields = Mapping[str, Any]
"""Fields of an event by name: plain values, lists, and dicts for structures; times as they are."""


class Findings:
    """Makes the results of one vision system's events."""

    def __init__(self, device: str, settings: MachineVisionSettings, results: Results) -> None:
        self._settings = settings
        self._results = results
        self._members = Condition(logger, f"source {device}: members of results")
        self._words: dict[str, Verdict] = {w.casefold(): "nok" for w in settings.nok_words}
        self._words |= {w.casefold(): "ok" for w in settings.ok_words}

    def of(self, fields: Fields, *, now: datetime, sha256: str) -> list[Result]:
        """The verdict on the part, then its characteristics; none if the event is not to count: a
        part of a result that comes as a whole later, or a simulated one. Raises `ValueError` if
        it makes no sense."""
        settings = self._settings
        if fields.get("IsPartial") is True:
            return []
        if fields.get("IsSimulated") is True and not settings.simulated:
            return []
        serial, code = self._results.part(_text(find(fields, settings.serial)) or "")
        shared = {
            "key": _key(fields),
            "serial": serial,
            "code": code,
            "tool": _short(find(fields, settings.tool)) if settings.tool else None,
            "programme": _short(self._programme(fields)),
            "measured_at": _time(fields, now),
            "raw_sha256": sha256,
        }
        wrong: list[str] = []
        told = [self._measured(fields, each, wrong) for each in settings.measured]
        verdict = self._verdict(fields, [each["verdict"] for each in told], wrong)
        if wrong:
            self._members.fail(f"{'; '.join(wrong[:3])}; such are of unknown verdict")
        else:
            self._members.recover()
        whole = {"characteristic": settings.characteristic, "verdict": verdict}
        return [Result.model_validate({**shared, **each}) for each in (whole, *told)]

    def _programme(self, fields: Fields) -> Any:
        if self._settings.programme is not None:
            return find(fields, self._settings.programme)
        return next(filter(None, (find(fields, path) for path in _PROGRAMMES)), None)

    def _measured(
        self, fields: Fields, measured: MeasuredMember, wrong: list[str]
    ) -> dict[str, Any]:
        """A characteristic; what is wrong with it is added to `wrong`."""
        told: dict[str, Any] = {
            "characteristic": measured.name,
            "unit": measured.unit,
            "lower": measured.lower,
            "upper": measured.upper,
            "nominal": measured.nominal,
            "verdict": "unknown",
        }
        found = find(fields, measured.value)
        number = _number(found)
        if number is not None:
            told |= {"value": number, "verdict": judged(number, measured.lower, measured.upper)}
        elif (word := self._word(found)) is not None:
            told["verdict"] = word
        else:
            wrong.append(f"{measured.value} is {_shown(found)}")
        if measured.verdict is not None:
            said = find(fields, measured.verdict)
            told["verdict"] = self._word(said) or "unknown"
            if told["verdict"] == "unknown":
                wrong.append(f"{measured.verdict} is {_shown(said)}")
        return told

    def _verdict(self, fields: Fields, found: list[Verdict], wrong: list[str]) -> Verdict:
        """That on the part: said by the system, or of its characteristics. Of what it could not
        process to the end it is not known that it is ok."""
        path = self._settings.verdict
        verdict: Verdict | None
        if path is not None:
            said = find(fields, path)
            verdict = self._word(said)
            if verdict is None:
                wrong.append(f"{path} is {_shown(said)}")
        else:
            verdict = "nok" if "nok" in found else "ok" if {*found} == {"ok"} else None
        state = fields.get("ResultState")
        broken = state in RESULT_STATES and state not in (0, COMPLETED)
        return "unknown" if verdict is None or (broken and verdict == "ok") else verdict

    def _word(self, found: Any) -> Verdict | None:
        """What a word, a truth value or a whole number says; None: nothing."""
        if isinstance(found, bool):
            return "ok" if found else "nok"
        if isinstance(found, (str, int)):
            return self._words.get(str(found).strip().casefold())
        return None


def find(fields: Fields, path: str) -> Any:
    """What a path leads to; None if there is no such thing."""
    found: Any = fields
    for step in path.split("."):
        if isinstance(found, list):
            found = found[int(step)] if step.isdecimal() and int(step) < len(found) else None
        else:
            found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _key(fields: Fields) -> str:
    """A result is known by its id, and by when it was made: some systems count from 1 again."""
    result_id = _text(find(fields, "ResultId.Id"))
    if result_id is None:
        event_id = fields.get("EventId")
        if not event_id:
            raise ValueError("it has neither a ResultId nor an EventId")
        return identity("event", str(event_id))
    made = fields.get("CreationTime")
    if isinstance(made, datetime) and made >= EPOCH:
        return identity(result_id, made.isoformat())
    return identity(result_id)


def _time(fields: Fields, now: datetime) -> datetime:
    """When the result was made, else when it was told, else now."""
    for name in ("CreationTime", "Time"):
        at = fields.get(name)
        if isinstance(at, datetime) and at >= EPOCH:
            return at
    return now


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    number = float(found) if abs(found) < 2**1023 else math.inf
    return number if math.isfinite(number) else None


def _text(found: Any) -> str | None:
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return None
    return str(found) or None


def _short(found: Any) -> str | None:
    """A text as results carry it."""
    text = _text(found)
    return (_CONTROLS.sub(" ", text)[:100].strip() or None) if text is not None else None


def _shown(found: Any) -> str:
    """For people."""
    return "not there" if found is None else f"{str(found)[:40]!r}"
