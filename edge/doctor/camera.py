"""A camera: whether it gives a picture, and how large and quick it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from edge.cli.words import Catalogue
from edge.doctor.finding import Finding, failed, ok, warning
from edge.sources.camera.config import CameraSettings
from edge.sources.camera.link import RefusedError, opened
from edge.sources.polled.link import LinkError
from protocols.mjpeg import size_of

words = Catalogue(
    {
        "picture": (
            "{place} gives a picture: {width} x {height}, {kilobytes} KiB, in {ms} ms",
            "{place} 可取得图片：{width} x {height}，{kilobytes} KiB，用时 {ms} 毫秒",
        ),
        "stream": (
            "{place} gives a stream: {width} x {height}, {kilobytes} KiB a frame",
            "{place} 可取得视频流：{width} x {height}，每帧 {kilobytes} KiB",
        ),
        "long": (
            "a clip of {seconds:g} s may reach max_clip_mb ({most}): its end would be missing",
            "{seconds:g} 秒的片段可能达到 max_clip_mb（{most}）：结尾将缺失",
        ),
        "smaller": (
            "a lower max_fps, or smaller frames at the camera",
            "请降低 max_fps，或在摄像头中减小画面",
        ),
        "of_nothing": ("it takes pictures of nothing", "未指定拍摄对象"),
        "name": (
            "name devices in of, or lines in lines",
            "请在 of 中填写设备，或在 lines 中填写产线",
        ),
        "address": (
            "open {place} in a browser: it must show the picture",
            "请在浏览器中打开 {place}：应显示画面",
        ),
        "user": (
            "username, password_file; is that user allowed to view?",
            "username、password_file；该用户是否有查看权限？",
        ),
    }
)
_TRIED = 3
"""Frames of a stream that are looked at."""


async def look(settings: CameraSettings) -> AsyncIterator[Finding]:
    """Fetch a picture, or some frames."""
    part, place = f"source {settings.device}", settings.endpoint
    began = time.monotonic()
    try:
        if settings.take == "picture":
            async with opened(settings) as answer:
                frames = [await answer.picture()]
        else:
            frames = await _some(settings)
    except LinkError as error:
        remedy = "user" if isinstance(error, RefusedError) else "address"
        yield failed(part, f"{place}: {error}", words(remedy, place=place))
        return
    ms = round((time.monotonic() - began) * 1000)
    size = size_of(frames[0])
    largest = max(len(frame) for frame in frames)
    yield ok(
        part,
        words(
            "picture" if settings.take == "picture" else "stream",
            place=place,
            width=size.width,
            height=size.height,
            kilobytes=-(-largest // 1024),
            ms=ms,
        ),
    )
    if not (settings.of or settings.lines):
        yield warning(part, words("of_nothing"), words("name"))
    seconds = settings.before_s + settings.after_s
    most = settings.max_clip_mb
    if settings.take == "clip" and largest * settings.max_fps * seconds > most * 1024 * 1024:
        yield warning(part, words("long", seconds=seconds, most=most), words("smaller"))


async def _some(settings: CameraSettings) -> list[bytes]:
    found: list[bytes] = []
    async with opened(settings) as answer:
        frames = answer.frames(lambda: None)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                found.append(frame)
                if len(found) == _TRIED:
                    break
    return found
