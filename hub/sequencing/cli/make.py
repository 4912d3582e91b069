"""`lineside-hub sequence make`: a sequence of a stored day, put in force."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.orders.cli import PlantOption, refusing
from hub.orders.store import load_book
from hub.sequencing.cli.common import placing
from hub.sequencing.scoring import score
from hub.sequencing.sequence import Method, make_sequence
from hub.sequencing.store import store_sequence
from hub.store.cli import service_connection


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
        with placing(orders.source):
            chain = make_sequence(instance, method, time_limit_s=time_limit)
        number = store_sequence(connection, plant, chain)
    typer.echo(
        f"plant {plant}: sequence {number} of {len(chain.cars)} cars from {orders.source}, "
        f"mark {chain.score.mark}{'' if chain.score.feasible else ', paint batches too long'}"
        f"{'' if method is Method.GIVEN else f' (as given: {given})'}"
    )
