"""What a status net is made of, and the two questions asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

Axis = Literal["car", "part"]
Source = Literal["plant", "gateway", "supplier", "dock"]
"""Who tells of an event. Each keeps its own order; between them there is none."""
START = "start"
ANY = "any"


class NetError(ValueError):
    """The table cannot be used; the text says in which line and why."""


class Pair(NamedTuple):
    """The state of a call on both axes."""

    car: str
    part: str


@dataclass(frozen=True, slots=True)
class Status:
    """One status of one axis."""

    axis: Axis
    id: str
    title: str
    title_zh: str
    final: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """An event of one source moves one axis from one status to another (or the same)."""

    event: str
    title_zh: str
    source: Source
    axis: Axis
    origin: str
    target: str
    sap: str
    """The action code of the trade's best-known software, for people who know that."""
    text: str
    line: int
    """In the file."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What pairs of these cars and parts mean."""

    cars: frozenset[str]
    parts: frozenset[str]
    state: Literal["open", "attention", "done"]
    text: str
    text_zh: str
    may: frozenset[str]
    """What the plant can ask for, and it happens."""
    may_ask: frozenset[str]
    """What it can ask for, and the supplier decides."""
    acts: tuple[str, ...]
    """Who is to do something: plant, supplier."""
    raises: str
    """Kind of the exception that is open while the pair stands; empty for none."""
    line: int

    def fits(self, pair: Pair) -> bool:
        """Whether this row is about the pair."""
        return pair.car in self.cars and pair.part in self.parts


@dataclass(frozen=True)
class Net:
    """The whole table."""

    statuses: tuple[Status, ...]
    transitions: tuple[Transition, ...]
    situations: tuple[Situation, ...]

    @cached_property
    def _targets(self) -> dict[tuple[str, Axis, str], str]:
        """(event, axis, origin) → target, with `any` spelled out for each event of its source."""
        named = [t for t in self.transitions if t.event != ANY]
        found: dict[tuple[str, Axis, str], str] = {}
        for t in self.transitions:
            if t.event == ANY:
                events = {n.event for n in named if (n.source, n.axis) == (t.source, t.axis)}
                for event in events:
                    found[event, t.axis, t.origin] = t.target
        return found | {(t.event, t.axis, t.origin): t.target for t in named}

    @cached_property
    def _axes(self) -> dict[str, Axis]:
        return {t.event: t.axis for t in self.transitions if t.event != ANY}

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return {t.event: t.source for t in self.transitions if t.event != ANY}

    @property
    def events(self) -> tuple[str, ...]:
        """All events, in the order of the file."""
        return tuple(self._axes)

    def source(self, event: str) -> Source:
        """Who tells of it. Raises `KeyError` for an event the net does not have."""
        return self._sources[event]

    def axis(self, event: str) -> Axis:
        """What it moves. Raises `KeyError`."""
        return self._axes[event]

    def target(self, event: str, origin: str) -> str | None:
        """Where `event` leads on its axis, or None where the table does not take it."""
        axis = self._axes.get(event)
        return None if axis is None else self._targets.get((event, axis, origin))

    def after(self, pair: Pair, event: str) -> Pair | None:
        """The pair after `event`, or None where the table does not take it."""
        axis = self._axes.get(event)
        if axis is None:
            return None
        target = self._targets.get((event, axis, getattr(pair, axis)))
        return None if target is None else pair._replace(**{axis: target})

    def situation(self, pair: Pair) -> Situation:
        """What the pair means. Raises `KeyError` for a pair outside the net."""
        for situation in self.situations:
            if situation.fits(pair):
                return situation
        raise KeyError(pair)

    def moves(self) -> tuple[Transition, ...]:
        """Every transition spelled out, `any` included: what the database enforces."""
        texts = {(t.event, t.axis, t.origin): t for t in self.transitions}
        return tuple(
            texts.get((event, axis, origin))
            or Transition(event, "", self._sources[event], axis, origin, target, "", "", 0)
            for (event, axis, origin), target in self._targets.items()
        )

    def status(self, axis: Axis, name: str) -> Status:
        """A status by name. Raises `KeyError`."""
        for status in self.statuses:
            if (status.axis, status.id) == (axis, name):
                return status
        raise KeyError(name)

    def names(self, axis: Axis) -> tuple[str, ...]:
        """The statuses of an axis, in the order of the file: early ones first."""
        return tuple(status.id for status in self.statuses if status.axis == axis)
