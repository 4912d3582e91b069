"""`lineside-hub sequence lanes`: which lane of a mix bank releases next, or takes a car in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from hub.orders.cli import refusing
from hub.orders.formats import read_given
from hub.orders.problems import InputError
from hub.sequencing.cli.common import (
    DayArgument,
    FormatOption,
    JsonOption,
    check_cars,
    figure,
    placing,
    table_text,
)
from hub.sequencing.lanes import LOOK_AHEAD, LaneChoice, next_lane, store_lane
from hub.sequencing.model import Instance


def lanes_command(
    day: DayArgument,
    lane: Annotated[
        list[str],
        typer.Option(
            metavar="CARS",
            help="Cars of a lane, commas between, the first to leave in front. Given again for "
            'each lane, "" for an empty one; lanes count from 0.',
        ),
    ],
    line: Annotated[
        str | None,
        typer.Option(
            metavar="CARS",
            help="Cars released before, commas between, the last one last; if absent, yesterday's.",
        ),
    ] = None,
    blocked: Annotated[
        list[int] | None,
        typer.Option(metavar="LANE", help="Cannot move now; may be given again."),
    ] = None,
    look_ahead: Annotated[int, typer.Option(min=1, help="Cars to plan.")] = LOOK_AHEAD,
    arriving: Annotated[
        str | None,
        typer.Option(metavar="CAR", help="Say instead which lane this car should enter."),
    ] = None,
    places: Annotated[
        int | None, typer.Option(min=1, help="Cars that a lane holds; with --arriving.")
    ] = None,
    format_: FormatOption = None,
    json_: JsonOption = False,
) -> None:
    """Say which lane of a mix bank releases the next car, and the plan that this begins.

    With --arriving: which lane should take that car in.
    """
    with refusing("refused"):
        if (arriving is None) != (places is None):
            raise InputError(["--arriving CAR and --places belong together: give both or none"])
        instance = read_given(day, format_).instance
        waiting = [_numbers(cars) for cars in lane]
        past = None if line is None else _numbers(line)
        coming = [] if arriving is None else [arriving]
        _check(instance, [("--lane", cars) for cars in waiting], past or [], coming)
        shut = _shut(blocked or [], len(waiting))
        cars = {car.production_no: car for car in instance.cars}
        bank = [[cars[number] for number in numbers] for numbers in waiting]
        before = instance.yesterday if past is None else [cars[number] for number in past]
        with placing(day):
            if arriving is None or places is None:
                choice = next_lane(
                    bank, before, instance.rules, look_ahead=look_ahead, blocked=shut
                )
                told = json.dumps(_as_json(choice), indent=2) if json_ else _as_text(choice)
            else:
                entered = store_lane(
                    bank, cars[arriving], instance.rules, places=places, line=before, blocked=shut
                )
                told = (
                    json.dumps({"lane": entered})
                    if json_
                    else f"car {arriving} should enter lane {entered}"
                )
    typer.echo(told)


def _numbers(cars: str) -> list[str]:
    return [number.strip() for number in cars.split(",") if number.strip()]


def _check(
    instance: Instance,
    lanes: Sequence[tuple[str, Sequence[str]]],
    line: Sequence[str],
    coming: Sequence[str],
) -> None:
    """Raise `InputError` for a car that is not one of the day, or stands at two places."""
    known = [car.production_no for car in instance.cars]
    named = [*lanes, ("--line", line), ("--arriving", coming)]
    for option, numbers in named:
        check_cars(option, numbers, known)
    for number, count in Counter(number for _, numbers in named for number in numbers).items():
        if count > 1:
            raise InputError([f"car {number} stands at {count} places of lanes and line"])


def _shut(blocked: Sequence[int], lanes: int) -> frozenset[int]:
    for number in blocked:
        if not 0 <= number < lanes:
            raise InputError([f"--blocked {number}: lanes are 0 to {lanes - 1}"])
    return frozenset(blocked)


def _as_json(choice: LaneChoice) -> dict[str, object]:
    plan = [{"lane": r.lane, "production_no": r.car.production_no} for r in choice.plan]
    return {**plan[0], "cost": choice.cost, "plan": plan}


def _as_text(choice: LaneChoice) -> str:
    rows = ((f"  {r.lane}", r.car.production_no, r.car.colour) for r in choice.plan)
    return (
        f"lane {choice.lane} releases car {choice.plan[0].car.production_no}; "
        f"the plan adds {figure(choice.cost)} to the mark\n"
        + table_text(("  lane", "car", "colour"), rows)
    )
