"""`lineside-hub sequence resequence`: the next sequence when the plant is disturbed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hub.orders.cli import refusing
from hub.orders.formats import read_given
from hub.orders.problems import InputError
from hub.orders.tables import whole_number
from hub.sequencing.cli.common import (
    DayArgument,
    FormatOption,
    JsonOption,
    check_cars,
    check_outputs,
    figure,
    placing,
    table_text,
    write_output,
)
from hub.sequencing.plant_state import PlantState, remaining
from hub.sequencing.resequence import Resequenced, resequence
from hub.sequencing.store import score_json


def resequence_command(
    day: DayArgument,
    sequence: Annotated[
        Path,
        typer.Argument(
            metavar="SEQUENCE", help="As planned; cars that are held need not be in it."
        ),
    ],
    format_: FormatOption = None,
    passed: Annotated[
        int, typer.Option(min=0, help="First cars of the sequence that are past.")
    ] = 0,
    frozen: Annotated[int, typer.Option(min=0, help="First cars to come that must not move.")] = 0,
    released: Annotated[
        int, typer.Option(min=0, help="First cars to come that have released calls.")
    ] = 0,
    blocked: Annotated[
        list[str] | None,
        typer.Option(metavar="CAR", help="Cannot be built now: leaves and is held."),
    ] = None,
    pulled_out: Annotated[
        list[str] | None, typer.Option(metavar="CAR", help="Leaves for good.")
    ] = None,
    late: Annotated[
        list[str] | None,
        typer.Option(metavar="CAR=POSITION", help="Its parts are late: not before this position."),
    ] = None,
    reinsert: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CAR[=POSITION]", help="A held car that comes back; not before this position."
        ),
    ] = None,
    worth: Annotated[
        float | None,
        typer.Option(
            help="Mark that changing one released call must save; inf: change only what must. "
            "If absent, the weight of the first objective."
        ),
    ] = None,
    max_ms: Annotated[
        float | None,
        typer.Option(min=1, help="Milliseconds to think; if absent, the result is repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the whole sequence here, what is past first.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Propose the next sequence: which cars move, and which released calls change.

    Options that name a car may be given again. Positions count from 1, the first car to come.
    """
    with refusing("refused"):
        given = read_given(day, format_)
        check_outputs([("--out", out)], given.files)
        planned = given.read_sequence(sequence, whole=False)
        numbers = [car.production_no for car in planned]
        if passed > len(numbers):
            raise InputError([f"--passed {passed}: {sequence} has {len(numbers)} cars"])
        known = [car.production_no for car in given.instance.cars]
        with placing(sequence):
            state = PlantState(
                sequence=tuple(numbers[passed:]),
                frozen=frozen,
                released=released,
                blocked=frozenset(_cars("--blocked", blocked, known)),
                pulled_out=frozenset(_cars("--pulled-out", pulled_out, known)),
                reinsert=_places("--reinsert", reinsert, known),
                late_parts={
                    car: position
                    for car, position in _places("--late", late, known).items()
                    if position is not None
                },
            )
            _check_to_come(state, numbers[:passed])
            found = resequence(
                remaining(given.instance, numbers[:passed]), state, worth=worth, max_ms=max_ms
            )
        if out is not None:
            write_output(out, given.sequence_text([*planned[:passed], *found.cars]))
    typer.echo(json.dumps(_as_json(found), indent=2) if json_ else _as_text(found))


def _cars(option: str, given: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    check_cars(option, given or (), known)
    return list(given or ())


def _check_to_come(state: PlantState, past: Sequence[str]) -> None:
    for number in (*state.blocked, *state.pulled_out, *state.reinsert, *state.late_parts):
        if number in past:
            raise InputError([f"car {number} is one of the {len(past)} that are past"])


def _places(
    option: str, given: Sequence[str] | None, known: Sequence[str]
) -> dict[str, int | None]:
    """`CAR` or `CAR=POSITION`, as a mapping; `--late` wants the position."""
    found: dict[str, int | None] = {}
    for text in given or ():
        number, equals, cell = text.rpartition("=") if "=" in text else (text, "", "")
        position = whole_number(cell)
        if equals and not position:
            raise InputError([f"{option} {text}: {cell!r} is not a position from 1 up"])
        if not equals and option == "--late":
            raise InputError([f"{option} {text}: say from which position, as in {text}=40"])
        check_cars(option, [number], known)
        found[number] = position
    return found


def _as_json(found: Resequenced) -> dict[str, object]:
    return {
        "cars": [car.production_no for car in found.cars],
        "held": [car.production_no for car in found.held],
        "moved": [move._asdict() for move in found.moved],
        "calls": [call._asdict() for call in found.calls],
        "score_before": score_json(found.score_before),
        "score_after": score_json(found.score_after),
        "moves": found.moves,
        "elapsed_ms": round(found.elapsed_s * 1000, 3),
    }


def _as_text(found: Resequenced) -> str:
    before, after = found.score_before.mark, found.score_after.mark
    by_itself = [move for move in found.moved if not move.shifted]
    counts = Counter(call.change for call in found.calls)
    changes = ", ".join(f"{count} {change}" for change, count in counts.items())
    sections = [
        f"mark {figure(before)} as planned, {figure(after)} now, "
        f"in {found.elapsed_s * 1000:.1f} ms",
        f"released calls that change: {len(found.calls)}{f' ({changes})' if changes else ''}",
        table_text(("  car", "change"), ((f"  {c.production_no}", c.change) for c in found.calls))
        if found.calls
        else "",
        f"cars that move: {len(by_itself)}; others that close up or make room: "
        f"{len(found.moved) - len(by_itself)}",
        table_text(
            ("  car", "from", "to"),
            ((f"  {m.production_no}", m.before or "held", m.after or "out") for m in found.moved),
        )
        if found.moved
        else "",
        f"held: {', '.join(car.production_no for car in found.held)}" if found.held else "",
    ]
    return "\n".join(section for section in sections if section)
