"""A thing that is well or not, and says so in the log once per change."""

from __future__ import annotations

import logging


class Condition:
    """Logs once when something fails and once when it is well again, however often it is told."""

    def __init__(self, logger: logging.Logger, subject: str) -> None:
        self._logger = logger
        self._subject = subject
        self._failures = 0
        self._said = False

    @property
    def failed(self) -> bool:
        """Whether a failure has been logged and no recovery yet."""
        return self._said

    def fail(self, reason: str, *, after: int = 1) -> None:
        """It failed. Logged at the `after`-th time in a row, and not again until it recovers."""
        self._failures += 1
        if not self._said and self._failures >= after:
            self._said = True
            self._logger.warning("%s: %s", self._subject, reason)

    def recover(self) -> None:
        """It is well."""
        self._failures = 0
        if self._said:
            self._said = False
            self._logger.info("%s: well again", self._subject)
