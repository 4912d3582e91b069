"""The envelopes: UNB to UNZ around messages, UNH to UNT around each, counts and references.

An interchange is refused whole if its own envelope is wrong. A message whose envelope is wrong is
kept with its problem, so that the others of the file can be taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.syntax import CHARSETS, Elements, Limits, Segment, join, split

_GROUPS = ("UNG", "UNE")


@dataclass(frozen=True)
class Header:
    """UNB: who sends what to whom. Times have no zone in EDIFACT; the partner's profile has it."""

    sender: str
    recipient: str
    reference: str
    """Interchange control reference (0020)."""
    prepared_at: datetime
    """Local time, to the minute."""
    charset: str = "UNOC"
    syntax_version: str = "3"
    sender_qualifier: str = ""
    """0007, such as OD (ODETTE) or ZZ."""
    recipient_qualifier: str = ""
    application: str = ""
    """Application reference (0026), for instance the message type."""
    is_test: bool = False


@dataclass(frozen=True)
class Message:
    """UNH to UNT with what stands between, not yet read as what it is."""

    reference: str
    """Message reference number (0062)."""
    kind: str
    """Message type (0065): DELJIT."""
    segments: tuple[Segment, ...]
    """Without UNH and UNT."""
    version: str = "D"
    release: str = "97A"
    agency: str = "UN"
    association: str = ""
    """Association assigned code (0057), for instance the partner's guideline."""
    number: int = 0
    """Number of its UNH in the interchange."""
    problems: tuple[Problem, ...] = field(default=(), compare=False)
    """What is wrong with its envelope."""

    @property
    def directory(self) -> str:
        """`DELJIT D.97A`."""
        return f"{self.kind} {self.version}.{self.release}"


@dataclass(frozen=True)
class Interchange:
    """A file or transmission."""

    header: Header
    messages: tuple[Message, ...]
    with_advice: bool = True
    """Whether a UNA stands before it."""


def read_interchange(data: bytes, limits: Limits | None = None) -> Interchange:
    """Read the envelopes. Raises `EdifactError` if that of the interchange is wrong."""
    advice, segments = split(data, limits)
    first, last = segments[0], segments[-1]
    if first.tag != "UNB":
        raise _refused(first, "an interchange begins with UNB", ErrorCode.MISSING)
    if last.tag != "UNZ":
        raise _refused(last, "is the last segment, but an interchange ends with UNZ; cut short?")
    header = _read_header(first)
    messages = _messages(segments[1:-1])
    _check_trailer(last, header, len(messages))
    return Interchange(header, messages, advice.given)


def write_interchange(interchange: Interchange) -> bytes:
    """The bytes. Raises `EdifactError` for what the character set cannot write."""
    segments = [_header_segment(interchange.header)]
    for message in interchange.messages:
        identifier = (message.kind, message.version, message.release, message.agency,
                      message.association)  # fmt: skip
        segments.append(Segment("UNH", ((message.reference,), identifier)))
        segments.extend(message.segments)
        count = str(len(message.segments) + 2)
        segments.append(Segment("UNT", ((count,), (message.reference,))))
    count = str(len(interchange.messages))
    segments.append(Segment("UNZ", ((count,), (interchange.header.reference,))))
    return join(segments, interchange.header.charset, interchange.with_advice)


def _read_header(unb: Segment) -> Header:
    for at, component, name in ((1, 0, "0004"), (2, 0, "0010"), (4, 0, "0020")):
        if not unb.value(at, component):
            raise _refused(unb, "is missing", ErrorCode.MISSING, f"{name} (element {at + 1})")
    if (charset := unb.value(0)) not in CHARSETS:  # such as one that no reader would take for it
        raise _refused(
            unb,
            f"character set {_shown(charset)} is not known; known: {', '.join(CHARSETS)}",
            ErrorCode.INVALID_VALUE,
            "0001 (element 1)",
        )
    date, time = unb.value(3, 0), unb.value(3, 1)
    try:
        # Six digits of a date up to syntax version 3, eight from version 4.
        form = "%Y%m%d%H%M" if len(date) == 8 else "%y%m%d%H%M"
        prepared_at = datetime.strptime(date + time, form)
    except ValueError:
        raise _refused(
            unb,
            f"{date}:{time} is no date and time (YYMMDD:HHMM)",
            ErrorCode.INVALID_VALUE,
            "S004 (element 4)",
        ) from None
    return Header(
        sender=unb.value(1),
        recipient=unb.value(2),
        reference=unb.value(4),
        prepared_at=prepared_at,
        charset=charset,
        syntax_version=unb.value(0, 1),
        sender_qualifier=unb.value(1, 1),
        recipient_qualifier=unb.value(2, 1),
        application=unb.value(6),
        is_test=unb.value(10) == "1",
    )


