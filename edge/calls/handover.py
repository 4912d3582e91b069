"""Hands calls, and commands about those it has taken, over to one line's PLC.

What is told is on disk as shown before the PLC sees it. After a restart or a time-out the echo is
read before anything else: ours in it is the decision; otherwise the same is shown again once the
PLC is free, which it takes as the same call or command. While it does not answer, it stays open.

A PLC whose echo names no call is shown each call once. The strobe that it shows, and the one before
it, are on disk first: after a restart they tell whether the call was shown, and whether the echo is
its answer. Where they do not, it is unclear, and a person decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import Literal

from edge.calls.book import NO_COMMANDS
from edge.calls.desk import Desk
from edge.calls.nodes import UnfitCallError
from edge.calls.plc import HandOverState, LinePlc
from edge.calls.work import Work
from edge.status import Condition
from protocols.jis.messages import Call, Event
from protocols.traces import UNTRACED, CallTracer, Step

logger = logging.getLogger(__name__)

ANSWER_S = 5.0
"""How long to wait for an echo before the call is shown again."""
_POLL_S = 1.0
_PATIENCE = 3
"""Time-outs in a row before the log says so."""


class HandOver:
    """Works off a line's calls over one OPC UA session."""

    def __init__(
        self,
        desk: Desk,
        plc: LinePlc,
        line: str,
        patience: Condition,
        tracer: CallTracer = UNTRACED,
    ) -> None:
        """`patience` outlives the session, so that a silent PLC is logged once."""
        self._tracer = tracer
        self._began_ns = 0
        """When the work at hand was begun."""
        self._shown_before = False
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
            work = await self._desk.run(self._desk.store.next_work, self._line)
            self._began_ns = self._tracer.now()
            self._shown_before = work is not None and work.shown
            if work is None:
                await arrived.wait()
            elif work.command != "build" and not self._plc.commands:
                await self._settle(work, accepted=False, reason=NO_COMMANDS, at=datetime.now(UTC))
            elif self._plc.echoes_key:
                await self._show_until_taken(work)
            else:
                await self._show_once(work)

    async def _show_until_taken(self, work: Work) -> None:
        """Returns early where a call finds the PLC full: a command may come meanwhile."""
        shown = work.shown
        while True:
            state = await self._plc.hand_over_state()
            if shown and _answers(work, state):
                await self._take_answer(work, state)
                return
            if work.command == "build" and not state.free:
                await self._wait(_POLL_S)
                if not shown:
                    return
                continue
            if not shown and not await self._desk.run(self._desk.store.offer, work):
                return
            if not await self._written(work, shown=shown):
                return
            shown = True
            strobe = next_strobe(state, self._plc.strobes)
            await self._plc.write_strobe(strobe)
            answer = await self._echo(strobe)
            if answer is not None:
                await self._take_answer(work, answer)
                return
            self._complain(work.call, "is shown again")

    async def _show_once(self, work: Work) -> None:
        call = work.call
        state = await self._plc.hand_over_state()
        strobe: int | None = None
        if work.shown:
            before, strobe = work.strobes or (0, 0)
            if state.strobe == before != 0:  # 0 is what a PLC shows that has lost its memory
                strobe = None
        if strobe is None:
            while not state.free:
                await self._wait(_POLL_S)
                state = await self._plc.hand_over_state()
            strobe = next_strobe(state, self._plc.strobes)
            strobes = state.strobe, strobe
            if not await self._desk.run(self._desk.store.offer, work, strobes):
                return
            if not await self._written(work, shown=False):
                return
            await self._plc.write_strobe(strobe)
            state = await self._plc.hand_over_state()
        while state.strobe == strobe != 0:
            if state.echo_strobe == strobe:
                await self._decide(_answer(call, state))
                return
            answer = await self._echo(strobe)
            state = answer or await self._plc.hand_over_state()
            if answer is None:
                self._complain(call, "is not shown again")
        reason = f"the PLC's strobe is {state.strobe}, not that of this call: it may have lost it"
        await self._decide(_event("unclear", call, datetime.now(UTC), reason))

    async def _written(self, work: Work, *, shown: bool) -> bool:
        """Write a call's fields. False: the PLC does not take one, which decides the call.
        `shown`: an earlier time the PLC may have taken it all the same."""
        try:
            await self._plc.write_work(work)
        except UnfitCallError as error:
            reason = f"the call cannot be written to the PLC: {error}"
            now = datetime.now(UTC)
            if work.command != "build":
                await self._settle(work, accepted=False, reason=reason, at=now)
                return False
            kind: Literal["refused", "unclear"] = "unclear" if shown else "refused"
            await self._decide(_event(kind, work.call, now, reason))
            return False
        return True

    def _complain(self, call: Call, but: str) -> None:
        self._patience.fail(
            f"the PLC does not answer to call {call.key}; it stays open and {but}",
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

    async def _take_answer(self, work: Work, state: HandOverState) -> None:
        if work.command == "build":
            await self._decide(_decision(work.call, state))
        elif state.echo_key != str(work.call.key):
            reason = f"the PLC answered {work.command} with key {state.echo_key!r}"
            logger.warning("line %s: call %s: %s", self._line, work.call.key, reason)
            await self._desk.run(self._desk.store.ask_person, work, reason)
            self._patience.recover()
        else:
            reason = state.echo_reason or "the PLC gave no reason"
            await self._settle(work, state.echo_accepted, reason, state.echo_at)

    async def _settle(self, work: Work, accepted: bool, reason: str, at: datetime) -> None:
        if not accepted:
            logger.warning(
                "line %s: %s of call %s refused: %s",
                self._line,
                work.command,
                work.call.key,
                reason,
            )
        await self._desk.run(self._desk.store.settle, work, accepted, reason, at)
        self._desk.on_event()
        self._patience.recover()

    async def _decide(self, event: Event) -> None:
        if event.kind != "accepted":
            logger.warning(
                "line %s: call %s %s: %s", self._line, event.key, event.kind, event.reason
            )
        await self._desk.run(self._desk.store.decide, event)
        self._desk.on_event()
        if self._tracer.on:
            self._tracer.step(
                Step.HAND_OVER,
                event.key,
                self._began_ns,
                failed=event.kind != "accepted",
                more={
                    "lineside.outcome": event.kind,
                    "lineside.decided_at": event.at.isoformat(),
                    "lineside.shown_before": self._shown_before,
                },
            )
        self._patience.recover()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()


def next_strobe(state: HandOverState, strobes: int = 2**32) -> int:
    """A strobe the PLC has seen neither last nor answered last; never 0. There are so many."""
    strobe = state.strobe
    while True:
        strobe = (strobe + 1) % strobes
        if strobe and strobe != state.echo_strobe:
            return strobe


def _answers(work: Work, state: HandOverState) -> bool:
    """Whether the echo, of whichever strobe, is about this."""
    if state.echo_key != str(work.call.key):
        return False
    if state.echo_command is None:
        return work.command == "build"
    # To a build of a key taken before the PLC echoes the revision it holds; and a second rework of
    # one call has the same revision, while a part that is gone is not meant again.
    same = work.command == "build" or state.echo_revision == work.revision
    return state.echo_command == work.command and same and work.command not in ("rework", "scrap")


def _decision(call: Call, state: HandOverState) -> Event:
    """What an echo that names its call says of this one."""
    if state.echo_key != str(call.key):
        # It answers our strobe and names another call: whether it took ours nobody can tell.
        reason = f"the PLC answered with key {state.echo_key!r}"
        return _event("unclear", call, state.echo_at, reason)
    return _answer(call, state)


def _answer(call: Call, state: HandOverState) -> Event:
    """What the echo of this call says."""
    if state.echo_accepted:
        return Event(kind="accepted", key=call.key, at=state.echo_at, revision=state.echo_revision)
    return _event("refused", call, state.echo_at, state.echo_reason or "the PLC gave no reason")


def _event(kind: Literal["refused", "unclear"], call: Call, at: datetime, reason: str) -> Event:
    return Event(kind=kind, key=call.key, at=at, reason=reason[:500])
