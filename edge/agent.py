"""The agent: all parts of a gateway wired together and kept running, until it is told to stop.

Each part (a source, the uplink, the call lane, a line) is supervised by itself. Only the journal is
shared: if it fails, everything is taken down and opened anew, and it sets a damaged file aside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
from collections.abc import Coroutine
from typing import Any

from asyncua import ua

from edge.calls import CallLane, CallStore, Desk, LineSession, PlcError, line_key
from edge.config import EdgeConfig
from edge.journal import DirectoryInUseError, JournalError, TelemetryJournal
from edge.link import LinkError
from edge.sources import SourceSettings, make_source
from edge.status import Condition, Figures, SourceFigures
from edge.supervise import keep_running
from edge.uplink import BirthDeathSequence, EdgeNode

logger = logging.getLogger(__name__)

_REOPEN_S = 5.0
_TAKEN_OVER = (
    "the broker ends this connection soon after it is made: another client may be using this "
    "gateway's identity; stop one of the two"
)
_DROPPED = "the PLC drops the session soon after it is made"


async def run(config: EdgeConfig) -> None:
    """Run a gateway until SIGTERM or SIGINT. Raises `JournalError` if its directory cannot be used
    (another agent has it, or a newer release wrote it), `OSError` or `sqlite3.OperationalError` if
    the disk does not allow it. Once it has run, it waits for a disk that has gone away."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    opened = False
    files = Condition(logger, f"data directory {config.data_dir}")
    while not stop.is_set():
        try:
            async with _Parts(config) as parts:
                opened = True
                files.recover()
                await parts.work(stop)
        except (JournalError, OSError, sqlite3.OperationalError) as error:
            if not opened or isinstance(error, DirectoryInUseError):
                raise
            files.fail(f"{error}; it is opened anew")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REOPEN_S):
                    await stop.wait()
    logger.info("stopped")


class _Parts:
    """The parts of one gateway, from the opening of its files to their closing."""

    def __init__(self, config: EdgeConfig) -> None:
        self._config = config
        self._figures = Figures()

    async def __aenter__(self) -> _Parts:
        config, directory = self._config, self._config.data_dir
        self._journal = TelemetryJournal.open(directory / "journal.sqlite", config.journal)
        try:
            store = CallStore.open(
                directory / "calls.sqlite", retain_committed_h=config.journal.retain_committed_h
            )
        except BaseException:
            await self._journal.close()
            raise
        self._routes = {
            line_key(line.plant, line.line): frozenset(line.part_groups) for line in config.jis
        }
        self._desk = Desk(store, self._routes)
        self._node = EdgeNode(
            self._journal,
            config.brokers,
            config.gateway.group,
            config.gateway.node,
            config.hub.host_id,
            BirthDeathSequence(directory / "bdseq"),
            self._figures,
            [source.device for source in config.sources],
            config.uplink,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._journal.close()
        await asyncio.to_thread(self._desk.close)

    async def work(self, stop: asyncio.Event) -> None:
        """Run all parts until told to stop. Raises `JournalError` if the journal fails."""
        config = self._config
        sources = [
            asyncio.create_task(
                make_source(source, self._journal, self, self._source_figures(source)).run()
            )
            for source in config.sources
        ]
        others = [asyncio.create_task(part) for part in self._services()]
        stopped = asyncio.create_task(stop.wait())
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal.on_failure = failed.set_exception
        logger.info(
            "ready: gateway %s/%s, %d sources, %d lines",
            config.gateway.group,
            config.gateway.node,
            len(sources),
            len(config.jis),
        )
        try:
            waiting: list[asyncio.Future[Any]] = [stopped, failed, *sources, *others]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Sources first: what they have read goes into the journal before it is closed.
            await _end(sources)
            await _end([*others, stopped])
            self._journal.on_failure = _ignore
        for ended in (failed, *sources, *others):
            if ended.done() and not ended.cancelled() and (error := ended.exception()) is not None:
                raise error

    def _source_figures(self, source: SourceSettings) -> SourceFigures:
        figures = SourceFigures(source.device, endpoint=source.endpoint)
        self._figures.sources[source.device] = figures
        return figures

    def device_online(self, device: str) -> None:
        """A source reads its device."""
        self._node.set_device(device, online=True)

    def device_offline(self, device: str, _reason: str) -> None:
        """A source has lost its device."""
        self._node.set_device(device, online=False)

    def _services(self) -> list[Coroutine[Any, Any, None]]:
        config = self._config
        lane = CallLane(
            self._desk,
            config.brokers,
            config.gateway.group,
            config.gateway.node,
            self._routes,
            self._figures,
            hub_wait_s=config.uplink.host_wait_s,
        )
        services = [
            keep_running(
                "uplink",
                self._node.serve,
                expected=(LinkError,),
                hint_when_short_lived=_TAKEN_OVER,
                fatal=(JournalError,),
            ),
            keep_running(
                "call lane",
                lane.serve,
                expected=(LinkError, sqlite3.OperationalError),
                hint_when_short_lived=_TAKEN_OVER,
            ),
        ]
        plcs = {source.device: source for source in config.sources}
        for line in config.jis:
            name = line_key(line.plant, line.line)
            services.append(
                keep_running(
                    f"line {name}",
                    LineSession(self._desk, name, plcs[line.device]).serve,
                    expected=(OSError, ua.UaError, PlcError, sqlite3.OperationalError),
                    hint_when_short_lived=_DROPPED,
                )
            )
        return services


def _ignore(_error: JournalError) -> None:
    """The journal is being closed: nobody waits for it any more."""


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
