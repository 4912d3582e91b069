"""One client of a controller: commands, subscriptions, acknowledgements, keep-alive.

After "Open Protocol Specification", release 2.8.0, chapters 2 and 3. One message at a time is on
its way to the client; it is sent three times, and without an acknowledgement the link is ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from firmware_sim.device.faults import Manners
from firmware_sim.open_protocol.controller import PROGRAMMES, TOOL_SERIAL, Controller, Values
from protocols.open_protocol import (
    Message,
    Splitter,
    Value,
    make,
    make_spindles,
    newest,
    next_sequence,
    read,
)
from protocols.open_protocol.layouts import LAYOUTS
from protocols.open_protocol.spindles import OF_ALL

_TRIES = 3
_SUBSCRIPTIONS = {14: 15, 34: 35, 51: 52, 60: 61, 70: 71, 100: 101}
"""What each brings."""
_ALREADY = {14: 13, 34: 18, 51: 6, 60: 9, 70: 11, 100: 33}
_ENDS = {17: 14, 37: 34, 54: 51, 63: 60, 73: 70, 103: 100}
_ACKS = {15: 16, 35: 36, 52: 53, 61: 62, 71: 72, 74: 75, 76: 77, 101: 102}
_OF = {74: 70, 76: 70}
"""Messages that come with another subscription."""
_INVALID, _NO_PROGRAMME, _NO_PART, _NOT_FOUND, _NO_MASTER = 1, 2, 8, 15, 30
_REVISION, _UNKNOWN = 97, 99
_TOGETHER = 101
_SUPPLIER = "LSD"


class Session:
    """A client that has connected."""

    def __init__(
        self,
        controller: Controller,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        manners: Manners,
    ) -> None:
        self._controller = controller
        self._settings = controller.settings
        self._reader = reader
        self._writer = writer
        self._manners = manners
        self._started = False
        self._sequenced = False
        self._expected = 1
        self._sent_no = 0
        self._subscribed: dict[int, tuple[int, bool]] = {}
        """By the MID that subscribed: revision, and whether it is acknowledged."""
        self._to_tell: asyncio.Queue[Message] = asyncio.Queue()
        self._acked: asyncio.Future[None] | None = None
        self._awaited = (0, 0)
        """MID and sequence number of the message whose acknowledgement is awaited."""
        self._lock = asyncio.Lock()
        self._heard_at = time.monotonic()

    async def talk(self) -> None:
        """Until the client leaves or makes no sense (`ValueError`)."""
        self._controller.hearers.add(self._hear)
        telling = asyncio.create_task(self._tell())
        watching = asyncio.create_task(self._watch())
        listening = asyncio.create_task(self._listen())
        tasks = (telling, watching, listening)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._controller.hearers.discard(self._hear)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def refuse(self) -> None:
        """Tell a client that there is another one."""
        await self._send(_error(Message(1), 96))

    # What the client says.

    async def _listen(self) -> None:
        splitter = Splitter()
        while chunk := await self._reader.read(4096):
            self._heard_at = time.monotonic()
            splitter.feed(chunk)
            while (message := splitter.take()) is not None:
                if not await self._take(message):
                    return

    async def _take(self, message: Message) -> bool:
        """Obey; False: the client is done."""
        if message.mid in (9997, 9998):
            if message.mid == 9997 and message.sequence == next_sequence(self._awaited[1]):
                self._note_ack()
            return True
        if message.mid == _ACKS.get(self._awaited[0]) and not self._sequenced:
            self._note_ack()
            return True
        if self._sequenced and message.sequence:
            if message.sequence != self._expected:
                again = next_sequence(message.sequence) == self._expected
                await self._link_answer(message, None if again else 3)
                return True
            self._expected = next_sequence(self._expected)
            await self._link_answer(message, None)
        if message.mid == 9999:
            await self._send(Message(9999))
            return True
        if message.mid in _ACKS.values():
            return True
        answer = self._start(message) if message.mid == 1 else self._answer(message)
        if answer is not None:
            await self._send(self._numbered(answer))
        return message.mid != 3

    def _start(self, message: Message) -> Message:
        if message.revision > self._settings.revision:
            return _error(message, _REVISION)
        if self._started:
            return _error(message, 96)
        self._started = True
        offered = self._settings.sequence_numbers and message.revision >= 6
        self._sequenced = offered and message.sequence == 1
        self._expected = 2
        return _made(
            2, message.revision,
            {
                "cell": 1, "channel": 1, "controller": self._settings.name, "supplier": _SUPPLIER,
                "protocol_version": "2.8.0", "controller_software": "1.0", "tool_software": "1.0",
                "rbu_type": "SIM", "controller_serial": "SIM1", "system_type": 1,
                "system_subtype": 1, "sequence_numbers": offered, "linking": False, "station": 1,
                "station_name": self._settings.name, "client": "A", "optional_keep_alive": False,
            },
        )  # fmt: skip

    def _answer(self, message: Message) -> Message | None:
        if not self._started:
            return None  # nothing is said before the communication is started
        mid = message.mid
        if mid in _SUBSCRIPTIONS:
            return self._subscribe(message)
        if mid in _ENDS:
            self._subscribed.pop(_ENDS[mid], None)
            return _accepted(message)
        work = _WORKS.get(mid)
        if work is None:
            return _error(message, _UNKNOWN)
        if message.revision > self._settings.revision:
            return _error(message, _REVISION)
        try:
            return work(self._controller, message)
        except (ValueError, LookupError):
            return _error(message, _INVALID)

    def _subscribe(self, message: Message) -> Message:
        mid, controller = message.mid, self._controller
        brought = _SUBSCRIPTIONS[mid]
        if message.revision > min(self._settings.revision, _newest(brought)):
            return _error(message, _REVISION)
        if brought == _TOGETHER and self._settings.spindles == 1:
            return _error(message, _NO_MASTER)
        if mid in self._subscribed:
            return _error(message, _ALREADY[mid])
        self._subscribed[mid] = (message.revision, not message.no_ack)
        # These tell at once how it is; results and jobs do when there is news.
        if mid == 14:
            self._hear(15, controller.chosen())
        elif mid == 34:
            self._hear(35, controller.job())
        elif mid == 51:
            self._hear(52, controller.part())
        elif mid == 70:
            self._hear(76, controller.alarm_state())
        return _accepted(message)

    # What it tells.

    def _hear(self, mid: int, values: Values, each: Sequence[Values] = ()) -> None:
        subscribed = self._subscribed.get(
            _OF.get(mid) or next(m for m, brought in _SUBSCRIPTIONS.items() if brought == mid)
        )
        if subscribed is not None:
            revision = min(subscribed[0], _newest(mid))
            if mid == _TOGETHER:
                told = _made_together(revision, values, each)
            else:
                told = _made(mid, revision, values)
            self._to_tell.put_nowait(replace(told, no_ack=not subscribed[1]))

    async def _tell(self) -> None:
        while True:
            message = await self._to_tell.get()
            acknowledged = self._sequenced or not message.no_ack
            message = self._numbered(replace(message, no_ack=False))
            for _ in range(_TRIES):
                self._awaited = (message.mid, message.sequence)
                self._acked = asyncio.get_running_loop().create_future()
                await self._send(message)
                if not acknowledged:
                    break
                try:
                    async with asyncio.timeout(self._settings.answer_s):
                        await self._acked
                except TimeoutError:
                    continue
                break
            else:
                raise ValueError(f"MID {message.mid:04} is not acknowledged")
            self._awaited = (0, 0)

    def _note_ack(self) -> None:
        if self._acked is not None and not self._acked.done():
            self._acked.set_result(None)

    async def _watch(self) -> None:
        limit_s = self._settings.keep_alive_s
        while (left_s := self._heard_at + limit_s - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        raise ValueError(f"silent for {limit_s:g} s")

    # The link.

    def _numbered(self, message: Message) -> Message:
        if not self._sequenced:
            return message
        self._sent_no = next_sequence(self._sent_no)
        return replace(message, sequence=self._sent_no)

    async def _link_answer(self, message: Message, error: int | None) -> None:
        values: dict[str, Value] = {"about": message.mid}
        answer = make(9997, values) if error is None else make(9998, {**values, "error": error})
        await self._send(replace(answer, sequence=self._expected))

    async def _send(self, message: Message) -> None:
        async with self._lock:
            sent = await self._manners.spoil(message.encode())
            if sent is None:
                raise ConnectionError("closed on command")
            self._writer.write(sent)
            await self._writer.drain()


def _newest(mid: int) -> int:
    return 1 if mid == _TOGETHER else newest(mid)


def _made_together(revision: int, values: Values, each: Sequence[Values]) -> Message:
    told = {name: values[name] for name in (field.name for field in OF_ALL.fields[1:])}
    return make_spindles(told, each, revision)


def _made(mid: int, revision: int, values: Values) -> Message:
    """A message that says of these values what its revision can."""
    fields = LAYOUTS[mid][revision].fields
    told = {field.name: values.get(field.name) for field in fields}
    for field in fields:
        text = told[field.name]
        if isinstance(text, str):
            told[field.name] = text[: field.width]
    return make(mid, told, revision)


def _accepted(message: Message) -> Message:
    return make(5, {"about": message.mid})


def _error(message: Message, code: int) -> Message:
    return make(4, {"about": message.mid, "error": code})


def _old_result(controller: Controller, message: Message) -> Message:
    asked = int(message.data)
    kept = controller.results.get(asked) if asked else controller.last
    return _error(message, _NOT_FOUND) if kept is None else _made(65, message.revision, kept.values)


def _select(controller: Controller, message: Message) -> Message:
    programme = int(message.data)
    if programme not in PROGRAMMES:
        return _error(message, _NO_PROGRAMME)
    controller.select(programme)
    return _accepted(message)


def _enable(controller: Controller, message: Message) -> Message:
    controller.enabled = message.mid == 43
    return _accepted(message)


def _identify(controller: Controller, message: Message) -> Message:
    if not controller.takes_parts:
        return _error(message, _NO_PART)
    controller.identify(message.data.decode("latin-1").rstrip())
    return _accepted(message)


def _set_time(controller: Controller, message: Message) -> Message:
    at = read(message)["at"]
    if not isinstance(at, datetime):
        return _error(message, _INVALID)
    controller.ahead_s = (at - datetime.now(UTC).replace(tzinfo=None)).total_seconds()
    return _accepted(message)


def _programmes(_controller: Controller, _message: Message) -> Message:
    return Message(11, b"%03d" % len(PROGRAMMES) + b"".join(b"%03d" % n for n in PROGRAMMES))


def _tool(controller: Controller, _message: Message) -> Message:
    told: dict[str, Value] = {"tool_serial": TOOL_SERIAL, "controller_serial": "SIM1"}
    return _made(41, 1, {**told, "tightenings": len(controller.results)})


def _acknowledge_alarm(controller: Controller, message: Message) -> Message:
    controller.clear_alarm()
    return _accepted(message)


_WORKS: dict[int, Callable[[Controller, Message], Message]] = {
    3: lambda _, message: _accepted(message),
    10: _programmes,
    18: _select,
    38: lambda _, message: _accepted(message),
    40: _tool,
    42: _enable,
    43: _enable,
    50: _identify,
    64: _old_result,
    78: _acknowledge_alarm,
    80: lambda controller, _: make(81, {"at": controller.now}),
    82: _set_time,
}
