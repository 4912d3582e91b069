"""The publish pump against a server of a few lines that obeys the standard, and loses messages as
it is told: whatever it does, each message is taken once and in order, or named as missed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import (
    BadMessageNotAvailable,
    BadNoSubscription,
    BadTooManyPublishRequests,
    UaStructParsingError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sources.opcua.publishing import (
    MOST_PASSED,
    NUMBERS,
    PublishPump,
    Receipts,
    SubscriptionLostError,
    ahead,
)
from edge.status import SourceFigures

ID = 7


class Server:
    """Numbers messages, answers publish requests, and holds what is not acknowledged."""

    def __init__(self, most_requests: int = 10) -> None:
        self.requests: deque[asyncio.Future[ua.PublishResponse]] = deque()
        self.most_requests = most_requests
        self.next = 1
        self.held: dict[int, ua.NotificationMessage] = {}
        self.acknowledged: list[int] = []
        self.asked_again: list[int] = []

    async def publish(self, acks: list[ua.SubscriptionAcknowledgement]) -> ua.PublishResponse:
        for ack in acks:
            assert ack.SubscriptionId == ID
            self.acknowledged.append(ack.SequenceNumber)
            self.held.pop(ack.SequenceNumber, None)
        answer: asyncio.Future[ua.PublishResponse] = asyncio.get_running_loop().create_future()
        self.requests.append(answer)
        if len(self.requests) > self.most_requests:
            self.requests.popleft().set_exception(BadTooManyPublishRequests)
        return await answer

    async def republish(self, subscription_id: int, number: int) -> ua.NotificationMessage:
        assert subscription_id == ID
        self.asked_again.append(number)
        await asyncio.sleep(0)
        if number not in self.held:
            raise BadMessageNotAvailable
        return self.held[number]

    def make(self, *, hold: bool = True) -> ua.NotificationMessage:
        """The next message, which is not sent."""
        message = ua.NotificationMessage(
            SequenceNumber=self.next, NotificationData=[ua.DataChangeNotification()]
        )
        if hold:
            self.held[self.next] = message
        self.next = self.next % NUMBERS + 1
        return message

    def send(self, message: ua.NotificationMessage | None = None) -> None:
        """A message, or a sign of life."""
        if message is None:
            message = ua.NotificationMessage(SequenceNumber=self.next, NotificationData=[])
        response = ua.PublishResponse()
        response.Parameters = ua.PublishResult(
            SubscriptionId=ID,
            AvailableSequenceNumbers=list(self.held),
            NotificationMessage=message,
        )
        self.answer(lambda answer: answer.set_result(response))

    def answer(self, how: Callable[[asyncio.Future[ua.PublishResponse]], None]) -> None:
        while self.requests:
            request = self.requests.popleft()
            if not request.done():
                how(request)
                return
        raise AssertionError("no request is there")


class Gateway:
    """A pump, and a journal that is durable when it is told."""

    def __init__(self, server: Server, requests: int = 3) -> None:
        self.server = server
        self.receipts = Receipts()
        self.receipts.begin(ID)
        self.taken: list[int] = []
        self.missed: list[str] = []
        self.worthless: set[int] = set()
        """Messages of which nothing is kept."""
        self.waiting: deque[tuple[asyncio.Future[int], int]] = deque()
        """What becomes durable, and how many messages had been taken."""
        self.durable: set[int] = set()
        self.figures = SourceFigures("press")
        self.alive = 0
        self.raises: Callable[[int], Exception | None] = lambda _: None
        self.pump = PublishPump(
            server,  # type: ignore[arg-type]  # it has what the pump uses of a session
            self.receipts,
            self.deliver,
            self.missed.append,
            self.note_alive,
            self.figures,
            requests=requests,
        )

    async def room(self, requests: int) -> None:
        """Commit until so many requests are with the server."""
        while sum(not request.done() for request in self.server.requests) < requests:
            self.commit()
            await turns()

    def note_alive(self) -> None:
        self.alive += 1

    def deliver(self, message: ua.NotificationMessage) -> asyncio.Future[int] | None:
        error = self.raises(message.SequenceNumber)
        if error is not None:
            raise error
        self.taken.append(message.SequenceNumber)
        if message.SequenceNumber in self.worthless and len(self.receipts.passed) < MOST_PASSED:
            return None
        return self.submit()

    def submit(self) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append((future, len(self.taken)))
        return future

    def commit(self, most: int = 1_000_000) -> None:
        """The journal's disk has the oldest of what was delivered."""
        for _ in range(min(most, len(self.waiting))):
            future, taken = self.waiting.popleft()
            self.durable |= set(self.taken[:taken])
            future.set_result(0)


