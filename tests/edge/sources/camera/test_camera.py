"""A picture or clip of what is not in order, whatever the camera does; or why there is none."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import struct
import time
from array import array
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from edge.doctor import camera as doctor
from edge.journal import SampleBatch, SampleClass
from edge.sources.camera.link import opened
from edge.sources.polled.link import LinkError
from firmware_sim.camera import HttpCameraSettings, run_http_camera
from firmware_sim.camera.frames import number_of
from firmware_sim.device.faults import MisbehaveCommand
from protocols.inspection import PICTURE, parse_picture
from protocols.mjpeg import Frame, longest_clip
from protocols.sparkplug import DataType
from tests.edge.sources.camera.watching import Watching, settings_for, watching
from tests.edge.sources.reading import until
from tests.fixtures.certificates import make_identity

pytestmark = pytest.mark.anyio
QUICK = HttpCameraSettings(fps=30)


def frames_of(clip: bytes) -> list[bytes]:
    """The frames of a file, by its index."""
    start, index = clip.index(b"movi"), clip.index(b"idx1")
    (length,) = struct.unpack_from("<I", clip, index + 4)
    found = []
    for at in range(index + 8, index + 8 + length, 16):
        _, _, offset, size = struct.unpack_from("<4sIII", clip, at)
        found.append(clip[start + offset + 8 : start + offset + 8 + size])
    return found


async def test_a_picture_of_what_is_not_in_order(tmp_path: Path) -> None:
    async with (
        run_http_camera(QUICK) as camera,
        watching(tmp_path, settings_for(camera.endpoint)) as got,
    ):
        await until(lambda: got.figures.state == "online")
        await got.find("1", "ok", "unknown")
        await got.find("2", "ok", "nok", "nok")
        (told,) = await got.tells(1)
        data = got.file(told)
        assert number_of(data) <= camera.frames.count
        assert (told.state, told.event, told.found_by, told.found_key) == (
            "kept", "nok", "tester", "2",
        )  # fmt: skip
        assert (told.serial, told.what, told.media_type) == ("S-2", "C1", "image/jpeg")
        assert (told.size, told.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        await got.find("2", "nok")  # told again by its station, as after a lost acknowledgement
        await got.find("3", "nok")
        assert [each.found_key for each in await got.tells(2)] == ["2", "3"]
        await until(lambda: got.figures.pictures == 2)
    assert got.devices.heard == ["camera-1 online", "camera-1 offline"]


async def test_a_clip_has_frames_from_before_and_after_and_keeps_to_its_size(
    tmp_path: Path,
) -> None:
    async with run_http_camera(QUICK) as camera:
        camera.frames.padding = 100_000
        largest = {"max_clip_mb": 1, "max_frame_kb": 512}
        settings = settings_for(
            camera.stream, take="clip", max_fps=30, before_s=60, after_s=60, **largest
        )
        async with watching(tmp_path, settings) as got:
            await until(lambda: got.figures.state == "online")
            await got.find("1", "nok")
            (told,) = await got.tells(1)  # full long before its time is over
            numbers = [number_of(frame) for frame in frames_of(got.file(told))]
    assert told.media_type == "video/x-msvideo"
    assert told.taken_from is not None
    assert told.taken_to is not None
    assert told.taken_from < told.happened_at < told.taken_to
    assert numbers == sorted(set(numbers))
    assert told.frames == len(numbers)
    assert 5 <= len(numbers) <= 10
    assert 500_000 < (told.size or 0) <= 1024 * 1024


async def test_the_largest_frame_fits_into_the_largest_clip() -> None:
    url = "http://eye/"
    settings = settings_for(url, take="clip", max_clip_mb=1, max_frame_kb=1022)
    frame = Frame(0, bytes(settings.max_frame_kb * 1024))
    assert longest_clip(settings.max_clip_mb * 1024 * 1024, [frame]) == 1
    with pytest.raises(
        ValueError, match="lower max_frame_kb to 1022 or less, or raise max_clip_mb"
    ):
        settings_for(url, take="clip", max_clip_mb=1, max_frame_kb=1023)
    assert settings_for(url, take="picture", max_clip_mb=1, max_frame_kb=1023)


async def test_of_what_is_known_late_there_is_none(tmp_path: Path) -> None:
    async with (
        run_http_camera(QUICK) as camera,
        watching(tmp_path, settings_for(camera.endpoint)) as got,
    ):
        await got.find("1", "nok", late_s=3600)
        (told,) = await got.tells(1)
        await until(lambda: list(got.folder.iterdir()) == [])
    assert told.state == "missed"
    assert "late_s" in told.reason


@pytest.mark.parametrize("take", ["picture", "clip"])
async def test_a_camera_that_is_off_is_said_and_read_again(tmp_path: Path, take: Any) -> None:
    again = QUICK.model_copy(update={"port": free_port()})
    async with run_http_camera(again) as camera:
        url = camera.endpoint if take == "picture" else camera.stream
        settings = settings_for(url, take=take, before_s=60)
    async with watching(tmp_path, settings) as got:
        await until(lambda: got.figures.state == "offline")
        await got.find("1", "nok")
        (told,) = await got.tells(1)
        assert told.state == "missed"
        assert told.reason
        async with run_http_camera(again):
            await until(lambda: got.figures.state == "online")
            await got.find("2", "nok")
            assert [each.state for each in await got.tells(2)] == ["missed", "kept"]


@pytest.mark.parametrize("answer", ["garbage", "partial", "silent", "close"])
@pytest.mark.parametrize("take", ["picture", "clip"])
async def test_a_camera_out_of_order_is_waited_for(tmp_path: Path, answer: Any, take: Any) -> None:
    """Of a clip there are the frames from before."""
    async with run_http_camera(QUICK) as camera:
        url = camera.endpoint if take == "picture" else camera.stream
        settings = settings_for(url, take=take, timeout_s=0.5, before_s=60)
        async with watching(tmp_path, settings) as got:
            await until(lambda: got.figures.state == "online")
            camera.manners.make(MisbehaveCommand(answer=answer))
            await until(lambda: got.figures.state == "offline")
            await got.find("1", "nok")
            (told,) = await got.tells(1)
            assert told.state == ("missed" if take == "picture" else "kept")
            camera.manners.make(MisbehaveCommand(answer="right"))
            await until(lambda: got.figures.state == "online")
            for number in range(2, 20):  # on a busy machine not each comes within the time-out
                await got.find(str(number), "nok")
                if (await got.tells(number))[-1].state == "kept":
                    break
            assert got.told[-1].state == "kept"


async def test_a_frame_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        camera.frames.padding = 100_000
        for url, take in ((camera.endpoint, "picture"), (camera.stream, "clip")):
            settings = settings_for(url, take=take, max_frame_kb=64)
            (finding,) = [each async for each in doctor.look(settings)]
            assert finding.verdict == "failed"
            assert re.search(r"max_frame_kb|the most is 65536", finding.what)


def kept(got: Watching, number: int) -> bool:
    return got.figures.pictures == number


async def test_the_oldest_picture_goes_for_a_newer_one(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        camera.frames.padding = 400_000
        async with watching(tmp_path, settings_for(camera.endpoint), quota_mb=1) as got:
            for number in range(1, 4):
                await got.find(str(number), "nok")
                await until(partial(kept, got, number))
            told = [(each.found_key, each.state) for each in got.told]
            assert told == [("1", "kept"), ("2", "kept"), ("1", "dropped"), ("3", "kept")]
            assert got.figures.pictures_dropped == 1
            assert len(list(got.folder.glob("*.jpg"))) == 2


async def test_pictures_at_once_make_room_for_each(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        camera.frames.padding = 400_000
        async with watching(tmp_path, settings_for(camera.endpoint), quota_mb=1) as got:
            for number in range(1, 3):
                await got.find(str(number), "nok")
                await until(partial(kept, got, number))
            await asyncio.gather(*(got.find(str(number), "nok") for number in (3, 4)))
            await until(partial(kept, got, 4))
            dropped = [each.found_key for each in got.told if each.state == "dropped"]
            assert dropped == ["1", "2"]
            assert got.figures.pictures_dropped == 2
            assert len(list(got.folder.glob("*.jpg"))) == 2


async def test_a_disk_that_takes_nothing_is_said(tmp_path: Path) -> None:
    async with (
        run_http_camera(QUICK) as camera,
        watching(tmp_path, settings_for(camera.endpoint)) as got,
    ):
        await until(lambda: got.figures.state == "online")
        got.folder.rename(tmp_path / "away")
        await got.find("1", "nok")
        (told,) = await got.tells(1)
        assert told.state == "missed"
        assert "disk" in told.reason
        (tmp_path / "away").rename(got.folder)
        await got.find("2", "nok")
        assert (await got.tells(2))[1].state == "kept"


async def test_what_was_cut_off_by_a_stop_is_told(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        settings = settings_for(camera.stream, take="clip", after_s=60)
        async with watching(tmp_path, settings) as got:
            await until(lambda: got.figures.state == "online")
            await got.find("1", "nok")
            await until(lambda: bool(list(got.folder.glob("*.wanted"))))
            assert got.told == []
        async with watching(tmp_path, settings) as got:
            (told,) = await got.tells(1)
            assert (told.found_key, told.state) == ("1", "missed")
            assert "stopped" in told.reason
            await until(lambda: not list(got.folder.iterdir()))


async def test_a_result_whose_event_was_never_noted_is_told(tmp_path: Path) -> None:
    """A kill between the commit of a result and the note of its event."""
    async with run_http_camera(QUICK) as camera:
        settings = settings_for(camera.endpoint)
        async with watching(tmp_path, settings) as got:
            await got.find("1", "nok")
            await got.tells(1)
            await until(lambda: "camera-1/watched" in got.journal.bookmarks)
            got.journal.on_written = None
            await got.find("2", "nok")
            await got.find("3", "ok")
        async with watching(tmp_path, settings) as got:
            told = await got.tells(2)
            assert [(each.found_key, each.state) for each in told] == [
                ("1", "kept"), ("2", "missed"),
            ]  # fmt: skip
            await got.find("4", "nok")
            assert [each.found_key for each in await got.tells(3)] == ["1", "2", "4"]
        other = settings.model_copy(update={"device": "camera-2"})
        async with watching(tmp_path, other) as got:
            await until(lambda: "camera-2/watched" in got.journal.bookmarks)
            assert len(got.told) == 3, "of what was before it there is none"


async def test_a_reference_of_a_later_release_is_passed_over(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        settings = settings_for(camera.endpoint)
        async with watching(tmp_path, settings) as got:
            await until(lambda: "camera-1/watched" in got.journal.bookmarks)
            got.journal.on_written = None
            await got.find("1", "nok")
            tag_id = got.journal.tag_id("camera-1", PICTURE, DataType.String)
            now_us = time.time_ns() // 1000
            times, numbers = array("q", [now_us]), array("d", [0.0])
            later = SampleBatch(
                *("camera-1", SampleClass.HIGH, array("I", [tag_id]), times, numbers),
                {0: '{"v":2}'},
            )
            await got.journal.append(later)
        async with watching(tmp_path, settings) as got:
            await until(lambda: len(got.values(PICTURE)) == 2)
            assert parse_picture(got.values(PICTURE)[1]).state == "missed"


@pytest.mark.parametrize("log_in", ["basic", "digest"])
async def test_it_logs_in(tmp_path: Path, log_in: Any) -> None:
    secret = tmp_path / "password"
    secret.write_text("sim\n")
    async with run_http_camera(HttpCameraSettings(log_in=log_in)) as camera:
        right = settings_for(camera.endpoint, username="viewer", password_file=secret)
        async with opened(right) as answer:
            assert number_of(await answer.picture())
        for wrong in (
            settings_for(camera.endpoint),
            settings_for(camera.endpoint, username="viewer", password="S3cret"),
        ):
            (finding,) = [each async for each in doctor.look(wrong)]
            assert finding.verdict == "failed"
            assert "username" in finding.remedy
            assert "S3cret" not in finding.what + repr(wrong)


async def test_a_camera_must_prove_who_it_is(tmp_path: Path) -> None:
    certificate, key = make_identity("camera").write(tmp_path, "camera")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with run_http_camera(QUICK, context) as camera:
        with pytest.raises(LinkError, match="ca_file"):
            async with opened(settings_for(camera.endpoint)):
                pass
        for trusting in ({"ca_file": certificate}, {"verify": False}):
            async with opened(settings_for(camera.endpoint, **trusting)) as answer:
                assert number_of(await answer.picture())


async def test_what_the_doctor_finds(tmp_path: Path) -> None:
    async with run_http_camera(QUICK) as camera:
        (finding,) = [each async for each in doctor.look(settings_for(camera.endpoint))]
        assert finding.verdict == "ok"
        assert "320 x 240" in finding.what
        found = [
            each async for each in doctor.look(settings_for(camera.stream, take="clip", max_fps=30))
        ]
        assert [each.verdict for each in found] == ["ok"]
        found = [each async for each in doctor.look(settings_for(camera.endpoint, of=[]))]
        assert [each.verdict for each in found] == ["ok", "warning"]
        for settings, says in (
            (settings_for(camera.stream), "take: clip"),
            (settings_for(camera.endpoint, take="clip"), "take: picture"),
            (settings_for(camera.endpoint.replace("snapshot", "x")), "404"),
        ):
            (finding,) = [each async for each in doctor.look(settings)]
            assert finding.verdict == "failed"
            assert says in finding.what
