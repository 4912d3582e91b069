"""A source that is stopped and begun anew while the agent runs, as for a new configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.journal import JournalSettings, TelemetryJournal
from edge.sources import make_source
from edge.sources.opcua import OpcUaSettings
from edge.status import SourceFigures
from tests.edge.sources.plc import Plc, run_plc, us
from tests.edge.sources.reading import Devices, Reading, settings_for, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def source_on(journal: TelemetryJournal, settings: OpcUaSettings) -> AsyncIterator[Reading]:
    devices, figures = Devices(), SourceFigures(settings.device)
    task = asyncio.create_task(make_source(settings, journal, devices, figures).run())
    try:
        yield Reading(journal, devices, figures)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def journal_at(path: Path, commit_ms: int) -> AsyncIterator[TelemetryJournal]:
    # Not checked: a disk may be slower than a journal may be told to wait.
    settings = JournalSettings(keep_free_mb=0).model_copy(update={"commit_ms": commit_ms})
    journal = TelemetryJournal.open(path, settings)
    try:
        yield journal
    finally:
        await journal.close()


def subscriptions(plc: Plc) -> list[int]:
    return list(plc.server.iserver.subscription_service.subscriptions)


async def test_a_source_begun_anew_goes_on_where_the_one_before_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    async with run_plc(Force=0.0) as plc, journal_at(path, commit_ms=400) as journal:
        settings = settings_for(plc.endpoint, "Force")
        async with source_on(journal, settings) as got:
            await until(lambda: got.devices.heard == ["press online"])
            await plc.set("Force", 1.0, at_ms=1)
            # Taken, and not durable yet, when the source is stopped.
            await until(lambda: got.figures.last_sample_us == us(1))
            await plc.set("Force", 2.0, at_ms=2)
            await until(lambda: got.figures.last_sample_us == us(2))
        await plc.set("Force", 3.0, at_ms=3)
        async with source_on(journal, settings) as got:
            await plc.set("Force", 4.0, at_ms=4)
            await until(lambda: 4.0 in got.values("Force"))
            assert got.values("Force") == [0.0, 1.0, 2.0, 3.0, 4.0]
            assert not got.gaps
            assert len(subscriptions(plc)) == 1


async def test_a_source_of_other_settings_has_the_subscription_before_it_forgotten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    async with run_plc(Force=0.0, Torque=0.0) as plc, journal_at(path, commit_ms=1) as journal:
        async with source_on(journal, settings_for(plc.endpoint, "Force")) as got:
            await until(lambda: got.values("Force") == [0.0])
        (first,) = subscriptions(plc)
        async with source_on(journal, settings_for(plc.endpoint, "Torque", "Force")) as got:
            await until(lambda: got.values("Torque") == [0.0])
            (second,) = subscriptions(plc)
            assert second != first
            assert got.values("Force") == [0.0]
            assert not got.gaps


async def test_the_gap_of_a_node_that_was_wrong_ends_with_the_settings_that_named_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    async with run_plc(Force=0.0) as plc, journal_at(path, commit_ms=1) as journal:
        wrong = settings_for(plc.endpoint, "Force", "Farce")
        async with source_on(journal, wrong) as got:
            await until(lambda: got.figures.refused_nodes == 1)
            await until(lambda: got.values("Force") == [0.0])
        for _ in range(2):
            async with source_on(journal, settings_for(plc.endpoint, "Force")) as got:
                await until(lambda: got.devices.heard == ["press online"])
                begun, ended = got.gaps
                assert (begun.from_us, begun.cause) == (ended.from_us, ended.cause)
                assert begun.to_us is None
                assert ended.to_us is not None


async def test_a_slow_disk_does_not_slow_the_messages_down(tmp_path: Path) -> None:
    """Each message is taken before the next value is set, so that none waits for a commit."""
    path = tmp_path / "journal.sqlite"
    async with (
        run_plc(Force=0.0) as plc,
        journal_at(path, commit_ms=3000) as journal,
        source_on(journal, settings_for(plc.endpoint, "Force")) as got,
    ):
        await until(lambda: got.devices.heard == ["press online"])
        commits = 0

        def count() -> None:
            nonlocal commits
            commits += 1

        journal.on_append = count
        for n in range(1, 101):
            await plc.set("Force", float(n), at_ms=n)
            await until(lambda n=n: got.figures.last_sample_us == us(n))  # type: ignore[misc]
        await until(lambda: 100.0 in got.values("Force"))
        assert got.values("Force") == [float(n) for n in range(101)]
        assert got.figures.batches > 3 * commits
