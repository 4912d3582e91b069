"""`lineside-sim`: line PLCs, a plant and a fault proxy that behave like the real ones."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from firmware_sim.line.plc import run_line
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import StateError

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def setup(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="log what happens")] = False,
) -> None:
    """Simulate what stands in a plant. Everything listens on loopback unless told otherwise."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # asyncua tells of every request and of each endpoint it cannot offer without a certificate.
    logging.getLogger("asyncua").setLevel(logging.ERROR)


@app.command()
def line(
    plant: Annotated[str, typer.Option(help="plant whose calls it takes")] = "P1",
    line: Annotated[str, typer.Option("--line", help="line it is")] = "SEAT1",
    part_groups: Annotated[
        str, typer.Option(help="part groups it can build, by comma; empty: any")
    ] = "",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on; 0: a free one")] = 0,
    seed: Annotated[int, typer.Option(help="same seed, same parts")] = 1,
    speed: Annotated[float, typer.Option(help="plant seconds per second")] = 1.0,
    cycle_s: Annotated[float, typer.Option(help="plant time to build one part")] = 15.0,
    steps: Annotated[int, typer.Option(help="values of each curve per part")] = 12,
    nok_rate: Annotated[float, typer.Option(help="share of parts that fail their test")] = 0.03,
    rack_slots: Annotated[int, typer.Option(help="a rack ships when so many are packed")] = 6,
    queue_slots: Annotated[int, typer.Option(help="calls it holds before Free drops")] = 16,
    result_backlog: Annotated[
        int, typer.Option(help="results not acknowledged at which the line stands still")
    ] = 256,
    ship_idle_s: Annotated[
        float | None, typer.Option(help="ship part-filled racks after so long without work")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="append every sample, call and result to this file")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="keep calls, numbers and results here over a restart")
    ] = None,
    extra_tags: Annotated[int, typer.Option(help="more Double tags, for load")] = 0,
    extra_hz: Annotated[float, typer.Option(help="changes of each extra tag per second")] = 8.0,
) -> None:
    """Run a line PLC with an OPC UA server. Prints `ready opc.tcp://…` once clients can connect;
    writing true to Line.Ship ships part-filled racks; SIGTERM ends it."""
    try:
        settings = LineSettings(
            plant=plant,
            line=line,
            part_groups=frozenset(filter(None, part_groups.split(","))),
            seed=seed,
            speed=speed,
            cycle_s=cycle_s,
            steps=steps,
            nok_rate=nok_rate,
            rack_slots=rack_slots,
            queue_slots=queue_slots,
            result_backlog=result_backlog,
            ship_idle_s=ship_idle_s,
            ledger=ledger,
            state=state,
            host=host,
            port=port,
            extra_tags=extra_tags,
            extra_hz=extra_hz,
        )
    except ValidationError as error:
        raise _bad_option(error) from None
    try:
        asyncio.run(_serve_line(settings))
    except (OSError, StateError) as error:
        _fail(str(error))


async def _serve_line(settings: LineSettings) -> None:
    stop = _stop_on_signal()
    async with run_line(settings) as running:
        print(f"ready {running.endpoint}", flush=True)
        await stop.wait()


def _stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _bad_option(error: ValidationError) -> typer.BadParameter:
    first = error.errors(include_url=False)[0]
    option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "options"
    return typer.BadParameter(f"{option}: {first['msg']}, not {first['input']!r}")


def _fail(reason: str) -> None:
    typer.echo(f"lineside-sim: {reason}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point of `lineside-sim`."""
    app()
