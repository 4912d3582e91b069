"""Production sequences in the database: the newest of a plant is in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.called import By, lock_plant
from hub.calls.notify import CHANGES, Change
from hub.calls.previews import refresh_demand
from hub.calls.resequenced import follow_sequence
from hub.orders.problems import InputError
from hub.orders.store import load_book
from hub.sequencing.model import Car, Instance
from hub.sequencing.passed import passed_cars
from hub.sequencing.scoring import Score
from hub.sequencing.sequence import RESEQUENCE, PearlChain

_CARS = """
SELECT o.production_no, o.source FROM sequence_position q
JOIN vehicle_order o ON o.plant = q.plant AND o.production_no = q.production_no
WHERE q.sequence = %s ORDER BY q.position
"""
_BASIS = """
SELECT b.checksum,
    (SELECT count(*) FROM vehicle_order o WHERE o.plant = b.plant AND o.source = b.source),
    (SELECT max(id) FROM production_sequence s WHERE s.plant = b.plant)
FROM order_book b WHERE b.plant = %s AND b.source = %s
"""
_PLACES = "SELECT production_no, position FROM sequence_position WHERE sequence = %s"


class OvertakenError(RuntimeError):
    """What a sequence was made from no longer holds; the text says what has changed."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a sequence is made from."""

    book: str
    checksum: str
    orders: int
    """Cars in the book."""
    in_force: int | None
    """The sequence that was in force."""


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """A sequence as it was stored, with all that is needed to judge it."""

    number: int
    method: str
    book: str
    instance: Instance
    """The sequence's cars in the order their book gave them; held cars are not among them."""
    cars: tuple[Car, ...]
    """In the order they are to be built."""


