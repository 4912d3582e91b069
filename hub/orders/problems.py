"""What is said of an order file or plant file that cannot be used: where, what, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

MAX_SHOWN = 20
"""Problems in one text."""
MAX_NAMES = 8
"""Names in one hint."""


class InputError(ValueError):
    """The input is refused whole; the text has a line per problem: file:line and reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        shown = self.problems[:MAX_SHOWN]
        if len(self.problems) > MAX_SHOWN:
            shown.append(f"… and {len(self.problems) - MAX_SHOWN} more")
        super().__init__("\n".join(shown))


class Problems:
    """Collects the problems of one file, so that all are told at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, line: int | None, reason: str) -> None:
        """`line` from 1; None if the file as a whole is meant."""
        place = str(self.path) if line is None else f"{self.path}:{line}"
        self.found.append(f"{place}: {reason}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` if something known is near, else the first names that are known."""
    names = list(known)
    near = nearest(word, names)
    if near:
        return near
    if not names:
        return ""
    more = len(names) - MAX_NAMES
    return f"; known: {', '.join(names[:MAX_NAMES])}{f' and {more} more' if more > 0 else ''}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` if something known is near, else nothing: for names too many to list."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
