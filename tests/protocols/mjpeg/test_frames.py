"""A JPEG is looked at from end to end, and frames become a file that says so many and so large."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from protocols.mjpeg import Frame, FrameError, Size, avi, longest_clip, size_of


def jpeg(width: int = 64, height: int = 48, **how: bool) -> bytes:
    said = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(said, "JPEG", **how)
    return said.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_the_size_of_a_jpeg_of_others(progressive: bool) -> None:
    assert size_of(jpeg(123, 45, progressive=progressive)) == Size(123, 45)
    assert size_of(jpeg(16, 16) + b"\r\n\0") == Size(16, 16)


@given(st.integers(0, 700))
def test_a_jpeg_that_is_cut_off_is_none(cut: int) -> None:
    whole = jpeg()
    with pytest.raises(FrameError):
        size_of(whole[: min(cut, len(whole) - 1)])


@given(st.binary(max_size=200))
def test_garbage_is_none(data: bytes) -> None:
    try:
        size_of(b"\xff\xd8" + data + b"\xff\xd9")
    except FrameError:
        return
    assert b"\xff" in data


def test_frames_as_a_file() -> None:
    frames = [Frame(1_000_000 + n * 200_000, jpeg() + b"\0" * (n % 2)) for n in range(5)]
    data = avi(frames, Size(64, 48))
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"AVI "
    assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
    frame_us, _, _, _, count = struct.unpack_from("<5I", data, data.index(b"avih") + 8)
    assert (frame_us, count) == (200_000, 5)
    start, index = data.index(b"movi"), data.index(b"idx1") + 8
    for n, frame in enumerate(frames):
        name, _, offset, length = struct.unpack_from("<4sIII", data, index + 16 * n)
        at = start + offset + 8
        assert (name, data[at : at + length]) == (b"00dc", frame.jpeg)


@given(st.integers(0, 6000), st.integers(1, 6))
def test_what_fits_is_not_larger_than_it_may_be(most: int, count: int) -> None:
    frames = [Frame(n * 1000, jpeg()) for n in range(count)]
    fits = longest_clip(most, frames)
    assert not fits or len(avi(frames[:fits], Size(64, 48))) <= most
    assert fits == count or most < 2048 + sum(len(f.jpeg) + 25 for f in frames[: fits + 1])
