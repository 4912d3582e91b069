"""Ways to spoil a recording: what faults are made of.

Each makes a new list of records; the packets themselves are never changed. Where one message among
many is spoilt, it is one that comes late, so that a check that stops at the first would miss it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tests.conformance.packets import Connect, Publish, Subscribe, Will
from tests.conformance.recording import Record, Recording, Seen
from tests.fixtures.sparkplug_schema import payload_class

Spoil = Callable[[Recording], list[Record]]
Change = Callable[[Publish], Publish]
Pick = Callable[[Recording], list[Record]]


# --- which records -----------------------------------------------------------------------------


def said(*kinds: str, by: str = "edge", at: int | None = -1) -> Pick:
    """The message of these kinds at this place among all; all of them if `at` is None."""

    def pick(recording: Recording) -> list[Record]:
        speak = recording.from_edge if by == "edge" else recording.from_host
        found = [message.record for message in speak(*kinds)]
        return found if at is None else [found[at]]

    return pick


def rebirth(recording: Recording) -> list[Record]:
    """An NBIRTH that is not the first of its connection."""
    return [next(own[1].record for c in recording.edge if len(own := c.published("NBIRTH")) > 1)]


def asked(recording: Recording) -> list[Record]:
    """The last rebirth request of the host."""
    found = [m.record for m in recording.from_host("NCMD") if m.metric("Node Control/Rebirth")]
    return found[-1:]


def answered(recording: Recording) -> list[Record]:
    """The last command of the host that is no rebirth request, to a node whose birth it heard."""
    found = [
        m.record
        for c in recording.host
        for m in c.published("NCMD")
        if not m.metric("Node Control/Rebirth")
        and any(b.kind == "NBIRTH" and recording.before(b.record, m.record) for b in c.heard)
    ]
    return found[-1:]


def state(online: bool, at: int = -1) -> Pick:
    """A STATE of the host that says so."""

    def pick(recording: Recording) -> list[Record]:
        said = [
            m.record
            for m in recording.from_host("STATE")
            if m.state is not None and m.state["online"] is online
        ]
        return [said[at]]

    return pick


def first_states(recording: Recording) -> list[Record]:
    """The first message of the host's last connection."""
    return [recording.host[-1].sent[0].record]


def heard_by_edge(recording: Recording) -> list[Record]:
    """Every STATE that was brought to the edge node's last connection that gave birth."""
    born = [c for c in recording.edge if c.published("NBIRTH")][-1]
    return [m.record for m in born.heard if m.kind == "STATE"]


# --- what is done to them ----------------------------------------------------------------------


def alter(pick: Pick, change: Change) -> Spoil:
    """Change the picked messages."""

    def spoil(recording: Recording) -> list[Record]:
        chosen = {id(record) for record in pick(recording)}
        assert chosen, "nothing to spoil"
        return [
            replace(r, packet=change(_publish(r))) if id(r) in chosen else r
            for r in recording.records
        ]

    return spoil


def drop(pick: Pick) -> Spoil:
    """Leave the picked records out."""

    def spoil(recording: Recording) -> list[Record]:
        chosen = {id(record) for record in pick(recording)}
        assert chosen, "nothing to leave out"
        return [r for r in recording.records if id(r) not in chosen]

    return spoil


def doubled(pick: Pick, *, change: Change = lambda packet: packet, later_ms: int = 0) -> Spoil:
    """Let each picked message follow itself, perhaps changed."""

    def spoil(recording: Recording) -> list[Record]:
        chosen = {id(record) for record in pick(recording)}
        assert chosen, "nothing to double"
        records = []
        for r in recording.records:
            records.append(r)
            if id(r) in chosen:
                packet = change(_publish(r))
                records.append(replace(r, packet=packet, at_ms=r.at_ms + later_ms))
        return records

    return spoil


def first_in_session(pick: Pick) -> Spoil:
    """Move a message to the front of its connection, behind the broker's consent."""

    def spoil(recording: Recording) -> list[Record]:
        (moved,) = pick(recording)
        rest = [r for r in recording.records if r is not moved]
        at = [n for n, r in enumerate(rest) if r.connection == moved.connection][2]
        return [*rest[:at], moved, *rest[at:]]

    return spoil


def connects(change: Callable[[Connect], Connect], *, of: str = "edge", at: int = -1) -> Spoil:
    """Change one CONNECT."""

    def spoil(recording: Recording) -> list[Record]:
        chosen = (recording.edge if of == "edge" else recording.host)[at].records[0]
        packet = chosen.packet
        assert isinstance(packet, Connect)
        return [replace(r, packet=change(packet)) if r is chosen else r for r in recording.records]

    return spoil


def wills(change: Callable[[Will], Will | None], *, of: str = "edge") -> Spoil:
    """Change the will of the last connection, or take it away."""

    def changed(connect: Connect) -> Connect:
        assert connect.will is not None
        return replace(connect, will=change(connect.will))

    return connects(changed, of=of)


def subscribes(
    change: Callable[[tuple[tuple[str, int], ...]], Iterable[tuple[str, int]]], *, of: str = "edge"
) -> Spoil:
    """Change what the last connection subscribes to."""

    def spoil(recording: Recording) -> list[Record]:
        number = (recording.edge if of == "edge" else recording.host)[-1].number
        return [
            replace(r, packet=Subscribe(tuple(change(r.packet.filters))))
            if r.connection == number and isinstance(r.packet, Subscribe)
            else r
            for r in recording.records
        ]

    return spoil


def shown(after: str, change: Callable[[Seen], Seen], *, look: int = -1) -> Spoil:
    """Change what the host showed after such messages, the last time unless `look` says another."""

    def spoil(recording: Recording) -> list[Record]:
        chosen, seen = recording.looks(after)[look]
        return [replace(r, packet=change(seen)) if r is chosen else r for r in recording.records]

    return spoil


# --- changes of a message ----------------------------------------------------------------------


def qos(level: int) -> Change:
    return lambda packet: replace(packet, qos=level)


def retained(flag: bool) -> Change:
    return lambda packet: replace(packet, retain=flag)


def topic(old: str, new: str) -> Change:
    """A piece of the topic replaced."""

    def change(packet: Publish) -> Publish:
        assert old in packet.topic, f"{old} is not in {packet.topic}"
        return replace(packet, topic=packet.topic.replace(old, new, 1))

    return change


def payload(data: bytes) -> Change:
    return lambda packet: replace(packet, payload=data)


def body(edit: Callable[[Any], object]) -> Change:
    """The Sparkplug payload edited."""

    def change(packet: Publish) -> Publish:
        return replace(packet, payload=edited(packet.payload, edit))

    return change


def edited(data: bytes, edit: Callable[[Any], object]) -> bytes:
    """Payload bytes after an edit of their fields."""
    parsed = payload_class()()
    parsed.ParseFromString(data)
    edit(parsed)
    return bytes(parsed.SerializeToString())


def metric(name: str | int, edit: Callable[[Any], object]) -> Change:
    """The metric of this name, or at this place, edited."""

    def change(parsed: Any) -> None:
        if isinstance(name, int):
            edit(parsed.metrics[name])
        else:
            edit(next(m for m in parsed.metrics if m.name == name))

    return body(change)


def without(name: str) -> Change:
    """The metric of this name left out."""

    def change(parsed: Any) -> None:
        kept = [m for m in parsed.metrics if m.name != name]
        assert len(kept) < len(parsed.metrics), f"no metric {name}"
        del parsed.metrics[:]
        parsed.metrics.extend(kept)

    return body(change)


def _publish(record: Record) -> Publish:
    assert isinstance(record.packet, Publish)
    return record.packet
