"""The start of a communication, in the highest revision that the controller has."""

from __future__ import annotations

from edge.sources.open_protocol.link import Link, RefusedError
from protocols.open_protocol import DataError, Message, read
from protocols.open_protocol.errors import REVISIONS

FIRST_REVISION = 6
"""The first that can offer acknowledgements on link level."""


async def start(link: Link, revision: int, *, offers_numbers: bool) -> Message:
    """The controller's answer, which is MID 0002. Asks for this revision and lower ones; numbers
    messages from then on if that is offered and taken. Raises `RefusedError`, `LinkError`."""
    while True:
        offers = offers_numbers and revision >= FIRST_REVISION
        try:
            answer = await link.ask(Message(1, revision=revision, sequence=int(offers)), answer=2)
        except RefusedError as error:
            if error.code not in REVISIONS or revision == 1:
                raise
            revision -= 1
            continue
        if offers and _numbers(answer):
            link.start_numbering(answer)
        return answer


def _numbers(answer: Message) -> bool:
    try:
        return bool(read(answer).get("sequence_numbers"))
    except DataError:  # then it is not known what it can
        return False
