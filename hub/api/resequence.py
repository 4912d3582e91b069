"""The sequence in force, repaired over HTTP when the plant is disturbed."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from http import HTTPStatus

from fastapi import APIRouter

from hub.api.context import Context, Shared, Tenant
from hub.api.plants import PlantId
from hub.api.problems import Problem, described
from hub.api.resequence_models import Disturbance, Proposal
from hub.api.searches import overtaken
from hub.api.sequencing import stored_sequence
from hub.orders.store import load_book
from hub.sequencing.model import Instance, InstanceError
from hub.sequencing.passed import called_cars, passed_cars
from hub.sequencing.plant_state import PlantState, remaining
from hub.sequencing.resequence import Resequenced, resequence
from hub.sequencing.scoring import score
from hub.sequencing.sequence import RESEQUENCE, PearlChain
from hub.sequencing.store import Basis, StoredSequence, put_in_force, read_basis

router = APIRouter(prefix="/v1/plants/{plant}/sequence", tags=["sequence"])


@dataclass(frozen=True, slots=True)
class _Standing:
    """The plant as it stands, by the database."""

    stored: StoredSequence
    basis: Basis
    day: Instance
    """All cars of the book, held ones too."""
    passed: tuple[str, ...]
    """Cars of the book that are past, in the order they passed."""
    called: frozenset[str]
    """Of the cars to come, those that have released calls."""

    @property
    def coming(self) -> tuple[str, ...]:
        """The cars still to be built, as planned until now."""
        gone = set(self.passed)
        numbers = (car.production_no for car in self.stored.cars)
        return tuple(number for number in numbers if number not in gone)

    @property
    def released(self) -> int:
        """How many first cars to come have released calls: up to the last that has any."""
        places = (n for n, number in enumerate(self.coming, 1) if number in self.called)
        return max(places, default=0)


@router.post(
    "/resequence",
    summary="The next sequence after a disturbance",
    responses=described(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
)
def resequence_plant(
    plant: PlantId, disturbance: Disturbance, tenant: Tenant, shared: Shared
) -> Proposal:
    """Proposes the next sequence, in milliseconds, with the fewest changes to released calls.

    Which cars have passed, and which have released calls, is taken from the database. With `apply`
    the proposal comes in force: those that are past keep their order before it. Calls that are out
    follow it: suppliers are told of those that differ alone. Refused with 409 if the plant has
    moved on meanwhile: ask again. A car that is not to be built, or limits that no sequence keeps,
    are named (422).
    """
    standing = _standing(shared, tenant, plant, disturbance.control_point)
    _check_to_come(disturbance, standing.passed)
    released = standing.released if disturbance.released is None else disturbance.released
    try:
        found = resequence(
            remaining(standing.day, standing.passed),
            PlantState(
                standing.coming,
                frozen=disturbance.frozen,
                released=released,
                blocked=frozenset(disturbance.blocked),
                pulled_out=frozenset(disturbance.pulled_out),
                reinsert=disturbance.reinsert,
                late_parts=disturbance.late_parts,
            ),
            worth=math.inf if disturbance.worth == "infinite" else disturbance.worth,
            tolerance=disturbance.tolerance,
            max_moves=disturbance.max_moves,
            max_ms=disturbance.max_ms,
        )
    except InstanceError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    number = None
    if disturbance.apply:
        with shared.writing() as connection, overtaken():
            number = put_in_force(
                connection,
                tenant,
                plant,
                _chain(standing, found),
                standing.basis,
                control_point=disturbance.control_point,
            )
    return Proposal.of(
        found,
        made_from=standing.stored.number,
        sequence=number,
        book=standing.stored.book,
        passed=len(standing.passed),
        frozen=disturbance.frozen,
        released=released,
    )


def _standing(shared: Context, tenant: str, plant: str, control_point: str | None) -> _Standing:
    with shared.reading(tenant) as connection:
        stored = stored_sequence(connection, plant)
        try:
            passed = passed_cars(connection, plant, stored.book, control_point)
        except LookupError as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
        return _Standing(
            stored,
            # Its number as it was read: one that has come in force since shall not be overlooked.
            replace(read_basis(connection, plant, stored.book), in_force=stored.number),
            load_book(connection, plant, stored.book).instance(),
            passed,
            called_cars(connection, plant, [car.production_no for car in stored.cars]),
        )


def _check_to_come(disturbance: Disturbance, passed: Collection[str]) -> None:
    leaving = {*disturbance.blocked, *disturbance.pulled_out}
    for number in sorted(leaving | disturbance.reinsert.keys() | disturbance.late_parts.keys()):
        if number in passed:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"car {number} has passed already")


def _chain(standing: _Standing, found: Resequenced) -> PearlChain:
    """The whole new sequence: first what is past, as it was planned, then what is to come."""
    past = set(standing.passed)
    cars = (*(car for car in standing.stored.cars if car.production_no in past), *found.cars)
    here = {car.production_no for car in cars}
    given = tuple(car for car in standing.day.cars if car.production_no in here)
    return PearlChain(cars, RESEQUENCE, score(replace(standing.day, cars=given), cars))
