"""A day of orders in the small plant, which is worth sequencing."""

from __future__ import annotations

import random

from hub.orders.book import Order, OrderBook
from hub.orders.store import import_book
from hub.sequencing.model import Car, Ratio, Rules
from hub.sequencing.sequence import make_sequence
from hub.sequencing.store import store_sequence
from hub.store import Database
from tests.hub.calls.world import PLANT, make_world

RULES = Rules(
    ratios=(
        Ratio("SPORT", 1, 3, high_priority=True),
        Ratio("TWO-SEATER", 1, 2, high_priority=False),
    ),
    batch_limit=6,
)


def make_book(cars: int = 60, source: str = "monday", first: int = 1) -> OrderBook:
    """Cars 0000001 … in an order that breaks ratios and often changes colour; always the same."""
    chance = random.Random(2)
    orders = tuple(
        Order(
            f"{number:07d}",
            "M1",
            chance.choice(["RED", "BLUE", "GREY"]),
            frozenset(name for name in ("SPORT", "TWO-SEATER") if chance.random() < 0.33),
        )
        for number in range(first, first + cars)
    )
    yesterday = (Car("0999999", "RED", frozenset({"SPORT"})),)
    return OrderBook(source, f"sum of {source}", orders, RULES, yesterday)


def make_plant(database: Database, book: OrderBook | None = None) -> None:
    """The plant with a day of orders, in force as given."""
    make_world(database, cars=0)
    book = book or make_book()
    with database.connect("ingest") as connection:
        import_book(connection, PLANT, book)
        store_sequence(connection, PLANT, make_sequence(book.instance()))
