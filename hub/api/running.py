"""What searches of plants and of days have in common over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response

from hub.api.context import Context
from hub.api.problems import Problem, described
from hub.api.sequencing_models import SearchView
from hub.api.svg import Svg, svg
from hub.sequencing.conflicts import check_conflicts
from hub.sequencing.model import Car, InstanceError
from hub.sequencing.plot import draw_search
from hub.sequencing.scoring import Score
from hub.sequencing.searches import BusyError, Scope, Search, State, Task

STOP_WAIT_S = 2.0
"""How long a request to stop waits for the end of the search, which comes within milliseconds."""

SearchId = Annotated[str, Path(max_length=32, examples=["5f0c1e8d9ab34c72"])]

FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
STARTED: dict[int | str, dict[str, Any]] = {
    **described(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
    202: {"headers": {"Location": {"description": "the search", "schema": {"type": "string"}}}},
}
STOPPED: dict[int | str, dict[str, Any]] = {
    **FOUND,
    202: {"model": SearchView, "description": "It has been told to, and ends in a moment"},
}
DRAWN = FOUND | described(HTTPStatus.CONFLICT)


def begin(shared: Context, task: Task, folder: str, response: Response) -> SearchView:
    """Start a search that will be found below `folder`. Raises `Problem`."""
    if task.cores > shared.searches.cores:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"body.cores: {task.cores}, but searches may take {shared.searches.cores} here",
        )
    try:
        check_conflicts(task.instance)
        search = shared.searches.start(task)
    except InstanceError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    except BusyError as busy:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            str(busy),
            headers={"Retry-After": str(busy.retry_after_s)},
        ) from None
    response.headers["Location"] = f"{folder}/{search.id}"
    return SearchView.of(search)


def find(shared: Context, scope: Scope, search_id: str) -> Search:
    """Raises `Problem` if there is no such search, or it is forgotten."""
    found = shared.searches.find(scope, search_id)
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"no search {search_id}; those that have ended are soon forgotten"
        )
    return found


def end(search: Search, response: Response) -> SearchView:
    """Stop a search; 202 if it has not ended in time for the answer."""
    search.stop()
    if not search.wait(STOP_WAIT_S):
        response.status_code = HTTPStatus.ACCEPTED
    return SearchView.of(search)


def result(search: Search) -> tuple[tuple[Car, ...], Score]:
    """What a search has found. Raises `Problem` while it runs, and if it has failed."""
    status = search.status()
    if status.cars is None or status.score is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"search {search.id} is still running; DELETE stops it"
            if status.state is State.RUNNING
            else f"search {search.id} failed: {status.reason}",
        )
    return status.cars, status.score


def picture(search: Search) -> Svg:
    """A search that has ended, drawn. Raises `Problem` as `result`."""
    cars, _ = result(search)
    status = search.status()
    return svg(draw_search(search.task.instance, cars, status.course, elapsed_s=status.elapsed_s))
