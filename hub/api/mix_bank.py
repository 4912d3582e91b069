"""The mix bank over HTTP: which lane releases the next car, and which takes one in.

Where cars wait is the plant's to know: each question names all lanes, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import psycopg
from fastapi import APIRouter

from hub.api.context import Shared, Tenant
from hub.api.mix_bank_models import (
    MOST_ON_LINE,
    EntryRequest,
    EntryView,
    MixBank,
    PlannedRelease,
    ReleaseRequest,
    ReleaseView,
)
from hub.api.plants import PlantId, require_plant
from hub.api.problems import Problem, described
from hub.orders.book import OrderBook
from hub.orders.problems import InputError
from hub.orders.store import load_book
from hub.sequencing.lanes import LaneError, next_lane, store_lane
from hub.sequencing.model import Car, Rules
from hub.sequencing.passed import OrderedCar, line_tail, ordered_cars

router = APIRouter(prefix="/v1/plants/{plant}/lanes", tags=["lanes"])

_ASKED = described(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@router.post("/next", summary="Which lane releases the next car", responses=_ASKED)
def release_next(
    plant: PlantId, request: ReleaseRequest, tenant: Tenant, shared: Shared
) -> ReleaseView:
    """Plans the next cars behind those on the line, and says from which lane the first comes.

    Judged by the rules of the order book that the first waiting car came in. 409 if no lane can
    release: all are empty or blocked, or each next car would make a paint batch too long.
    """
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        known = _known(connection, plant, request)
        first = next(iter(_waiting(request)), None)
        if first is None:
            raise Problem(HTTPStatus.CONFLICT, "no lane can release: all are empty")
        book = _book(connection, plant, known[first])
        line = _line(connection, plant, request, known, book)
    try:
        choice = next_lane(
            _lanes(request, known),
            line,
            book.rules,
            look_ahead=request.look_ahead,
            blocked=frozenset(request.blocked),
        )
    except LaneError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    plan = [PlannedRelease(lane=r.lane, production_no=r.car.production_no) for r in choice.plan]
    return ReleaseView(
        lane=choice.lane, production_no=plan[0].production_no, cost=choice.cost, plan=plan
    )


@router.post("/entry", summary="Which lane takes in a car", responses=_ASKED)
def enter(plant: PlantId, request: EntryRequest, tenant: Tenant, shared: Shared) -> EntryView:
    """The lane that leaves the cheapest plan for all cars of the bank, this one among them.

    Judged by the rules of the order book that the car came in. 409 if each lane is full or blocked.
    """
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        known = _known(connection, plant, request, request.production_no)
        arriving = known[request.production_no]
        book = _book(connection, plant, arriving)
        line = _line(connection, plant, request, known, book)
    try:
        lane = store_lane(
            _lanes(request, known),
            arriving.car,
            book.rules,
            places=request.places,
            line=line,
            blocked=frozenset(request.blocked),
        )
    except LaneError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    return EntryView(lane=lane)


def _waiting(bank: MixBank) -> Iterable[str]:
    return (number for lane in bank.lanes for number in lane)


def _known(
    connection: psycopg.Connection, plant: str, bank: MixBank, *arriving: str
) -> dict[str, OrderedCar]:
    """All cars that are named, by production number.

    Raises `Problem` for one that is not ordered, or stands at two places.
    """
    numbers = [*arriving, *_waiting(bank), *(bank.line or ())]
    known = ordered_cars(connection, plant, numbers)
    seen: set[str] = set()
    for number in numbers:
        if number not in known:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"no order {number} in plant {plant}")
        if number in seen:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"car {number} stands at two places")
        seen.add(number)
    return known


def _lanes(bank: MixBank, known: dict[str, OrderedCar]) -> list[list[Car]]:
    return [[known[number].car for number in lane] for lane in bank.lanes]


def _book(connection: psycopg.Connection, plant: str, car: OrderedCar) -> OrderBook:
    try:
        return load_book(connection, plant, car.book)
    except InputError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None


def _line(
    connection: psycopg.Connection,
    plant: str,
    bank: MixBank,
    known: dict[str, OrderedCar],
    book: OrderBook,
) -> list[Car]:
    """The cars on the line: those given, or the last to pass that the rules look back at."""
    if bank.control_point is None:
        return [known[number].car for number in bank.line or ()]
    most = _reach(book.rules)
    try:
        tail = line_tail(connection, plant, bank.control_point, most)
    except LookupError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    return [*book.yesterday, *tail][-most:]


def _reach(rules: Rules) -> int:
    ratios = [ratio.window for ratio in rules.ratios]
    capacities = [capacity.window for capacity in rules.capacities]
    return min(MOST_ON_LINE, max([1, rules.batch_limit or 0, *ratios, *capacities]))
