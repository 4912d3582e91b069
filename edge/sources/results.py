"""What stations find of parts, on its way into the journal: for every source that finds results.

A source registers `Results` for its device, has it read what names the part, makes each result of
what its device said, and submits `batches` of them as it does samples. The hub knows a result by
its device, key and characteristic, so a result that is read again counts once.
"""

from __future__ import annotations

import hashlib
import logging
import re
from array import array
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.journal import Origin, SampleBatch, SampleClass, TelemetryJournal
from edge.status import Condition, SourceFigures
from protocols.inspection import MOST_PARTS, RESULT, Code, Result
from protocols.sparkplug.datatypes import DataType

logger = logging.getLogger(__name__)

LONGEST_CODE = 128
"""Characters of a code that are read; the rest is cut off."""
_MOST = 100
"""Results in a batch, which is one message: each may have a few thousand characters."""
_LONGEST_KEY = 64
_PICTURES = {n: 0x2400 + n for n in range(0x20)} | {0x7F: 0x2421}
"""Separators within a code, such as GS, as the characters that picture them."""


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    if len(groups) > MOST_PARTS or any(len(name) > 32 for name in groups):
        raise ValueError(f"at most {MOST_PARTS} named groups, of 32 characters each")
    return text


class CodeForm(BaseModel):
    """How one customer's codes are made up."""

    model_config = ConfigDict(extra="forbid")

    form: str = Field(
        min_length=1,
        max_length=40,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        title="Name of the form, such as the customer's",
    )
    pattern: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)] = Field(
        title=r"Regular expression of the whole code, such as (?P<type>[A-Z]{3})(?P<serial>\d{9})",
        description="Named groups are the code's parts. The one named serial is the serial that "
        "results are known by; without it that is the whole code. \\x1d is the separator GS.",
    )


CodeForms = Annotated[list[CodeForm], Field(max_length=20)]


class Results:
    """The results of one device; the codes of its parts go by `forms`, the first that fits."""

    def __init__(
        self,
        device: str,
        journal: TelemetryJournal,
        figures: SourceFigures,
        forms: Sequence[CodeForm] = (),
    ) -> None:
        self._device = device
        self._figures = figures
        self._forms = [(form.form, re.compile(form.pattern)) for form in forms]
        self._codes = Condition(logger, f"source {device}: codes of parts")
        self._tag_id = journal.tag_id(device, RESULT, DataType.String)

    def part(self, read: str) -> tuple[str | None, Code | None]:
        """`serial` and `code` of the results of a part, of what was read from it; blanks around it
        are none of it. What follows no form is kept whole, and counted."""
        code = read.strip(" ")[:LONGEST_CODE]
        text = code.translate(_PICTURES)
        if not code:
            return None, None
        if not self._forms:
            return text, None
        for name, pattern in self._forms:
            if found := pattern.fullmatch(code):
                self._codes.recover()
                parts = {
                    group: value.translate(_PICTURES)
                    for group, value in found.groupdict().items()
                    if value
                }
                return parts.get("serial", text), Code(text=text, form=name, parts=parts)
        self._figures.unread_codes += 1
        self._codes.fail(f"{text!r} follows none of the forms under `serial`; such are kept whole")
        return text, Code(text=text)

    def batches(self, results: Sequence[Result], origin: Origin = Origin.LIVE) -> list[SampleBatch]:
        """The results as records for the journal, in order; of the class that is evicted last."""
        return [
            self._batch(results[at : at + _MOST], origin) for at in range(0, len(results), _MOST)
        ]

    def _batch(self, results: Sequence[Result], origin: Origin) -> SampleBatch:
        return SampleBatch(
            self._device,
            SampleClass.HIGH,
            array("I", [self._tag_id]) * len(results),
            array("q", [round(r.measured_at.timestamp() * 1e6) for r in results]),
            array("d", bytes(8 * len(results))),
            {position: result.text() for position, result in enumerate(results)},
            origin=origin,
        )


def identity(*parts: str) -> str:
    """The key of an operation's results, of what tells it from all others of its device for good:
    readable if it is short, else a hash of it."""
    text = "/".join(parts)
    if 0 < len(text) <= _LONGEST_KEY and text.isprintable():
        return text
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
