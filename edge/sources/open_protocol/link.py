"""A connection to a controller: one request at a time, keep-alive, acknowledgements.

What is no answer to a request is a push (a result, an alarm …), which is acknowledged by whoever
takes it in. With acknowledgements on link level (`sequenced`) every message has a number; those of
pushes are acknowledged only by `acknowledge`, too, since the controller lets go of them then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.sources.polled.link import LinkError
from edge.supervise import until_one_ends
from protocols.open_protocol import (
    DataError,
    FrameError,
    Message,
    Splitter,
    Value,
    in_words,
    make,
    next_sequence,
    read,
)

ACKS = {15: 16, 35: 36, 52: 53, 61: 62, 71: 72, 74: 75, 76: 77, 101: 102}
"""The acknowledgement of each push."""
_COMMAND_ERROR, _COMMAND_ACCEPTED, _KEEP_ALIVE = 4, 5, 9999
_LINK_ACK, _LINK_ERROR = 9997, 9998
_MOST_PUSHES = 256
_TRIES = 3
_TICKS = 20
_OLD_NUMBERS = 49
"""A number so far behind the next one is of a message that came before."""


class RefusedError(Exception):
    """The controller answers a request with an error."""

    def __init__(self, mid: int, code: int) -> None:
        super().__init__(f"MID {mid:04}: {in_words(code)}")
        self.code = code


@dataclass(slots=True)
class _Waiting:
    """The request that waits for its answer."""

    mid: int
    answer: int
    """MID of the answer, unless it is an error; `_COMMAND_ACCEPTED`, or a message with data."""
    future: asyncio.Future[Message]


class Link:
    """One connection. Make it with `open`; `run` must run beside whatever uses it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        timeout_s: float,
        keep_alive_s: float,
        heard: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._keep_alive_s = keep_alive_s
        self._heard = heard
        self._heard_at = self._sent_at = time.monotonic()
        self._waiting: _Waiting | None = None
        self._asking = asyncio.Lock()
        self._next_no = 1
        self._expected = 1
        self._unacknowledged: set[int] = set()
        """Numbers of pushes that are not acknowledged yet."""
        self.sequenced = False
        """Both sides acknowledge on link level."""
        self.pushes: asyncio.Queue[Message] = asyncio.Queue()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        timeout_s: float,
        keep_alive_s: float,
        heard: Callable[[], None],
    ) -> Link:
        """Connect. Raises `LinkError`."""
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            raise LinkError(f"{where}: no connection within {timeout_s:g} s; is it on?") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise LinkError(
                f"{where}: cannot connect: {reason}; is it on, and its Open Protocol switched on?"
            ) from None
        return cls(reader, writer, timeout_s=timeout_s, keep_alive_s=keep_alive_s, heard=heard)

    async def run(self) -> None:
        """Hear and keep alive until the link is lost: ends by raising `LinkError`."""
        await until_one_ends(self._listen(), self._keep_alive())

    async def close(self) -> None:
        """End it, whatever state it is in."""
        self._writer.close()

    async def ask(self, message: Message, answer: int = _COMMAND_ACCEPTED) -> Message:
        """The answer to a request, which is the message of MID `answer`. Raises `RefusedError`,
        `LinkError` when there is none."""
        async with self._asking:
            if self.sequenced:
                message = replace(message, sequence=self._next_no)
                self._next_no = next_sequence(self._next_no)
            future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._waiting = _Waiting(message.mid, answer, future)
            try:
                for _ in range(_TRIES):
                    self._send(message)
                    done, _pending = await asyncio.wait([future], timeout=self._timeout_s)
                    if done:
                        return future.result()
            finally:
                self._waiting = None
            raise LinkError(
                f"MID {message.mid:04} was sent {_TRIES} times and not answered within "
                f"{self._timeout_s:g} s each"
            )

    def start_numbering(self, answer: Message) -> None:
        """The controller has agreed to numbers by this answer to our first message, which had 1."""
        self.sequenced = True
        self._next_no = 2
        self._expected = next_sequence(answer.sequence)
        self._acknowledge_number(answer)

    def acknowledge(self, push: Message) -> None:
        """What a push says is safe: the controller may let go of it."""
        if self.sequenced and push.sequence:
            self._unacknowledged.discard(push.sequence)
            self._acknowledge_number(push)
        elif (ack := ACKS.get(push.mid)) is not None:
            self._send(Message(ack))

    # Hearing.

    async def _listen(self) -> None:
        splitter = Splitter()
        try:
            while chunk := await self._reader.read(65_536):
                self._heard_at = time.monotonic()
                self._heard()
                splitter.feed(chunk)
                while (message := splitter.take()) is not None:
                    self._take(message)
        except FrameError as error:
            raise LinkError(f"what comes is no Open Protocol: {error}") from None
        except OSError as error:
            raise LinkError(f"the connection was lost: {error.strerror or error}") from None
        raise LinkError("the controller closed the connection")

    def _take(self, message: Message) -> None:
        if message.mid == _LINK_ERROR:
            raise LinkError(f"the controller did not take message {message.data[:4]!r} in")
        if message.mid in (_LINK_ACK, _KEEP_ALIVE):
            return
        if self.sequenced and message.sequence and self._came_before(message):
            return
        waiting = self._waiting
        if waiting is not None and not waiting.future.done() and self._answers(waiting, message):
            if self.sequenced and message.sequence:
                self._acknowledge_number(message)
            return
        if message.mid not in ACKS:
            if self.sequenced and message.sequence:
                self._acknowledge_number(message)
            return  # an answer that came too late, or what was never asked for
        if self.pushes.qsize() >= _MOST_PUSHES:
            raise LinkError("the controller sends on without waiting for acknowledgements")
        if self.sequenced and message.sequence:
            self._unacknowledged.add(message.sequence)
        self.pushes.put_nowait(message)

    def _answers(self, waiting: _Waiting, message: Message) -> bool:
        """Whether a message answers a request; it is given to who asked."""
        if message.mid == waiting.answer and message.mid != _COMMAND_ACCEPTED:
            waiting.future.set_result(message)
            return True
        if message.mid not in (_COMMAND_ERROR, _COMMAND_ACCEPTED):
            return False
        try:
            said = read(message)
        except DataError as error:
            raise LinkError(str(error)) from None
        if said["about"] != waiting.mid:
            return False
        if message.mid == _COMMAND_ERROR:
            waiting.future.set_exception(RefusedError(waiting.mid, _code(said)))
            return True
        if waiting.answer == _COMMAND_ACCEPTED:
            waiting.future.set_result(message)
        return True

    def _came_before(self, message: Message) -> bool:
        """Whether a message is one that was sent again; else it is the next one."""
        behind = (self._expected - message.sequence) % 99
        if message.sequence != self._expected and 0 < behind <= _OLD_NUMBERS:
            if message.sequence not in self._unacknowledged:
                self._acknowledge_number(message)
            return True
        # Some controllers count otherwise than the specification: what matters is that it is new.
        self._expected = next_sequence(message.sequence)
        return False

    # Sending.

    def _acknowledge_number(self, message: Message) -> None:
        ack = make(_LINK_ACK, {"about": message.mid})
        self._send(replace(ack, sequence=next_sequence(message.sequence)))

    def _send(self, message: Message) -> None:
        self._sent_at = time.monotonic()
        self._writer.write(message.encode())

    async def _keep_alive(self) -> None:
        limit_s = 1.5 * self._keep_alive_s
        tick_s = self._keep_alive_s / _TICKS
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(tick_s)
            now = time.monotonic()
            if now - slept_at > limit_s / 3:  # we stood still ourselves: what came was not read
                self._heard_at = now
            if now - self._heard_at > limit_s:
                raise LinkError(f"nothing was heard for {limit_s:g} s")
            if now - self._sent_at >= self._keep_alive_s:
                self._send(Message(_KEEP_ALIVE))


def _code(said: dict[str, Value]) -> int:
    code = said["error"]
    return code if isinstance(code, int) else 0
