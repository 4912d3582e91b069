"""The agent: a gateway's parts kept running until it is told to stop, its status served, its
configuration taken in anew when asked, and the service manager told how it is.

What feeds the service manager's watchdog: this event loop, and only while the journal's thread and
the call store's show signs of life and every source ends when it is told to (`Parts.hangs`). A PLC
or a hub that is away does not count: a restart would not bring it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from edge.config import ConfigError, EdgeConfig, fingerprint, load_apart
from edge.journal import DirectoryInUseError, JournalError
from edge.parts import Parts
from edge.proposals.files import ProposalFiles
from edge.proposals.taker import Taker
from edge.reload import refusals
from edge.status import Condition, Figures
from edge.status.endpoint import Outcome, StatusEndpoint
from edge.status.recent import RecentProblems
from edge.status.report import problems
from edge.status.words import sentence
from edge.systemd import ServiceManager
from protocols.logs import write_as
from protocols.traces import CallTracer

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REOPEN_S = 5.0
_STATUS_S = 5.0
"""How often `systemctl status` may get another line."""


async def run(
    config: EdgeConfig, path: Path | None = None, log: logging.Handler | None = None
) -> None:
    """Run a gateway until SIGTERM or SIGINT; a second one ends it at once. SIGHUP has it read the
    file at `path` anew. `log`: what writes in the form that the configuration says.

    Raises `JournalError` if its directory cannot be used (another agent has it, or a newer release
    wrote it), `OSError` or `sqlite3.OperationalError` if the disk does not allow it. Once it has
    run, it waits for a disk that has gone away.
    """
    recent = RecentProblems()
    logging.getLogger().addHandler(recent)
    try:
        agent = _Agent(config, path, recent, log)
        with agent.hearing_signals():
            await agent.run()
    finally:
        logging.getLogger().removeHandler(recent)
    logger.info("stopped")


class _Agent:
    """One gateway, over all openings of its files."""

    def __init__(
        self,
        config: EdgeConfig,
        path: Path | None,
        recent: RecentProblems,
        log: logging.Handler | None,
    ) -> None:
        self._config = config
        self._log = log
        self._path = path
        self._figures = Figures(configuration=fingerprint(config))
        gateway = (config.gateway.group, config.gateway.node)
        self._tracer = CallTracer("lineside-edge", "/".join(gateway))
        self._figures.traces = self._tracer.figures
        self._manager = ServiceManager()
        self._stop = asyncio.Event()
        self._parts: Parts | None = None
        self._reloading = asyncio.Lock()
        self._helpers: set[asyncio.Task[Any]] = set()
        self._port: asyncio.Task[None] | None = None
        self._endpoint = StatusEndpoint(
            self._figures,
            gateway,
            recent.lines,
            reload=self._reload_safely,
            alive=self._hangs,
        )

    async def run(self) -> None:
        """Until stopped."""
        opened = False
        files = Condition(logger, f"data directory {self._config.data_dir}")
        await asyncio.to_thread(self._tracer.use, self._config.trace)
        try:
            while not self._stop.is_set():
                try:
                    async with Parts(self._config, self._figures, self._tracer) as parts:
                        files.recover()
                        self._parts = parts
                        if not opened:
                            await self._begin_helpers()
                        opened = True
                        await parts.work(self._stop)
                except (JournalError, OSError, sqlite3.OperationalError) as error:
                    if not opened or isinstance(error, DirectoryInUseError):
                        raise
                    files.fail(f"{error}; it is opened anew")
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_REOPEN_S):
                            await self._stop.wait()
                finally:
                    self._parts = None
        finally:
            await self._end_helpers()
            await asyncio.to_thread(self._tracer.close)

    @contextlib.contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT, reload at SIGHUP."""
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._help(self._reload()))
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _told_to_stop(self) -> None:
        """Stop in order. From now on a signal ends the process as it ends any other."""
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        logger.info("stopping: sources first, then what is on its way; a second signal ends it now")
        self._manager.stopping()
        self._stop.set()

    # Beside the parts.

    async def _begin_helpers(self) -> None:
        local = self._help(self._endpoint.serve_locally(self._config.data_dir))
        tried = self._help(self._endpoint.tried.wait())
        # Whoever is told that the gateway is ready may ask it at once.
        await asyncio.wait((local, tried), return_when=asyncio.FIRST_COMPLETED)
        self._help(self._tell_status())
        self._help(self._feed())
        if self._path is not None:
            files = ProposalFiles(self._path, self._config.data_dir)
            taker = Taker(files, lambda: self._config, self._figures, self._reload_safely)
            self._help(taker.run())
        self._open_port()
        self._manager.ready()

    def _help(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._helpers.add(task)
        task.add_done_callback(self._helper_ended)
        return task

    def _helper_ended(self, task: asyncio.Task[Any]) -> None:
        self._helpers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a part beside the gateway's work failed", exc_info=error)

    async def _end_helpers(self) -> None:
        tasks = list(self._helpers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open_port(self) -> None:
        if self._port is not None:
            self._port.cancel()
        self._port = self._help(self._endpoint.serve_port(self._config.status))

    def _hangs(self) -> str | None:
        """What hangs; while the files are being opened anew nothing can."""
        return self._parts.hangs() if self._parts is not None else None

    async def _feed(self) -> None:
        """Feed the service manager's watchdog for as long as nothing hangs."""
        if self._manager.watchdog_s is None:
            return
        condition = Condition(logger, "watchdog")
        while True:
            if hangs := self._hangs():
                condition.fail(f"{hangs}; the service manager will restart the agent")
            else:
                condition.recover()
                self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_s / 4)

    async def _tell_status(self) -> None:
        """Keep the line of `systemctl status` true."""
        told = ""
        while True:
            found = problems(self._figures)
            text = "; ".join(sentence(p.part, p.kind, p.detail, "en") for p in found)
            if text != told or not told:
                told = text or "all is well"
                self._manager.status(told)
            await asyncio.sleep(_STATUS_S)

    # A new configuration.

    async def _reload_safely(self) -> Outcome:
        """`_reload`, to its end even if who asked for it goes away."""
        outcome: Outcome = await asyncio.shield(self._help(self._reload()))
        return outcome

    async def _reload(self) -> Outcome:
        """Read the file anew and go over to it, or go on as before and say why."""
        if self._path is None:
            return Outcome(False, ["this agent was started without a file"])
        async with self._reloading:
            self._manager.reloading()
            try:
                new = await load_apart(self._path)
                refused = refusals(self._config, new)
            except ConfigError as error:
                refused = str(error).splitlines()
            try:
                if refused:
                    for reason in refused:
                        logger.error("the new configuration is refused: %s", reason)
                    return Outcome(False, refused)
                said = await self._apply(new)
            finally:
                self._manager.ready()
            for sentence_ in said:
                logger.info("reloaded: %s", sentence_)
            return Outcome(True, said)

    async def _apply(self, new: EdgeConfig) -> list[str]:
        old, self._config = self._config, new
        self._figures.configuration = fingerprint(new)
        said = await self._parts.apply(new) if self._parts is not None else []
        if old.status != new.status:
            self._open_port()
            said.append("the status page moves")
        if old.trace != new.trace:
            await asyncio.to_thread(self._tracer.use, new.trace)
            said.append("traces go by the new settings")
        if old.log != new.log and self._log is not None:
            write_as(self._log, new.log)
            said.append(f"the log is written as {new.log}")
        return said or ["nothing has changed"]
