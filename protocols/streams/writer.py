"""The writing end of a stream: what to send next, what to send again, what may be let go.

No I/O and no clock: the caller passes monotonic seconds, sends what it is told to send and hands in
the answers. The log itself (journal, outbox) is the caller's; this knows only offsets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from protocols.streams.position import LEAST_AHEAD, Answer, State
from protocols.streams.ranges import Ranges, contains, count, merged, without


class Outcome(Enum):
    """What an answer means for the writer."""

    PROGRESS = auto()  # more is committed than before
    UNCHANGED = auto()
    RESTATE = auto()  # the reader is in another epoch or below first_kept: send the state again
    LOST_CURSOR = auto()  # the reader knows no epoch
    ROLLED_BACK = auto()  # the reader has more than we ever wrote: our log is old, open a new epoch


@dataclass(frozen=True, slots=True)
class Sending:
    """Send the records first … after - 1 now. `late`: backlog, or sent before; `again`: sent before
    on this connection, for the counters."""

    first: int
    after: int
    late: bool
    again: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Drain:
    """How a backlog leaves beside what is live: a bucket that holds `burst` records and is filled
    with `per_s` records a second. What is sent again empties it too; newest first, it never waits.

    `newest_first`: the newest run of the backlog that the reader lacks goes first, and within a run
    (`max_records` of `Writer.to_send`) the records go in order; without it, all go in order, and
    one that got lost holds up those behind it, which go again after it (`Cursor.accept`).

    The order is one for the whole stream, since one for each device does not fit into a bounded
    cursor: let the records of two devices alternate, n of each, one device's to go oldest first,
    the other's newest first. However the two are interleaved, at some moment n of the 2 n are sent,
    and then no two of them are neighbours: n - 1 ranges stand above the watermark. Only a stream
    for each device, with an epoch and offsets of its own, would do.
    """

    per_s: float = math.inf
    burst: int = 100
    newest_first: bool = False

    def __post_init__(self) -> None:
        if not (self.per_s > 0 and self.burst >= 1):
            raise ValueError(f"a backlog must be able to leave: {self}")


class Writer:
    """Position and window of one epoch of a stream.

    `window` bounds the records in flight. `live_first`: what is appended after a connect goes ahead
    of the backlog, which then uses at most half of the window, and always finds a quarter of it
    free; without it, strictly in order, and `drain` has no say. Nothing is sent after a connect
    until the reader has answered the state: `wants_state` says when to send it, at once and then
    after every `resend_after_s` without an answer.

    `max_ahead` is how many separate ranges the reader is sure to hold above its watermark. Live
    records need one more after each connect until the backlog before them is gone. Where there are
    as many as that, live waits for one of them to close, and newest first becomes newest below the
    last of them: on a way that keeps the order of what it does not lose, the reader never has to
    leave a record alone.
    """

    def __init__(
        self,
        state: State,
        *,
        window: int,
        resend_after_s: float,
        live_first: bool = False,
        drain: Drain | None = None,
        max_ahead: int = LEAST_AHEAD,
    ) -> None:
        if live_first and (window < 4 or max_ahead < 2):
            raise ValueError("live beside backlog needs a window of 4 and 2 ranges at least")
        self.epoch = state.epoch
        self.first_kept = state.first_kept
        self.next = state.next
        self.watermark = state.first_kept
        self.ahead: Ranges = ()
        self._window = window
        self._resend_after_s = resend_after_s
        self._live_first = live_first
        self._drain = drain or Drain()
        self._max_ahead = max_ahead
        self._sent_at: dict[int, float] = {}  # in order of time
        self._resend: list[int] = []
        self._answered = False
        self._state_sent_at: float | None = None
        self._backlog_at = self._live_from = self._live_at = state.first_kept
        self._backlog_end = self._connected_at = state.first_kept
        self._backlog_sent = 0
        """Backlog below it was sent on this connection."""
        self._bucket = float(self._drain.burst)
        self._bucket_at = -math.inf

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
        return self.next - self.watermark - count(self.ahead)

    def connected(self) -> None:
        """A new connection: whatever was in flight may be lost, and what is kept is backlog."""
        self._sent_at.clear()
        self._resend.clear()
        self._answered = False
        self._state_sent_at = None
        self._live_from = self._live_at = self._backlog_end = self._connected_at = self.next
        self._backlog_at = self.watermark
        self._backlog_sent = 0

    def reborn(self) -> None:
        """A birth was said again on the same connection: the reader may have refused what came
        without it, or it was not sent for want of it. Backlog that is in flight goes again, in
        order, before what is behind it; what is live and in flight waits until it is overdue."""
        end = self._live_from if self._live_first else self.next
        self._take_back(o for o in self._sent_at if o < end)
        self._resend = [offset for offset in self._resend if offset >= end]
        self._backlog_at = self.watermark
        self._backlog_end = self._live_from

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
            self._live_from = self._backlog_end = self._live_at
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
        self._fill_bucket(now)
        while self._resend:
            run = self._take_resend(max_records)
            if run is not None:
                return self._sending(run[0], run[1], now, late=True, again=True)
        if not self._live_first:
            room = self._window - len(self._sent_at)
            return self._oldest(min(room, max_records), self.next, now)
        room = self._live_room()
        if room > 0 and self._live_at < self.next and self._has_range_for_live():
            first = self._live_at
            self._live_at = min(self.next, first + min(room, max_records))
            return self._sending(first, self._live_at, now, late=False)
        room = min(self._backlog_room(), max_records, math.floor(self._bucket))
        if self._drain.newest_first:
            return self._newest(room, now)
        return self._oldest(room, self._live_from, now)

    def next_due(self) -> float | None:
        """The instant at which to ask `wants_state` and `to_send` again though nothing has come:
        something in flight is overdue then, or the backlog may go on. None if there is none."""
        if not self._answered:
            if self._state_sent_at is None:
                return None
            return self._state_sent_at + self._resend_after_s
        due = []
        if self._sent_at:
            due.append(next(iter(self._sent_at.values())) + self._resend_after_s)
        if self._live_first and self._bucket < 1 and self._has_backlog_to_send():
            # At half a bucket, not at its first record: each turn of the caller's costs something.
            wanted = max(1.0, self._drain.burst / 2)
            due.append(self._bucket_at + (wanted - self._bucket) / self._drain.per_s)
        return min(due, default=None)

    def _oldest(self, room: int, end: int, now: float) -> Sending | None:
        """The first run below `end` that is neither committed nor in flight."""
        at = self._backlog_at = self._uncommitted_from(max(self._backlog_at, self.first_kept), end)
        if room <= 0 or at >= end:
            return None
        after = at + 1
        limit = min(end, at + room)
        while after < limit and self._is_missing(after):
            after += 1
        self._backlog_at = after
        # What was live went out once, before it became backlog.
        was_live = self._live_first and at >= self._connected_at
        again = was_live or at < self._backlog_sent
        self._backlog_sent = max(self._backlog_sent, after)
        return self._sending(at, after, now, late=at < self._live_from, again=again)

    def _newest(self, room: int, now: float) -> Sending | None:
        """The last such run of the backlog; if the reader's cursor is full, below its last range,
        since what adjoins a range needs none of its own."""
        after = self._newest_end()
        if room <= 0 or after is None:
            return None
        first = after - 1
        least = max(self.watermark, self.first_kept, after - room)
        while first > least and self._is_missing(first - 1):
            first -= 1
        return self._sending(first, after, now, late=True)

    def _newest_end(self) -> int | None:
        """Where that run ends, or None: there is no backlog that is not in flight."""
        taken = self._committed_or_in_flight()
        self._backlog_end = at = _down_from(self._backlog_end, taken)
        if taken and not self._has_range(taken):
            at = _down_from(min(at, taken[-1][0]), taken)
        return at if at > max(self.watermark, self.first_kept) else None

    def _committed_or_in_flight(self) -> Ranges:
        in_flight = merged((offset, offset + 1) for offset in self._sent_at)
        return merged([(0, self.watermark), *self.ahead, *in_flight])

    def _has_range(self, taken: Ranges) -> bool:
        """Whether one more range will do once all that is in flight has come."""
        return sum(first > 0 for first, _ in taken) < self._max_ahead

    def _has_range_for_live(self) -> bool:
        return (
            self._live_at <= self.watermark
            or self._live_at - 1 in self._sent_at
            or contains(self.ahead, self._live_at - 1)
            or self._has_range(self._committed_or_in_flight())
        )

    def _has_backlog_to_send(self) -> bool:
        if self._backlog_room() <= 0:
            return False
        if self._drain.newest_first:
            return self._newest_end() is not None
        at = max(self._backlog_at, self.first_kept)
        return self._uncommitted_from(at, self._live_from) < self._live_from

    def _live_room(self) -> int:
        live = sum(offset >= self._live_from for offset in self._sent_at)
        return min(self._window - len(self._sent_at), self._window - self._window // 4 - live)

    def _backlog_room(self) -> int:
        late = sum(offset < self._live_from for offset in self._sent_at)
        return min(self._window - len(self._sent_at), self._window // 2 - late)

    def _fill_bucket(self, now: float) -> None:
        drain = self._drain
        if self._bucket_at == -math.inf or drain.per_s == math.inf:
            self._bucket = float(drain.burst)
        else:
            filled = self._bucket + (now - self._bucket_at) * drain.per_s
            self._bucket = min(float(drain.burst), filled)
        self._bucket_at = now

    def _sending(
        self, first: int, after: int, now: float, *, late: bool, again: bool = False
    ) -> Sending:
        if late:
            self._bucket -= after - first
        for offset in range(first, after):
            self._sent_at[offset] = now
        return Sending(first, after, late, again)

    def _restate(self) -> Outcome:
        self._answered = False
        self._state_sent_at = None
        return Outcome.RESTATE

    def _committed(self, offset: int) -> bool:
        return offset < self.watermark or contains(self.ahead, offset)

    def _is_missing(self, offset: int) -> bool:
        return not self._committed(offset) and offset not in self._sent_at

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
        oldest = next(iter(self._sent_at.values()), now)
        if now - oldest < self._resend_after_s:
            return
        overdue = [o for o, t in self._sent_at.items() if now - t >= self._resend_after_s]
        if self._live_first and not self._drain.newest_first:
            self._begin_backlog_again(overdue)
            return
        if not self._live_first:
            # The reader takes nothing behind a hole, so all that is in flight goes again, in order.
            overdue = list(self._sent_at)
        self._take_back(overdue)
        self._resend = sorted({*self._resend, *overdue})

    def _begin_backlog_again(self, overdue: list[int]) -> None:
        """The reader takes no backlog behind a hole, so all of it that is in flight goes again, in
        order. What was live and got lost is backlog now, and has its turn after what is older."""
        live_from = self._live_from
        if any(offset >= live_from for offset in overdue):
            self._live_from = self._backlog_end = self._live_at
        if any(offset < live_from for offset in overdue):
            overdue = [*overdue, *(o for o in self._sent_at if o < live_from)]
        self._take_back({*overdue})
        self._backlog_at = self.watermark

    def _take_back(self, offsets: Iterable[int]) -> None:
        """They are not in flight any more."""
        for offset in [*offsets]:
            del self._sent_at[offset]

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


def _down_from(end: int, ranges: Ranges) -> int:
    """The highest offset at or below `end` that ends no range: what is below it is not in one."""
    covering = next((r for r in ranges if r[0] < end <= r[1]), None)
    return end if covering is None else covering[0]
