"""What the simulated controller says, byte for byte, to a client that does what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from firmware_sim.open_protocol import Controller, ControllerSettings, run_controller
from protocols.open_protocol import Message, Splitter, make, read
from tests.edge.sources.reading import run

QUICK = ControllerSettings(cycle_s=0, answer_s=0.2)
WAIT_S = 30


class Client:
    """A client by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = Splitter()

    def say(self, message: Message) -> None:
        self._writer.write(message.encode())

    async def hear(self) -> Message | None:
        """The next message; None: the controller has ended the link."""
        async with asyncio.timeout(WAIT_S):
            while (message := self._splitter.take()) is None:
                chunk = await self._reader.read(4096)
                if not chunk:
                    return None
                self._splitter.feed(chunk)
        return message

    async def ask(self, message: Message) -> Message:
        self.say(message)
        answer = await self.hear()
        assert answer is not None
        return answer


@asynccontextmanager
async def client_of(
    settings: ControllerSettings = QUICK,
) -> AsyncIterator[tuple[Client, Controller]]:
    async with run_controller(settings) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        try:
            yield Client(reader, writer), running.controller
        finally:
            writer.close()


def error(answer: Message) -> tuple[object, object]:
    assert answer.mid == 4
    said = read(answer)
    return said["about"], said["error"]


def test_commands_and_their_errors() -> None:
    async def work() -> None:
        async with client_of(QUICK.model_copy(update={"revision": 2})) as (client, controller):
            assert error(await client.ask(Message(1, revision=3))) == (1, 97)
            assert (await client.ask(Message(1, revision=2))).revision == 2
            assert error(await client.ask(Message(1))) == (1, 96)
            assert (await client.ask(Message(9999))).mid == 9999
            assert error(await client.ask(Message(60, revision=3))) == (60, 97)
            assert (await client.ask(Message(60))).data == b"0060"
            assert error(await client.ask(Message(60))) == (60, 9)
            assert error(await client.ask(make(18, {"programme": 9}))) == (18, 2)
            assert error(await client.ask(Message(18, b"abc"))) == (18, 1)
            assert error(await client.ask(make(64, {"tightening_id": 5}))) == (64, 15)
            assert error(await client.ask(Message(4711))) == (4711, 99)
            assert (await client.ask(Message(63))).data == b"0063"
            controller.tighten(ok=True)
            assert read(await client.ask(make(64, {"tightening_id": 0})))["tightening_id"] == 1
            assert (await client.ask(Message(10))).data == b"003001002003"
            assert read(await client.ask(Message(40)))["tool_serial"] == "C0761275"
            assert (await client.ask(Message(3))).data == b"0003"
            assert await client.hear() is None

    run(work)


def test_a_result_comes_three_times_and_then_the_link_ends() -> None:
    async def work() -> None:
        async with client_of() as (client, controller):
            await client.ask(Message(1))
            await client.ask(Message(60))
            controller.tighten(ok=True)
            first = [await client.hear() for _ in range(3)]
            assert [m is not None and m.mid for m in first] == [61, 61, 61]
            assert len(set(first)) == 1
            assert await client.hear() is None

    run(work)


def test_the_next_result_comes_after_the_acknowledgement() -> None:
    async def work() -> None:
        async with client_of(QUICK.model_copy(update={"answer_s": 60.0})) as (client, controller):
            await client.ask(Message(1))
            await client.ask(Message(60))
            for _ in range(2):
                controller.tighten(ok=True)
            numbers = []
            for _ in range(2):
                result = await client.hear()
                assert result is not None
                numbers.append(read(result)["tightening_id"])
                assert (await client.ask(Message(9999))).mid == 9999  # and no other result
                client.say(Message(62))
            assert numbers == [1, 2]
            await client.ask(Message(63))
            assert (await client.ask(Message(60, no_ack=True))).mid == 5
            for _ in range(2):
                controller.tighten(ok=True)
            assert [m is not None and m.mid for m in [await client.hear() for _ in range(2)]] == [
                61, 61,
            ]  # fmt: skip

    run(work)


def test_on_link_level_each_message_is_acknowledged_by_its_number() -> None:
    async def work() -> None:
        async with client_of(QUICK.model_copy(update={"answer_s": 60.0})) as (client, controller):
            start = await client.ask(Message(1, revision=6, sequence=1))
            assert (start.mid, start.sequence) == (2, 1)
            assert read(start)["sequence_numbers"] is True
            ack = await client.ask(Message(60, sequence=2))
            assert (ack.mid, ack.data, ack.sequence) == (9997, b"0060", 3)
            accepted = await client.hear()
            assert accepted is not None
            assert (accepted.mid, accepted.sequence) == (5, 2)
            again = await client.ask(Message(60, sequence=2))  # sent again: no second answer
            assert (again.mid, again.sequence) == (9997, 3)
            wrong = await client.ask(Message(10, sequence=7))
            assert (wrong.mid, read(wrong)["error"]) == (9998, 3)
            controller.tighten(ok=True)
            controller.tighten(ok=True)
            result = await client.hear()
            assert result is not None
            assert (result.mid, result.sequence) == (61, 3)
            client.say(Message(62))  # that is not how it is done here
            client.say(replace(make(9997, {"about": 61}), sequence=4))
            following = await client.hear()
            assert following is not None
            assert (following.mid, following.sequence) == (61, 4)

    run(work)


def test_a_silent_client_is_left() -> None:
    async def work() -> None:
        async with client_of(QUICK.model_copy(update={"keep_alive_s": 0.6})) as (client, _):
            assert (await client.ask(Message(1))).mid == 2
            assert await client.hear() is None

    run(work)
