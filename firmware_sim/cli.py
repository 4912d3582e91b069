"""`lineside-sim`: line PLCs, a plant and a fault proxy that behave like the real ones."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr, ValidationError

from firmware_sim.device import cli as device
from firmware_sim.line.plc import run_line
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import StateError
from firmware_sim.plant.day import run_day
from firmware_sim.plant.hub import HubRefusedError
from firmware_sim.plant.plant import run_plant
from firmware_sim.plant.settings import DaySettings, PlantSettings
from firmware_sim.proxy.control import send_command, serve_control
from firmware_sim.proxy.faults import FaultCommand, FaultCommandError, FaultName
from firmware_sim.proxy.proxy import FaultProxy
from firmware_sim.shell import address_of, checked, fail, serve, stop_on_signal
from firmware_sim.stations import StationsSettings, run_stations

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
    # Both tell of every request, asyncua also of endpoints it cannot offer without a certificate.
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)


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
    details: Annotated[bool, typer.Option(help="offer commands and results that say more")] = True,
    missing_rate: Annotated[
        float, typer.Option(help="share of parts whose material is missing")
    ] = 0.0,
    missing_s: Annotated[
        float, typer.Option(help="plant time until missing material is there")
    ] = 120.0,
    mispack_rate: Annotated[
        float, typer.Option(help="share of parts put into a wrong slot at first")
    ] = 0.0,
    truck_racks: Annotated[
        int, typer.Option(help="racks a truck takes; 0: a full rack leaves by itself")
    ] = 0,
    truck_wait_s: Annotated[
        float | None, typer.Option(help="plant time after which a truck leaves with what it has")
    ] = None,
    transport_s: Annotated[float, typer.Option(help="plant time a truck is under way")] = 1800.0,
    delay_rate: Annotated[float, typer.Option(help="share of trucks that are late")] = 0.0,
    load_order: Annotated[
        str, typer.Option(help="forward, or reversed: what is needed first is loaded last")
    ] = "forward",
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
    counters: Annotated[
        int, typer.Option(help="tags that count on whoever listens, over a restart with --state")
    ] = 0,
    counter_hz: Annotated[float, typer.Option(help="steps of each counter per second")] = 5.0,
) -> None:
    """Run a line PLC with an OPC UA server. Prints `ready opc.tcp://…` once clients can connect;
    writing true to Line.Ship ships part-filled racks; SIGTERM ends it."""
    settings = checked(
        LineSettings,
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
        details=details,
        missing_rate=missing_rate,
        missing_s=missing_s,
        mispack_rate=mispack_rate,
        truck_racks=truck_racks,
        truck_wait_s=truck_wait_s,
        transport_s=transport_s,
        delay_rate=delay_rate,
        load_order=load_order,
        ship_idle_s=ship_idle_s,
        ledger=ledger,
        state=state,
        host=host,
        port=port,
        extra_tags=extra_tags,
        extra_hz=extra_hz,
        counters=counters,
        counter_hz=counter_hz,
    )
    try:
        asyncio.run(serve(run_line(settings)))
    except (OSError, StateError) as error:
        fail(str(error))


@app.command()
def stations(
    line_ledger: Annotated[Path, typer.Option(help="of the line's PLC, which builds the parts")],
    directory: Annotated[Path, typer.Option(help="where stations put their files")],
    board: Annotated[str, typer.Option(help="address of the gateway's pages")],
    findings: Annotated[Path, typer.Option(help="append every finding to this file")],
    tightening_port: Annotated[int, typer.Option(help="port of the tightening controller")],
    joining_port: Annotated[int, typer.Option(help="port of the joining system")],
    vision_port: Annotated[int, typer.Option(help="port of the vision system")],
    seed: Annotated[int, typer.Option(help="same seed, same findings")] = 1,
    nok_rate: Annotated[float, typer.Option(help="share that is not in order")] = 0.05,
) -> None:
    """Run the stations that a part passes beside its line's PLC. Prints `ready`; SIGTERM ends
    it."""
    settings = checked(
        StationsSettings,
        line_ledger=line_ledger,
        directory=directory,
        board=board,
        findings=findings,
        tightening_port=tightening_port,
        joining_port=joining_port,
        vision_port=vision_port,
        seed=seed,
        nok_rate=nok_rate,
    )
    try:
        asyncio.run(_work(settings))
    except OSError as error:
        fail(str(error))


async def _work(settings: StationsSettings) -> None:
    stop = asyncio.create_task(stop_on_signal().wait())
    async with run_stations(settings) as working:
        print("ready", flush=True)
        await asyncio.wait({stop, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()


@app.command()
def plant(
    url: Annotated[str, typer.Option(help="the hub's address, http://… or https://…")],
    token: Annotated[
        str | None,
        typer.Option(envvar="LINESIDE_TOKEN", help="bearer token; better given by environment"),
    ] = None,
    plant: Annotated[str, typer.Option("--plant", help="plant it is")] = "P1",
    control_point: Annotated[str, typer.Option(help="control point the cars pass")] = "TRIM-IN",
    cars: Annotated[int | None, typer.Option(help="stop after so many; else all")] = None,
    takt_s: Annotated[float, typer.Option(help="plant time between two cars")] = 60.0,
    speed: Annotated[float, typer.Option(help="plant seconds per second")] = 1.0,
    seed: Annotated[int, typer.Option(help="same seed, same disorder")] = 1,
    scramble: Annotated[float, typer.Option(help="share of cars that fall back")] = 0.0,
    window: Annotated[int, typer.Option(help="places a car falls back at most")] = 4,
) -> None:
    """Pass the cars of the hub's sequence at a control point, one each takt. Cars that have passed
    already are skipped, so a run that was stopped goes on; a hub that is away gets the passes late,
    in order. Ends when the hub has them all."""
    settings = checked(
        PlantSettings,
        url=url,
        token=None if token is None else SecretStr(token),
        plant=plant,
        control_point=control_point,
        cars=cars,
        takt_s=takt_s,
        speed=speed,
        seed=seed,
        scramble=scramble,
        window=window,
    )
    try:
        asyncio.run(_run_plant(settings))
    except HubRefusedError as error:
        fail(str(error))


@app.command()
def day(
    url: Annotated[str, typer.Option(help="the hub's address, http://… or https://…")],
    supplier: Annotated[
        list[str], typer.Option(help="LINE:PART GROUPS by comma:ledger of the line's PLC; each")
    ],
    record: Annotated[Path, typer.Option(help="append what happens in the plant to this file")],
    token: Annotated[
        str | None,
        typer.Option(envvar="LINESIDE_TOKEN", help="bearer token; better given by environment"),
    ] = None,
    plant: Annotated[str, typer.Option("--plant", help="plant it is")] = "P1",
    control_point: Annotated[str, typer.Option(help="control point the cars pass")] = "TRIM-IN",
    cars: Annotated[int | None, typer.Option(help="stop after so many; else all")] = None,
    takt_s: Annotated[float, typer.Option(help="plant time between two cars")] = 60.0,
    speed: Annotated[float, typer.Option(help="plant seconds per second")] = 1.0,
    seed: Annotated[int, typer.Option(help="same seed, same disorder")] = 1,
    scramble: Annotated[float, typer.Option(help="share of cars that fall back")] = 0.0,
    lead_cars: Annotated[int, typer.Option(help="cars from control point to fitting station")] = 60,
) -> None:
    """Run a plant for a day, with dock and fitting station: cars are blocked, pulled out, put back,
    cancelled and swapped, parts found not in order, the line stops. Ends when every car is fitted
    or cancelled and the hub knows; the record then is what to compare the hub with."""
    try:
        parts = [text.split(":", 2) for text in supplier]
        lines = {line: tuple(groups.split(",")) for line, groups, _ in parts}
        ledgers = {line: Path(ledger) for line, _, ledger in parts}
    except ValueError:
        raise typer.BadParameter("give LINE:GROUPS:LEDGER", param_hint="--supplier") from None
    settings = checked(
        DaySettings,
        url=url,
        token=None if token is None else SecretStr(token),
        plant=plant,
        control_point=control_point,
        cars=cars,
        takt_s=takt_s,
        speed=speed,
        seed=seed,
        scramble=scramble,
        lines=lines,
        ledgers=ledgers,
        record=record,
        lead_cars=lead_cars,
    )
    try:
        asyncio.run(_run_day(settings))
    except HubRefusedError as error:
        fail(str(error))


@app.command()
def proxy(
    target: Annotated[str, typer.Option(help="where connections go, host:port")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="port to listen on; 0: a free one")
    ] = 0,
    control_port: Annotated[
        int, typer.Option(min=0, max=65535, help="port for commands, on loopback; 0: a free one")
    ] = 0,
    seed: Annotated[int, typer.Option(help="same seed, same chunks dropped")] = 1,
) -> None:
    """Run a TCP proxy that makes faults on command. Prints `ready host:port control host:port`;
    `lineside-sim fault`, or JSON lines to the control port, command it; SIGTERM ends it."""
    target_host, target_port = address_of(target, "--target")
    try:
        asyncio.run(
            _serve_proxy(
                FaultProxy(target_host, target_port, host=host, port=port, seed=seed), control_port
            )
        )
    except OSError as error:
        fail(str(error))


@app.command()
def fault(
    control: Annotated[str, typer.Argument(help="the proxy's control port, host:port")],
    name: Annotated[FaultName, typer.Argument(help="what to break; none heals all")],
    value: Annotated[
        float | None,
        typer.Option(help="delay: seconds; throttle: bytes per second; drop: chance per chunk"),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="heal after so long")] = None,
) -> None:
    """Make a fault in a running proxy, and print the faults that now hold."""
    host, port = address_of(control, "CONTROL")
    try:
        command = FaultCommand(fault=name, value=value, seconds=seconds)
    except ValidationError as error:
        raise typer.BadParameter(error.errors(include_url=False)[0]["msg"]) from None
    try:
        print(asyncio.run(send_command(host, port, command)))
    except (OSError, FaultCommandError) as error:
        fail(str(error))


async def _run_plant(settings: PlantSettings) -> None:
    stop = stop_on_signal()
    running = asyncio.create_task(run_plant(settings, lambda text: print(text, flush=True)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        stopping.cancel()
        run = running.result()
        print(f"done {run.cars} cars, {run.calls} calls; {run.known} had passed before", flush=True)
    else:
        running.cancel()
        print("stopped; run again to go on", flush=True)


async def _run_day(settings: DaySettings) -> None:
    stop = stop_on_signal()
    running = asyncio.create_task(run_day(settings, lambda text: print(text, flush=True)))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        running.cancel()
        print("stopped in the midst of the day", flush=True)
        return
    stopping.cancel()
    ended = running.result()
    wrong = ", ".join(f"{kind} {count}" for kind, count in sorted(ended.disturbances.items()))
    print(
        f"done {ended.passed} cars passed, {ended.fitted} fitted, {ended.cancelled} cancelled; "
        f"disturbances: {wrong}; {ended.refused} messages refused",
        flush=True,
    )


async def _serve_proxy(proxy: FaultProxy, port: int) -> None:
    stop = stop_on_signal()
    async with proxy, serve_control(proxy, "127.0.0.1", port) as control:
        print(f"ready {proxy.host}:{proxy.port} control 127.0.0.1:{control}", flush=True)
        await stop.wait()


device.add_to(app)


def main() -> None:
    """Entry point of `lineside-sim`."""
    app()