def store_sequence(connection: psycopg.Connection, plant: str, chain: PearlChain) -> int:
    """Store a sequence, as the role `lineside_ingest`; its number. Who watches the plant is told,
    and so are the suppliers whose demand ahead it changes.

    Raises `psycopg.errors.ForeignKeyViolation` if a car is not among the plant's orders, and
    `LookupError` if there is no such plant.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO production_sequence (plant, owner, method, score) "
            "SELECT id, owner, %(method)s, %(score)s FROM plant WHERE id = %(plant)s "
            "RETURNING id, owner",
            {"plant": plant, "method": chain.method, "score": Jsonb(score_json(chain.score))},
        ).fetchone()
        if row is None:
            raise LookupError(f"no plant {plant}")
        number, owner = row
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY sequence_position (sequence, position, plant, owner, production_no) "
                "FROM STDIN"
            ) as copy,
        ):
            for position, car in enumerate(chain.cars, 1):
                copy.write_row((number, position, plant, owner, car.production_no))
        connection.execute(
            "SELECT pg_notify(%s, %s)",
            (CHANGES, Change("sequence", plant, None, (owner,)).dump()),
        )
        lock_plant(connection, owner, plant)
        refresh_demand(connection, plant, datetime.now(UTC))
    return int(number)


def number_in_force(connection: psycopg.Connection, plant: str) -> int | None:
    """The number of the sequence in force, if the plant has one."""
    row = connection.execute(
        "SELECT max(id) FROM production_sequence WHERE plant = %s", (plant,)
    ).fetchone()
    return row[0] if row else None


def read_basis(connection: psycopg.Connection, plant: str, book: str) -> Basis:
    """What a sequence of this book would be made from now.

    Raises `LookupError` if there is no such book.
    """
    row = connection.execute(_BASIS, (plant, book)).fetchone()
    if row is None:
        raise LookupError(f"plant {plant} has no order book {book}")
    return Basis(book, *row)


def put_in_force(
    connection: psycopg.Connection,
    owner: str,
    plant: str,
    chain: PearlChain,
    basis: Basis,
    *,
    control_point: str | None = None,
    force: bool = False,
) -> int:
    """Store a sequence that was made from `basis`, as the role `lineside_ingest`; its number. Calls
    that are out follow one that was repaired (`hub/calls/resequenced.py`).

    Raises `LookupError` if `owner` has no such plant, and `OvertakenError` if the book has changed
    since. Unless `force`, also if another sequence has come in force, or if a car that has passed
    `control_point` (by default the first) or a later one would stand later than it did.
    """
    with connection.transaction():
        # Imports and other sequences of the plant wait until this one is in force.
        row = connection.execute(
            "SELECT owner FROM plant WHERE id = %s FOR NO KEY UPDATE", (plant,)
        ).fetchone()
        if row is None or row[0] != owner:
            raise LookupError(f"no plant {plant}")
        now = read_basis(connection, plant, basis.book)
        if (now.checksum, now.orders) != (basis.checksum, basis.orders):
            raise OvertakenError(
                f"order book {basis.book} had {basis.orders} cars and has changed since: "
                f"it has {now.orders}"
            )
        if not force:
            if now.in_force != basis.in_force:
                raise OvertakenError(
                    f"sequence {now.in_force} has come in force since; it was made from "
                    f"{'none' if basis.in_force is None else basis.in_force}"
                )
            _check_passed(connection, plant, now, chain, control_point)
        before = _order(connection, basis.in_force)
        number = store_sequence(connection, plant, chain)
        if chain.method == RESEQUENCE:
            after = [car.production_no for car in chain.cars]
            by = By("sequence", f"sequence {number}", datetime.now(UTC), f"sequence {number}")
            follow_sequence(connection, owner, plant, before, after, by)
        return number


def _check_passed(
    connection: psycopg.Connection,
    plant: str,
    basis: Basis,
    chain: PearlChain,
    control_point: str | None,
) -> None:
    before: dict[str, int] = dict(connection.execute(_PLACES, (basis.in_force,)).fetchall())
    after = {car.production_no: position for position, car in enumerate(chain.cars, 1)}
    for number in passed_cars(connection, plant, basis.book, control_point):
        if number in before and after.get(number, 0) > before[number]:
            raise OvertakenError(
                f"car {number} has passed a control point at position {before[number]} of the "
                f"sequence in force and would stand at {after[number]}; begin with the sequence "
                "in force"
            )


def _order(connection: psycopg.Connection, sequence: int | None) -> list[str]:
    rows = connection.execute(_PLACES + " ORDER BY position", (sequence,))
    return [number for number, _ in rows]


def load_sequence(
    connection: psycopg.Connection, plant: str, number: int | None = None
) -> StoredSequence | None:
    """A stored sequence of the plant, by default the one in force; None if there is none.

    Raises `InputError` if its cars came in several order books, which no one set of rules judges.
    """
    row = connection.execute(
        "SELECT id, method FROM production_sequence "
        "WHERE plant = %(plant)s AND (%(number)s::bigint IS NULL OR id = %(number)s) "
        "ORDER BY id DESC LIMIT 1",
        {"plant": plant, "number": number},
    ).fetchone()
    if row is None:
        return None
    found, method = row
    rows = connection.execute(_CARS, (found,)).fetchall()
    books = sorted({source for _, source in rows})
    if len(books) != 1:
        raise InputError(
            [f"the cars of sequence {found} of plant {plant} are of {len(books)} order books"]
        )
    instance = load_book(connection, plant, books[0]).instance()
    by_number = {car.production_no: car for car in instance.cars}
    cars = tuple(by_number[production_no] for production_no, _ in rows)
    placed = {car.production_no for car in cars}
    given = tuple(car for car in instance.cars if car.production_no in placed)
    return StoredSequence(found, method, books[0], replace(instance, cars=given), cars)


def score_json(score: Score) -> dict[str, object]:
    """A score as it is stored and printed."""
    return {
        "mark": score.mark,
        "feasible": score.feasible,
        "high_priority": score.high_priority,
        "low_priority": score.low_priority,
        "colour_changes": score.colour_changes,
        "capacity": score.capacity,
        "levelling": score.levelling,
        "lateness": score.lateness,
        "objectives": list(score.objectives),
        "weights": score.weights,
        "by_option": score.by_option,
        "by_line": score.by_line,
        "long_batches": [
            {"position": b.position, "length": b.length, "colour": b.colour}
            for b in score.long_batches
        ],
        "broken": [
            {"kind": limit.kind, "cars": list(limit.cars), "text": limit.text}
            for limit in score.broken
        ],
    }
