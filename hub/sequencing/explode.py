"""A sequence becomes call lines: which part of each part group a car needs, by bill of material."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub.sequencing import kernels
from hub.sequencing.model import Car

WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class BomRule:
    """One way a car gets a part of a group. Of those that fit, the one of lowest rank is taken."""

    part_group: str
    rank: int
    part_no: str
    """`{colour}` in it stands for the colour of the car."""
    quantity: int = 1
    requires: frozenset[str] = frozenset()
    """Options the car must have, all of them."""
    excludes: frozenset[str] = frozenset()
    """Options it must not have, none of them."""
    colours: frozenset[str] | None = None
    """Colours it must be of one of; None: any."""


@dataclass(frozen=True, slots=True)
class CallLine:
    """One part for one car."""

    production_no: str
    part_group: str
    part_no: str
    quantity: int


class BillOfMaterial:
    """Rules compiled for a quick look-up: options as bit sets, rules in order of group and rank."""

    def __init__(self, rules: Sequence[BomRule]) -> None:
        """Raises `ValueError` if two rules of a part group have one rank."""
        self.rules = sorted(rules, key=lambda rule: (rule.part_group, rule.rank))
        for one, other in zip(self.rules, self.rules[1:], strict=False):
            if (one.part_group, one.rank) == (other.part_group, other.rank):
                raise ValueError(f"part group {one.part_group} has two rules of rank {one.rank}")
        starts = [
            i
            for i, rule in enumerate(self.rules)
            if i == 0 or rule.part_group != self.rules[i - 1].part_group
        ]
        self._group_starts = array("i", [*starts, len(self.rules)])
        # An option that no rule asks for cannot matter.
        asked = sorted({name for rule in self.rules for name in rule.requires | rule.excludes})
        self._bit = {name: i for i, name in enumerate(asked)}
        self._words = max(1, -(-len(asked) // WORD_BITS))
        self._requires = self._bits([rule.requires for rule in self.rules])
        self._excludes = self._bits([rule.excludes for rule in self.rules])
        named = sorted({colour for rule in self.rules for colour in rule.colours or ()})
        self._colour = {colour: i for i, colour in enumerate(named)}
        self._colour_count = len(named) + 1
        self._colour_fits = array(
            "B",
            [
                rule.colours is None or colour in rule.colours
                for rule in self.rules
                for colour in (*named, None)  # None: any colour that no rule names
            ],
        )

    def columns(self, cars: Sequence[Car]) -> tuple[array[int], array[int]]:
        """(index of the car, index of the rule) of every call line, by car, then by part group."""
        if not self.rules:
            return array("i"), array("i")
        other = self._colour_count - 1
        return kernels.explode(
            self._bits([car.options for car in cars]),
            array("i", [self._colour.get(car.colour, other) for car in cars]),
            self._words,
            self._group_starts,
            self._requires,
            self._excludes,
            self._colour_fits,
            self._colour_count,
        )

    def call_lines(self, cars: Sequence[Car]) -> Iterator[CallLine]:
        """The parts of these cars, in order of the cars, then of the part groups' names."""
        for at, number in zip(*self.columns(cars), strict=True):
            car, rule = cars[at], self.rules[number]
            yield CallLine(
                car.production_no,
                rule.part_group,
                rule.part_no.replace("{colour}", car.colour),
                rule.quantity,
            )

    def _bits(self, sets: Sequence[frozenset[str]]) -> array[int]:
        words = array("Q", bytes(8 * self._words * len(sets)))
        for i, names in enumerate(sets):
            for name in names:
                bit = self._bit.get(name)
                if bit is not None:
                    words[i * self._words + bit // WORD_BITS] |= 1 << bit % WORD_BITS
        return words
