"""`lineside-hub sequence make|solve|score`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from hub.orders.cli import PlantOption, refusing
from hub.orders.problems import InputError, Problems
from hub.orders.roadef import read_folder
from hub.orders.store import load_book
from hub.orders.tables import read_semicolons
from hub.sequencing.model import Car, Instance, InstanceError
from hub.sequencing.optimise import Progress, optimise
from hub.sequencing.scoring import score
from hub.sequencing.sequence import Method, make_sequence
from hub.sequencing.store import score_json, store_sequence
from hub.store.cli import service_connection

sequence_app = typer.Typer(help="The production sequence (pearl chain).", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(sequence_app, name="sequence")


@sequence_app.command("make")
def make(
    plant: PlantOption = "P1",
    book: Annotated[str | None, typer.Option(help="Order book; the newest if absent.")] = None,
    method: Annotated[
        Method, typer.Option(help="The order given, or the best that a search finds.")
    ] = Method.GIVEN,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds to search.")] = 10.0,
) -> None:
    """Make a sequence of an imported day and put it in force."""
    with refusing(), service_connection() as connection:
        orders = load_book(connection, plant, book)
        instance = orders.instance()
        given = score(instance).mark
        try:
            chain = make_sequence(instance, method, time_limit_s=time_limit)
        except InstanceError as error:
            raise InputError([f"{orders.source}: {error}"]) from None
        number = store_sequence(connection, plant, chain)
    typer.echo(
        f"plant {plant}: sequence {number} of {len(chain.cars)} cars from {orders.source}, "
        f"mark {chain.score.mark}{'' if chain.score.feasible else ', paint batches too long'}"
        f"{'' if method is Method.GIVEN else f' (as given: {given})'}"
    )


@sequence_app.command("solve")
def solve(
    folder: Annotated[Path, typer.Argument(help="ROADEF 2005 instance folder.")],
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds to search.")] = 60.0,
    max_moves: Annotated[
        int | None, typer.Option(min=1, help="Moves to try; makes the result repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random moves.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write `rank;Ident` lines here.")] = None,
) -> None:
    """Search for the best sequence of an instance; JSON. Ctrl-C ends it with the best so far."""
    with refusing():
        book = read_folder(folder)
        instance = book.instance()
        try:
            with _search_progress() as (on_progress, stop):
                found = optimise(
                    instance,
                    time_limit_s=None if max_moves else time_limit,
                    max_moves=max_moves,
                    seed=seed,
                    on_progress=on_progress,
                    stop=stop,
                )
        except InstanceError as error:
            raise InputError([f"{folder}: {error}"]) from None
    if out is not None:
        lines = (f"{rank};{car.production_no}\n" for rank, car in enumerate(found.cars, 1))
        out.write_text("".join(lines))
    summary = {
        "cars": len(found.cars),
        **score_json(score(instance, found.cars)),
        "mark_as_given": score(instance).mark,
        "moves": found.moves,
        "moves_per_second": round(found.moves / found.elapsed_s) if found.elapsed_s else None,
        "elapsed_s": round(found.elapsed_s, 2),
        "time_to_best_s": round(found.to_best_s, 2),
        "seed": seed,
    }
    typer.echo(json.dumps(summary, indent=2))


@contextmanager
def _search_progress() -> Iterator[tuple[Callable[[Progress], None], Callable[[], bool]]]:
    """A bar on a terminal, and Ctrl-C or SIGTERM as the wish to stop."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("mark {task.fields[mark]}"), TimeElapsedColumn())
    try:
        with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("search", total=1.0, mark="")

            def on_progress(progress: Progress) -> None:
                bar.update(task, completed=progress.done, mark=f"{progress.mark:,}")

            yield on_progress, stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
