"""The source of a camera: keeps it in view, and takes a picture or clip of each event.

Of each event there is one reference in the journal: of a picture that is kept, or of one that there
is not, with the reason. Who noticed the event waits for none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.journal import JournalError, SampleBatch, SampleClass, TelemetryJournal
from edge.pictures import Event, Events, Noted, PictureStore, newest, nok_results
from edge.pictures.store import STOPPED
from edge.sources.base import DeviceListener
from edge.sources.camera.config import CameraSettings
from edge.sources.camera.link import opened
from edge.sources.camera.ring import Ring
from edge.sources.polled.link import LinkError
from edge.status import Condition, SourceFigures
from edge.supervise import keep_running, until_one_ends
from protocols.inspection import PICTURE, Picture, parse_picture
from protocols.mjpeg import Frame, avi, longest_clip, size_of
from protocols.sparkplug.datatypes import DataType

logger = logging.getLogger(__name__)

_AT_ONCE = 4
"""Pictures taken side by side."""
_WAITING = 100
"""Events that wait for their picture; of one more there is none, which is said."""
_TICK_S = 1.0
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
"""What a reference holds, whatever a station's clock says."""
_TOO_MANY = "too much happened at once"


@dataclass(frozen=True, slots=True)
class _Taken:
    data: bytes
    description: dict[str, Any]


