"""How far the plant has come with a day: the cars that have passed, and those that are called."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from hub.orders.problems import did_you_mean

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


def passed_cars(
    connection: psycopg.Connection, plant: str, book: str, control_point: str | None = None
) -> tuple[str, ...]:
    """A book's cars that have passed this control point or a later one, in the order they did so.

    By default the first control point. Raises `LookupError` if the plant has none of that name.
    """
    points = [name for (name,) in connection.execute(_CONTROL_POINTS, (plant,))]
    if control_point is not None:
        if control_point not in points:
            hint = did_you_mean(control_point, points)
            raise LookupError(f"no control point {control_point} in plant {plant}{hint}")
        points = points[points.index(control_point) :]
    rows = connection.execute(_PASSED, {"plant": plant, "book": book, "points": points})
    return tuple(number for (number,) in rows)


def called_cars(connection: psycopg.Connection, plant: str, cars: Sequence[str]) -> frozenset[str]:
    """Those of the cars for which any call has been released."""
    rows = connection.execute(_CALLED, {"plant": plant, "cars": list(cars)})
    return frozenset(number for (number,) in rows)
