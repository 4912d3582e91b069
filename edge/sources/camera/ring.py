"""The last seconds of a stream, in memory, bounded by time and by bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from protocols.mjpeg import Frame


class Ring:
    """Frames as they came, over breaks of the stream too."""

    def __init__(self, before_s: float, after_s: float, most: int, max_fps: float) -> None:
        """`most`: bytes of a clip; what comes before the event has its share of them."""
        self._before_us = int(before_s * 1e6)
        self._after_s = after_s
        share = before_s / (before_s + after_s) if before_s or after_s else 1.0
        self._most = int(most * share)
        self._apart_us = int(0.9e6 / max_fps)  # cameras do not send evenly
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._clips: set[_Clip] = set()
        self._most_clip = most

    def put(self, frame: Frame) -> None:
        """A frame has come; one that comes too soon after the last is passed over."""
        if self._frames:
            apart_us = frame.at_us - self._frames[-1].at_us
            if apart_us < 0:  # our clock was set back
                self._frames.clear()
                self._bytes = 0
            elif apart_us < self._apart_us:
                return
        self._frames.append(frame)
        self._bytes += len(frame.jpeg)
        self._let_go(frame.at_us)
        for clip in tuple(self._clips):
            clip.add(frame)

    async def clip(self, now_us: int) -> list[Frame]:
        """What there is of the time before, and what comes after; empty if nothing comes. It is
        bounded by bytes: then its end is missing."""
        self._let_go(now_us)
        clip = _Clip(self._most_clip)
        for frame in self._frames:
            clip.add(frame)
        self._clips.add(clip)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._after_s):
                    await clip.full.wait()
        finally:
            self._clips.discard(clip)
        return clip.frames

    def _let_go(self, now_us: int) -> None:
        frames = self._frames
        while (frames and frames[0].at_us < now_us - self._before_us) or self._bytes > self._most:
            if len(frames) == 1 and frames[0].at_us >= now_us - self._before_us:
                return  # the newest stays, however large
            self._bytes -= len(frames.popleft().jpeg)


class _Clip:
    """A clip under way."""

    def __init__(self, most: int) -> None:
        self.frames: list[Frame] = []
        self.full = asyncio.Event()
        self._left = most

    def add(self, frame: Frame) -> None:
        if len(frame.jpeg) > self._left:
            self._left = 0
            self.full.set()
        else:
            self._left -= len(frame.jpeg)
            self.frames.append(frame)