class CameraSource:
    """Takes pictures with one camera."""

    def __init__(
        self,
        settings: CameraSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
        events: Events,
        store: PictureStore,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._events = events
        self._store = store
        self._of, self._lines = frozenset(settings.of), frozenset(settings.lines)
        self._ring = Ring(
            settings.before_s,
            settings.after_s,
            settings.max_clip_mb * 1024 * 1024,
            settings.max_fps,
        )
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        self._under_way: set[str] = set()
        self._crowd = Condition(logger, f"source {settings.device}: pictures of events")
        self._keeping = Condition(logger, f"source {settings.device}: pictures on the disk")
        self._why_away = "no connection was made yet"
        self._sessions = 0
        self._bookmark = f"{settings.device}/watched"
        self._tag_id = journal.tag_id(settings.device, PICTURE, DataType.String)

    @property
    def device(self) -> str:
        """Name of the camera."""
        return self._settings.device

    async def run(self) -> None:
        """Watch and take pictures until cancelled, through all failures of the camera."""
        self._events.listen(self._hear)
        try:
            await until_one_ends(
                keep_running(
                    f"source {self.device}",
                    self._serve,
                    expected=(LinkError, OSError),
                    hint_when_short_lived="the camera ends its stream soon after it begins; has it "
                    "room for one more viewer?",
                    fatal=(JournalError,),
                    beat=self._figures.beat,
                ),
                self._tell_left(),
                *(self._take_events() for _ in range(_AT_ONCE)),
            )
        finally:
            self._events.leave(self._hear)

    # The camera.

    async def _serve(self, connected: Callable[[], None]) -> None:
        """Be in touch with it; ends by raising."""
        online = False
        reason = "agent stopped"

        def see() -> None:
            nonlocal online
            self._figures.heard()
            if not online:
                online = True
                self._figures.reconnects = self._sessions
                self._sessions += 1
                self._figures.enter("online")
                connected()
                self._listener.device_online(self.device)

        try:
            await (self._watch(see) if self._settings.take == "clip" else self._look(see))
        except Exception as error:
            reason = self._why_away = str(error) or type(error).__name__
            raise
        finally:
            self._figures.enter("offline", reason)
            if online:
                self._listener.device_offline(self.device, reason)

    async def _watch(self, see: Callable[[], None]) -> None:
        """Have its stream in the ring."""
        async with opened(self._settings) as answer:
            frames = answer.frames(self._figures.beat)
            async with contextlib.aclosing(frames):
                async for jpeg in frames:
                    self._ring.put(Frame(_now_us(), jpeg))
                    see()

    async def _look(self, see: Callable[[], None]) -> None:
        """See now and then that it gives pictures."""
        while True:
            await self._picture()
            see()
            until = time.monotonic() + self._settings.every_s
            while (left_s := until - time.monotonic()) > 0:
                self._figures.beat()
                await asyncio.sleep(min(left_s, _TICK_S))

    async def _picture(self) -> Frame:
        async with opened(self._settings) as answer:
            jpeg = await answer.picture()
            return Frame(_now_us(), jpeg)

    # The events.

    def _hear(self, event: Event) -> None:
        """Note an event that is one of ours."""
        # A line's name has a slash, a device's none.
        if event.found_by not in self._of | self._lines:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._crowd.fail(f"{_TOO_MANY}: of some there is no picture")
            with contextlib.suppress(JournalError):
                missed = _described(event, self._key(event), _TOO_MANY)
                self._submit(self.device, missed)
                self._figures.pictures_missed += 1

    async def _tell_left(self) -> None:
        """Tell what an earlier run could not tell any more; then stay until cancelled."""
        for noted in self._store.left(self.device):
            await self._tell(noted)
        for event in await self._unnoted():
            await self._submit(self.device, _described(event, self._key(event), STOPPED))
            self._figures.pictures_missed += 1
        await self._journal.submit(bookmarks={self._bookmark: json.dumps(sorted(self._of))})
        await asyncio.Event().wait()

    async def _unnoted(self) -> list[Event]:
        """Results that an earlier run wrote, and was stopped before it noted that they are worth a
        picture: of devices that the camera watched then already."""
        watched = self._of & set(json.loads(self._journal.bookmarks.get(self._bookmark, "[]")))
        if not watched:
            return []
        found: dict[str, Event] = {}
        told: set[str] = set()
        async for batch in newest(self._journal):
            if batch.device in watched:
                found |= {self._key(each): each for each in nok_results(self._journal, batch)}
            if self._tag_id in batch.tags:
                for text in batch.others.values():
                    with contextlib.suppress(ValueError):  # a later release wrote it
                        told.add(parse_picture(str(text)).key)
        known = told | self._under_way
        return [e for key, e in found.items() if key not in known and not self._store.knows(key)]

    async def _take_events(self) -> None:
        while True:
            event = await self._queue.get()
            key = self._key(event)
            if self._store.knows(key) or key in self._under_way:
                continue  # a result that its station told again
            self._under_way.add(key)
            try:
                await self._take(event, key)
            finally:
                self._under_way.discard(key)
            if self._queue.empty():
                self._crowd.recover()

    async def _take(self, event: Event, key: str) -> None:
        """Take the picture of an event; tell what there is of it once it is on the disk."""
        now_us = _now_us()
        missed = _described(event, key, STOPPED)
        try:
            noted = await self._store.run(self._store.note, self.device, missed, now_us)
        except OSError as error:
            await self._tell_unkept(missed, error)
            return
        late_s = now_us / 1e6 - event.happened_at.timestamp()
        if late_s > self._settings.late_s:
            why = f"it was known only {late_s:.0f} s later, by the station's clock (late_s)"
            await self._miss(noted, why)
            return
        try:
            taken = await self._taken(now_us)
        except LinkError as error:
            await self._miss(noted, str(error))
            return
        try:
            noted = await self._keep(noted, taken)
        except OSError as error:
            self._keeping.fail(f"{error.strerror or error}; events go without")
            await self._miss(noted, f"the gateway's disk does not take it: {error.strerror}")
            return
        self._keeping.recover()
        await self._tell(noted)

    async def _taken(self, now_us: int) -> _Taken:
        """Raises `LinkError`."""
        settings = self._settings
        if settings.take == "picture":
            frame = await self._picture()
            return _Taken(frame.jpeg, _of_frames("image/jpeg", [frame]))
        frames = await self._ring.clip(now_us)
        frames = frames[: longest_clip(settings.max_clip_mb * 1024 * 1024, frames)]
        if not frames:
            raise LinkError(f"no frame came in its time: {self._why_away}")
        data = await asyncio.to_thread(avi, frames, size_of(frames[0].jpeg))
        return _Taken(data, _of_frames("video/x-msvideo", frames))

    async def _keep(self, noted: Noted, taken: _Taken) -> Noted:
        """Raises `OSError`."""
        store = self._store
        async with store.making_room:
            for old in await store.run(store.over_quota, len(taken.data)):
                gone = {"state": "dropped", "reason": "for newer ones"}
                await self._submit(old.camera, old.picture.model_copy(update=gone))
                await store.run(store.drop, old)
                self._figures.pictures_dropped += 1
            picture = noted.picture.model_copy(update=taken.description)
            return await store.run(store.put, noted, picture, taken.data)

    async def _miss(self, noted: Noted, why: str) -> None:
        missed = noted.picture.model_copy(update={"reason": _printable(why)})
        await self._submit(self.device, missed)
        self._figures.pictures_missed += 1
        await self._note_told(noted)

    async def _tell_unkept(self, missed: Picture, error: OSError) -> None:
        """Nothing can be written: the journal, which waits for room, is told of it."""
        self._keeping.fail(f"{error.strerror or error}; events go without")
        why = f"the gateway's disk does not take it: {error.strerror}"
        await self._submit(self.device, missed.model_copy(update={"reason": _printable(why)}))
        self._figures.pictures_missed += 1

    async def _tell(self, noted: Noted) -> None:
        await self._submit(noted.camera, noted.picture)
        if noted.picture.state == "kept":
            self._figures.pictures += 1
        else:
            self._figures.pictures_missed += 1
        await self._note_told(noted)

    async def _note_told(self, noted: Noted) -> None:
        try:
            await self._store.run(self._store.told, noted)
        except OSError as error:  # it is told once more after a restart, and counts once
            self._keeping.fail(error.strerror or str(error))

    def _submit(self, camera: str, picture: Picture) -> asyncio.Future[int]:
        """A reference, for the journal; of the class that is evicted last."""
        tag_id = self._tag_id
        if camera != self.device:
            tag_id = self._journal.tag_id(camera, PICTURE, DataType.String)
        now_us = _now_us()
        batch = SampleBatch(
            camera,
            SampleClass.HIGH,
            array("I", [tag_id]),
            array("q", [now_us]),
            array("d", [0.0]),
            {0: picture.text()},
        )
        self._figures.batches += 1
        self._figures.samples += 1
        self._figures.last_sample_us = now_us
        return self._journal.submit(batch)

    def _key(self, event: Event) -> str:
        """The same event has the same key over restarts."""
        parts = (self.device, event.kind, event.found_by, event.found_key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _described(event: Event, key: str, why: str) -> Picture:
    return Picture(
        key=key,
        event=event.kind,
        found_by=event.found_by[:100],
        found_key=event.found_key,
        what=_printable(event.what)[:100],
        serial=_printable(event.serial or "")[:128] or None,
        happened_at=min(max(event.happened_at, _FIRST), _LAST),
        state="missed",
        reason=why,
    )


def _of_frames(media_type: str, frames: Sequence[Frame]) -> dict[str, Any]:
    return {
        "state": "kept",
        "reason": "",
        "media_type": media_type,
        "frames": len(frames),
        "taken_from": _moment(frames[0].at_us),
        "taken_to": _moment(frames[-1].at_us),
    }


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _now_us() -> int:
    return time.time_ns() // 1000
