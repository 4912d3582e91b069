"""Searches for a better sequence over HTTP: start, watch, stop, and put what was found in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import APIRouter, Query, Response

from hub.api import running
from hub.api.context import Context, Shared, Tenant
from hub.api.plants import PlantId, require_plant
from hub.api.problems import Problem, described
from hub.api.sequencing_models import (
    ScoreView,
    SearchRequest,
    SearchSummary,
    SearchView,
    SequenceView,
)
from hub.api.svg import Svg
from hub.orders.problems import InputError
from hub.orders.store import load_book
from hub.sequencing.model import Instance, InstanceError
from hub.sequencing.passed import passed_cars
from hub.sequencing.searches import Search, Task
from hub.sequencing.sequence import Method, PearlChain
from hub.sequencing.store import (
    Basis,
    OvertakenError,
    load_sequence,
    number_in_force,
    put_in_force,
    read_basis,
)

router = APIRouter(prefix="/v1/plants/{plant}/searches", tags=["searches"])


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    summary="Start a search for a better sequence",
    responses=running.STARTED | described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def start_search(
    plant: PlantId, request: SearchRequest, response: Response, tenant: Tenant, shared: Shared
) -> SearchView:
    """Begins to search and answers at once; ask at `Location` how it gets on.

    Nothing changes in the plant until what was found is put in force. Searches live in the hub's
    process and end with it; the latest that have ended are kept for a while. Hard limits that
    cannot be kept together are named (422), and no search is started. While searches take all the
    cores they may, the answer is 503, and `Retry-After` says when one ends.
    """
    task = _task(shared, tenant, plant, request)
    return running.begin(shared, task, f"/v1/plants/{plant}/searches", response)


@router.get("", summary="Searches", responses=running.FOUND)
def searches(plant: PlantId, tenant: Tenant, shared: Shared) -> list[SearchSummary]:
    """The searches of a plant that run or are kept, the newest first."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
    return [SearchSummary.of(search) for search in shared.searches.of((tenant, plant))]


@router.get("/{search_id}", summary="A search and where it stands", responses=running.FOUND)
def search(
    plant: PlantId, search_id: running.SearchId, tenant: Tenant, shared: Shared
) -> SearchView:
    """Its progress, the best mark so far and how it came down over time."""
    return SearchView.of(_find(shared, tenant, plant, search_id))


@router.delete(
    "/{search_id}",
    summary="Stop a search",
    responses=running.STOPPED,
)
def stop_search(
    plant: PlantId, search_id: running.SearchId, response: Response, tenant: Tenant, shared: Shared
) -> SearchView:
    """Ends the search; the best sequence so far is kept, and can be put in force.

    One that has ended already stays as it is. The search is not forgotten.
    """
    return running.end(_find(shared, tenant, plant, search_id), response)


@router.post(
    "/{search_id}/sequence",
    status_code=HTTPStatus.CREATED,
    summary="Put what a search has found in force",
    responses={
        200: {"model": SequenceView, "description": "It is in force already"},
        **described(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
def put_found_in_force(
    plant: PlantId,
    search_id: running.SearchId,
    response: Response,
    tenant: Tenant,
    shared: Shared,
    force: Annotated[
        bool,
        Query(
            description="even if another sequence has come in force since the search began, or "
            "cars that have passed a control point would stand later"
        ),
    ] = False,
) -> SequenceView:
    """Makes the sequence that the search has found the plant's sequence in force.

    Safe to repeat: while it is in force nothing is stored again, and the answer is 200. Refused
    with 409 while the search runs; if its order book has changed since; and, unless `force`, if
    another sequence has come in force since, or if cars that have passed a control point would
    stand later than they do.
    """
    found = _find(shared, tenant, plant, search_id)
    cars, cost = running.result(found)
    chain, basis = PearlChain(cars, Method.SEARCH, cost), found.task.basis
    if basis is None:
        raise Problem(HTTPStatus.CONFLICT, f"search {search_id} was not made of a plant's orders")
    with found.putting, shared.writing() as connection:
        if found.sequence is not None and found.sequence == number_in_force(connection, plant):
            response.status_code = HTTPStatus.OK
        else:
            with overtaken():
                found.sequence = put_in_force(connection, tenant, plant, chain, basis, force=force)
        return SequenceView(
            sequence=found.sequence,
            method=chain.method,
            book=basis.book,
            cars=len(chain.cars),
            score=ScoreView.of(chain.score),
        )


@router.get(
    "/{search_id}/plot.svg",
    summary="A search as a picture",
    response_class=Svg,
    responses=running.DRAWN,
)
def search_plot(plant: PlantId, search_id: running.SearchId, tenant: Tenant, shared: Shared) -> Svg:
    """The best mark over time, and below it the sequence that was found."""
    return running.picture(_find(shared, tenant, plant, search_id))


@contextmanager
def overtaken() -> Iterator[None]:
    """What `put_in_force` refuses, as problems."""
    try:
        yield
    except OvertakenError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    except LookupError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None


def _find(shared: Context, tenant: str, plant: str, search_id: str) -> Search:
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
    return running.find(shared, (tenant, plant), search_id)


def _task(shared: Context, tenant: str, plant: str, request: SearchRequest) -> Task:
    """What to search, as the database has it now."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        try:
            basis, instance, frozen = (
                _given(connection, plant, request.book)
                if request.start == "given"
                else _in_force(connection, plant, request.book)
            )
        except InputError as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
        try:
            instance = replace(instance, limits=request.limits(frozen))
        except InstanceError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    return Task(
        scope=(tenant, plant),
        basis=basis,
        instance=instance,
        time_limit_s=request.time_limit_s,
        max_moves=request.max_moves,
        seed=request.seed,
        cores=request.cores,
    )


def _given(
    connection: psycopg.Connection, plant: str, book: str | None
) -> tuple[Basis, Instance, int]:
    """A book's cars as they were given."""
    orders = load_book(connection, plant, book)
    return read_basis(connection, plant, orders.source), orders.instance(), 0


def _in_force(
    connection: psycopg.Connection, plant: str, book: str | None
) -> tuple[Basis, Instance, int]:
    """The cars of the sequence in force in its order, frozen up to the last that has passed."""
    stored = load_sequence(connection, plant)
    if stored is None or book not in (None, stored.book):
        raise Problem(
            HTTPStatus.CONFLICT,
            f"no sequence of plant {plant} is in force yet; start from `given`"
            if stored is None
            else f"the sequence in force is of book {stored.book}, not of {book}",
        )
    passed = set(passed_cars(connection, plant, stored.book))
    frozen = max(
        (n for n, car in enumerate(stored.cars, 1) if car.production_no in passed), default=0
    )
    # Its number as it was read: one that has come in force since then shall not be overlooked.
    basis = replace(read_basis(connection, plant, stored.book), in_force=stored.number)
    return basis, replace(stored.instance, cars=stored.cars), frozen
