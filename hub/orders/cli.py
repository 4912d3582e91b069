"""`lineside-hub plant load` and `lineside-hub orders import|generate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import psycopg
import typer

from hub.calls.called import By
from hub.calls.retime import retime
from hub.orders.book import OrderBook
from hub.orders.csv_file import read_csv
from hub.orders.generate import generate
from hub.orders.plant import read_plant
from hub.orders.problems import InputError
from hub.orders.roadef import read_folder, write_folder
from hub.orders.store import import_book, store_plant
from hub.store.cli import service_connection

plant_app = typer.Typer(help="The plant and its suppliers.", no_args_is_help=True)
orders_app = typer.Typer(help="Orders of the plant.", no_args_is_help=True)

PlantOption = Annotated[str, typer.Option("--plant", help="Plant the orders are for.")]


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(plant_app, name="plant")
    app.add_typer(orders_app, name="orders")


@contextmanager
def refusing(outcome: str = "refused, nothing was stored") -> Iterator[None]:
    """Ends the command with its outcome and the problems of its input, one a line."""
    try:
        yield
    except InputError as error:
        typer.echo(f"{outcome}:\n{error}", err=True)
        raise typer.Exit(1) from None


@plant_app.command("load")
def plant_load(path: Annotated[Path, typer.Argument(help="The plant file (YAML).")]) -> None:
    """Load tenants, gateways, the plant, its supplier lines, part groups and bill of material.

    Calls that are out already are timed anew by its calendar and leads.
    """
    with refusing():
        plant = read_plant(path)
        with service_connection() as connection:
            store_plant(connection, plant)
            by = By("plant load", str(uuid4()), datetime.now(UTC), "the plant's data have changed")
            moved = retime(connection, plant.plant.owner, plant.plant.id, by)
    groups = sum(len(line.part_groups) for line in plant.lines)
    typer.echo(f"plant {plant.plant.id}: {len(plant.lines)} lines, {groups} part groups")
    if moved.told:
        typer.echo(f"{len(moved.told)} calls are told another time")


@orders_app.command("import")
def orders_import(
    path: Annotated[Path, typer.Argument(help="ROADEF 2005 instance folder, or CSV file.")],
    plant: PlantOption = "P1",
) -> None:
    """Import a day's orders, all or none.

    CSV columns: production_no, model, colour, and if wanted options (blanks between) and vin.
    """
    with refusing():
        book = read_folder(path) if path.is_dir() else read_csv(path)
        with service_connection() as connection:
            _import(connection, plant, book)


@orders_app.command("generate")
def orders_generate(
    cars: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same orders.")] = 1,
    plant: PlantOption = "P1",
    out: Annotated[
        Path | None, typer.Option(help="Write an instance folder instead of importing.")
    ] = None,
) -> None:
    """Make up a day's orders."""
    book = generate(cars, seed)
    if out is not None:
        write_folder(book, out)
        typer.echo(f"{out}: {cars} cars")
        return
    with refusing(), service_connection() as connection:
        _import(connection, plant, book)


def _import(connection: psycopg.Connection, plant: str, book: OrderBook) -> None:
    count = import_book(connection, plant, book)
    typer.echo(
        f"plant {plant}: {count} orders from {book.source}"
        if count
        else f"plant {plant}: {book.source} was imported before, nothing to do"
    )
