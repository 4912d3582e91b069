"""Frames come out whole, however the bytes are cut up on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.mjpeg import Parts, PartsError, boundary_of

MOST = 2000
BODIES = st.lists(st.binary(min_size=1, max_size=300).filter(lambda b: b"--x" not in b), max_size=6)


def answer(bodies: list[bytes], *, lengths: bool, end: bytes, dashes: bytes) -> bytes:
    said = b""
    for body in bodies:
        said += dashes + b"--x" + end + b"Content-Type: image/jpeg" + end
        if lengths:
            said += f"content-length:  {len(body)} ".encode() + end
        said += end + body + end
    return said + dashes + b"--x"


@given(
    BODIES,
    st.booleans(),
    st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([b"", b"--"]),
    st.lists(st.integers(0, 3000)),
)
def test_any_cuts_give_the_same_frames(
    bodies: list[bytes], lengths: bool, end: bytes, dashes: bytes, cuts: list[int]
) -> None:
    if not lengths:  # what ends in a line's end cannot be told from it
        bodies = [body.rstrip(b"\r\n") + b"." for body in bodies]
    said = answer(bodies, lengths=lengths, end=end, dashes=dashes)
    parts = Parts(dashes + b"x", MOST)
    places = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    found = [frame for a, b in pairwise(places) for frame in parts.feed(said[a:b])]
    assert found == bodies


@given(st.binary(max_size=400), st.integers(1, 400))
def test_whatever_comes_is_read_or_refused(garbage: bytes, cut: int) -> None:
    parts = Parts(b"x", MOST)
    try:
        for piece in (b"--x\r\n", garbage[:cut], garbage[cut:]):
            parts.feed(piece)
    except PartsError:
        pass


@pytest.mark.parametrize(
    "said",
    [
        b"--x\r\nContent-Length: 2001\r\n\r\n",
        b"--x\r\n\r\n" + b"y" * 2100,
        b"--x\r\nA: " + b"y" * 9000,
        b"y" * 9000,
    ],
)
def test_what_is_too_large_is_refused_before_it_is_held(said: bytes) -> None:
    parts = Parts(b"x", MOST)
    with pytest.raises(PartsError):
        parts.feed(said)


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=abc", b"abc"),
        ('Multipart/X-Mixed-Replace;boundary="a b"; charset=x', b"a b"),
        ("multipart/x-mixed-replace; BOUNDARY=--abc", b"--abc"),
        ("multipart/x-mixed-replace", None),
        ("image/jpeg", None),
    ],
)
def test_the_boundary_is_in_the_content_type(said: str, boundary: bytes | None) -> None:
    assert boundary_of(said) == boundary


def test_a_boundary_that_is_none_is_refused() -> None:
    for name in (b"", b"--", b"a\nb"):
        with pytest.raises(PartsError):
            Parts(name, MOST)
