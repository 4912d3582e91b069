"""CONTRL, the syntax and service report: which messages of an interchange are taken, and why not.

After UN/EDIFACT syntax version 3, part 4 (CONTRL D.3). It answers an interchange whose own envelope
could be read; of others the sender learns by other means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from protocols.edifact.interchange import Header, Interchange, Message
from protocols.edifact.problems import Problem
from protocols.edifact.syntax import Segment

ACKNOWLEDGED = "7"
"""0083: this level, and the ones below that are not refused."""
REJECTED = "4"
"""0083: this level and those below."""
MOST_SEGMENTS = 99
"""Segments with problems that are reported of one message."""


def acknowledge(
    interchange: Interchange, problems: Iterable[Problem], reference: str, at: datetime
) -> Interchange:
    """The answer to an interchange. `problems` are those of its messages; a message without one is
    acknowledged. `at` is local time, as in UNB."""
    header = interchange.header
    report = Message(
        reference="1",
        kind="CONTRL",
        segments=tuple(_report(interchange, list(problems))),
        release="3",
    )
    answer = Header(
        sender=header.recipient,
        sender_qualifier=header.recipient_qualifier,
        recipient=header.sender,
        recipient_qualifier=header.sender_qualifier,
        reference=reference,
        prepared_at=at,
        charset=header.charset,
        syntax_version=header.syntax_version,
        is_test=header.is_test,
    )
    return Interchange(answer, (report,), interchange.with_advice)


def _report(interchange: Interchange, problems: list[Problem]) -> Iterator[Segment]:
    header = interchange.header
    yield Segment(
        "UCI",
        (
            (header.reference,),
            (header.sender, header.sender_qualifier),
            (header.recipient, header.recipient_qualifier),
            (ACKNOWLEDGED,),
        ),
    )
    for message in interchange.messages:
        wrong = [each for each in problems if each.message == message.reference]
        identifier = (message.kind, message.version, message.release, message.agency,
                      message.association)  # fmt: skip
        action = REJECTED if wrong else ACKNOWLEDGED
        yield Segment("UCM", ((message.reference,), identifier, (action,)))
        yield from _of_message(message, wrong)


def _of_message(message: Message, wrong: list[Problem]) -> Iterator[Segment]:
    placed = sorted((each for each in wrong if each.segment), key=lambda each: each.segment or 0)
    segments = groupby(placed, key=lambda each: each.segment or 0)
    for _, (number, group) in zip(range(MOST_SEGMENTS), segments, strict=False):
        found = list(group)
        whole = next((each.code for each in found if each.place is None), "")
        # Position in the message, UNH being the first.
        yield Segment("UCS", ((str(number - message.number + 1),), (str(whole),)))
        for each in found[:MOST_SEGMENTS]:
            if each.place is not None:
                element, component = each.place
                place = (str(element), "" if component is None else str(component))
                yield Segment("UCD", ((str(each.code),), place))
