"""The parts of one gateway: all that hangs on its data directory, wired together.

Each part (a source, the uplink, the call lane, a line) is a task of its own, supervised by itself,
and can be ended and begun anew while the others go on. Only the journal is shared: if it fails, the
work of all ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge.calls import CallLane, CallStore, Desk, line_key
from edge.calls.store import TakenResult
from edge.config import EdgeConfig
from edge.identity.files import IdentityFiles
from edge.identity.keeper import Keeper
from edge.journal import Gap, JournalError, TelemetryJournal
from edge.link import LinkError
from edge.pictures import Event, Events, NokWatch, PictureStore
from edge.pictures.events import wrong_part
from edge.reload import Difference, Line, lines_of, sources_of
from edge.sources import SourceSettings, make_source
from edge.sources.begun import PartsBegun
from edge.sources.camera.config import CameraSettings
from edge.status import Condition, Figures, SourceFigures
from edge.status.figures import LineFigures
from edge.supervise import END_S, Watchdog, keep_running
from edge.uplink import BirthDeathSequence, EdgeNode
from protocols.jis.messages import Event as JisEvent
from protocols.traces import UNTRACED, CallTracer

if TYPE_CHECKING:
    from edge.sources.manual.station import Station

logger = logging.getLogger(__name__)

FLUSH_S = 5.0
"""Longest wait for the hub's last acknowledgements when the agent is stopped."""
HANG_S = 60.0
"""A thread that writes to the disk, or a connection's task, that shows no sign of life for so long
hangs."""
_DISK_WAITS_S = 10.0
_LOOK_S = 1.0
_TAKEN_OVER = (
    "the broker ends this connection soon after it is made: another client may be using this "
    "gateway's identity; stop one of the two"
)
_DROPPED = "the PLC drops the session soon after it is made"


