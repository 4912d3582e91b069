"""Since when the hub or a line's PLC is away, as the board tells it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from edge.board.page import Connections
from edge.status.figures import Figures

UNANSWERED_S = 15.0
"""Events that the hub does not answer for so long mean that it is away."""
_LOOK_S = 0.5


class ConnectionWatch:
    """Looks at the agent's figures and notes when something went away."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._hub_since: datetime | None = datetime.now(UTC)
        self._pending = 0
        self._answered_at = time.monotonic()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._look()
            await asyncio.sleep(_LOOK_S)

    def of(self, line: str, pending: int) -> Connections:
        """How a line's connections are. `pending`: events that the hub has not committed."""
        self._note_pending(pending)
        self._look()
        plc = self._figures.lines.get(line)
        plc_away = None if plc is not None and plc.connected else datetime.now(UTC)
        if plc is not None and not plc.connected:
            plc_away = plc.since
        return Connections(self._hub_since, plc_away, pending)

    def _note_pending(self, pending: int) -> None:
        if pending == 0 or pending < self._pending:
            self._answered_at = time.monotonic()
        self._pending = pending

    def _look(self) -> None:
        self._note_pending(self._figures.calls.events_pending)
        calls, uplink = self._figures.calls, self._figures.uplink
        silent = time.monotonic() - self._answered_at > UNANSWERED_S
        well = calls.connected and uplink.connected and uplink.host_online and not silent
        if well:
            self._hub_since = None
        elif self._hub_since is None:
            self._hub_since = datetime.now(UTC)
