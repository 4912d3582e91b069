"""`lineside-hub sequence make|score`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hub.orders.cli import PlantOption, refusing, service_connection
from hub.orders.problems import InputError, Problems
from hub.orders.roadef import read_folder
from hub.orders.store import load_book
from hub.orders.tables import read_semicolons
from hub.sequencing.model import Car, Instance, InstanceError
from hub.sequencing.scoring import score
from hub.sequencing.sequence import METHODS, make_sequence
from hub.sequencing.store import score_json, store_sequence

sequence_app = typer.Typer(help="The production sequence (pearl chain).", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(sequence_app, name="sequence")


@sequence_app.command("make")
def make(
    plant: PlantOption = "P1",
    book: Annotated[str | None, typer.Option(help="Order book; the newest if absent.")] = None,
    method: Annotated[str, typer.Option(help=f"One of: {', '.join(METHODS)}.")] = "given",
) -> None:
    """Make a sequence of an imported day and put it in force."""
    if method not in METHODS:
        raise typer.BadParameter(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    with refusing(), service_connection() as connection:
        orders = load_book(connection, plant, book)
        chain = make_sequence(orders.instance(), method)
        number = store_sequence(connection, plant, chain)
    typer.echo(
        f"plant {plant}: sequence {number} of {len(chain.cars)} cars from {orders.source}, "
        f"mark {chain.score.mark}{'' if chain.score.feasible else ', paint batches too long'}"
    )


@sequence_app.command("score")
def score_command(
    folder: Annotated[Path, typer.Argument(help="ROADEF 2005 instance folder.")],
    sequence: Annotated[
        Path | None,
        typer.Argument(help="File of `Ident` or `rank;Ident` lines; the given order if absent."),
    ] = None,
) -> None:
    """Score a sequence of an instance; JSON. Exit code 1 if a paint batch is too long."""
    with refusing():
        instance = read_folder(folder).instance()
        cars = instance.cars if sequence is None else read_sequence(sequence, instance)
        try:
            found = score(instance, cars)
        except InstanceError as error:
            raise InputError([f"{sequence}: {error}"]) from None
    typer.echo(json.dumps({"cars": len(cars), **score_json(found)}, indent=2))
    if not found.feasible:
        raise typer.Exit(1)


def read_sequence(path: Path, instance: Instance) -> Sequence[Car]:
    """The cars a file names, in the order of its lines, or of its ranks where it gives them.

    Raises `InputError` with the line of each car that is not one of the day.
    """
    problems = Problems(path)
    by_number = {car.production_no: car for car in instance.cars}
    first, rest = read_semicolons(path)
    ranked: list[tuple[int, Car]] = []
    for row in (first, *rest):
        *rank, number = row.cells
        if number not in by_number:
            problems.add(row.line, f"{number} is not a car of the day")
        elif len(rank) > 1 or (rank and not rank[0].isdecimal()):
            problems.add(row.line, "expected `Ident` or `rank;Ident`")
        else:
            ranked.append((int(rank[0]) if rank else row.line, by_number[number]))
    if problems.found:
        raise InputError(problems.found)
    return [car for _, car in sorted(ranked, key=lambda entry: entry[0])]
