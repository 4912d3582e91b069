"""Orders that come one by one, as from a plant's own system, instead of a day at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from hub.sequencing.model import NO_RULES, Rules

_BOOK = """
INSERT INTO order_book (plant, source, owner, checksum, rules, yesterday)
SELECT id, %(book)s, owner, 'one by one', %(rules)s, '[]' FROM plant WHERE id = %(plant)s
ON CONFLICT (plant, source) DO NOTHING
"""
_ADD = """
INSERT INTO vehicle_order (plant, production_no, owner, vin, model, colour, options, given_rank,
    source, pre_series, day)
SELECT id, %(production_no)s, owner, %(vin)s, %(model)s, %(colour)s, %(options)s,
    (SELECT coalesce(max(given_rank), 0) + 1 FROM vehicle_order
     WHERE plant = %(plant)s AND source = %(book)s),
    %(book)s, %(pre_series)s, %(day)s
FROM plant WHERE id = %(plant)s
ON CONFLICT (plant, production_no) DO NOTHING
RETURNING given_rank
"""
_KNOWN = """
SELECT vin, model, colour, options, source, pre_series, day FROM vehicle_order
WHERE plant = %s AND production_no = %s
"""
_RULES = TypeAdapter(Rules)


@dataclass(frozen=True, slots=True)
class SingleOrder:
    """One order. `book`: the order book it joins, which is made if it is not there."""

    production_no: str
    model: str
    colour: str
    options: tuple[str, ...]
    vin: str | None
    pre_series: bool
    day: date | None
    book: str


class KnownError(ValueError):
    """The production number is taken by an order that is other than this one."""


def add_order(connection: psycopg.Connection, plant: str, order: SingleOrder) -> bool:
    """Store one order; False: this very order is known. Raises `KnownError`."""
    values: dict[str, Any] = {name: getattr(order, name) for name in SingleOrder.__slots__}
    values |= {"options": sorted(order.options), "plant": plant}
    with connection.transaction():
        connection.execute("SELECT FROM plant WHERE id = %s FOR NO KEY UPDATE", (plant,))
        rules = Jsonb(_RULES.dump_python(NO_RULES, mode="json"))
        connection.execute(_BOOK, {"book": order.book, "rules": rules, "plant": plant})
        if connection.execute(_ADD, values).fetchone() is not None:
            return True
        known = connection.execute(_KNOWN, (plant, order.production_no)).fetchone()
        names = ("vin", "model", "colour", "options", "book", "pre_series", "day")
        for name, value in zip(names, known or (), strict=True):
            if value != values[name]:
                raise KnownError(
                    f"order {order.production_no} is known with {name} {value!r}, not "
                    f"{values[name]!r}: change it instead"
                )
        return False
