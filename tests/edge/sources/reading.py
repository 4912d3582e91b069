"""A source that runs, and what it has put into its journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from edge.journal import Gap, JournalSettings, SampleBatch, TelemetryJournal
from edge.sources import SourceSettings, make_source
from edge.sources.begun import PartsBegun
from edge.sources.opcua import OpcUaSettings
from edge.status import SourceFigures


@contextmanager
def journal_in(directory: Path) -> Iterator[TelemetryJournal]:
    """A journal for what has no loop of its own."""

    async def opened() -> TelemetryJournal:
        few = JournalSettings(commit_ms=1, keep_free_mb=0)
        return TelemetryJournal.open(directory / "journal.sqlite", few)

    with asyncio.Runner() as runner:
        journal = runner.run(opened())
        yield journal
        runner.run(journal.close())


class Devices:
    """Hears which devices are online."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def device_online(self, device: str) -> None:
        self.heard.append(f"{device} online")

    def device_offline(self, device: str, reason: str) -> None:
        self.heard.append(f"{device} offline")


class Reading:
    """A source that runs, and what it has put into the journal."""

    def __init__(self, journal: TelemetryJournal, devices: Devices, figures: SourceFigures) -> None:
        self.journal = journal
        self.devices = devices
        self.figures = figures

    @property
    def records(self) -> list[SampleBatch | Gap]:
        found = self.journal.read(0, 2**53, 10**9)
        return [s.record for s in found if isinstance(s.record, (SampleBatch, Gap))]

    @property
    def gaps(self) -> list[Gap]:
        return [r for r in self.records if isinstance(r, Gap)]

    @property
    def gaps_but_late(self) -> list[Gap]:
        """Those but of polls that came too late, which a busy machine leaves anywhere."""
        return [gap for gap in self.gaps if " is slower than " not in gap.cause]

    def samples(self, name: str) -> list[tuple[int, Any, int]]:
        """(time in µs, value, quality) of one tag, in order."""
        ids = {t.id for t in self.journal.tags() if t.name == name}
        return [
            (
                record.times_us[i],
                record.others.get(i, record.numbers[i]),
                record.qualities.get(i, 192),
            )
            for record in self.records
            if isinstance(record, SampleBatch)
            for i, tag in enumerate(record.tags)
            if tag in ids
        ]

    def values(self, name: str) -> list[Any]:
        return [value for _, value, _ in self.samples(name)]


@asynccontextmanager
async def reading(
    path: Path,
    settings: SourceSettings,
    *,
    commit_ms: int = 1,
    begun: PartsBegun | None = None,
) -> AsyncIterator[Reading]:
    """A source of these settings that runs, with a journal at `path`."""
    journal = TelemetryJournal.open(path, JournalSettings(commit_ms=commit_ms, keep_free_mb=0))
    devices = Devices()
    figures = SourceFigures(settings.device)
    task = asyncio.create_task(make_source(settings, journal, devices, figures, begun).run())
    try:
        yield Reading(journal, devices, figures)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()


def settings_for(endpoint: str, *tags: str | dict[str, Any], **more: Any) -> OpcUaSettings:
    listed = [{"name": t, "node": f"ns=2;s={t}"} if isinstance(t, str) else t for t in tags]
    quick = {"publishing_ms": 20, "sampling_ms": 0, "timeout_s": 6, "retry_nodes_s": 0.1}
    return OpcUaSettings.model_validate(
        {"device": "press", "endpoint": endpoint, "tags": listed, **quick, **more}
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - looks at a file that others write
            await asyncio.sleep(0.01)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]  # every `work` is a coroutine function