def _header_segment(header: Header) -> Segment:
    year = "%Y" if header.syntax_version >= "4" else "%y"
    elements: Elements = (
        (header.charset, header.syntax_version),
        (header.sender, header.sender_qualifier),
        (header.recipient, header.recipient_qualifier),
        (header.prepared_at.strftime(f"{year}%m%d"), header.prepared_at.strftime("%H%M")),
        (header.reference,),
        ("",),
        (header.application,),
        ("",),
        ("",),
        ("",),
        ("1" if header.is_test else "",),
    )
    return Segment("UNB", elements)


def _messages(segments: Iterable[Segment]) -> tuple[Message, ...]:
    found: list[Message] = []
    header: Segment | None = None
    body: list[Segment] = []
    for segment in segments:
        if header is None:
            if segment.tag in _GROUPS:
                raise _refused(segment, "functional groups are not read; send messages without")
            if segment.tag != "UNH":
                raise _refused(segment, "stands outside a message; UNH is missing before it")
            header, body = segment, []
        elif segment.tag == "UNT":
            found.append(_message(header, body, segment))
            header = None
        elif segment.tag == "UNH":
            raise _refused(segment, f"begins a message, but that of segment {header.number} "
                           "has no UNT")  # fmt: skip
        else:
            body.append(segment)
    if header is not None:
        raise _refused(header, "has no UNT at its end", ErrorCode.MISSING)
    return tuple(found)


def _message(unh: Segment, body: list[Segment], unt: Segment) -> Message:
    reference = unh.value(0)
    message = Message(
        reference=reference,
        kind=unh.value(1, 0),
        segments=tuple(body),
        version=unh.value(1, 1),
        release=unh.value(1, 2),
        agency=unh.value(1, 3),
        association=unh.value(1, 4),
        number=unh.number,
    )
    problems = []
    if not reference:
        problems.append(_wrong(unh, "is missing", ErrorCode.MISSING, 1, "0062"))
    if not message.kind:
        problems.append(_wrong(unh, "is missing", ErrorCode.MISSING, 2, "0065"))
    if not _counts(unt.value(0), len(body) + 2):
        problems.append(
            _wrong(
                unt,
                f"says {_shown(unt.value(0))} segments, there are {len(body) + 2}",
                ErrorCode.COUNT_DOES_NOT_MATCH,
                1,
                "0074",
            )
        )
    if unt.value(1) != reference:
        problems.append(
            _wrong(
                unt,
                f"is {_shown(unt.value(1))}, but UNH says {_shown(reference)}",
                ErrorCode.REFERENCES_DO_NOT_MATCH,
                2,
                "0062",
            )
        )
    return replace(message, problems=tuple(replace(p, message=reference) for p in problems))


def _check_trailer(unz: Segment, header: Header, messages: int) -> None:
    if not _counts(unz.value(0), messages):
        raise _refused(
            unz,
            f"says {_shown(unz.value(0))} messages, there are {messages}; "
            "a part of the file is missing or doubled",
            ErrorCode.COUNT_DOES_NOT_MATCH,
            "0036 (element 1)",
        )
    if unz.value(1) != header.reference:
        raise _refused(
            unz,
            f"is {_shown(unz.value(1))}, but UNB says {_shown(header.reference)}",
            ErrorCode.REFERENCES_DO_NOT_MATCH,
            "0020 (element 2)",
        )


def _counts(said: str, there: int) -> bool:
    return said.isascii() and said.isdigit() and len(said) <= 10 and int(said) == there


def _shown(value: str) -> str:
    return repr(value[:40]) if value else "nothing"


def _wrong(segment: Segment, reason: str, code: ErrorCode, at: int, name: str) -> Problem:
    return Problem(
        reason, segment.number, segment.tag, f"{name} (element {at})", code, place=(at, None)
    )


def _refused(
    segment: Segment,
    reason: str,
    code: ErrorCode = ErrorCode.NOT_SUPPORTED_HERE,
    element: str = "",
) -> EdifactError:
    return EdifactError(Problem(reason, segment.number, segment.tag, element, code))
