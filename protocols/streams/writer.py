"""The writing end of a stream: what to send next, what to send again, what may be let go.

No I/O and no clock: the caller passes monotonic seconds, sends what it is told to send and hands in
the answers. The log itself (journal, outbox) is the caller's; this knows only offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from protocols.streams.position import Answer, State
from protocols.streams.ranges import Ranges, contains, merged, without


class Outcome(Enum):
    """What an answer means for the writer."""

    PROGRESS = auto()  # more is committed than before
    UNCHANGED = auto()
    RESTATE = auto()  # the reader is in another epoch or below first_kept: send the state again
    LOST_CURSOR = auto()  # the reader knows no epoch
    ROLLED_BACK = auto()  # the reader has more than we ever wrote: our log is old, open a new epoch


@dataclass(frozen=True, slots=True)
class Sending:
    """Send the records first … after - 1 now. `late`: backlog, or sent before."""

    first: int
    after: int
    late: bool


class Writer:
    """Position and window of one epoch of a stream.

    `window` bounds the records in flight. `live_first`: what is appended after a connect goes ahead
    of the backlog, which then uses at most half of the window; without it, strictly in order.
    Nothing is sent after a connect until the reader has answered the state: `wants_state` says when
    to send it, at once and then after every `resend_after_s` without an answer.
    """

    def __init__(
        self, state: State, *, window: int, resend_after_s: float, live_first: bool = False
    ) -> None:
        self.epoch = state.epoch
        self.first_kept = state.first_kept
        self.next = state.next
        self.watermark = state.first_kept
        self.ahead: Ranges = ()
        self._window = window
        self._resend_after_s = resend_after_s
        self._live_first = live_first
        self._sent_at: dict[int, float] = {}
        self._resend: list[int] = []
        self._answered = False
        self._state_sent_at: float | None = None
        self._backlog_at = self._live_from = self._live_at = state.first_kept

    @property
    def state(self) -> State:
        """What to tell the reader at a birth, a reconnect, or when `wants_state` says so."""
        return State(self.epoch, self.first_kept, self.next)

    @property
    def in_flight(self) -> int:
        """Records sent and not yet answered."""
        return len(self._sent_at)

    @property
    def backlog(self) -> int:
        """Records not yet committed, in flight or not."""
        ahead = sum(after - first for first, after in self.ahead)
        return self.next - self.watermark - ahead

    def connected(self) -> None:
        """A new connection: whatever was in flight may be lost, and what is kept is backlog."""
        self._sent_at.clear()
        self._resend.clear()
        self._answered = False
        self._state_sent_at = None
        self._live_from = self._live_at = self.next
        self._backlog_at = self.watermark

    def wants_state(self, now: float) -> bool:
        """Whether the state is to be sent now; the caller then calls `state_sent`."""
        if self._answered:
            return False
        return self._state_sent_at is None or now - self._state_sent_at >= self._resend_after_s

    def state_sent(self, now: float) -> None:
        """The state went out (in a birth, or by itself)."""
        self._state_sent_at = now

    def appended(self, next_offset: int) -> None:
        """The log has grown to `next_offset`."""
        self.next = max(self.next, next_offset)

    def trimmed(self, first_kept: int) -> None:
        """The log has let go of all below `first_kept`.

        If not all of it was committed, the reader hears so by the state, and names the loss.
        """
        self.first_kept = max(self.first_kept, first_kept)
        if self.first_kept > self.watermark:
            self._restate()

    def on_answer(self, answer: Answer, now: float) -> Outcome:
        """Take in the reader's position. On PROGRESS all below `watermark` may be trimmed."""
        if answer.epoch is None:
            return Outcome.LOST_CURSOR
        if answer.epoch != self.epoch:
            return self._restate()
        if answer.watermark > self.next or any(after > self.next for _, after in answer.ahead):
            return Outcome.ROLLED_BACK
        if answer.watermark < self.first_kept:
            return self._restate()
        progress = answer.watermark > self.watermark or answer.ahead != self.ahead
        forgotten = without(
            [(answer.watermark, self.watermark), *self.ahead],
            merged([(0, answer.watermark), *answer.ahead]),
        )
        if forgotten:  # a reader restored from a backup, or an old answer: all sent is backlog now
            self._backlog_at = min(self._backlog_at, forgotten[0][0])
            self._live_from = self._live_at
        self._answered = True
        self.watermark, self.ahead = answer.watermark, answer.ahead
        for offset in [o for o in self._sent_at if self._committed(o)]:
            del self._sent_at[offset]
        if not self._live_first and progress:
            for offset in self._sent_at:  # in order, so what is in flight is later than what came
                self._sent_at[offset] = now
        return Outcome.PROGRESS if progress else Outcome.UNCHANGED

    def to_send(self, now: float, max_records: int = 1) -> Sending | None:
        """The next records to send, at most `max_records` in a row, or None: nothing to do now."""
        if not self._answered:
            return None
        self._find_overdue(now)
        while self._resend:
            run = self._take_resend(max_records)
            if run is not None:
                return self._sending(run[0], run[1], now, late=True)
        room = self._window - len(self._sent_at)
        if self._live_first:
            if room > 0 and self._live_at < self.next:
                first = self._live_at
                self._live_at = min(self.next, first + min(room, max_records))
                return self._sending(first, self._live_at, now, late=False)
            room -= self._window // 2
            end = self._live_from
        else:
            end = self.next
        at = self._backlog_at = self._uncommitted_from(max(self._backlog_at, self.first_kept), end)
        if room <= 0 or at >= end:
            return None
        after = at + 1
        limit = min(end, at + min(room, max_records))
        while after < limit and not self._committed(after) and after not in self._sent_at:
            after += 1
        self._backlog_at = after
        return self._sending(at, after, now, late=at < self._live_from)

    def next_due(self) -> float | None:
        """The instant at which something in flight is overdue, or None if nothing is."""
        if not self._answered:
            if self._state_sent_at is None:
                return None
            return self._state_sent_at + self._resend_after_s
        return min(self._sent_at.values()) + self._resend_after_s if self._sent_at else None

    def _sending(self, first: int, after: int, now: float, *, late: bool) -> Sending:
        for offset in range(first, after):
            self._sent_at[offset] = now
        return Sending(first, after, late)

    def _restate(self) -> Outcome:
        self._answered = False
        self._state_sent_at = None
        return Outcome.RESTATE

    def _committed(self, offset: int) -> bool:
        return offset < self.watermark or contains(self.ahead, offset)

    def _uncommitted_from(self, at: int, end: int) -> int:
        """First offset in at … end that is neither committed nor in flight."""
        at = max(at, self.watermark)
        while at < end:
            covering = next((r for r in self.ahead if r[0] <= at < r[1]), None)
            if covering is not None:
                at = covering[1]
            elif at in self._sent_at:
                at += 1
            else:
                break
        return min(at, end) if at > end else at

    def _find_overdue(self, now: float) -> None:
        overdue = [o for o, t in self._sent_at.items() if now - t >= self._resend_after_s]
        if overdue and not self._live_first:
            # The reader takes nothing behind a hole, so all that is in flight goes again, in order.
            overdue = list(self._sent_at)
        for offset in overdue:
            del self._sent_at[offset]
        if overdue:
            self._resend = sorted({*self._resend, *overdue})

    def _take_resend(self, max_records: int) -> tuple[int, int] | None:
        first = self._resend.pop(0)
        if self._committed(first) or first < self.first_kept:
            return None
        after = first + 1
        while self._resend and self._resend[0] == after and after - first < max_records:
            if self._committed(after):
                break
            self._resend.pop(0)
            after += 1
        return first, after
