"""Days that stand for themselves, sent whole: judged without any plant in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import caller
from hub.api.explanation_models import ExplanationView
from hub.api.problems import described
from hub.api.sequencing import Top, explained
from hub.api.sequencing_models import ScoreView
from hub.orders.day import DayError, make_day
from hub.orders.day_model import MAX_CARS, DayModel, ProductionNo
from hub.sequencing.model import Car, Instance, InstanceError
from hub.sequencing.scoring import score

MAX_BODY_BYTES = 2 * 2**20
"""A day of 5,000 cars with 60 options each has some 1.5 MB."""

router = APIRouter(prefix="/v1/sequencing", tags=["days"], dependencies=[Depends(caller)])

_JUDGED = described(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)

EXAMPLE: dict[str, Any] = {
    "day": {
        "version": 1,
        "options": {"SUNROOF": {"ratio": "1/2"}},
        "cars": [
            {"production_no": "1", "colour": "red", "options": ["SUNROOF"]},
            {"production_no": "2", "colour": "red", "options": ["SUNROOF"]},
            {"production_no": "3", "colour": "blue"},
        ],
    },
    "sequence": ["1", "3", "2"],
}


class DaySequence(BaseModel):
    """A day, and an order of its cars."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    day: DayModel
    sequence: list[ProductionNo] | None = Field(
        default=None, max_length=MAX_CARS, description="production numbers; null: the order given"
    )


@router.post("/score", summary="What a sequence of a day costs", responses=_JUDGED)
def day_score(request: DaySequence) -> ScoreView:
    """Judges an order of a day's cars. Nothing is stored; 2 MiB at most."""
    with refusing():
        instance, cars = read_day(request)
        return ScoreView.of(score(instance, cars))


@router.post("/explanation", summary="Why a sequence of a day costs that", responses=_JUDGED)
def day_explanation(request: DaySequence, top: Top = 10) -> ExplanationView:
    """The mark taken apart: which windows, cars, parts and supplier lines cost what."""
    with refusing():
        instance, cars = read_day(request)
        return explained(instance, cars, top)


def read_day(request: DaySequence) -> tuple[Instance, tuple[Car, ...]]:
    """The day, and its cars in the order of the request; to be called within `refusing`."""
    instance = make_day(request.day).instance
    if request.sequence is None:
        return instance, instance.cars
    cars = {car.production_no: car for car in instance.cars}
    unknown = [(i, n) for i, n in enumerate(request.sequence) if n not in cars]
    if unknown:
        raise _invalid([(("sequence", i), f"{n} is not a car of the day") for i, n in unknown])
    return instance, tuple(cars[number] for number in request.sequence)


@contextmanager
def refusing() -> Iterator[None]:
    """What is wrong with a day, told as what is wrong with any other request."""
    try:
        yield
    except DayError as error:
        raise _invalid([(("day", *loc), reason) for loc, reason in error.problems]) from None
    except InstanceError as error:
        raise _invalid([(("sequence",), str(error))]) from None


def _invalid(problems: Sequence[tuple[tuple[str | int, ...], str]]) -> RequestValidationError:
    return RequestValidationError(
        [{"loc": ("body", *loc), "msg": reason, "type": "value_error"} for loc, reason in problems]
    )