class Parts:
    """The parts of one gateway, from the opening of its files to their closing."""

    def __init__(self, config: EdgeConfig, figures: Figures, tracer: CallTracer = UNTRACED) -> None:
        self._config = config
        self._figures = figures
        self._tracer = tracer
        self._routes: dict[str, frozenset[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Running parts by name: `source DEVICE`, `line PLANT/LINE`, `uplink`, `call lane`."""
        self._watchdogs: dict[str, Watchdog] = {}
        """Of the sources, by device."""
        self._stations: dict[str, Station] = {}
        """Those that people speak for, by device; the board looks them up here."""
        self._begun = PartsBegun()
        self._events = Events()
        self._pictures: PictureStore | None = None
        self._opening: asyncio.Task[None] | None = None
        """Of the pictures; for all cameras that wait for them."""
        self._no_pictures = Condition(logger, "pictures")
        self._changing = asyncio.Lock()
        """Held while parts are ended and begun anew."""

    async def __aenter__(self) -> Parts:
        config, directory = self._config, self._config.data_dir
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal = TelemetryJournal.open(directory / "journal.sqlite", config.journal)
        try:
            store = CallStore.open(
                directory / "calls.sqlite",
                retain_committed_h=config.journal.retain_committed_h,
                retain_decided_h=config.journal.retain_decided_h,
            )
        except BaseException:
            await self._journal.close()
            raise
        self._journal.report(self._figures.journal)
        self._desk = Desk(store, ())
        self._desk.on_lost = self._calls_lost
        self._desk.on_begun = self._begun.note
        self._desk.on_results = self._line_results
        self._desk.on_wrong_part = self._wrong_part
        if store.lost_by is not None:
            self._calls_lost(store.lost_by)
        self._desk_beat_at = time.monotonic()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._journal.close()
        await asyncio.to_thread(self._desk.close)
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._pictures is not None:
            await asyncio.to_thread(self._pictures.close)

    async def work(self, stop: asyncio.Event) -> None:
        """Run all parts until told to stop, then flush. Raises `JournalError` if the journal fails,
        and any failure of a part that is no fault of the world around."""
        self._journal.on_failure = self._fail
        self._begin_uplink()
        self._begin_lane()
        for source in self._config.sources:
            self._begin_source(source)
        for name, line in lines_of(self._config).items():
            self._begin_line(name, line)
        self._begin("desk", self._watch_desk())
        self._begin_keeper()
        self._know_stations()
        self._begin_board()
        logger.info(
            "ready: gateway %s/%s, %d sources, %d lines",
            self._config.gateway.group,
            self._config.gateway.node,
            len(self._config.sources),
            len(self._config.jis),
        )
        stopped = asyncio.create_task(stop.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [stopped, self._failed]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            # Sources first: what they have read goes into the journal before it is closed.
            await self._end(*(n for n in self._tasks if n.startswith(("source ", "line "))))
            if not self._failed.done():
                await self._flush()
        finally:
            stopped.cancel()
            await self._end(*self._tasks)
            self._journal.on_failure = _ignore
        if self._failed.done():
            self._failed.result()

    async def apply(self, new: EdgeConfig) -> list[str]:
        """Go over to a configuration that `edge.reload.refusals` has nothing against. What is the
        same in both is not touched. Returns what was done, one sentence for each part."""
        async with self._changing:
            return await self._apply(new)

    async def _apply(self, new: EdgeConfig) -> list[str]:
        old, self._config = self._config, new
        sources = Difference.between(sources_of(old), sources_of(new))
        lines = Difference.between(lines_of(old), lines_of(new))
        to_brokers = old.brokers != new.brokers or old.uplink != new.uplink
        said = []
        if old.journal != new.journal:
            limits = new.journal
            self._journal.limit(limits)
            self._journal.report(self._figures.journal)
            self._desk.store.retain(limits.retain_committed_h, limits.retain_decided_h)
            said.append("the journal keeps to its new limits")
        if old.pictures != new.pictures and self._pictures is not None:
            self._pictures.limit(new.pictures)
            said.append("pictures keep to their new limits")
        for device in sources.gone:
            await self._end(f"source {device}")
            del self._figures.sources[device], self._watchdogs[device]
            said.append(f"source {device} has ended")
        for name in lines.gone:
            await self._end(f"line {name}")
            del self._routes[name], self._figures.lines[name]
            said.append(f"line {name} has ended")
        if to_brokers or old.hub != new.hub:
            await self._end("uplink")
            self._begin_uplink()
            said.append("the uplink connects anew")
        else:
            self._node.say_anew()  # the fingerprint of the configuration
        for device, settings in (sources.changed | sources.new).items():
            await self._end(f"source {device}")
            self._begin_source(settings)
            how = "begun" if device in sources.new else "begun anew with its new settings"
            said.append(f"source {device} is {how}")
        for name, line in (lines.changed | lines.new).items():
            await self._end(f"line {name}")
            self._begin_line(name, line)
            how = "begun" if name in lines.new else "begun anew with its new settings"
            said.append(f"line {name} is {how}")
        self._know_lines()
        self._know_stations()
        if (old.board, old.has_board) != (new.board, new.has_board):
            await self._end("board")
            self._begin_board()
            said.append("the board is begun anew")
        if to_brokers:
            await self._end("call lane")
            self._begin_lane()
            said.append("the call lane connects anew")
        return said

    def hangs(self) -> str | None:
        """What only a restart of the process can help; None if all can go on."""
        beats = {
            "the journal's thread": self._journal.beat_at,
            "the call store's thread": self._desk_beat_at,
            "the uplink": self._figures.uplink.beat_at,
            "the call lane": self._figures.calls.beat_at,
        }
        for part, beat_at in beats.items():
            if time.monotonic() - beat_at > HANG_S:
                return f"{part} shows no sign of life for {HANG_S:g} s"
        stuck = [device for device, watchdog in self._watchdogs.items() if watchdog.stuck]
        return f"source {stuck[0]} hangs and cannot be ended" if stuck else None

    # What the sources tell.

    def device_online(self, device: str) -> None:
        """A source reads its device."""
        self._node.set_device(device, online=True)

    def device_offline(self, device: str, _reason: str) -> None:
        """A source has lost its device."""
        self._node.set_device(device, online=False)

    def _line_results(self, line: str, taken: Sequence[TakenResult]) -> None:
        """A line's PLC has said what became of parts."""
        if not self._events.heard:
            return
        for result in taken:
            said = result.event
            if isinstance(said, JisEvent) and said.verdict == "nok":
                self._events.tell(
                    Event("nok", line, result.digest.hex()[:64], said.kind, said.serial, said.at)
                )

    def _wrong_part(self, line: str, rack: str, what: str) -> None:
        """Somebody would have closed a rack in which a part is wrong."""
        if self._events.heard:
            self._events.tell(wrong_part(line, rack, what, datetime.now(UTC)))

    def _calls_lost(self, reason: str) -> None:
        """The file of calls and events was damaged: a gap names the events that went with it."""
        now_us = time.time_ns() // 1000
        gap = Gap(None, None, now_us, f"file of calls and events damaged and set aside: {reason}")
        with contextlib.suppress(JournalError):
            self._journal.submit(gap)

    # Each part's beginning.

    def _begin_source(self, settings: SourceSettings) -> None:
        device = settings.device
        figures = SourceFigures(device, endpoint=settings.endpoint)
        self._figures.sources[device] = figures
        self._node.set_device(device, online=False)
        watchdog = Watchdog(
            figures,
            max(settings.silence_s, 3 * settings.timeout_s),
            lambda: self._run_source(settings, figures),
            self._disk_waits,
            end_s=END_S + settings.timeout_s,
        )
        self._watchdogs[device] = watchdog
        self._begin(f"source {device}", watchdog.run())

    async def _run_source(self, settings: SourceSettings, figures: SourceFigures) -> None:
        pictures = None
        if isinstance(settings, CameraSettings):
            pictures = self._events, await self._picture_store(figures)
        source = make_source(settings, self._journal, self, figures, self._begun, pictures)
        await source.run()

    async def _picture_store(self, figures: SourceFigures) -> PictureStore:
        """Opened for the first camera. While its directory cannot be used cameras wait for it, and
        nothing else does."""
        while self._pictures is None:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open_pictures())
            try:
                # Whoever is ended meanwhile leaves it to the others, and to whoever comes next.
                await asyncio.shield(self._opening)
            except OSError as error:
                self._no_pictures.fail(f"{error}; cameras wait until they can be kept")
                figures.enter("offline", str(error))
                figures.beat()
                await asyncio.sleep(_LOOK_S)
        return self._pictures

    async def _open_pictures(self) -> None:
        """Raises `OSError`. In a thread: the notes of all pictures are read."""
        directory = self._config.data_dir / "pictures"
        store = await asyncio.to_thread(PictureStore, directory, self._config.pictures)
        store.limit(self._config.pictures)  # a reload may have changed them meanwhile
        self._no_pictures.recover()
        self._journal.on_written = NokWatch(self._journal, self._events).look
        self._node.offer(store)
        self._pictures = store

    def _disk_waits(self) -> bool:
        """Whether the sources wait for the journal, and cannot help being silent."""
        waits_s = time.monotonic() - self._journal.beat_at
        return self._figures.journal.full or waits_s > _DISK_WAITS_S

    def _begin_uplink(self) -> None:
        config = self._config
        self._node = EdgeNode(
            self._journal,
            config.brokers,
            config.gateway.group,
            config.gateway.node,
            config.hub.host_id,
            BirthDeathSequence(config.data_dir / "bdseq"),
            self._figures,
            sources_of(config),
            config.uplink,
        )
        if self._pictures is not None:
            self._node.offer(self._pictures)
        for device, source in self._figures.sources.items():
            self._node.set_device(device, online=source.state in ("online", "late"))
        self._begin(
            "uplink",
            keep_running(
                "uplink",
                self._node.serve,
                expected=(LinkError,),
                hint_when_short_lived=_TAKEN_OVER,
                fatal=(JournalError,),
                beat=self._figures.uplink.beat,
            ),
        )

    def _begin_lane(self) -> None:
        config = self._config
        lane = CallLane(
            self._desk,
            config.brokers,
            config.gateway.group,
            config.gateway.node,
            self._routes,
            self._figures,
            hub_wait_s=config.uplink.host_wait_s,
            tracer=self._tracer,
        )
        self._begin(
            "call lane",
            keep_running(
                "call lane",
                lane.serve,
                expected=(LinkError, sqlite3.OperationalError),
                hint_when_short_lived=_TAKEN_OVER,
                beat=self._figures.calls.beat,
            ),
        )

    def _begin_keeper(self) -> None:
        config = self._config
        keeper = Keeper(
            IdentityFiles.of(config.data_dir),
            self._figures.identity,
            lambda: self._config.brokers,
            lambda: self._config.identity.est,
            f"lineside-{config.gateway.group}-{config.gateway.node}-renewal",
            self._connect_anew,
        )
        self._begin("certificate", keeper.run())

    async def _connect_anew(self) -> None:
        """With the certificate that is in force now."""
        async with self._changing:
            for part, begin in (
                ("uplink", self._begin_uplink),
                ("call lane", self._begin_lane),
            ):
                await self._end(part)
                begin()

    def _begin_line(self, name: str, line: Line) -> None:
        # They need OPC UA, 27 MiB, which a gateway without lines may have no other use for.
        from asyncua import ua

        from edge.calls.line import LineSession
        from edge.calls.nodes import PlcError

        self._routes[name] = frozenset(line.jis.part_groups)
        self._figures.lines[name] = LineFigures()
        self._know_lines()
        self._desk.lines.setdefault(name, asyncio.Event())
        self._begin(
            f"line {name}",
            keep_running(
                f"line {name}",
                LineSession(
                    *(self._desk, name, line.plc, line.jis.hand_over),
                    *(self._figures.lines[name], self._tracer),
                ).serve,
                expected=(OSError, ua.UaError, PlcError, sqlite3.OperationalError),
                hint_when_short_lived=_DROPPED,
            ),
        )

    def _know_lines(self) -> None:
        """Let the store know what it must of the lines."""
        lines = {line_key(jis.plant, jis.line): jis for jis in self._config.jis}
        store = self._desk.store
        store.decided_by_people = frozenset(
            name for name, jis in lines.items() if jis.changes_decided_by == "person"
        )
        store.rack_slots = {
            name: jis.rack_slots for name, jis in lines.items() if jis.rack_slots is not None
        }

    def _know_stations(self) -> None:
        """Have the board take entries for the stations that there are now. One that is as it was
        stays, so that whoever is at it is not disturbed."""
        wanted = {settings.device: settings for settings in self._config.stations}
        for device in self._stations.keys() - wanted.keys():
            del self._stations[device]
        for device, settings in wanted.items():
            known = self._stations.get(device)
            if known is None or known.settings != settings:
                from edge.sources.manual.station import Station  # few gateways have one

                figures = self._figures.sources[device]
                self._stations[device] = Station(settings, self._journal, figures)

    def _begin_board(self) -> None:
        config = self._config
        if not config.has_board:
            return
        from edge.board.endpoint import BoardEndpoint  # a gateway without a board does not hold it

        endpoint = BoardEndpoint(
            self._desk, self._figures, lambda: self._routes, config.board, self._stations
        )
        self._begin("board", endpoint.serve())

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    # Their end.

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _end(self, *names: str) -> None:
        tasks = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2 * END_S)

    async def _flush(self) -> None:
        """Let what is on its way reach the hub, if there is one to take it."""
        deadline = time.monotonic() + FLUSH_S
        uplink, calls = self._figures.uplink, self._figures.calls
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)  # at least once: the devices' deaths are told
            pending = (await self._desk.run(self._desk.store.counts)).events_pending
            if not (uplink.connected and self._journal.depth) and not (calls.connected and pending):
                return

    async def _watch_desk(self) -> None:
        """Ask the call store's thread for a sign of life, and look at the journal."""
        while True:
            await self._desk.run(int)
            self._desk_beat_at = time.monotonic()
            self._journal.report(self._figures.journal)
            await asyncio.sleep(_LOOK_S)


def _ignore(_error: JournalError) -> None:
    """The journal is being closed: nobody waits for it any more."""
