"""Sends a recording to a hub, as a gateway of its own: for `lineside-edge replay`.

The records go into a fresh journal in a directory of their own, and from there the way that all
records go: so the hub takes each exactly once, under a new epoch, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from edge import recording
from edge.backoff import Backoff
from edge.config import EdgeConfig
from edge.journal import Gap, JournalSettings, Lost, SampleBatch, TelemetryJournal
from edge.link import LinkError
from edge.status import Figures
from edge.uplink import BirthDeathSequence, EdgeNode

_SETTINGS = JournalSettings(quota_mb=1_000_000, keep_free_mb=0, retain_committed_h=0.0)
_LOOK_S = 0.2
_IN_ONE = 100


class ReplayError(Exception):
    """It cannot be replayed so; the text says why and what to do."""


def check(config: EdgeConfig, file: Path) -> str:
    """The gateway that a recording is of. Raises `ReplayError` where replaying would pass for that
    gateway, `RecordingError`, `OSError`."""
    recorded = str(recording.head(file).get("gateway", ""))
    gateway = f"{config.gateway.group}/{config.gateway.node}"
    if recorded == gateway:
        raise ReplayError(
            f"{file} was recorded at {recorded}, and the file says that name too: the hub would "
            "take old samples for that gateway's own. Give a file of a test hub, with a "
            "gateway.node of its own"
        )
    return recorded


async def load(file: Path, directory: Path) -> TelemetryJournal:
    """A fresh journal with all records of the recording. Raises `RecordingError`, `OSError`,
    `JournalError`."""
    journal = TelemetryJournal.open(directory / "journal.sqlite", _SETTINGS)
    try:
        ids = {
            tag.id: journal.tag_id(tag.device, tag.name, tag.datatype, tag.unit)
            for tag in recording.tags_of(recording.head(file))
        }
        durable: asyncio.Future[int] | None = None
        for count, (line, record) in enumerate(recording.read(file), 1):
            durable = journal.submit(_ours(record, ids, file, line))
            if not count % _IN_ONE:
                await durable
        if durable is not None:
            await durable
    except BaseException:
        await journal.close()
        raise
    return journal


async def send(
    config: EdgeConfig, journal: TelemetryJournal, directory: Path, told: Callable[[int, str], None]
) -> None:
    """Until the hub has committed all of it. `told` is given how many records are left, and what
    is in the way, whenever that changes."""
    figures = Figures()
    devices = sorted({tag.device for tag in journal.tags()})
    node = EdgeNode(
        journal,
        config.brokers,
        config.gateway.group,
        config.gateway.node,
        config.hub.host_id,
        BirthDeathSequence(directory / "bdseq"),
        figures,
        devices,
        config.uplink,
    )
    for device in devices:
        node.set_device(device, online=True)
    problem = ""

    async def serve() -> None:
        nonlocal problem
        backoff = Backoff()
        while True:
            try:
                await node.serve(backoff.reset)
            except LinkError as error:
                problem = str(error)
            await asyncio.sleep(backoff.next_s())

    serving = asyncio.create_task(serve())
    before: tuple[int, str] | None = None
    try:
        while journal.depth:
            uplink = figures.uplink
            in_the_way = "" if uplink.connected and uplink.host_online else problem or "…"
            if (journal.depth, in_the_way) != before:
                before = journal.depth, in_the_way
                told(*before)
            if serving.done():
                serving.result()
            await asyncio.sleep(_LOOK_S)
        for device in devices:
            node.set_device(device, online=False)
        await asyncio.sleep(_LOOK_S)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def _ours(
    record: SampleBatch | Gap | Lost, ids: dict[int, int], file: Path, line: int
) -> SampleBatch | Gap:
    if isinstance(record, Lost):
        return Gap(None, record.from_us, record.to_us, f"lost in the recording: {record.cause}")
    if isinstance(record, SampleBatch):
        try:
            for position, tag_id in enumerate(record.tags):
                record.tags[position] = ids[tag_id]
        except KeyError as error:
            raise recording.RecordingError(f"{file}:{line}: has no tag {error}") from None
    return record
