"""Searches of days that stand for themselves, over HTTP: no plant, and nothing to put in force."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import ConfigDict

from hub.api import running
from hub.api.context import Admitted, Shared
from hub.api.days import EXAMPLE, DaySequence, read_day, refusing
from hub.api.problems import described
from hub.api.sequencing_models import Effort, SearchSummary, SearchView
from hub.api.svg import Svg
from hub.identity.caller import Caller
from hub.sequencing.searches import Scope, Task

FOLDER = "/v1/sequencing/searches"

router = APIRouter(prefix=FOLDER, tags=["days"])


class DaySearchRequest(DaySequence, Effort):
    """A day to be searched, the order to begin with, and how hard."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**EXAMPLE, "time_limit_s": 10}]}
    )


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    summary="Start a search for the best sequence of a day",
    responses=running.STARTED | described(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
def start_day_search(
    request: DaySearchRequest, response: Response, caller: Admitted, shared: Shared
) -> SearchView:
    """As for a plant: answers at once, and `Location` tells how it gets on and what was found."""
    with refusing():
        instance, cars = read_day(request)
    task = Task(
        scope=_scope(caller),
        instance=instance,
        time_limit_s=request.time_limit_s,
        max_moves=request.max_moves,
        seed=request.seed,
        cores=request.cores,
        start=cars,
    )
    return running.begin(shared, task, FOLDER, response)


@router.get("", summary="Searches of days", responses=described(HTTPStatus.UNAUTHORIZED))
def day_searches(caller: Admitted, shared: Shared) -> list[SearchSummary]:
    """Those that run or are kept, the newest first."""
    return [SearchSummary.of(search) for search in shared.searches.of(_scope(caller))]


@router.get("/{search_id}", summary="A day's search", responses=running.FOUND)
def day_search(search_id: running.SearchId, caller: Admitted, shared: Shared) -> SearchView:
    """Its progress; and, once it has ended, the best sequence and what it costs."""
    return SearchView.of(running.find(shared, _scope(caller), search_id))


@router.delete("/{search_id}", summary="Stop a day's search", responses=running.STOPPED)
def stop_day_search(
    search_id: running.SearchId, response: Response, caller: Admitted, shared: Shared
) -> SearchView:
    """Ends the search; the best sequence so far is kept."""
    return running.end(running.find(shared, _scope(caller), search_id), response)


@router.get(
    "/{search_id}/plot.svg",
    summary="A day's search as a picture",
    response_class=Svg,
    responses=running.DRAWN,
)
def day_search_plot(search_id: running.SearchId, caller: Admitted, shared: Shared) -> Svg:
    """The best mark over time, and below it the sequence that was found."""
    return running.picture(running.find(shared, _scope(caller), search_id))


def _scope(caller: Caller) -> Scope:
    """Days of one tenant are found by nobody else."""
    return ("days", caller.tenant)
