"""What is ahead of a line, as its plant's hub has told it and as its gateway has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from protocols.jis.messages import Demand

_TOLD = """
SELECT production_no, part_group, part_no, car = 'blocked', place, required_at
FROM lineside.demand WHERE plant = %s AND line = %s
"""


class Ahead(NamedTuple):
    """One part that will be called."""

    car: str
    group: str
    part_no: str
    blocked: bool
    place: int | None
    required_at: datetime | None


def at_hub(database: psycopg.Connection[Any], plant: str, line: str) -> set[Ahead]:
    """As it was told."""
    return {Ahead(*row) for row in database.execute(_TOLD, (plant, line))}


def at_gateway(calls: Path) -> set[Ahead]:
    """As the gateway of one line keeps it in this `calls.sqlite`."""
    with closing(sqlite3.connect(f"file:{calls}?mode=ro", uri=True)) as database:
        bodies = database.execute("SELECT body FROM demand").fetchall()
    known = [Demand.model_validate_json(body) for (body,) in bodies]
    return {
        Ahead(d.production_no, d.part_group, d.part_no, d.blocked, d.place, d.required_at)
        for d in known
    }
