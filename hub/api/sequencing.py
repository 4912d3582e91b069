"""The sequence in force over HTTP: what it costs, why, and what another would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import APIRouter, Query

from hub.api.context import Shared, Tenant
from hub.api.explanation_models import ComparisonView, ExplanationView
from hub.api.plants import PlantId, require_plant
from hub.api.problems import Problem, described
from hub.api.sequencing_models import ScoreView, SequenceView
from hub.api.svg import Svg, svg
from hub.orders.problems import InputError
from hub.sequencing.compare import compare
from hub.sequencing.explain import explain
from hub.sequencing.model import Car, Instance
from hub.sequencing.plot import draw_sequence
from hub.sequencing.scoring import score
from hub.sequencing.store import StoredSequence, load_sequence

router = APIRouter(prefix="/v1/plants/{plant}/sequence", tags=["sequence"])

Top = Annotated[int, Query(ge=0, le=1000, description="length of each list, the worst first")]

MAX_NAMED = 1_000_000
"""Cars that the lists of an explanation may name in all: some 20 MB."""

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


@router.get("/explanation", summary="Why the sequence in force costs that", responses=_STORED)
def sequence_explanation(
    plant: PlantId, tenant: Tenant, shared: Shared, top: Top = 10
) -> ExplanationView:
    """The mark taken apart: which windows, cars, parts and supplier lines cost what."""
    with shared.reading(tenant) as connection:
        stored = stored_sequence(connection, plant)
    return explained(stored.instance, stored.cars, top)


@router.get("/comparison", summary="The sequence in force beside another", responses=_STORED)
def sequence_comparison(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    number: Annotated[
        int, Query(alias="with", ge=1, le=2**53, description="number of a stored sequence")
    ],
    top: Top = 10,
) -> ComparisonView:
    """What an earlier sequence cost, objective by objective, and which cars stand elsewhere now.

    Both are judged by the cars they have in common: what a resequence has held back or brought back
    is named, and left out.
    """
    with shared.reading(tenant) as connection:
        one = stored_sequence(connection, plant, number)
        other = stored_sequence(connection, plant)
    if one.book != other.book:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"sequence {one.number} is of book {one.book}, the one in force of {other.book}",
        )
    only_one, only_other = _alone(one.cars, other.cars), _alone(other.cars, one.cars)
    apart = {*only_one, *only_other}
    common = replace(one.instance, cars=_without(one.instance.cars, apart))
    comparison = compare(common, _without(one.cars, apart), _without(other.cars, apart))
    return ComparisonView.model_validate(
        comparison.as_json(top)
        | {
            "one": one.number,
            "other": other.number,
            "only_one": only_one,
            "only_other": only_other,
        }
    )


@router.get(
    "/plot.svg",
    summary="The sequence in force as a picture",
    response_class=Svg,
    responses=_STORED,
)
def sequence_plot(plant: PlantId, tenant: Tenant, shared: Shared) -> Svg:
    """The colours in sequence, a row for each option, and where its ratio is not kept."""
    with shared.reading(tenant) as connection:
        stored = stored_sequence(connection, plant)
    return svg(draw_sequence(stored.instance, stored.cars))


def _alone(cars: Sequence[Car], others: Sequence[Car]) -> list[str]:
    there = {car.production_no for car in others}
    return [car.production_no for car in cars if car.production_no not in there]


def _without(cars: Sequence[Car], apart: set[str]) -> tuple[Car, ...]:
    return tuple(car for car in cars if car.production_no not in apart)


def explained(instance: Instance, cars: Sequence[Car], top: int) -> ExplanationView:
    """What the order costs, taken apart. Raises `Problem` if the lists could become too long."""
    rules = instance.rules
    windows = [limit.window for limit in rules.ratios] + [c.window for c in rules.capacities]
    named = min(top, len(cars)) * sum(min(window, len(cars)) for window in windows)
    if named > MAX_NAMED:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"query.top: {top} places for each rule could name {named:,} cars; "
            f"at most {MAX_NAMED:,}",
        )
    return ExplanationView.model_validate(explain(instance, cars).as_json(top))


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
