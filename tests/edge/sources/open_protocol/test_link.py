"""A link to a controller that is played by hand, and does what controllers hardly do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edge.sources.open_protocol.link import Link, RefusedError
from edge.sources.open_protocol.starting import start
from edge.sources.polled.link import LinkError
from protocols.open_protocol import Message, Splitter, make, read
from tests.edge.sources.reading import run

WAIT_S = 30


class Played:
    """The controller's end."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self.arrived = asyncio.Event()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def hear(self) -> Message:
        async with asyncio.timeout(WAIT_S):
            while (message := self._splitter.take()) is None:
                chunk = await self.reader.read(4096)
                assert chunk, "the gateway has ended the link"
                self._splitter.feed(chunk)
        return message

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.writer.write(message.encode())

    async def answer_start(self, revision: int, **said: int) -> None:
        """Take a start in this revision, and refuse those above it."""
        while (asked := await self.hear()).revision > revision:
            self.say(make(4, {"about": 1, "error": 97}))
        assert asked.mid == 1
        self.say(replace(make(2, said, revision), sequence=asked.sequence))


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Played, asyncio.Task[None]]]:
    """A link that runs, the other end of it, and the link's task."""
    played = Played()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        played.reader, played.writer = reader, writer
        played.arrived.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = await Link.open(
        "127.0.0.1", port, timeout_s=WAIT_S, keep_alive_s=10.0, heard=lambda: None
    )
    running = asyncio.create_task(link.run())
    try:
        await played.arrived.wait()
        yield link, played, running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()
        played.writer.close()
        server.close()


async def both(ours: Awaitable[Message], theirs: Awaitable[None]) -> Message:
    answer, _ = await asyncio.gather(ours, theirs)
    return answer


def test_the_start_goes_down_to_the_revision_that_the_controller_has() -> None:
    async def work() -> None:
        async with linked() as (link, played, _):
            answer = await both(start(link, 6, offers_numbers=True), played.answer_start(3))
            assert (answer.revision, link.sequenced) == (3, False)
        async with linked() as (link, played, _):
            started = start(link, 6, offers_numbers=True)
            await both(started, played.answer_start(6, sequence_numbers=1))
            assert link.sequenced
            ack = await played.hear()
            assert (ack.mid, ack.data, ack.sequence) == (9997, b"0002", 2)

    run(work)


def test_an_answer_that_came_too_late_is_none_to_the_next_question() -> None:
    async def work() -> None:
        async with linked() as (link, played, _):
            link._timeout_s = 0.2
            asking = asyncio.create_task(link.ask(Message(40), answer=41))
            assert [(await played.hear()).mid for _ in range(3)] == [40, 40, 40]
            with pytest.raises(LinkError, match="sent 3 times"):
                await asking
            link._timeout_s = WAIT_S
            asking = asyncio.create_task(link.ask(Message(42)))
            assert (await played.hear()).mid == 42
            played.say(
                make(41, {"tool_serial": "LATE"}),
                make(5, {"about": 43}),
                make(4, {"about": 40, "error": 99}),
                make(4, {"about": 42, "error": 59}),
            )
            with pytest.raises(RefusedError, match="its tool is in use"):
                await asking

    run(work)


def test_a_push_that_is_sent_again_comes_once_and_is_acknowledged_when_it_is_safe() -> None:
    async def work() -> None:
        async with linked() as (link, played, _):
            started = start(link, 6, offers_numbers=True)
            await both(started, played.answer_start(6, sequence_numbers=1))
            assert (await played.hear()).mid == 9997
            result = replace(make(61, {"tightening_id": 7}), sequence=2)
            played.say(result, result)
            push = await link.pushes.get()
            asking = asyncio.create_task(link.ask(Message(10), answer=11))
            asked = await played.hear()  # and no acknowledgement before
            assert (asked.mid, asked.sequence) == (10, 2)
            played.say(Message(11, b"000", sequence=3))
            assert (await asking).mid == 11
            assert read(await played.hear())["about"] == 11
            link.acknowledge(push)
            ack = await played.hear()
            assert (ack.mid, ack.data, ack.sequence) == (9997, b"0061", 3)
            played.say(result)  # the acknowledgement was lost
            again = await played.hear()
            assert (again.mid, again.sequence) == (9997, 3)
            assert link.pushes.empty()

    run(work)


def test_without_link_level_a_push_has_its_own_acknowledgement() -> None:
    async def work() -> None:
        async with linked() as (link, played, _):
            for mid, ack in ((61, 62), (52, 53), (15, 16), (35, 36), (71, 72), (74, 75), (76, 77)):
                played.say(Message(mid))
                link.acknowledge(await link.pushes.get())
                assert (await played.hear()).mid == ack

    run(work)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([Message(61)] * 300, "without waiting for acknowledgements"),
        ([make(9998, {"about": 60, "error": 3})], "did not take message b'0060'"),
    ],
)
def test_what_cannot_go_on_ends_the_link(said: list[Message], what: str) -> None:
    async def work() -> None:
        async with linked() as (_, played, running):
            played.say(*said)
            with pytest.raises(LinkError, match=what):
                await asyncio.wait_for(running, WAIT_S)

    run(work)


def test_a_link_that_the_controller_closes_says_so() -> None:
    async def work() -> None:
        async with linked() as (_, played, running):
            played.writer.close()
            with pytest.raises(LinkError, match="the controller closed"):
                await asyncio.wait_for(running, WAIT_S)

    run(work)
