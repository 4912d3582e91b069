"""A sequence becomes call lines: which part of each part group a car needs, by bill of material."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
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

    def part_for(self, colour: str) -> str:
        """The part number for a car of this colour."""
        return self.part_no.replace("{colour}", colour)


@dataclass(frozen=True, slots=True)
class CallLine:
    """One part for one car."""

    production_no: str
    part_group: str
    part_no: str
    quantity: int


class BillOfMaterial:
    """Rules compiled for a quick look-up: what a car has, and what a rule asks, as bit sets.

    A bit for each option that some rule asks for, one for each colour that some rule names, and one
    for any other colour. A rule then fits where the bits it cares about are as it wants them.
    """

    def __init__(self, rules: Sequence[BomRule]) -> None:
        """Raises `ValueError` if two rules of a part group have one rank."""
        self.rules = sorted(rules, key=lambda rule: (rule.part_group, rule.rank))
        """In order of part group and rank: what call lines name by index."""
        for one, other in zip(self.rules, self.rules[1:], strict=False):
            if (one.part_group, one.rank) == (other.part_group, other.rank):
                raise ValueError(f"part group {one.part_group} has two rules of rank {one.rank}")
        groups = sorted({rule.part_group for rule in self.rules})
        number = {group: i for i, group in enumerate(groups)}
        self.group_of_rule = array("i", [number[rule.part_group] for rule in self.rules])
        """Of each rule the part group's place among the names: int32."""
        starts = [bisect_left(self.group_of_rule, group) for group in range(len(groups))]
        self._group_starts = array("i", [*starts, len(self.rules)])
        options = sorted({name for rule in self.rules for name in rule.requires | rule.excludes})
        colours = sorted({colour for rule in self.rules for colour in rule.colours or ()})
        self._option_bit = _Bits({name: 1 << i for i, name in enumerate(options)})
        self._colour_bit = {name: 1 << i for i, name in enumerate(colours, len(options))}
        bits = len(options) + len(colours) + 1
        self._other_colour = 1 << bits - 1
        self._word_count = -(-bits // WORD_BITS)
        require = [self._option_bit.of(rule.requires) for rule in self.rules]
        exclude = [
            self._option_bit.of(rule.excludes) | self._other_colours(rule.colours)
            for rule in self.rules
        ]
        # An option both required and excluded is wanted but not cared for, so that no car has it.
        self._care = self._words([r ^ e for r, e in zip(require, exclude, strict=True)])
        self._want = self._words(require)

    def columns(self, cars: Sequence[Car], first: int = 0) -> tuple[array[int], array[int]]:
        """(position of the car, index of the rule) of every call line, by car, then by part group.

        first: position of the first of these cars.
        """
        option_bits: dict[frozenset[str], int] = {}  # many cars of a day have the same options
        has = []
        for car in cars:
            bits = option_bits.get(car.options)
            if bits is None:
                bits = option_bits[car.options] = self._option_bit.of(car.options)
            has.append(bits | self._colour_bit.get(car.colour, self._other_colour))
        return kernels.explode(
            self._words(has), self._word_count, self._group_starts, self._care, self._want, first
        )

    def call_lines(self, cars: Sequence[Car]) -> Iterator[CallLine]:
        """The parts of these cars, in order of the cars, then of the part groups' names."""
        for at, number in zip(*self.columns(cars), strict=True):
            car, rule = cars[at], self.rules[number]
            yield CallLine(
                car.production_no, rule.part_group, rule.part_for(car.colour), rule.quantity
            )

    def _other_colours(self, colours: frozenset[str] | None) -> int:
        """The bits of the colours that a rule which takes only `colours` does not take."""
        if colours is None:
            return 0
        named = sum(bit for colour, bit in self._colour_bit.items() if colour not in colours)
        return named | self._other_colour

    def _words(self, sets: Sequence[int]) -> array[int]:
        size = self._word_count * WORD_BITS // 8
        return array("Q", b"".join([bits.to_bytes(size, sys.byteorder) for bits in sets]))


class _Bits(dict[str, int]):
    """A bit by name; none for a name that no rule asks for, as it cannot matter."""

    def __missing__(self, name: str) -> int:
        return 0

    def of(self, names: frozenset[str]) -> int:
        return sum(map(self.__getitem__, names))
