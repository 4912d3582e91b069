"""Which part a car needs of each group: by bill of material, and by what replaces parts at a break
point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from hub.orders.store import RULES_AT, load_rules, rules_of
from hub.sequencing.explode import BillOfMaterial
from hub.sequencing.model import Car

_CHANGES_OF = """
SELECT part_group, old_part_no, new_part_no, from_production_no, from_position, from_at
FROM part_change WHERE plant = %s AND part_group = ANY (%s) ORDER BY id
"""
_CHANGES_AT = """
SELECT p.part_group, p.old_part_no, p.new_part_no, p.from_production_no, p.from_position, p.from_at
FROM part_group g JOIN part_change p ON p.plant = g.plant AND p.part_group = g.id
WHERE g.plant = %(plant)s AND g.control_point = %(control_point)s ORDER BY p.id
"""
_POSITION = """
SELECT position FROM sequence_position
WHERE production_no = %(car)s
    AND sequence = (SELECT max(id) FROM production_sequence WHERE plant = %(plant)s)
"""


@dataclass(frozen=True, slots=True)
class PartChange:
    """From a break point on one part takes the place of another. One of the three is given."""

    part_group: str
    old_part_no: str
    new_part_no: str
    from_production_no: str | None = None
    """Cars of this production number and greater ones: longer is greater, then by its text."""
    from_position: int | None = None
    """Cars that stand there or behind in the sequence in force."""
    from_at: datetime | None = None
    """Cars that are called then or later."""

    def holds(self, production_no: str, position: int | None, at: datetime) -> bool:
        """Whether a car is at or behind the break point. position: in the sequence in force; None:
        it is in none. at: when it is called."""
        if self.from_production_no is not None:
            return _rank(production_no) >= _rank(self.from_production_no)
        if self.from_position is not None:
            return position is not None and position >= self.from_position
        return self.from_at is not None and at >= self.from_at


def _rank(production_no: str) -> tuple[int, str]:
    return len(production_no), production_no


class Parts:
    """The bill of material of some of a plant's part groups, with its break points."""

    def __init__(self, bill: BillOfMaterial, changes: Iterable[PartChange]) -> None:
        self._bill = bill
        self._changes = {(c.part_group, c.old_part_no): c for c in changes}

    def of(self, car: Car, position: int | None, at: datetime) -> dict[str, tuple[str, int]]:
        """(part number, quantity) by part group, of those groups of which this car has a part."""
        return {
            line.part_group: (
                self.index(line.part_group, line.part_no, car.production_no, position, at),
                line.quantity,
            )
            for line in self._bill.call_lines([car])
        }

    def index(
        self, group: str, part_no: str, production_no: str, position: int | None, at: datetime
    ) -> str:
        """The part that counts for this car where the bill says `part_no`."""
        seen = {part_no}
        while (change := self._changes.get((group, part_no))) is not None:
            if not change.holds(production_no, position, at) or change.new_part_no in seen:
                break
            part_no = change.new_part_no
            seen.add(part_no)
        return part_no


def load_parts(connection: psycopg.Connection, plant: str, groups: Sequence[str]) -> Parts:
    """Of these part groups."""
    with connection.cursor(row_factory=class_row(PartChange)) as cursor:
        changes = cursor.execute(_CHANGES_OF, (plant, list(groups))).fetchall()
    return Parts(BillOfMaterial(load_rules(connection, plant, groups)), changes)


def ask_parts(
    connection: psycopg.Connection, plant: str, control_point: str
) -> Callable[[], Parts]:
    """Of the part groups that a control point fixes, to be called when they are needed; until then
    nobody waits for the answer."""
    at = {"plant": plant, "control_point": control_point}
    rules = connection.execute(RULES_AT, at)
    changes = connection.cursor(row_factory=class_row(PartChange)).execute(_CHANGES_AT, at)
    return lambda: Parts(BillOfMaterial(rules_of(rules.fetchall())), changes.fetchall())


def position_of(connection: psycopg.Connection, plant: str, production_no: str) -> int | None:
    """Where a car stands in the sequence in force."""
    row = connection.execute(_POSITION, {"plant": plant, "car": production_no}).fetchone()
    return None if row is None else int(row[0])
