"""A watched folder: takes files into the journal, each whole and once, and puts them away.

A file's results and the note that it was taken are one transaction of the journal. So a stop at any
point between reading and archiving leaves a file that is found again and only put away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from edge.journal import Gap, JournalError, SampleBatch, TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.folder import files
from edge.sources.folder.blocking import in_thread
from edge.sources.folder.files import ChangedError, Entry, Taken, shown
from edge.sources.folder.memory import Memory
from edge.sources.folder.settings import FolderSettings
from edge.sources.folder.settling import Settling
from edge.sources.results import Results
from edge.status import Condition, SourceFigures
from edge.supervise import keep_running
from protocols.inspection import Code, Result

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_AGAIN_S = 30.0
"""A file that could not be read or moved is tried again after so long."""
_TICK_S = 1.0
_TIDY_S = 3600.0
_LONELY_S = 600.0
"""A file whose companion has not come for so long is told of."""
_REASONS = 20


class RefusedError(ValueError):
    """A file cannot be used; `problems` says why, each with file and line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems[:3]))


class Reader(Protocol):
    """What a kind of source makes of files."""

    def wants(self, name: str) -> bool:
        """Whether a file of this name is for it."""

    def together(self, names: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
        """Which of these files are read as one, in the order in which they are read and put away;
        and those whose companion is missing."""

    def read(self, taken: Sequence[Taken], sha256: str) -> list[Result]:
        """The results in files that are read as one; their serial as it stands there. In a thread.
        Raises `RefusedError`."""


class FolderSource:
    """Takes what comes into one folder."""

    def __init__(
        self,
        settings: FolderSettings,
        reader: Reader,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._results = Results(settings.device, journal, figures, settings.serial)
        self._bookmark = f"{settings.device}/taken"
        self._memory = Memory(journal.bookmarks.get(self._bookmark, ""))
        self._settling = Settling(settings.settle_s)
        self._later: dict[tuple[Entry, ...], float] = {}
        """Files that could not be read or moved, and when they are tried again."""
        self._lonely: dict[str, float] = {}
        subject = f"source {settings.device}: files"
        self._unread = Condition(logger, f"{subject} that cannot be read")
        self._unmoved = Condition(logger, f"{subject} that cannot be put away")
        self._bad = Condition(logger, f"{subject} that cannot be used")
        self._waiting = Condition(logger, f"{subject} without their companion")
        self._tidied_at: float | None = None

    @property
    def device(self) -> str:
        """Name of the device."""
        return self._settings.device

    async def run(self) -> None:
        """Watch until cancelled, through all failures of the folder."""
        await keep_running(
            f"source {self.device}",
            self._serve,
            expected=(OSError, TimeoutError),
            hint_when_short_lived="the folder is there and gone again",
            fatal=(JournalError,),
            beat=self._figures.beat,
        )

    async def _serve(self, connected: Callable[[], None]) -> None:
        """Look at the folder again and again; ends by raising when it cannot be looked at."""
        figures, settings = self._figures, self._settings
        online = False
        reason = "agent stopped"
        try:
            while True:
                entries = await self._call(
                    lambda: files.look(settings.watch_dir, self._reader.wants)
                )
                figures.heard()
                if not online:
                    online = True
                    figures.enter("online")
                    connected()
                    self._listener.device_online(self.device)
                await self._take_all(self._settling.complete(entries, time.monotonic()))
                await self._tidy()
                await self._rest()
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise
        finally:
            figures.enter("offline", reason)
            if online:
                self._listener.device_offline(self.device, reason)

    async def _take_all(self, ready: Sequence[Entry]) -> None:
        entries = {entry.name: entry for entry in ready}
        groups, lonely = self._reader.together(list(entries))
        self._tell_lonely(lonely)
        found = [tuple(entries[name] for name in group) for group in groups]
        self._later = {group: at for group, at in self._later.items() if group in found}
        for group in found:
            if self._later.get(group, 0.0) <= time.monotonic():
                self._later.pop(group, None)
                await self._take(group)
            self._figures.heard()

    async def _take(self, group: tuple[Entry, ...]) -> None:
        """Read, journal and put away what is read as one."""
        settings = self._settings
        most = settings.max_file_mb * 1024 * 1024
        names = ", ".join(shown(entry.name) for entry in group)
        try:
            taken = await self._call(lambda: files.read(settings.watch_dir, group, most))
        except (ChangedError, FileNotFoundError):
            return  # it is still written, or was taken back: the next look shows
        except OSError as error:
            self._unread.fail(f"{names}: {error.strerror or error}; the user of the service needs "
                              "the right to read and move them")  # fmt: skip
            self._later[group] = time.monotonic() + _AGAIN_S
            return
        self._unread.recover()
        sha256 = files.digest(taken)
        if not self._memory.taken(sha256):
            try:
                if any(len(file.data) > most for file in taken):
                    raise RefusedError(
                        [f"{names}: larger than max_file_mb ({settings.max_file_mb})"]
                    )
                await self._journal_results(await self._read(taken, sha256), sha256)
            except RefusedError as error:
                await self._refuse(group, taken, sha256, error.problems)
                return
        else:
            logger.info("source %s: %s was taken before", self.device, names)
        await self._put_away(
            group, lambda paths: files.archive(paths, settings.archive, _today(), sha256)
        )

    async def _read(self, taken: Sequence[Taken], sha256: str) -> list[Result]:
        """The results, what names their parts read by the forms of the codes."""
        try:
            found = await asyncio.to_thread(self._reader.read, taken, sha256)
        except RefusedError:
            raise
        except Exception as error:
            logger.exception("source %s: unexpected failure", self.device)
            raise RefusedError([f"{type(error).__name__}: {error}"]) from error
        parts = {r.serial: self._results.part(r.serial or "") for r in found}
        return [self._named(result, *parts[result.serial]) for result in found]

    @staticmethod
    def _named(result: Result, serial: str | None, code: Code | None) -> Result:
        if code is None and serial == result.serial:
            return result
        return result.model_copy(update={"serial": serial, "code": code})

    async def _journal_results(self, found: list[Result], sha256: str) -> None:
        batches = self._results.batches(found)
        self._memory.note(sha256, taken=True)
        await self._submit(batches)
        figures = self._figures
        figures.batches += len(batches)
        figures.samples += len(found)
        newest = max((max(batch.times_us) for batch in batches), default=0)
        figures.last_sample_us = max(figures.last_sample_us or 0, newest) or None
        self._bad.recover()

    async def _refuse(
        self,
        group: tuple[Entry, ...],
        taken: Sequence[Taken],
        sha256: str,
        problems: Sequence[str],
    ) -> None:
        """Set files aside that cannot be used; what they would have said is a gap."""
        settings = self._settings
        names = ", ".join(shown(entry.name) for entry in group)
        first = shown(problems[0] if problems else "no reason is known")
        self._bad.fail(f"{first}; it is in {settings.rejected}, with the reason beside it")
        if not self._memory.refused(sha256):
            at_us = min(int(taken[-1].at.timestamp() * 1e6), time.time_ns() // 1000)
            gap = Gap(self.device, at_us, at_us, f"file {names} set aside: {first}"[:500])
            self._memory.note(sha256, taken=False)
            await self._submit([gap])
            self._figures.gaps += 1
        reason = "\n".join([*map(shown, problems[:_REASONS]), "", f"SHA-256 {sha256}", ""])
        await self._put_away(
            group, lambda paths: files.set_aside(paths, settings.rejected, reason, sha256)
        )

    async def _submit(self, records: Sequence[SampleBatch | Gap]) -> None:
        """Wait until it is on the disk, for as long as that is full."""
        marks = {self._bookmark: self._memory.text()}
        await self._journal.submit(*records, bookmarks=marks)

    async def _put_away(self, group: tuple[Entry, ...], move: Callable[[list[Path]], None]) -> None:
        paths = [self._settings.watch_dir / entry.name for entry in group]
        try:
            await self._call(lambda: move(paths))
        except FileNotFoundError:
            return  # somebody else has moved it
        except OSError as error:
            names = ", ".join(shown(entry.name) for entry in group)
            self._unmoved.fail(f"{names}: {error.strerror or error}; it is not taken again")
            self._later[group] = time.monotonic() + _AGAIN_S
            return
        self._unmoved.recover()

    def _tell_lonely(self, lonely: Sequence[str]) -> None:
        now = time.monotonic()
        self._lonely = {name: self._lonely.get(name, now) for name in lonely}
        long = [name for name, since in self._lonely.items() if now - since >= _LONELY_S]
        if long:
            self._waiting.fail(f"{shown(long[0])} waits for its other half, of the same name")
        else:
            self._waiting.recover()

    async def _tidy(self) -> None:
        """Let go of what the archive has kept for long enough."""
        now, settings = time.monotonic(), self._settings
        if not settings.retain_days or (
            self._tidied_at is not None and now - self._tidied_at < _TIDY_S
        ):
            return
        self._tidied_at = now
        try:
            await self._call(lambda: files.expire(settings.archive, settings.retain_days, _today()))
        except OSError as error:
            self._unmoved.fail(f"{settings.archive}: {error.strerror or error}")

    async def _rest(self) -> None:
        until = time.monotonic() + self._settings.scan_s
        while (left_s := until - time.monotonic()) > 0:
            self._figures.beat()
            await asyncio.sleep(min(left_s, _TICK_S))

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await in_thread(self.device, work, self._settings.timeout_s)


def _today() -> date:
    return datetime.now(UTC).astimezone().date()
