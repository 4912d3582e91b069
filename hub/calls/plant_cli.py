"""`lineside-hub calls show|preview|pull-out|reinsert|cancel|reorder`: the plant's word by hand."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import psycopg
import typer

from hub.calls import commands
from hub.calls.called import By, calls_of_car, lock_plant
from hub.calls.calling import UnfitError
from hub.calls.commands import Done
from hub.calls.previews import refresh_demand
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.reorders import reorder
from hub.store.cli import service_connection
from protocols.jis.messages import CallKey

Car = Annotated[str, typer.Argument(help="Production number of the car.")]
Plant = Annotated[str, typer.Option(help="Plant the car is built in.")]
Reason = Annotated[str, typer.Option(help="Why; the suppliers are told.")]

_HISTORY = """
SELECT kind, source, source_at, coalesce(actor, ''), applied FROM call_event
WHERE call = %s ORDER BY id
"""


def register(calls: typer.Typer) -> None:
    """Add these commands."""
    calls.command()(show)
    calls.command()(preview)
    calls.command("pull-out")(pull_out)
    calls.command()(reinsert)
    calls.command()(cancel)
    calls.command("reorder")(reorder_call)


def show(car: Car, plant: Plant = "P1") -> None:
    """Show all calls of a car, where each stands, what the plant may ask for, and its history."""
    with _refusing(), service_connection() as connection:
        calls = calls_of_car(connection, plant, car)
        for call in calls:
            situation = call.situation
            may = [*sorted(situation.may), *(f"{name}?" for name in sorted(situation.may_ask))]
            typer.echo(
                f"{call.key}  call {call.call_no}, sequence {call.sequence_no}, {call.rack} slot "
                f"{call.slot}\n"
                f"  {call.part_no} x {call.quantity}, {call.colour}, required "
                f"{call.required_at:%Y-%m-%d %H:%M:%S} UTC\n"
                f"  car {call.car}, part {call.part}: {situation.text}"
                + (f"; possible: {', '.join(may)}" if may else "")
            )
            for kind, source, at, actor, applied in connection.execute(_HISTORY, (call.id,)):
                told = f" by {actor}" if actor else ""
                typer.echo(
                    f"    {at:%Y-%m-%d %H:%M:%S}  {source} {kind}{told}"
                    f"{'' if applied else '  (moves nothing)'}"
                )
        if not calls:
            typer.echo(f"nothing is called for car {car} yet")


def preview(
    line: Annotated[str | None, typer.Option(help="This supplier line alone.")] = None,
    whole: Annotated[bool, typer.Option(help="Tell all of it, not what differs.")] = False,
    plant: Plant = "P1",
) -> None:
    """Work out the demand ahead of the calls, and tell suppliers what is other than they know."""
    with _refusing(), service_connection() as connection:
        lock_plant(connection, _owner(connection, plant), plant)
        lines = None if line is None else [line]
        told = refresh_demand(connection, plant, datetime.now(UTC), lines, whole=whole)
    for name, version in told.items():
        typer.echo(f"line {name}: version {version} of its preview is told")
    if not told:
        typer.echo("nothing to tell: nothing differs, or no profile asks for a preview")


def pull_out(car: Car, reason: Reason = "", plant: Plant = "P1") -> None:
    """Take a car out of the line after its call: its parts are not built, or set aside."""
    _say(plant, reason, lambda c, owner, by: commands.pull_out(c, owner, plant, car, by))


def reinsert(
    car: Car,
    before: Annotated[
        str | None, typer.Option(help="Before this car; by default behind all that are called.")
    ] = None,
    reason: Reason = "",
    plant: Plant = "P1",
) -> None:
    """Put a car that was pulled out back, in a new place."""
    _say(
        plant,
        reason,
        lambda c, owner, by: commands.reinsert(c, owner, plant, car, by, before=before),
    )


def cancel(car: Car, reason: Reason = "", plant: Plant = "P1") -> None:
    """End a car's order and its calls; what a supplier has begun for it is claimed."""
    _say(plant, reason, lambda c, owner, by: commands.cancel(c, owner, plant, car, by))


def reorder_call(
    key: Annotated[
        str, typer.Argument(help="The call: plant/line/production_no/part_group/reorder_index.")
    ],
    reason: Reason = "",
    from_stock: Annotated[
        bool | None,
        typer.Option(
            "--from-stock/--not-from-stock",
            help="Whether its car gets one from the emergency stock meanwhile. By default as far "
            "as there is one, while the line works from it.",
        ),
    ] = None,
) -> None:
    """Call a part once more, before all others: it is not in order at the line, or lost."""
    try:
        call = CallKey.parse(key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with _refusing(), service_connection() as connection:
        owner = _owner(connection, call.plant)
        new, _ = reorder(connection, owner, call, _by(reason), from_stock=from_stock)
    typer.echo(f"{new} is called by express")


def _say(plant: str, reason: str, do: Callable[[psycopg.Connection, str, By], Done]) -> None:
    with _refusing(), service_connection() as connection:
        done = do(connection, _owner(connection, plant), _by(reason))
    for key in done.calls:
        asked = ": its supplier is asked what becomes of it" if key in done.asked else ""
        typer.echo(f"{key}{asked}")
    for key in done.left:
        typer.echo(f"{key} is left as it stands")


def _by(reason: str) -> By:
    return By(f"user {getpass.getuser()}", str(uuid4()), datetime.now(UTC), reason)


def _owner(connection: psycopg.Connection, plant: str) -> str:
    row = connection.execute("SELECT owner FROM plant WHERE id = %s", (plant,)).fetchone()
    if row is None:
        raise UnknownError(f"no plant {plant}; lineside-hub plant load brings it")
    return str(row[0])


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (UnknownError, RefusedError, UnfitError) as refused:
        typer.echo(f"refused, nothing was changed: {refused}", err=True)
        raise typer.Exit(1) from None
