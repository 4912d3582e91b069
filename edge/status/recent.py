"""The last warnings of the log, for the status page: what an electrician would look for first.
Like the log itself without what has the form of a secret."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from protocols.logs import redacted

KEPT = 20


@dataclass(frozen=True, slots=True)
class LoggedProblem:
    """One line of the log, without its trace."""

    at: datetime
    level: str
    text: str


class RecentProblems(logging.Handler):
    """Keeps the last warnings and errors. Add it to the root logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[LoggedProblem] = deque(maxlen=KEPT)
        """Oldest first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one line."""
        try:
            text = redacted(record.getMessage())
        except Exception:
            self.handleError(record)
            return
        at = datetime.fromtimestamp(record.created, UTC)
        self.lines.append(LoggedProblem(at, record.levelname, text))
