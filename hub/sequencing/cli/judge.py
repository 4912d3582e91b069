"""`lineside-hub sequence score|explain|compare`: what sequences cost, where, and which is best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.orders.cli import refusing
from hub.orders.formats import Format, GivenDay, read_given
from hub.sequencing.cli.common import (
    DayArgument,
    FormatOption,
    JsonOption,
    PlotOption,
    SequenceArgument,
    check_outputs,
    summary_text,
    write_output,
)
from hub.sequencing.compare import compare
from hub.sequencing.explain import explain
from hub.sequencing.model import Car
from hub.sequencing.plot import draw_sequence
from hub.sequencing.scoring import score
from hub.sequencing.store import score_json


def score_command(
    day: DayArgument,
    sequence: SequenceArgument = None,
    format_: FormatOption = None,
    plot: PlotOption = None,
) -> None:
    """Score a sequence of a day; JSON. Exit code 1 if it breaks a hard limit."""
    with refusing("refused"):
        given, cars = _read(day, format_, sequence, plot)
        found = score(given.instance, cars)
        _draw(given, cars, plot)
    typer.echo(summary_text({"cars": len(cars), **score_json(found)}))
    if not found.feasible:
        raise typer.Exit(1)


def explain_command(
    day: DayArgument,
    sequence: SequenceArgument = None,
    format_: FormatOption = None,
    top: Annotated[int, typer.Option(min=1, help="Entries of each kind, the worst first.")] = 10,
    json_: JsonOption = False,
    plot: PlotOption = None,
) -> None:
    """Say what a sequence costs, and which windows, cars and suppliers cost what."""
    with refusing("refused"):
        given, cars = _read(day, format_, sequence, plot)
        found = explain(given.instance, cars)
        _draw(given, cars, plot)
    typer.echo(json.dumps(found.as_json(top), indent=2) if json_ else found.as_text(top))


def compare_command(
    day: DayArgument,
    one: Annotated[Path, typer.Argument(metavar="ONE", help="A sequence, taken as the plan.")],
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="Another, or what was really built.")
    ],
    format_: FormatOption = None,
    top: Annotated[int, typer.Option(min=1, help="Moved cars to list, the farthest first.")] = 10,
    json_: JsonOption = False,
) -> None:
    """Compare two sequences of a day: what each costs, and how far OTHER keeps to ONE."""
    with refusing("refused"):
        given = read_given(day, format_)
        found = compare(given.instance, given.read_sequence(one), given.read_sequence(other))
    typer.echo(json.dumps(found.as_json(), indent=2) if json_ else found.as_text(top))


def _read(
    day: Path, format_: Format | None, sequence: Path | None, plot: Path | None
) -> tuple[GivenDay, tuple[Car, ...]]:
    given = read_given(day, format_)
    check_outputs([("--plot", plot)], [*given.files, sequence])
    return given, given.instance.cars if sequence is None else given.read_sequence(sequence)


def _draw(given: GivenDay, cars: tuple[Car, ...], plot: Path | None) -> None:
    if plot is not None:
        write_output(plot, draw_sequence(given.instance, cars))
