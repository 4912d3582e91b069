"""Rows of a table as results, by the columns that the configuration names."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from edge.sources.drop.config import DropSettings, MeasuredColumn
from edge.sources.drop.table import Row, TableError
from protocols.aqdef.fields import instant, number
from protocols.inspection import Result, Verdict, judged
from protocols.refusal import first_problem

MAX_PROBLEMS = 20
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(slots=True)
class _Operation:
    """Rows, or the one row, of one part at one time."""

    said: list[object] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


class Mapping:
    """What the columns of one source's files mean."""

    def __init__(self, settings: DropSettings) -> None:
        self._settings = settings
        self._columns = settings.columns
        self._zone: tzinfo = UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone)
        self._words: dict[str, Verdict] = {w.casefold(): "nok" for w in settings.nok_words}
        self._words |= {w.casefold(): "ok" for w in settings.ok_words}

    def check(self, columns: Sequence[str]) -> None:
        """Whether the columns are there that are named. Raises `TableError`."""
        wanted = [column for _, column in self._columns if column is not None]
        wanted += [measured.column for measured in self._settings.measured]
        for column in wanted:
            if column not in columns:
                near = difflib.get_close_matches(column, columns, n=1, cutoff=0.6)
                shown = ", ".join(filter(None, columns))[:200]
                hint = f"did you mean {near[0]}?" if near else f"there are: {shown}"
                raise TableError(1, f"there is no column {column!r}; {hint}")

    def results(
        self, rows: Iterable[Row], *, sha256: str, otherwise: datetime
    ) -> tuple[list[Result], list[tuple[int, str]]]:
        """The results in rows, and what is wrong with which line; `otherwise` is the time of what
        has none. Rows of one part and time are one operation. Its key comes of what its rows say,
        or of file and line where no column has a time."""
        problems: list[tuple[int, str]] = []
        operations: dict[tuple[object, ...], _Operation] = {}
        seen: Counter[tuple[object, ...]] = Counter()
        try:
            for row in rows:
                try:
                    self._take(row, sha256, otherwise, operations, seen)
                except ValidationError as error:
                    problems.append((row.line, first_problem(error, "row")))
                except ValueError as error:
                    problems.append((row.line, str(error)))
                if len(problems) >= MAX_PROBLEMS:
                    break
        except TableError as error:
            problems.append((error.line, str(error)))
        return list(_keyed(operations.values())), problems

    def _take(
        self,
        row: Row,
        sha256: str,
        otherwise: datetime,
        operations: dict[tuple[object, ...], _Operation],
        seen: Counter[tuple[object, ...]],
    ) -> None:
        at = self._time(row, otherwise)
        serial = self._text(row, self._columns.serial, 128)
        where = None
        if self._columns.time is None:
            where = (sha256, 0 if serial else row.line)
        for result in self._of_row(row, serial, at, sha256):
            place = where if self._columns.characteristic else (where, row.line)
            who = (serial, at, place, result.characteristic)
            seen[who] += 1
            operation = operations.setdefault((*who[:3], seen[who]), _Operation())
            operation.said.append([result.characteristic, result.value, result.verdict, where])
            operation.results.append(result)

    def _of_row(self, row: Row, serial: str | None, at: datetime, sha256: str) -> list[Result]:
        columns = self._columns
        shared = {
            "key": "-",
            "serial": serial,
            "tool": self._text(row, columns.tool, 100),
            "programme": self._text(row, columns.programme, 100),
            "operator": self._text(row, columns.operator, 100),
            "measured_at": at,
            "raw_sha256": sha256,
        }
        word = self._word(row)
        if columns.characteristic is None:
            return [
                Result.model_validate({**shared, **told})
                for measured in self._settings.measured
                if (told := self._measured(row, measured, word)) is not None
            ]
        lower, upper = self._number(row, columns.lower), self._number(row, columns.upper)
        value = self._number(row, columns.value)
        name = self._text(row, columns.characteristic, 100)
        if name is None:
            raise ValueError(f"column {columns.characteristic}: a value without a name")
        if value is None and word is None:
            return []
        told = {
            "characteristic": name,
            "value": value,
            "lower": lower,
            "upper": upper,
            "nominal": self._number(row, columns.nominal),
            "unit": self._text(row, columns.unit, 40) or "",
            "verdict": word or ("unknown" if value is None else judged(value, lower, upper)),
        }
        return [Result.model_validate({**shared, **told})]

    def _measured(
        self, row: Row, measured: MeasuredColumn, word: Verdict | None
    ) -> dict[str, object] | None:
        """A characteristic of a column of its own; None if the row has nothing of it."""
        text = row.cells.get(measured.column, "")
        if not text:
            return None
        limits = {"lower": measured.lower, "upper": measured.upper, "nominal": measured.nominal}
        told: dict[str, object] = {"characteristic": measured.name, "unit": measured.unit}
        try:
            value = number(text)
        except ValueError:
            verdict = self._words.get(text.casefold())
            if verdict is None:
                what = f"{text[:40]!r} is neither a number nor a word for ok or not ok"
                raise ValueError(f"column {measured.column}: {what}") from None
            return {**told, "verdict": verdict}
        verdict = judged(value, measured.lower, measured.upper)
        if verdict == "unknown" and word is not None:
            verdict = word
        return {**told, **limits, "value": value, "verdict": verdict}

    def _word(self, row: Row) -> Verdict | None:
        text = row.cells.get(self._columns.verdict or "", "")
        if not text:
            return None
        verdict = self._words.get(text.casefold())
        if verdict is None:
            what = f"{text[:40]!r} is none of ok_words and nok_words"
            raise ValueError(f"column {self._columns.verdict}: {what}")
        return verdict

    def _time(self, row: Row, otherwise: datetime) -> datetime:
        column = self._columns.time
        if column is None:
            return otherwise
        text = row.cells.get(column, "")
        try:
            if self._settings.time_format is None:
                return instant(text, self._zone)
            at = datetime.strptime(text, self._settings.time_format)
            return (at if at.tzinfo is not None else at.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"column {column}: {error}") from None

    def _number(self, row: Row, column: str | None) -> float | None:
        text = row.cells.get(column or "", "")
        try:
            return number(text) if text else None
        except ValueError as error:
            raise ValueError(f"column {column}: {error}") from None

    def _text(self, row: Row, column: str | None, longest: int) -> str | None:
        text = row.cells.get(column or "", "")
        return _CONTROLS.sub(" ", text)[:longest].strip() or None


def _keyed(operations: Iterable[_Operation]) -> Iterable[Result]:
    """The results with their keys: what an operation's rows say, and which of several alike."""
    alike: Counter[str] = Counter()
    for operation in operations:
        first = operation.results[0]
        who = json.dumps([first.serial, first.measured_at.isoformat(), operation.said])
        digest = hashlib.sha256(who.encode(errors="surrogatepass")).hexdigest()[:32]
        alike[digest] += 1
        for result in operation.results:
            yield result.model_copy(update={"key": f"{digest}-{alike[digest]}"})
