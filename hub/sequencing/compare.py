"""Two sequences of one day side by side: what each costs, which is better, and what moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hub.sequencing.adherence import Adherence, adherence_of
from hub.sequencing.model import Car, Instance, Objective
from hub.sequencing.released import longest_run
from hub.sequencing.scoring import Score, score

Side = Literal["one", "other"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both sequences; less is better."""

    name: str
    """An objective, an option or a supplier line."""
    one: float
    other: float

    @property
    def change(self) -> float:
        """From `one` to `other`; below 0 where `other` is better."""
        return self.other - self.one


@dataclass(frozen=True, slots=True)
class MovedCar:
    """A car that stands elsewhere in `other`. Positions count from 1."""

    production_no: str
    before: int
    """Position in `one`."""
    after: int
    """Position in `other`."""
    shifted: bool
    """It keeps its order among most of the cars and only makes room: it is one of the longest order
    that both sequences share."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sequences of one day; `one` is what there was, `other` what is proposed."""

    one: Score
    other: Score
    objectives: tuple[Difference, ...]
    """Those of the mark by weight, most important first, then the others."""
    options: tuple[Difference, ...]
    lines: tuple[Difference, ...]
    hard_limits: Difference
    """Paint batches that are too long and limits that are broken."""
    better: Side | None
    """None: the two are worth the same."""
    decided_by: Objective | Literal["hard limits"] | None
    """What makes the better one better: that only it keeps all hard limits, or else the objective
    that brings it most of the mark; at equal marks, that it breaks fewer of the limits."""
    adherence: Adherence
    """How well `other` keeps to `one`."""
    moved: tuple[MovedCar, ...]
    """By position in `other`."""

    def as_json(self, top: int | None = None) -> dict[str, object]:
        """The comparison as JSON types; with `top`, of the moved cars those that moved furthest."""
        return {
            "mark": {"one": self.one.mark, "other": self.other.mark},
            "feasible": {"one": self.one.feasible, "other": self.other.feasible},
            "better": self.better,
            "decided_by": self.decided_by,
            "objectives": _differences_json(self.objectives),
            "options": _differences_json(self.options),
            "lines": _differences_json(self.lines),
            "hard_limits": _differences_json([self.hard_limits])[0],
            "adherence": asdict(self.adherence),
            "moved_cars": len(self.moved),
            "moved": [asdict(car) for car in _furthest(self.moved, top)],
        }

    def as_text(self, top: int = 10) -> str:
        """The comparison to be read, with the `top` cars that moved furthest."""
        kept = self.adherence
        head = [
            self._verdict(),
            f"{'':<20} {'one':>16} {'other':>16} {'change':>16}",
            *_rows(
                [
                    Difference("mark", self.one.mark, self.other.mark),
                    self.hard_limits,
                    *(d for d in self.objectives if d.name in self.one.weights or d.change),
                ]
            ),
        ]
        by_themselves = [car for car in self.moved if not car.shifted]
        moves = [
            f"{car.production_no} from {car.before} to {car.after}"
            for car in _furthest(by_themselves, top)
        ]
        sections = [
            head,
            _titled("options that differ", _rows(d for d in self.options if d.change)),
            _titled("supplier lines that differ", _rows(d for d in self.lines if d.change)),
            [
                f"cars in their place {kept.exact:.1%}, within {kept.tolerance} {kept.within:.1%}, "
                f"in order {kept.in_order:.1%}, furthest off {kept.scrambling_max} places"
            ],
            [
                f"cars moved: {len(by_themselves):,}, "
                f"made room: {len(self.moved) - len(by_themselves):,}",
                *(f"  {move}" for move in moves),
            ],
        ]
        return "\n\n".join("\n".join(lines) for lines in sections if lines)

    def _verdict(self) -> str:
        if self.better is None:
            return "both are worth the same"
        return f"{self.better} is better, by {self.decided_by}"


def compare(instance: Instance, one: Sequence[Car], other: Sequence[Car]) -> Comparison:
    """Compare two orders of the instance's cars.

    Raises `InstanceError` if one of them does not hold each car of the day once.
    """
    first, second = score(instance, one), score(instance, other)
    weights = first.weights
    ranked = sorted(weights, key=lambda objective: -weights[objective])
    names = [*ranked, *(objective for objective in first.values if objective not in weights)]
    objectives = tuple(Difference(o, first.values[o], second.values[o]) for o in names)
    better, decided_by = _better(first, second)
    before = [car.production_no for car in one]
    after = [car.production_no for car in other]
    return Comparison(
        first,
        second,
        objectives,
        _differences(first.by_option, second.by_option),
        _differences(first.by_line, second.by_line),
        Difference("hard limits", _broken(first), _broken(second)),
        better,
        decided_by,
        adherence_of(before, after),
        _moved(before, after),
    )


def _better(
    one: Score, other: Score
) -> tuple[Side | None, Objective | Literal["hard limits"] | None]:
    if one.feasible != other.feasible:
        return ("one" if one.feasible else "other"), "hard limits"
    if one.mark == other.mark:
        if _broken(one) == _broken(other):
            return None, None
        return ("one" if _broken(one) < _broken(other) else "other"), "hard limits"
    sign = 1 if other.mark < one.mark else -1
    gains: dict[Objective, float] = {
        objective: sign * weight * (one.values[objective] - other.values[objective])
        for objective, weight in one.weights.items()
    }
    return ("other" if sign == 1 else "one"), max(gains, key=lambda objective: gains[objective])


def _broken(found: Score) -> int:
    return len(found.long_batches) + len(found.broken)


def _differences(one: Mapping[str, int], other: Mapping[str, int]) -> tuple[Difference, ...]:
    return tuple(Difference(name, one[name], other[name]) for name in one)


def _moved(one: Sequence[str], other: Sequence[str]) -> tuple[MovedCar, ...]:
    before = {number: position for position, number in enumerate(one, 1)}
    places = [before[number] for number in other]
    kept = set(longest_run(places))
    return tuple(
        MovedCar(number, place, position, place in kept)
        for position, (number, place) in enumerate(zip(other, places, strict=True), 1)
        if place != position
    )


def _furthest(moved: Sequence[MovedCar], top: int | None) -> Sequence[MovedCar]:
    """The cars that moved by themselves before those that made room, and the furthest first."""
    if top is None:
        return moved
    return sorted(moved, key=lambda car: (car.shifted, -abs(car.after - car.before)))[:top]


def _differences_json(differences: Iterable[Difference]) -> list[dict[str, object]]:
    return [{**asdict(d), "change": d.change} for d in differences]


def _rows(differences: Iterable[Difference]) -> list[str]:
    return [
        f"{d.name:<20} {_figure(d.one):>16} {_figure(d.other):>16} {_figure(d.change, '+'):>16}"
        for d in differences
    ]


def _figure(value: float, sign: str = "") -> str:
    return f"{int(value):{sign},}" if float(value).is_integer() else f"{value:{sign},.3f}"


def _titled(title: str, rows: Sequence[str]) -> list[str]:
    return [title, *rows] if rows else []
