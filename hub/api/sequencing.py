"""The sequence in force over HTTP: what it costs and why."""

from __future__ import annotations

from http import HTTPStatus

import psycopg
from fastapi import APIRouter

from hub.api.context import Shared, Tenant
from hub.api.plants import PlantId, require_plant
from hub.api.problems import Problem, described
from hub.api.sequencing_models import ScoreView, SequenceView
from hub.orders.problems import InputError
from hub.sequencing.scoring import score
from hub.sequencing.store import StoredSequence, load_sequence

router = APIRouter(prefix="/v1/plants/{plant}/sequence", tags=["sequence"])

_STORED = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.get("/score", summary="What the sequence in force costs", responses=_STORED)
def sequence_score(plant: PlantId, tenant: Tenant, shared: Shared) -> SequenceView:
    """Scored now, by the rules of its order book."""
    with shared.reading(tenant) as connection:
        stored = stored_sequence(connection, plant)
    return SequenceView(
        sequence=stored.number,
        method=stored.method,
        book=stored.book,
        cars=len(stored.cars),
        score=ScoreView.of(score(stored.instance, stored.cars)),
    )


def stored_sequence(
    connection: psycopg.Connection, plant: str, number: int | None = None
) -> StoredSequence:
    """A sequence of the tenant's plant, by default the one in force. Raises `Problem`."""
    require_plant(connection, plant)
    try:
        stored = load_sequence(connection, plant, number)
    except InputError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    if stored is None:
        which = "no sequence in force yet" if number is None else f"no sequence {number}"
        raise Problem(HTTPStatus.NOT_FOUND, f"plant {plant} has {which}")
    return stored
