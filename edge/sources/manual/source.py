"""The source of a station that people speak for: it is there as long as the gateway is."""

from __future__ import annotations

import asyncio

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.manual.config import ManualSettings
from edge.sources.results import Results
from edge.status import SourceFigures

_BEAT_S = 1.0


class ManualSource:
    """Lets the hub know that the station can be entered; the board's `Station` takes what
    is."""

    def __init__(
        self,
        settings: ManualSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._figures = figures
        Results(settings.device, journal, figures)  # names its metric, before the device is born

    @property
    def device(self) -> str:
        """Name of the station."""
        return self._settings.device

    async def run(self) -> None:
        """Be there until cancelled."""
        self._figures.enter("online")
        self._listener.device_online(self.device)
        try:
            while True:
                self._figures.heard()
                await asyncio.sleep(_BEAT_S)
        finally:
            self._figures.enter("offline", "agent stopped")
            self._listener.device_offline(self.device, "agent stopped")
