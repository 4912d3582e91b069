"""Production sequences in the database: the newest of a plant is in force."""

from __future__ import annotations

import psycopg
from psycopg.types.json import Jsonb

from hub.sequencing.scoring import Score
from hub.sequencing.sequence import PearlChain


def store_sequence(connection: psycopg.Connection, plant: str, chain: PearlChain) -> int:
    """Store a sequence, as the role `lineside_ingest`; its number.

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
    return int(number)


def score_json(score: Score) -> dict[str, object]:
    """A score as it is stored and printed."""
    return {
        "mark": score.mark,
        "feasible": score.feasible,
        "high_priority": score.high_priority,
        "low_priority": score.low_priority,
        "colour_changes": score.colour_changes,
        "objectives": list(score.objectives),
        "by_option": score.by_option,
        "long_batches": [
            {"position": b.position, "length": b.length, "colour": b.colour}
            for b in score.long_batches
        ],
    }
