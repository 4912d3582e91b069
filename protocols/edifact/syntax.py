"""Bytes to segments and back: character set, service string advice, release character.

The tokens are pydifact's. What it leaves open is decided here: which bytes are characters, how much
is read, and which segment is to blame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydifact.control.characters import Characters
from pydifact.exceptions import EDISyntaxError
from pydifact.parser import Parser
from pydifact.tokenizer import Tokenizer

from protocols.edifact.problems import EdifactError, ErrorCode, Problem

T = TypeVar("T", bound="str | tuple[str, ...]")

Elements = tuple[tuple[str, ...], ...]
"""The elements of a segment, each with its components; no empty ones at either end."""

CHARSETS = {
    "UNOA": "ascii",
    "UNOB": "ascii",
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
    "UNOW": "utf-8",
    "UNOY": "utf-8",
}
"""Syntax identifier (0001) to codec. UNOA has capitals only: read leniently, written strictly."""

DEFAULT_ADVICE = ":+.? '"
"""Component, element, decimal mark, release, reserved, terminator: what counts without a UNA."""

NUL = "\0"
_UNOA = re.compile(r"[A-Z0-9 .,\-()/='+:?!\"%&*;<>]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TAG = re.compile(r"[A-Z][A-Z0-9]{2}")
_SYNTAX_ID = re.compile(rb"UNB.([A-Z]{4})", re.DOTALL)


@dataclass(frozen=True)
class Limits:
    """What is read at most, so that no file takes memory or time without bound."""

    size: int = 4 * 1024 * 1024
    """Bytes."""
    segments: int = 100_000
    elements: int = 64
    """Elements of a segment, and components of an element."""


@dataclass(frozen=True)
class Segment:
    """One segment as it was sent."""

    tag: str
    elements: Elements
    number: int = 0
    """From 1 in its interchange; 0 for one that was made here."""

    def value(self, element: int, component: int = 0) -> str:
        """A component by position from 0; empty if it was not sent."""
        try:
            return self.elements[element][component]
        except IndexError:
            return ""


@dataclass(frozen=True)
class Advice:
    """The service characters in force."""

    text: str = DEFAULT_ADVICE
    given: bool = False
    """Whether a UNA said so."""

    @property
    def characters(self) -> Characters:
        """As pydifact has them. A blank says that nothing releases; NUL is refused anyway."""
        return Characters.from_str(f"{self.text[:3]}{self.text[3].strip() or NUL}{self.text[4:]}")


def split(data: bytes, limits: Limits | None = None) -> tuple[Advice, list[Segment]]:
    """The segments of an interchange. Raises `EdifactError`."""
    limits = limits or Limits()
    if len(data) > limits.size:
        raise EdifactError(Problem(f"has {len(data):,} bytes; at most {limits.size:,} are read"))
    text = _decode(data.lstrip(b" \r\n\t\xef\xbb\xbf"))
    advice = Advice()
    if text.startswith("UNA"):
        advice = _advice(text[3:9])
        text = text[9:]
    # Line ends are in no character set of the syntax: some senders break lines, even inside one.
    text = text.replace("\r", "").replace("\n", "").rstrip(" ")
    return advice, list(_segments(text, advice, limits))


def join(segments: Iterable[Segment], charset: str, with_advice: bool) -> bytes:
    """The bytes of an interchange with the usual service characters, a UNA first if wanted.

    Raises `EdifactError` for a character that the character set does not have.
    """
    component, element, _, release, _, terminator = tuple(DEFAULT_ADVICE)
    served = re.compile(f"[{re.escape(component + element + release + terminator)}]")
    out: list[str] = [f"UNA{DEFAULT_ADVICE}"] if with_advice else []
    for number, segment in enumerate(segments, start=1):
        parts = [segment.tag]
        for at, values in enumerate(trimmed(segment.elements), start=1):
            for value in values:
                _check_writable(value, charset, Segment(segment.tag, (), number), at)
            escaped = (served.sub(lambda found: release + found[0], value) for value in values)
            parts.append(component.join(escaped))
        out.append(element.join(parts) + terminator)
    return "".join(out).encode(CHARSETS[charset])


def trimmed(elements: Iterable[Iterable[str]]) -> Elements:
    """Without what is empty at the end of segment and elements: it is not sent."""
    kept = [tuple(_without_tail(list(values))) for values in elements]
    return tuple(values or ("",) for values in _without_tail(kept))


def _without_tail(values: list[T]) -> list[T]:
    while values and not values[-1]:
        values.pop()
    return values


def _decode(data: bytes) -> str:
    found = _SYNTAX_ID.search(data[:100])
    charset = found[1].decode("ascii") if found else "UNOA"
    if charset not in CHARSETS:
        raise EdifactError(
            Problem(
                f"character set {charset} is not known; known: {', '.join(CHARSETS)}",
                1,
                "UNB",
                "0001 (element 1)",
                ErrorCode.INVALID_VALUE,
            )
        )
    try:
        return data.decode(CHARSETS[charset])
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise EdifactError(
            Problem(
                f"byte {data[error.start]:#04x} at {error.start} is no character of {charset}; "
                "the sender must name the character set it writes (UNOC: Latin-1, UNOY: UTF-8)",
                before.count(b"'") + (0 if before.startswith(b"UNA") else 1),
                "",
                code=ErrorCode.INVALID_CHARACTER,
            )
        ) from None


def _advice(given: str) -> Advice:
    used = given[:2] + given[3:4].strip() + given[5:6]
    if len(given) < 6:
        raise EdifactError(Problem("ends within its service string advice (UNA)"))
    if len(set(used)) < len(used) or any(c.isalnum() or c in "\r\n " for c in used):
        raise EdifactError(
            Problem(f"service string advice {given!r} names a character twice or an unfit one")
        )
    return Advice(given, given=True)


def _segments(text: str, advice: Advice, limits: Limits) -> Iterator[Segment]:
    tokens = Tokenizer().get_tokens(text, advice.characters)
    raw = Parser().convert_tokens_to_raw_segments(tokens)
    number = 0
    while True:
        number += 1
        try:
            parts = next(raw)
        except StopIteration:
            if number == 1:
                raise EdifactError(Problem("is empty")) from None
            return
        except (EDISyntaxError, AssertionError):
            raise EdifactError(
                Problem(
                    f"does not end with the terminator {advice.text[5]!r}; the file is cut short",
                    number,
                    "",
                )
            ) from None
        if number > limits.segments:
            raise EdifactError(Problem(f"has more than {limits.segments:,} segments"))
        tag, *elements = ((part,) if isinstance(part, str) else tuple(part) for part in parts)
        if len(tag) != 1 or not _TAG.fullmatch(tag[0]):
            shown = ":".join(tag)[:20]
            raise EdifactError(Problem(f"{shown!r} is no segment tag", number, ""))
        segment = Segment(tag[0], trimmed(elements), number)
        _check_read(segment, limits)
        yield segment


def _check_read(segment: Segment, limits: Limits) -> None:
    width = max(map(len, segment.elements), default=0)
    if max(len(segment.elements), width) > limits.elements:
        raise EdifactError(
            Problem(
                f"has more than {limits.elements} elements or components",
                segment.number,
                segment.tag,
                code=ErrorCode.TOO_MANY_CONSTITUENTS,
            )
        )
    for at, values in enumerate(segment.elements, start=1):
        for value in values:
            _check_printable(value, segment, at)


def _check_printable(value: str, segment: Segment, at: int) -> None:
    if found := _CONTROL.search(value):
        raise EdifactError(
            Problem(
                f"holds the control character {ord(found[0]):#04x}",
                segment.number,
                segment.tag,
                f"element {at}",
                ErrorCode.INVALID_CHARACTER,
                place=(at, None),
            )
        )


def _check_writable(value: str, charset: str, segment: Segment, at: int) -> None:
    _check_printable(value, segment, at)
    wrong = ""
    if charset == "UNOA":
        if not _UNOA.fullmatch(value):
            wrong = next(c for c in value if not _UNOA.fullmatch(c))
    else:
        try:
            value.encode(CHARSETS[charset])
        except UnicodeEncodeError as error:
            wrong = value[error.start]
    if wrong:
        raise EdifactError(
            Problem(
                f"{wrong!r} is not in character set {charset} of the partner",
                segment.number,
                segment.tag,
                f"element {at}",
                ErrorCode.INVALID_CHARACTER,
                place=(at, None),
            )
        )
