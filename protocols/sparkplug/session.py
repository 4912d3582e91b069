"""The rules of a Sparkplug session, both ends: sequence numbers, bdSeq, the host's STATE.

No I/O and no clock: callers pass monotonic seconds or milliseconds since 1970 where time matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from protocols.sparkplug.codec import Metric
from protocols.sparkplug.datatypes import DataType
from protocols.sparkplug.values import Payload

MODULUS: Final = 256

BD_SEQ: Final = "bdSeq"
"""Int64 metric of NBIRTH and NDEATH: which connect the two belong to."""

REBIRTH: Final = "Node Control/Rebirth"
"""Boolean metric of NBIRTH, and of the NCMD that asks for all births again."""


class SequenceCounter:
    """An edge node's `seq`: NBIRTH begins at 0, every later N/DBIRTH, N/DDATA and DDEATH counts on.

    NDEATH and commands carry none.
    """

    def __init__(self) -> None:
        self._next = 0

    def begin(self) -> int:
        """The number of an NBIRTH: 0."""
        self._next = 1
        return 0

    def take(self) -> int:
        """The number of the next message."""
        taken = self._next
        self._next = (taken + 1) % MODULUS
        return taken


def next_bd_seq(last: int | None) -> int:
    """The bdSeq of the next CONNECT: it goes into the will and into every NBIRTH of the session,
    a rebirth too. Keep it over restarts; None is a node that never connected."""
    return 0 if last is None else (last + 1) % MODULUS


def death_payload(bd_seq: int, timestamp_ms: int | None = None) -> Payload:
    """What the will, or a spoken NDEATH, says: bdSeq and nothing else, without `seq`."""
    metric = Metric(BD_SEQ, timestamp=timestamp_ms, datatype=DataType.Int64, value=bd_seq)
    return Payload(timestamp=timestamp_ms, metrics=[metric])


def rebirth_command(timestamp_ms: int) -> Payload:
    """The NCMD that asks a node for all its births."""
    metric = Metric(REBIRTH, timestamp=timestamp_ms, datatype=DataType.Boolean, value=True)
    return Payload(timestamp=timestamp_ms, metrics=[metric])


def asks_rebirth(command: Payload) -> bool:
    """Whether an NCMD asks for a rebirth."""
    return any(metric.name == REBIRTH and metric.value is True for metric in command.metrics)


def bd_seq_of(payload: Payload) -> int | None:
    """The bdSeq of an NBIRTH or NDEATH, None if it says none."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and isinstance(metric.value, int):
            return metric.value
    return None


class Arrival(Enum):
    """What a message's `seq` says about those before it."""

    IN_ORDER = auto()  # nothing is missing
    EARLY = auto()  # others are missing before it, or still are
    FILLS = auto()  # it was missed, and came late
    UNEXPECTED = auto()  # a number that was not missed: sent twice, or no number at all


class SeqChecker:
    """A host's check of one edge node's `seq`.

    Data is taken as it comes, in any order; what is checked is that nothing is missing. Numbers
    that are still missing `reorder_s` after they were first missed make `overdue` true, and the
    host then asks for a rebirth. Only half the circle ahead counts as early: what lies behind is
    old.
    """

    def __init__(self, reorder_s: float) -> None:
        self._reorder_s = reorder_s
        self._next: int | None = 0
        self._missed: dict[int, float] = {}
        self._resuming = False

    def joined(self, expected: int | None = None) -> None:
        """The host begins to listen in the middle, where another has heard all before the number
        `expected`. Without it, the next number is taken as it comes."""
        self._missed.clear()
        self._next = expected
        self._resuming = expected is not None

    def born(self, seq: int) -> None:
        """An NBIRTH came: counting begins anew behind its `seq` (0 by the standard)."""
        self._missed.clear()
        self._next = (seq + 1) % MODULUS
        self._resuming = False

    def arrived(self, seq: int | None, now_s: float) -> Arrival:
        """A later message of the node came; `now_s` is monotonic."""
        if seq is None or not 0 <= seq < MODULUS:
            return Arrival.UNEXPECTED
        if self._missed.pop(seq, None) is not None:
            return Arrival.FILLS
        if self._next is None:
            self._next = seq
        if self._resuming:  # however far the node has come meanwhile, this is not behind
            self._resuming = False
            if seq != self._next:
                self._missed[self._next] = now_s
                self._next = seq
        ahead = (seq - self._next) % MODULUS
        if ahead >= MODULUS // 2:
            return Arrival.UNEXPECTED
        for step in range(ahead):
            self._missed[(self._next + step) % MODULUS] = now_s
        self._next = (seq + 1) % MODULUS
        return Arrival.EARLY if self._missed else Arrival.IN_ORDER

    @property
    def expected(self) -> int | None:
        """Nothing is missing before this number; None if that is not known yet."""
        return next(iter(self._missed), self._next)

    @property
    def missing(self) -> int:
        """How many messages are missed at the moment."""
        return len(self._missed)

    def overdue(self, now_s: float) -> bool:
        """Whether something has been missing for longer than the reorder time-out."""
        return any(now_s - since >= self._reorder_s for since in self._missed.values())


class StateError(ValueError):
    """A STATE message that says nothing: the text says why."""


@dataclass(frozen=True, slots=True)
class HostState:
    """What a host application says of itself; `timestamp` in milliseconds since 1970 UTC, the same
    in its will and in the birth of the same connect."""

    online: bool
    timestamp: int

    def dump(self) -> bytes:
        """The message as it travels: retained, QoS 1."""
        return json.dumps({"online": self.online, "timestamp": self.timestamp}).encode()

    @classmethod
    def parse(cls, data: bytes) -> HostState:
        """Read a STATE message. Raises `StateError`."""
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise StateError(f"not JSON: {error}") from None
        if not isinstance(fields, Mapping):
            raise StateError("not a JSON object")
        online, timestamp = fields.get("online"), fields.get("timestamp")
        if not isinstance(online, bool):
            raise StateError(f"online is not true or false: {online!r}")
        if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 0:
            raise StateError(f"timestamp is not a time in milliseconds: {timestamp!r}")
        return cls(online, timestamp)


class HostWatch:
    """An edge node's view of its primary host on one server: a message older than one already heard
    there is void, so that a late will of an earlier connect cannot take a host offline that has
    come back, nor an old birth bring one back that has left."""

    def __init__(self) -> None:
        self._online = False
        self._timestamp: int | None = None

    @property
    def online(self) -> bool:
        """Whether the host is online, as far as was heard."""
        return self._online

    def heard(self, state: HostState) -> bool:
        """Take in a STATE message; whether `online` changed by it."""
        if self._timestamp is not None and state.timestamp < self._timestamp:
            return False
        was = self._online
        self._online, self._timestamp = state.online, state.timestamp
        return self._online != was

    def disconnected(self) -> None:
        """The connection ended: nothing is known until STATE is heard again, which must not be
        older than what was heard before."""
        self._online = False
