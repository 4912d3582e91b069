"""A camera source that runs, with a journal and a place for its pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.journal import JournalSettings, TelemetryJournal
from edge.pictures import Events, NokWatch, PictureSettings, PictureStore
from edge.sources import make_source
from edge.sources.camera import CameraSettings
from edge.sources.results import Results
from edge.status import SourceFigures
from protocols.inspection import PICTURE, Picture, Result, parse_picture
from tests.edge.sources.reading import Devices, Reading, until


class Watching(Reading):
    """A camera and the station that it watches."""

    def __init__(
        self, journal: TelemetryJournal, devices: Devices, figures: SourceFigures, folder: Path
    ) -> None:
        super().__init__(journal, devices, figures)
        self.folder = folder
        self._station = SourceFigures("tester")
        self._results = Results("tester", journal, self._station)

    async def find(self, key: str, *verdicts: str, late_s: float = 0.0) -> None:
        """The station finds something of a part: a characteristic for each verdict."""
        results = [
            Result(
                key=key,
                serial=f"S-{key}",
                characteristic=f"C{n}",
                verdict=verdict,
                measured_at=datetime.now(UTC) - timedelta(seconds=late_s),
                raw_sha256="0a" * 32,
            )
            for n, verdict in enumerate(verdicts)
        ]
        await self.journal.append(*self._results.batches(results))

    @property
    def told(self) -> list[Picture]:
        """References in the journal, in order."""
        return [parse_picture(text) for text in self.values(PICTURE)]

    async def tells(self, count: int) -> Sequence[Picture]:
        await until(lambda: len(self.told) >= count)
        return self.told

    def file(self, picture: Picture) -> bytes:
        (path,) = (p for p in self.folder.glob(f"*{picture.key}.*") if p.suffix in (".jpg", ".avi"))
        return path.read_bytes()


def settings_for(url: str, **more: Any) -> CameraSettings:
    quick = {"timeout_s": 10, "every_s": 0.2, "after_s": 0.3, "of": ["tester"]}
    return CameraSettings.model_validate(
        {"kind": "camera", "device": "camera-1", "url": url, **quick, **more}
    )


@asynccontextmanager
async def watching(
    path: Path, settings: CameraSettings, quota_mb: int = 64
) -> AsyncIterator[Watching]:
    """What a gateway of one camera and one station has."""
    journal = TelemetryJournal.open(
        path / "journal.sqlite", JournalSettings(commit_ms=1, keep_free_mb=0)
    )
    events = Events()
    journal.on_written = NokWatch(journal, events).look
    folder = path / "pictures"
    store = PictureStore(folder, PictureSettings.model_construct(quota_mb=quota_mb, keep_free_mb=0))
    devices, figures = Devices(), SourceFigures(settings.device)
    source = make_source(settings, journal, devices, figures, None, (events, store))
    task = asyncio.create_task(source.run())
    try:
        yield Watching(journal, devices, figures, folder)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        store.close()
        await journal.close()
