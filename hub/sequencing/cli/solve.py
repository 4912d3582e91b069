"""`lineside-hub sequence solve`: an anytime search, watched and ended from the terminal."""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from hub.orders.cli import refusing
from hub.orders.formats import read_given
from hub.sequencing.cli.common import (
    DayArgument,
    FormatOption,
    check_outputs,
    figure,
    placing,
    summary_text,
    write_output,
)
from hub.sequencing.optimise import Progress, optimise
from hub.sequencing.plot import draw_search
from hub.sequencing.scoring import score
from hub.sequencing.searches import thinned
from hub.sequencing.store import score_json

DEFAULT_TIME_S = 60.0
COURSE_POINTS = 200
"""Points of the course in the summary, at most."""


def solve(
    day: DayArgument,
    format_: FormatOption = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=604_800,
            help=f"Seconds to search; {DEFAULT_TIME_S:.0f} if --max-moves is not given either.",
        ),
    ] = None,
    max_moves: Annotated[
        int | None,
        typer.Option(min=1, help="Moves to try; without --time-limit the result is repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**53 - 1, help="Of the random moves.")] = 1,
    cores: Annotated[
        int,
        typer.Option(
            min=1,
            max=os.cpu_count() or 1,
            help="Searches side by side, each with a seed and the moves of its own; the best one "
            "counts.",
        ),
    ] = 1,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Sequence to begin with; if absent, the order given, or one built for levelling "
            "or in paint batches where that is better."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the sequence here.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="SVG", help="Draw best over time, and the sequence, into this file."),
    ] = None,
) -> None:
    """Search for the best sequence of a day; prints a JSON summary.

    Ctrl-C or SIGTERM ends the search with the best so far: it is written, and the exit code is 0.
    """
    with refusing("refused, no search was started"):
        given = read_given(day, format_)
        check_outputs([("--out", out), ("--plot", plot)], [*given.files, start])
        begin = None if start is None else given.read_sequence(start)
        as_given = score(given.instance).mark
        if time_limit is None and max_moves is None:
            time_limit = DEFAULT_TIME_S
        with placing(day, given.place_of), _watched() as (on_progress, stopped):
            found = optimise(
                given.instance,
                time_limit_s=time_limit,
                max_moves=max_moves,
                seed=seed,
                start=begin,
                cores=cores,
                on_progress=on_progress,
                stop=stopped.is_set,
            )
    summary = {
        "day": str(day),
        "format": given.format,
        "cars": len(found.cars),
        **score_json(score(given.instance, found.cars)),
        "mark_as_given": as_given,
        "moves": found.moves,
        "refused_early": found.refused_early,
        "moves_per_second": round(found.moves / found.elapsed_s) if found.elapsed_s else None,
        "elapsed_s": round(found.elapsed_s, 3),
        "time_to_best_s": round(found.to_best_s, 3),
        "stopped": stopped.is_set(),
        "seed": seed,
        "cores": cores,
        "course": [[round(at, 3), _whole(m)] for at, m in thinned(found.course, COURSE_POINTS)],
        "versions": {"lineside": version("lineside"), "python": platform.python_version()},
    }
    typer.echo(summary_text(summary))
    with refusing("searched, but not all is written"):
        if out is not None:
            write_output(out, given.sequence_text(found.cars))
        if plot is not None:
            write_output(
                plot, draw_search(given.instance, found.cars, found.course, found.elapsed_s)
            )


def _whole(mark: float) -> int | float:
    """As whole as it is meant: a search sums up small differences, and the last digits drift."""
    near = round(float(mark), 6)
    return int(near) if near.is_integer() else near


@contextmanager
def _watched() -> Iterator[tuple[Callable[[Progress], None], threading.Event]]:
    """A bar on a terminal, and Ctrl-C or SIGTERM as the wish to stop."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn("best {task.fields[mark]}  {task.fields[speed]}"),
        TimeElapsedColumn(),
    )
    try:
        with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("search", total=1.0, mark="", speed="")

            def on_progress(progress: Progress) -> None:
                speed = progress.moves / progress.elapsed_s if progress.elapsed_s else 0.0
                bar.update(
                    task,
                    completed=progress.done,
                    mark=figure(progress.mark),
                    speed=f"{speed / 1e6:.2f} M moves/s",
                )

            yield on_progress, stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
