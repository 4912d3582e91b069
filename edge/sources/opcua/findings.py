"""What an event says of a part, as results. No network here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from edge.sources.opcua.companion import Fields, machinery_flat
from edge.sources.opcua.joining import evaluated, joined
from edge.sources.opcua.plain import number, short, shown, text
from edge.sources.opcua.result_config import MeasuredMember, ResultSettings
from edge.sources.opcua.values import EPOCH
from edge.sources.results import Results, identity
from edge.status import Condition
from protocols.inspection import Result, Verdict, judged
from protocols.opcua.machine_vision import COMPLETED, RESULT_STATES
from protocols.opcua.machinery_result import CONTENT, META, RESULT

logger = logging.getLogger(__name__)

_DEEPEST = 3
"""Results may hold results: a job those of its batches, a batch those of its operations."""
_MOST = 2000
"""Results of an event."""


class Findings:
    """Makes the results of one system's events."""

    def __init__(self, device: str, settings: ResultSettings[str], results: Results) -> None:
        self._settings = settings
        self._results = results
        self._members = Condition(logger, f"source {device}: members of results")
        self._words: dict[str, Verdict] = {w.casefold(): "nok" for w in settings.nok_words}
        self._words |= {w.casefold(): "ok" for w in settings.ok_words}

    def of(self, fields: Fields, *, now: datetime, sha256: str) -> list[Result]:
        """The verdict on the part, then its characteristics, then the results that are within it;
        none if the event is not to count: a part of a result that comes as a whole later, or a
        simulated one. Raises `ValueError` if it makes no sense."""
        wrong: list[str] = []
        results = self._of(fields, now, sha256, wrong)
        if wrong:
            self._members.fail(f"{'; '.join(wrong[:3])}; such are of unknown verdict")
        else:
            self._members.recover()
        return results

    def _of(
        self,
        fields: Fields,
        now: datetime,
        sha256: str,
        wrong: list[str],
        above: Sequence[Result] = (),
    ) -> list[Result]:
        """As `of`; what is wrong is added to `wrong`. `above`: those that it is within, which are
        of the same part unless it says otherwise."""
        settings = self._settings
        if fields.get("IsPartial") is True:
            return []
        if fields.get("IsSimulated") is True and not settings.simulated:
            return []
        said = text(find(fields, settings.serial))
        if said is None and above:
            serial, code = above[-1].serial, above[-1].code
        else:
            serial, code = self._results.part(said or "")
        key = self._key(fields)
        shared = {
            "key": key,
            "serial": serial,
            "code": code,
            "tool": short(find(fields, settings.tool)) if settings.tool else None,
            "programme": short(self._programme(fields)),
            "measured_at": _time(fields, now),
            "raw_sha256": sha256,
        }
        within = list(_within(fields, key)) if len(above) < _DEEPEST else []
        told = [self._measured(fields, each, wrong) for each in settings.measured if not within]
        if not settings.measured:
            told = joined(fields, [settings.characteristic])
        verdict = self._verdict(fields, [each["verdict"] for each in told], wrong)
        whole = {"characteristic": settings.characteristic, "verdict": verdict}
        results = [Result.model_validate({**shared, **each}) for each in (whole, *told)]
        for inner in within:
            results += self._of(inner, now, sha256, wrong, [*above, results[0]])
            if len(results) > _MOST:
                raise ValueError(f"it holds more than {_MOST} results")
        return results

    def _key(self, fields: Fields) -> str:
        """A result is known by its id, and by when it was made: some systems count from 1 again."""
        result_id = text(find(fields, self._settings.result_id))
        if result_id is None:
            event_id = fields.get("EventId")
            if not event_id:
                raise ValueError("it has neither a ResultId nor an EventId")
            return identity("event", str(event_id))
        made = fields.get("CreationTime")
        if isinstance(made, datetime) and made >= EPOCH:
            return identity(result_id, made.isoformat())
        return identity(result_id)

    def _programme(self, fields: Fields) -> Any:
        if self._settings.programme is not None:
            return find(fields, self._settings.programme)
        return next(filter(None, (find(fields, path) for path in self._settings.programmes)), None)

    def _measured(
        self, fields: Fields, measured: MeasuredMember[str], wrong: list[str]
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
        value = number(found)
        if value is not None:
            told |= {"value": value, "verdict": judged(value, measured.lower, measured.upper)}
        elif (word := self._word(found)) is not None:
            told["verdict"] = word
        else:
            wrong.append(f"{measured.value} is {shown(found)}")
        if measured.verdict is not None:
            said = find(fields, measured.verdict)
            told["verdict"] = self._word(said) or "unknown"
            if told["verdict"] == "unknown":
                wrong.append(f"{measured.verdict} is {shown(said)}")
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
                wrong.append(f"{path} is {shown(said)}")
        else:
            verdict = evaluated(fields.get("ResultEvaluation"))
            if verdict is None:
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


def _time(fields: Fields, now: datetime) -> datetime:
    """When the result was made, else when it was told, else now."""
    for name in ("CreationTime", "Time"):
        at = fields.get(name)
        if isinstance(at, datetime) and at >= EPOCH:
            return at
    return now


def _within(fields: Fields, key: str) -> Iterator[dict[str, Any]]:
    """The results that are the content of one. Those without an id are known by its key: an event's
    id is not told of a result that is fetched."""
    content = fields.get(CONTENT)
    shared = {
        "SourceName": fields.get("SourceName"),
        "Time": fields.get("CreationTime") or fields.get("Time"),
    }
    for place, each in enumerate(content if isinstance(content, list) else ()):
        if isinstance(each, Mapping) and isinstance(each.get(META), Mapping):
            yield machinery_flat({**shared, "EventId": f"{key}/{place}", RESULT: each})
