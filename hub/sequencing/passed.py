"""How far the plant has come with a day: the cars that have passed, and those that are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.orders.problems import did_you_mean
from hub.sequencing.model import Car

_CONTROL_POINTS = "SELECT id FROM control_point WHERE plant = %s ORDER BY rank"
_PASSED = """
SELECT x.production_no FROM control_point_pass x
JOIN control_point c ON c.plant = x.plant AND c.id = x.control_point
JOIN vehicle_order o ON o.plant = x.plant AND o.production_no = x.production_no
WHERE x.plant = %(plant)s AND o.source = %(book)s AND x.control_point = ANY (%(points)s)
GROUP BY x.production_no ORDER BY min(x.passed_at), min(x.pass_no)
"""
# By line, because that is what the calls are found by.
_CALLED = """
SELECT DISTINCT c.production_no FROM supplier_line l
JOIN jis_call c ON c.plant = l.plant AND c.line = l.id AND c.production_no = ANY (%(cars)s)
WHERE l.plant = %(plant)s
"""
_ORDERED = """
SELECT production_no, colour, options, source FROM vehicle_order
WHERE plant = %s AND production_no = ANY (%s)
"""
_TAIL = """
SELECT o.production_no, o.colour, o.options FROM (
    SELECT production_no, pass_no FROM control_point_pass
    WHERE plant = %(plant)s AND control_point = %(point)s ORDER BY pass_no DESC LIMIT %(most)s
) x JOIN vehicle_order o ON o.plant = %(plant)s AND o.production_no = x.production_no
ORDER BY x.pass_no
"""


class OrderedCar(NamedTuple):
    """A car that is on order, and the book it came in."""

    car: Car
    book: str


def passed_cars(
    connection: psycopg.Connection, plant: str, book: str, control_point: str | None = None
) -> tuple[str, ...]:
    """A book's cars that have passed this control point or a later one, in the order they did so.

    By default the first control point. Raises `LookupError` if the plant has none of that name.
    """
    points = _control_points(connection, plant, control_point)
    if control_point is not None:
        points = points[points.index(control_point) :]
    rows = connection.execute(_PASSED, {"plant": plant, "book": book, "points": points})
    return tuple(number for (number,) in rows)


def called_cars(connection: psycopg.Connection, plant: str, cars: Sequence[str]) -> frozenset[str]:
    """Those of the cars for which any call has been released."""
    rows = connection.execute(_CALLED, {"plant": plant, "cars": list(cars)})
    return frozenset(number for (number,) in rows)


def line_tail(
    connection: psycopg.Connection, plant: str, control_point: str, most: int
) -> list[Car]:
    """The last cars that were reported to have passed a control point, the last one last.

    Raises `LookupError` if the plant has none of that name.
    """
    _control_points(connection, plant, control_point)
    rows = connection.execute(_TAIL, {"plant": plant, "point": control_point, "most": most})
    return [Car(number, colour, frozenset(options)) for number, colour, options in rows]


def ordered_cars(
    connection: psycopg.Connection, plant: str, numbers: Sequence[str]
) -> dict[str, OrderedCar]:
    """Those of the cars that are on order, by production number."""
    rows = connection.execute(_ORDERED, (plant, list(numbers)))
    return {
        number: OrderedCar(Car(number, colour, frozenset(options)), book)
        for number, colour, options, book in rows
    }


def _control_points(connection: psycopg.Connection, plant: str, wanted: str | None) -> list[str]:
    """All of the plant, in the order cars pass them.

    Raises `LookupError` if the one that is wanted is not among them.
    """
    points = [name for (name,) in connection.execute(_CONTROL_POINTS, (plant,))]
    if wanted is not None and wanted not in points:
        raise LookupError(
            f"no control point {wanted} in plant {plant}{did_you_mean(wanted, points)}"
        )
    return points