async def turns(count: int = 30) -> None:
    """Let all tasks come as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(server: Server, work: Callable[[Gateway], object], requests: int = 3) -> Gateway:
    """Do something with a pump that runs."""

    async def whole() -> Gateway:
        gateway = Gateway(server, requests)
        pump = asyncio.create_task(gateway.pump.run())
        await turns()
        try:
            await work(gateway)  # type: ignore[misc]  # every `work` is a coroutine function
            await turns()
            assert not pump.done(), pump
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        assert set(server.acknowledged) <= gateway.durable
        return gateway

    return asyncio.run(whole())


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(
        st.sampled_from(["send", "worthless", "swap", "drop", "lose", "commit", "alive", "turn"]),
        max_size=60,
    ),
    st.sampled_from([1, NUMBERS - 3]),
)
def test_each_message_once_and_in_order_or_missed(seed: int, steps: list[str], first: int) -> None:
    chance = random.Random(seed)
    server = Server()
    server.next = first

    async def work(gateway: Gateway) -> None:
        receipts = gateway.receipts
        receipts.taken = (first - 2) % NUMBERS + 1
        lost: list[int] = []
        for step in [*steps, "alive"]:
            await gateway.room(2)
            match step:
                case "send":
                    server.send(server.make())
                case "worthless":
                    gateway.worthless.add(server.next)
                    server.send(server.make())
                case "swap":  # a server of several threads may be so
                    earlier, later = server.make(), server.make()
                    server.send(later)
                    await turns(chance.randint(0, 9))
                    server.send(earlier)
                case "drop":  # it does not come, but can be asked for
                    server.make()
                case "lose":
                    lost.append(server.make(hold=False).SequenceNumber)
                case "commit":
                    gateway.commit(chance.randint(1, 3))
                case "alive":
                    server.send()
                case "turn":
                    await turns(chance.randint(1, 5))
        for _ in range(60):  # those asked for again have places of their own
            await turns()
            gateway.commit()
        everything = [(first + n - 1) % NUMBERS + 1 for n in range(ahead(first, server.next))]
        assert gateway.taken == [n for n in everything if n not in lost]
        assert gateway.figures.missed_messages == len(lost)
        assert bool(gateway.missed) == bool(lost)

    run(server, work)


def test_only_what_is_durable_is_acknowledged() -> None:
    server = Server()

    async def work(gateway: Gateway) -> None:
        for _ in range(5):
            server.send(server.make())
            await turns()
        assert gateway.taken == [1, 2, 3, 4, 5]
        assert server.acknowledged == []
        gateway.commit(2)
        await turns()
        server.send(server.make())
        await turns()
        assert server.acknowledged == [1, 2]

    run(server, work)


def test_a_message_of_which_nothing_is_kept_is_acknowledged_with_the_next() -> None:
    server = Server()

    async def work(gateway: Gateway) -> None:
        gateway.worthless = {1, 2, 4}
        for _ in range(4):
            server.send(server.make())
            await turns()
        gateway.commit()
        await turns()
        server.send()
        await turns()
        assert server.acknowledged == [1, 2, 3]
        gateway.pump.settle_with(gateway.submit())  # after a while without another
        gateway.commit()
        await turns()
        server.send()
        await turns()
        assert server.acknowledged == [1, 2, 3, 4]

    run(server, work)


def test_a_few_messages_of_which_nothing_is_kept_are_one_write() -> None:
    server = Server()

    async def work(gateway: Gateway) -> None:
        gateway.worthless = {*range(1, 2 * MOST_PASSED)}
        for _ in range(2 * MOST_PASSED - 1):
            server.send(server.make())
            await turns()
        assert len(gateway.waiting) == 1
        assert len(server.held) == 2 * MOST_PASSED - 1
        gateway.commit()
        await turns()
        server.send()
        await turns()
        assert server.acknowledged == [*range(1, MOST_PASSED + 2)]

    run(server, work)


def test_a_disk_that_takes_nothing_ends_the_asking() -> None:
    server = Server()

    async def work(gateway: Gateway) -> None:
        while server.requests:
            server.send(server.make())
            await turns()
        taken = len(gateway.taken)
        assert 10 < taken < 100
        assert gateway.figures.publishes_in_flight == 0
        gateway.commit(1)
        await turns()
        assert len(server.requests) == 1
        gateway.commit()
        await turns()
        assert len(server.requests) == 3

    run(server, work)


def test_a_message_that_cannot_be_taken_is_not_acknowledged() -> None:
    server = Server()

    async def work() -> None:
        gateway = Gateway(server)
        gateway.raises = lambda number: KeyError("it") if number == 2 else None
        pump = asyncio.create_task(gateway.pump.run())
        await turns()
        for _ in range(3):
            server.send(server.make())
        with pytest.raises(KeyError):
            await pump
        gateway.commit()
        await turns()
        assert gateway.receipts.taken == 1
        assert gateway.receipts.due == [1]
        # In the next session it is asked for again, and given up for those after it.
        again = PublishPump(
            server,  # type: ignore[arg-type]
            gateway.receipts,
            gateway.deliver,
            gateway.missed.append,
            gateway.note_alive,
            gateway.figures,
            requests=3,
        )
        await again.recover(list(server.held))
        assert gateway.taken == [1, 3]
        assert gateway.missed == ["OPC UA messages missed: 2: cannot be read: 'it'"]
        assert sorted(gateway.receipts.due) == [1]
        gateway.commit()
        await turns()
        assert sorted(gateway.receipts.due) == [1, 2, 3]

    asyncio.run(work())


def test_what_a_subscription_taken_over_owes_comes_before_what_is_new() -> None:
    server = Server()

    async def work() -> None:
        gateway = Gateway(server)
        gateway.receipts.taken = 1  # by the run that was killed
        for _ in range(5):  # sent to its connection, but for the last
            server.make()
        owed = asyncio.create_task(gateway.pump.recover([4, 1, 3, 2]))
        await asyncio.sleep(0)
        assert not gateway.taken
        new = server.make()  # while the earlier ones are asked for
        await owed
        assert gateway.taken == [2, 3, 4]
        pump = asyncio.create_task(gateway.pump.run())
        await turns()
        assert server.acknowledged == [1]
        server.send(new)
        await turns()
        assert gateway.taken == [2, 3, 4, 5, 6]
        assert not gateway.missed
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)

    asyncio.run(work())


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    server = Server()

    async def work(gateway: Gateway) -> None:
        server.make()
        server.answer(lambda answer: answer.set_exception(UaStructParsingError()))
        await turns()
        server.send()
        await turns()
        assert gateway.taken == [1]
        assert not gateway.missed

    run(server, work)


def test_a_server_that_takes_fewer_requests_gets_fewer() -> None:
    server = Server(most_requests=2)

    async def work(gateway: Gateway) -> None:
        assert len(server.requests) == 2
        assert gateway.figures.publishes_in_flight == 2
        for n in range(1, 20):
            server.send(server.make())
            await turns()
            gateway.commit()
            assert gateway.taken == list(range(1, n + 1))
        assert len(server.requests) == 2

    run(server, work, requests=5)


def test_a_subscription_that_is_gone_is_not_gone_on_with() -> None:
    server = Server()

    async def work() -> None:
        gateway = Gateway(server)
        pump = asyncio.create_task(gateway.pump.run())
        await turns()
        server.answer(lambda answer: answer.set_exception(BadNoSubscription))
        with pytest.raises(SubscriptionLostError, match="lost the subscription"):
            await pump
        assert gateway.receipts.subscription_id == 0

    asyncio.run(work())


def test_a_journal_that_failed_ends_the_pump() -> None:
    server = Server()

    async def work() -> None:
        gateway = Gateway(server)
        pump = asyncio.create_task(gateway.pump.run())
        await turns()
        server.send(server.make())
        await turns()
        gateway.waiting.popleft()[0].set_exception(RuntimeError("the disk is broken"))
        with pytest.raises(RuntimeError, match="the disk is broken"):
            await pump
        assert gateway.receipts.due == []

    asyncio.run(work())


@settings(deadline=None)
@given(st.integers(1, NUMBERS), st.integers(0, 2**30))
def test_numbers_are_counted_over_the_wrap(taken: int, steps: int) -> None:
    assert ahead(taken, (taken + steps - 1) % NUMBERS + 1) == steps
    assert ahead((taken + steps - 1) % NUMBERS + 1, taken) == -steps
    assert ahead(0, 1) == 1
