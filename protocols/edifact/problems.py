"""What is wrong with an interchange: segment, element and reason, one line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_SHOWN = 20
"""Problems in the text of one error."""


class ErrorCode(StrEnum):
    """Data element 0085 (syntax error, coded), as CONTRL reports it."""

    INVALID_VALUE = "12"
    MISSING = "13"
    NOT_SUPPORTED_HERE = "15"
    TOO_MANY_CONSTITUENTS = "16"
    UNSPECIFIED = "18"
    INVALID_CHARACTER = "21"
    REFERENCES_DO_NOT_MATCH = "28"
    COUNT_DOES_NOT_MATCH = "29"
    TOO_MANY_REPETITIONS = "35"
    TOO_MANY_GROUPS = "36"
    NOT_NUMERIC = "37"
    TOO_LONG = "39"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. Without a segment it is the interchange as a whole."""

    reason: str
    segment: int | None = None
    """From 1, counted over the interchange; UNA is none."""
    tag: str = ""
    element: str = ""
    """Its number in the directory with its place: `3227 (element 1)`."""
    code: ErrorCode = ErrorCode.UNSPECIFIED
    message: str | None = None
    """Reference of the message it is in (UNH 0062)."""
    place: tuple[int, int | None] | None = None
    """Element, and component if it is one of a composite, both from 1: for CONTRL."""

    def __str__(self) -> str:
        where = "interchange" if self.segment is None else f"segment {self.segment} {self.tag}"
        return f"{where.strip()}{f', {self.element}' if self.element else ''}: {self.reason}"


class EdifactError(ValueError):
    """What was read or is to be written is not what the directory or the partner asks for."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        shown = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            shown.append(f"… and {len(self.problems) - MAX_SHOWN} more")
        super().__init__("\n".join(shown))
