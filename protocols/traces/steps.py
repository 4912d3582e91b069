"""The steps of a call, each a span, and the ids that follow from the call's key.

    pass control point ─ release call ─ publish call ─ take call ─┬─ acknowledge call
                                                                  └─ hand call over ─ send answer ─ commit answer

What is done anew has the id of the first time, so that the spans behind it have their parent
whatever was lost in between; a back end keeps one of the two.
"""  # noqa: E501 - one line of a drawing

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Literal, NamedTuple

from protocols.jis.messages import CallKey

Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""OpenTelemetry's kinds of spans."""


OUTCOMES = frozenset({"accepted", "refused", "unclear"})
"""Kinds of the events that say what became of a hand-over: of these `send answer` is told."""


class Place(NamedTuple):
    """Where in a stream a record stands."""

    epoch: int
    offset: int


class _Step(NamedTuple):
    name: str
    kind: Kind
    parent: str | None
    """Name of the step before."""
    at_place: bool = False
    """Done for a record of a stream: its id follows from the place as well."""


class Step(Enum):
    """What is done with a call, in this order."""

    PASS = _Step("pass control point", "server", None)
    """Hub: the plant's request, from its reading to the answer."""
    RELEASE = _Step("release call", "internal", "pass control point")
    """Hub: the transaction, with its commit, that writes the call and its record in the outbox."""
    PUBLISH = _Step("publish call", "producer", "release call", at_place=True)
    """Hub: the record is read from the outbox and given to the MQTT client."""
    TAKE = _Step("take call", "consumer", "publish call")
    """Gateway: from the message to the commit of record and cursor on its disk."""
    ACKNOWLEDGE = _Step("acknowledge call", "consumer", "take call")
    """Hub: from the gateway's answer to its commit."""
    HAND_OVER = _Step("hand call over", "client", "take call")
    """Gateway: from the decision to show the call to the PLC until its echo is on disk."""
    ANSWER = _Step("send answer", "producer", "hand call over", at_place=True)
    """Gateway: the event that says so is read from disk and given to the MQTT client."""
    COMMIT = _Step("commit answer", "consumer", "send answer")
    """Hub: from that event to the commit of history and cursor."""

    @property
    def parent(self) -> Step | None:
        """The step that this one follows."""
        name = self.value.parent
        return next((step for step in Step if step.value.name == name), None)


def trace_id(key: CallKey) -> int:
    """128 bits that any process finds again, evenly spread, so that a share of the calls can be
    chosen by them alone."""
    return int.from_bytes(_digest(key, "trace")[:16])


def span_id(step: Step, key: CallKey, place: Place | None = None) -> int:
    """64 bits. `place`: of the record, for steps that are done for one."""
    told = step.value.name
    if step.value.at_place and place is not None:
        told += f" {place.epoch}/{place.offset}"
    return int.from_bytes(_digest(key, told)[:8])


def _digest(key: CallKey, what: str) -> bytes:
    return hashlib.sha256(f"lineside call\n{key}\n{what}".encode()).digest()
