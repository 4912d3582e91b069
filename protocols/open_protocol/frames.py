"""Frames: a header of 20 ASCII characters, data, NUL; out of a stream in any fragments, and back.

Positions count from 1 as the specification does: length of header and data 1-4, MID 5-8, revision
9-11, no-ack flag 12, station 13-14, spindle 15-16, sequence number 17-18, number of parts 19, part
20. Spaces stand for "not said"; a revision that is not said is 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HEADER_BYTES = 20
LONGEST = 9999
"""Bytes of header and data at most."""
_LAST_SEQUENCE = 99


class FrameError(ValueError):
    """The stream makes no sense, and will not again: where a frame begins is lost."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Numbers of the header that are 0 are not said."""

    mid: int
    data: bytes = b""
    revision: int = 1
    no_ack: bool = False
    """Of a subscription: what it brings is not acknowledged."""
    station: int = 0
    spindle: int = 0
    sequence: int = 0
    """1 to 99, if both sides acknowledge on link level."""
    parts: int = 0
    part: int = 0
    raw: bytes = field(default=b"", compare=False, repr=False)
    """Header and data as they came."""

    def encode(self) -> bytes:
        """The frame with its NUL. Raises `ValueError` for what no frame can hold."""
        length = HEADER_BYTES + len(self.data)
        for what, number, most in (
            ("length", length, LONGEST),
            ("MID", self.mid, 9999),
            ("revision", self.revision, 999),
            ("station", self.station, 99),
            ("spindle", self.spindle, 99),
            ("sequence number", self.sequence, _LAST_SEQUENCE),
            ("number of parts", self.parts, 9),
            ("part", self.part, 9),
        ):
            if not 0 <= number <= most:
                raise ValueError(f"{what} {number} does not fit a header; the most is {most}")
        header = (
            f"{length:04}{self.mid:04}{self.revision:03}{'1' if self.no_ack else ' '}"
            f"{_said(self.station, 2)}{_said(self.spindle, 2)}{_said(self.sequence, 2)}"
            f"{_said(self.parts, 1)}{_said(self.part, 1)}"
        )
        return header.encode("ascii") + self.data + b"\0"


class Splitter:
    """Takes a stream apart. It holds what was fed and not taken: at most one frame that is not
    whole yet, if all that is whole is taken after each `feed`."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> None:
        """More of the stream."""
        self._held += chunk

    def take(self) -> Message | None:
        """The next message, or None while it is not whole. Raises `FrameError`, from then on each
        time."""
        held = self._held
        if held[:1] == b"\0":  # some controllers end a frame with more than one
            del held[: len(held) - len(held.lstrip(b"\0"))]
        if held and not held[:4].isdigit():
            raise FrameError(f"a frame begins with {bytes(held[:4])!r}, not with its length")
        if len(held) < 4:
            return None
        length = int(held[:4])
        if length < HEADER_BYTES:
            raise FrameError(f"a frame of {length} bytes is shorter than a header")
        if len(held) <= length:
            if len(held) >= HEADER_BYTES:
                _header(held)
            return None
        if held[length]:
            raise FrameError(
                f"no NUL behind a frame of {length} bytes that begins with {bytes(held[:20])!r}"
            )
        message = _header(held)
        raw = bytes(held[:length])
        del held[: length + 1]
        return Message(message[0], raw[HEADER_BYTES:], *message[1:], raw=raw)


def next_sequence(number: int) -> int:
    """The sequence number behind one: 1, 2 … 99, 1 …."""
    return number % _LAST_SEQUENCE + 1


def _header(held: bytearray) -> tuple[int, int, bool, int, int, int, int, int]:
    mid = _number(held[4:8], "MID")
    if not mid:
        raise FrameError("a frame without a MID")
    return (
        mid,
        _number(held[8:11], "revision") or 1,
        held[11:12] == b"1",
        _number(held[12:14], "station"),
        _number(held[14:16], "spindle"),
        _number(held[16:18], "sequence number"),
        _number(held[18:19], "number of parts"),
        _number(held[19:20], "part"),
    )


def _number(digits: bytearray, what: str) -> int:
    """A number of the header; 0 if there are only spaces."""
    if digits.isdigit():
        return int(digits)
    stripped = digits.strip(b" ")
    if stripped and not stripped.isdigit():
        raise FrameError(f"{what} {bytes(digits)!r} is no number")
    return int(stripped or b"0")


def _said(number: int, width: int) -> str:
    return f"{number:0{width}}" if number else " " * width
