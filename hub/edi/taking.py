"""One message that is being taken: who sent it, and what is found wrong with it on the way."""

from __future__ import annotations

from datetime import datetime

import psycopg

from hub.edi.partners import Partner
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, Problem


class Taking:
    """A message of a partner, and its problems."""

    def __init__(
        self,
        connection: psycopg.Connection,
        partner: Partner,
        interchange: str,
        message: Message,
        now: datetime,
    ) -> None:
        self.connection = connection
        self.partner = partner
        self.message = message
        self.now = now
        self.message_id = f"edi {partner.partner} {interchange}/{message.reference}"
        """What it is known by in histories."""
        self._problems: list[Problem] = []

    def wrong(self, tag: str, *values: str, reason: str) -> None:
        """Note a problem, at the first segment of this tag that holds all these values."""
        found = next(
            (
                segment
                for segment in self.message.segments
                if segment.tag == tag and set(values) <= {c for e in segment.elements for c in e}
            ),
            None,
        )
        if found is None:
            problem = Problem(reason, self.message.number, "UNH", message=self.message.reference)
        else:
            problem = Problem(reason, found.number, tag, message=self.message.reference)
        self._problems.append(problem)

    def refuse_if_wrong(self) -> None:
        """Raises `EdifactError` if anything was found wrong."""
        if self._problems:
            raise EdifactError(self._problems)
