"""Hands calls over to one line's PLC, strictly in the order of their `call_no`.

A call is `offered` on disk before the PLC sees it. After a restart or a time-out the echo is read
before anything else: our key in it is the decision; otherwise the same key is shown again once the
PLC is free, which it takes as the same call. While the PLC does not answer, the call stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from edge.calls.desk import Desk
from edge.calls.plc import HandOverState, LinePlc
from edge.calls.store import OpenCall
from edge.status import Condition
from protocols.jis.messages import Call, Event

logger = logging.getLogger(__name__)

ANSWER_S = 5.0
"""How long to wait for an echo before the call is shown again."""
_POLL_S = 1.0
_PATIENCE = 3
"""Time-outs in a row before the log says so."""
_STROBES = 2**32


class HandOver:
    """Works off a line's calls over one OPC UA session."""

    def __init__(self, desk: Desk, plc: LinePlc, line: str, patience: Condition) -> None:
        """`patience` outlives the session, so that a silent PLC is logged once."""
        self._desk = desk
        self._plc = plc
        self._line = line
        self._patience = patience
        self._changed = asyncio.Event()

    def ring(self) -> None:
        """Something of the hand-over has changed on the PLC."""
        self._changed.set()

    async def run(self) -> None:
        """Hand over until the session fails (`OSError`, `ua.UaError`, `PlcError`)."""
        arrived = self._desk.lines[self._line]
        while True:
            arrived.clear()
            waiting = await self._desk.run(self._desk.store.next_call, self._line)
            if waiting is None:
                await arrived.wait()
            else:
                await self._hand_over(waiting)

    async def _hand_over(self, waiting: OpenCall) -> None:
        call, offered = waiting.call, waiting.offered
        while True:
            state = await self._plc.hand_over_state()
            if offered and state.echo_key == str(call.key):
                await self._decide(_decision(call, state))
                return
            if not state.free:
                await self._wait(_POLL_S)
                continue
            if not offered:
                await self._desk.run(self._desk.store.offer, str(call.key))
                offered = True
            await self._plc.write_call(call)
            strobe = next_strobe(state)
            await self._plc.write_strobe(strobe)
            answer = await self._echo(strobe)
            if answer is not None:
                await self._decide(_decision(call, answer))
                return
            self._patience.fail(
                f"the PLC does not answer to call {call.key}; it stays open and is shown again",
                after=_PATIENCE,
            )

    async def _echo(self, strobe: int) -> HandOverState | None:
        """The echo that answers this strobe, or None if it does not come."""
        give_up = time.monotonic() + ANSWER_S
        while (left := give_up - time.monotonic()) > 0:
            await self._wait(min(_POLL_S, left))
            state = await self._plc.hand_over_state()
            if state.echo_strobe == strobe:
                return state
        return None

    async def _decide(self, event: Event) -> None:
        if event.kind != "accepted":
            logger.warning(
                "line %s: call %s %s: %s", self._line, event.key, event.kind, event.reason
            )
        await self._desk.run(self._desk.store.decide, event)
        self._desk.on_event()
        self._patience.recover()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()


def next_strobe(state: HandOverState) -> int:
    """A strobe the PLC has seen neither last nor answered last; never 0."""
    strobe = state.strobe
    while True:
        strobe = (strobe + 1) % _STROBES
        if strobe and strobe != state.echo_strobe:
            return strobe


def _decision(call: Call, state: HandOverState) -> Event:
    """What the echo says of this call."""
    if state.echo_key != str(call.key):
        # It answers our strobe and names another call: whether it took ours nobody can tell.
        reason = f"the PLC answered with key {state.echo_key!r}"
        return Event(kind="unclear", key=call.key, at=state.echo_at, reason=reason[:500])
    if state.echo_accepted:
        return Event(kind="accepted", key=call.key, at=state.echo_at)
    reason = state.echo_reason or "the PLC gave no reason"
    return Event(kind="refused", key=call.key, at=state.echo_at, reason=reason[:500])
