"""The publish pump: several requests with the server, messages taken in order of their numbers, and
acknowledged only once the journal has them on disk.

asyncua 2.1's own loop has one request in flight, and acknowledges a message whose callback raised;
`subscription.py` makes sure that it does not run. What is relied upon instead: `UaSession.publish`
sends one request with the acknowledgements it is given, waits for the answer without limit, and
raises what the server refused.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import (
    BadNoSubscription,
    BadSubscriptionIdInvalid,
    BadTimeout,
    BadTooManyPublishRequests,
    UaStructParsingError,
)

from edge.status import SourceFigures
from edge.supervise import until_one_ends

logger = logging.getLogger(__name__)

NUMBERS = 0xFFFF_FFFF
"""Sequence numbers run from 1 to this, and begin again at 1."""
_WINDOW = 32
_AGAIN = 8
_ACKS_PER_REQUEST = 1000
_PAUSE_S = 1.0
MOST_PASSED = 8
"""Messages of which nothing was kept that wait at the server for their number to be durable: a
server holds twice as many as it takes publish requests, and some take few."""

Deliver = Callable[[ua.NotificationMessage], "asyncio.Future[int] | None"]
"""Takes a message into the journal. The future is settled when it is durable, with the numbers of
all messages taken; None: nothing of it is to be stored. May raise: the message is then not
taken."""


class SubscriptionLostError(ConnectionError):
    """The subscription is over for this session; the text says why."""


@dataclass(slots=True)
class Receipts:
    """Which messages of a subscription were taken, and which may be acknowledged. Outlives the
    session, since what one has taken the next must not take again."""

    window: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WINDOW))
    """A place for each request that may bring a message, kept until the message is durable."""
    again: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AGAIN))
    """The same for messages that are asked for again. They have places of their own, since those
    of the window may all be taken by messages that wait for just these."""
    subscription_id: int = 0
    """0: there is none that could be gone on with."""
    taken: int = 0
    """Number of the last message taken."""
    pending: set[int] = field(default_factory=set)
    """Taken, and not durable yet."""
    due: list[int] = field(default_factory=list)
    """Durable, and not acknowledged yet."""
    passed: list[int] = field(default_factory=list)
    """Taken, and nothing of them is to be stored. That they were is durable with the next message
    that is: until then the server holds them, else they would be missed after a restart."""

    def begin(self, subscription_id: int) -> None:
        """A new subscription: its messages are numbered from 1."""
        self.subscription_id = subscription_id
        self.taken = 0
        self.pending = set()
        self.due = []
        self.passed = []

    @property
    def unsettled(self) -> set[int]:
        """Taken, and it is not durable yet that they were."""
        return self.pending | set(self.passed)

    def settle(self, numbers: list[int]) -> None:
        """Messages are durable."""
        self.pending.difference_update(numbers)
        self.due += numbers


def ahead(taken: int, number: int) -> int:
    """How many messages after `taken` this one is: 1 is the next, 0 and less was taken before."""
    distance = (number - taken) % NUMBERS
    return distance if distance <= NUMBERS // 2 else distance - NUMBERS


class PublishPump:
    """Serves one subscription within one session."""

    def __init__(
        self,
        session: UaSession,
        receipts: Receipts,
        deliver: Deliver,
        note_missed: Callable[[str], None],
        alive: Callable[[], None],
        figures: SourceFigures,
        *,
        requests: int,
    ) -> None:
        """`note_missed` is told in words which messages did not come, before the next message is
        delivered; the journal must have that with it. `alive` is called when the server says that
        it has nothing to tell."""
        self._session = session
        self._receipts = receipts
        self._deliver = deliver
        self._note_missed = note_missed
        self._alive = alive
        self._figures = figures
        self._requests = requests
        self._inbox: asyncio.Queue[ua.PublishResult] = asyncio.Queue()  # bounded by the window
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unreadable = False
        self._given_up: list[int] = []
        """Missed, though the server holds them: acknowledged with the next message."""
        figures.publishes_in_flight = 0
        self.heard_at = time.monotonic()
        """When the server was last asked or heard (`time.monotonic()`)."""

    async def run(self) -> None:
        """Ask and take until the subscription is lost. Raises `SubscriptionLostError`, or why the
        journal failed."""
        asking = (self._ask() for _ in range(self._requests))
        try:
            await until_one_ends(self._take(), self._watch_journal(), *asking)
        finally:
            self._figures.publishes_in_flight = 0
            while not self._inbox.empty():
                self._inbox.get_nowait()
                self._receipts.window.release()

    async def recover(self, available: Collection[int]) -> None:
        """Take what the server still holds of a subscription that was taken over. `available` are
        the numbers of the messages it can send again."""
        receipts = self._receipts
        known = {n for n in available if ahead(receipts.taken, n) <= 0}
        receipts.due = [n for n in known if n not in receipts.unsettled]
        fresh = [n for n in available if n not in known]
        if fresh:
            last = max(ahead(receipts.taken, n) for n in fresh)
            await self._fetch(_after(receipts.taken, last), fresh)

    async def _ask(self) -> None:
        """Keep one request with the server."""
        receipts, figures = self._receipts, self._figures
        while True:
            await receipts.window.acquire()
            acks, receipts.due = (
                receipts.due[:_ACKS_PER_REQUEST],
                receipts.due[_ACKS_PER_REQUEST:],
            )
            result = None
            one_too_many = False
            figures.publishes_in_flight += 1
            self.heard_at = time.monotonic()
            try:
                result = await self._publish(acks)
            except BadTooManyPublishRequests:
                one_too_many = True
            finally:
                figures.publishes_in_flight -= 1
                if result is None:  # it may not have been read: acknowledging twice does no harm
                    receipts.due += acks
                    receipts.window.release()
            if result is not None:
                self._inbox.put_nowait(result)
            elif one_too_many:
                await self._ask_less()

    async def _ask_less(self) -> None:
        """The server has one too many: this one is not sent again, unless it is the only one."""
        if self._requests == 1:
            await asyncio.sleep(_PAUSE_S)
            return
        self._requests -= 1
        logger.info(
            "%s: the server takes %d publish requests at a time",
            self._figures.device,
            self._requests,
        )
        await asyncio.Event().wait()

    async def _publish(self, acks: Iterable[int]) -> ua.PublishResult | None:
        """One request and its answer; None: there is none, and the next may be sent."""
        number = self._receipts.subscription_id
        try:
            response = await self._session.publish(
                [ua.SubscriptionAcknowledgement(number, ack) for ack in acks]
            )
            response.ResponseHeader.ServiceResult.check()
        except BadTooManyPublishRequests:
            raise
        except BadTimeout:
            return None
        except UaStructParsingError as error:  # the next message shows that one is missing
            if not self._unreadable:
                self._unreadable = True
                logger.warning("%s: unreadable answer: %s", self._figures.device, error.__cause__)
            return None
        except (BadNoSubscription, BadSubscriptionIdInvalid) as error:
            self._receipts.begin(0)
            raise SubscriptionLostError(f"the PLC has lost the subscription: {error}") from error
        except (ua.UaError, OSError) as error:
            raise SubscriptionLostError(str(error) or type(error).__name__) from error
        self.heard_at = time.monotonic()
        self._figures.heard()
        result: ua.PublishResult = response.Parameters
        return result

    async def _take(self) -> None:
        while True:
            result = await self._inbox.get()
            kept = False
            try:
                if result.SubscriptionId == self._receipts.subscription_id:
                    kept = await self._take_one(result)
            finally:
                if not kept:
                    self._receipts.window.release()

    async def _take_one(self, result: ua.PublishResult) -> bool:
        """Take one answer after what was before it; whether its place in the window stays taken."""
        message, receipts = result.NotificationMessage, self._receipts
        number = message.SequenceNumber
        # A sign of life has no notifications and bears the number that the next message will have.
        if number and ahead(receipts.taken, number) > 1:
            await self._fetch(_before(number), result.AvailableSequenceNumbers)
        if not message.NotificationData:
            self._alive()
            return False
        if ahead(receipts.taken, number) < 1:  # asked for again, and now it came by itself
            if number not in receipts.unsettled:
                receipts.due.append(number)
            return False
        return self._hand_over(message, receipts.window)

    async def _fetch(self, last: int, available: Collection[int] | None) -> None:
        """Ask for the messages after the last one taken, up to `last`; those that the server has no
        more are noted as missed."""
        receipts = self._receipts
        count = ahead(receipts.taken, last)
        held = sorted({a for n in available or () if 1 <= (a := ahead(receipts.taken, n)) <= count})
        base, reached = receipts.taken, 0
        for step in held:
            if step > reached + 1:
                self._miss(_after(base, reached + 1), step - reached - 1)
            await receipts.again.acquire()
            kept = False
            try:
                kept = await self._republish(_after(base, step))
            finally:
                if not kept:
                    receipts.again.release()
            reached = step
        if reached < count:
            self._miss(_after(base, reached + 1), count - reached)

    async def _republish(self, number: int) -> bool:
        """Ask for one message again and take it; whether its place stays taken."""
        try:
            message = await self._session.republish(self._receipts.subscription_id, number)
            self._figures.heard()
            if message.SequenceNumber != number:
                raise ValueError(f"{message.SequenceNumber} was sent")
            kept = self._hand_over(message, self._receipts.again)
        except BadSubscriptionIdInvalid as error:
            self._receipts.begin(0)
            raise SubscriptionLostError(f"the PLC has lost the subscription: {error}") from error
        except OSError as error:
            raise SubscriptionLostError(str(error) or type(error).__name__) from error
        except ua.UaError as error:
            self._miss(number, 1, f": {error}")
            return False
        except (ValueError, TypeError, AttributeError, LookupError, struct.error) as error:
            # The second time that it cannot be read: the ones after it must not wait for ever.
            self._miss(number, 1, f": cannot be read: {error}")
            self._given_up.append(number)
            return False
        self._figures.republished += 1
        return kept

    def _hand_over(self, message: ua.NotificationMessage, places: asyncio.Semaphore) -> bool:
        """Deliver the next message; whether its place stays taken, which it does till the message
        is durable. If that raises, the message was not taken."""
        receipts, number = self._receipts, message.SequenceNumber
        before, receipts.taken = receipts.taken, number
        try:
            durable = self._deliver(message)
        except BaseException:
            receipts.taken = before
            raise
        if durable is None:
            receipts.passed.append(number)
            return False
        numbers, self._given_up = [*self._given_up, number], []
        self.settle_with(durable, numbers)
        durable.add_done_callback(lambda _: places.release())
        return True

    def settle_with(self, durable: asyncio.Future[int], numbers: Collection[int] = ()) -> None:
        """Acknowledge these messages, and those of which nothing was kept, once this is durable."""
        receipts = self._receipts
        settling, receipts.passed = [*receipts.passed, *numbers], []
        receipts.pending.update(settling)
        durable.add_done_callback(partial(self._settled, receipts.subscription_id, settling))

    def _settled(
        self, subscription_id: int, numbers: list[int], durable: asyncio.Future[int]
    ) -> None:
        receipts = self._receipts
        if self._succeeded(durable) and receipts.subscription_id == subscription_id:
            receipts.settle(numbers)

    def _miss(self, first: int, count: int, why: str = "") -> None:
        """Go on after messages that will not come."""
        last = _after(first, count - 1)
        self._receipts.taken = last
        self._figures.missed_messages += count
        which = str(first) if count == 1 else f"{first} to {last}"
        self._note_missed(f"OPC UA messages missed: {which}{why}")

    def _succeeded(self, durable: asyncio.Future[int]) -> bool:
        if durable.cancelled():
            return False
        error = durable.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)
            self._failed.exception()  # it is not an oversight if nobody asks any more
        return error is None

    async def _watch_journal(self) -> None:
        await asyncio.shield(self._failed)


def _after(number: int, steps: int) -> int:
    return (number + steps - 1) % NUMBERS + 1


def _before(number: int) -> int:
    return (number - 2) % NUMBERS + 1
