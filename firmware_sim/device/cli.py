"""`lineside-sim s7`, `modbus`, `open-protocol`, `vision`, `joining`, `camera` and `misbehave`."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Literal, Protocol

import typer

from firmware_sim.camera import HttpCameraSettings, run_http_camera
from firmware_sim.control import CommandRefusedError, send_line, serve_commands
from firmware_sim.device.faults import AnswerName, Manners, MisbehaveCommand
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.joining import JoiningSettings, run_joining
from firmware_sim.modbus.unit import run_modbus
from firmware_sim.open_protocol import ControllerSettings, run_controller
from firmware_sim.s7.plc import run_s7
from firmware_sim.shell import Served, address_of, checked, fail, serve, stop_on_signal
from firmware_sim.vision import CameraSettings, run_camera

Host = Annotated[str, typer.Option(help="address to listen on")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="port to listen on; 0: a free one")]
ControlPort = Annotated[
    int, typer.Option(min=0, max=65535, help="port for commands, on loopback; 0: a free one")
]
Seed = Annotated[int, typer.Option(help="same seed, same values")]
Cycle = Annotated[float, typer.Option(help="seconds of one stroke of the press")]
Count = Annotated[int, typer.Option(help="values that count 1, 2, 3 …")]
CountHz = Annotated[float, typer.Option(help="steps of each counter per second")]
Extra = Annotated[int, typer.Option(help="more numbers, for load")]
ExtraHz = Annotated[float, typer.Option(help="changes of each of them per second")]
NokRate = Annotated[float, typer.Option(help="share that is not in order")]
LedgerPath = Annotated[Path | None, typer.Option(help="append every change to this file")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(s7)
    app.command()(modbus)
    app.command()(open_protocol)
    app.command()(vision)
    app.command()(joining)
    app.command()(camera)
    app.command()(misbehave)


def s7(
    host: Host = "127.0.0.1",
    port: Port = 0,
    control_port: ControlPort = 0,
    seed: Seed = 1,
    cycle_s: Cycle = 2.0,
    counters: Count = 0,
    counter_hz: CountHz = 5.0,
    extra: Extra = 0,
    extra_hz: ExtraHz = 1.0,
    pdu: Annotated[int, typer.Option(min=112, max=8192, help="longest PDU it agrees to")] = 480,
    ledger: LedgerPath = None,
) -> None:
    """Run a Siemens S7 PLC. Prints `ready host:port control host:port`; its tags are in
    firmware_sim/s7/memory.py; `lineside-sim misbehave` commands it; SIGTERM ends it."""
    settings = checked(
        DeviceSettings,
        host=host,
        port=port,
        seed=seed,
        cycle_s=cycle_s,
        counters=counters,
        counter_hz=counter_hz,
        extra=extra,
        extra_hz=extra_hz,
        ledger=ledger,
    )
    _run(run_s7(settings, pdu=pdu), control_port)


def modbus(
    host: Host = "127.0.0.1",
    port: Port = 0,
    control_port: ControlPort = 0,
    seed: Seed = 1,
    cycle_s: Cycle = 2.0,
    counters: Count = 0,
    counter_hz: CountHz = 5.0,
    extra: Extra = 0,
    extra_hz: ExtraHz = 1.0,
    units: Annotated[int, typer.Option(min=1, max=247, help="units, numbered from 1")] = 1,
    serial: Annotated[bool, typer.Option(help="on a pseudo terminal, by Modbus RTU")] = False,
    ledger: LedgerPath = None,
) -> None:
    """Run Modbus units. Prints `ready address control host:port`, the address being host:port or a
    serial port; the tags of unit 1 are in firmware_sim/modbus/memory.py; `lineside-sim misbehave`
    commands it; SIGTERM ends it."""
    settings = checked(
        DeviceSettings,
        host=host,
        port=port,
        seed=seed,
        cycle_s=cycle_s,
        counters=counters,
        counter_hz=counter_hz,
        extra=extra,
        extra_hz=extra_hz,
        ledger=ledger,
    )
    _run(run_modbus(settings, serial=serial, units=units), control_port)


def open_protocol(
    host: Host = "127.0.0.1",
    port: Port = 0,
    control_port: ControlPort = 0,
    seed: Seed = 1,
    cycle_s: Annotated[float, typer.Option(help="seconds between two tightenings")] = 2.0,
    nok_rate: NokRate = 0.05,
    first_id: Annotated[int, typer.Option(help="id of its first tightening")] = 1,
    keeps: Annotated[int, typer.Option(help="results that it holds")] = 5000,
    revision: Annotated[int, typer.Option(help="highest revision of its messages")] = 7,
    spindles: Annotated[int, typer.Option(help="spindles that tighten at once")] = 1,
    clients: Annotated[int, typer.Option(help="clients that may be connected")] = 1,
    ledger: LedgerPath = None,
) -> None:
    """Run a tightening controller. Prints `ready host:port control host:port`; `lineside-sim
    misbehave` commands it; SIGTERM ends it."""
    settings = checked(
        ControllerSettings,
        host=host,
        port=port,
        seed=seed,
        cycle_s=cycle_s,
        nok_rate=nok_rate,
        first_id=first_id,
        keeps=keeps,
        revision=revision,
        spindles=spindles,
        clients=clients,
        ledger=ledger,
    )
    _run(run_controller(settings), control_port)


def vision(
    host: Host = "127.0.0.1",
    port: Port = 0,
    seed: Seed = 1,
    cycle_s: Annotated[float, typer.Option(help="seconds between two parts")] = 2.0,
    nok_rate: NokRate = 0.05,
    ledger: LedgerPath = None,
) -> None:
    """Run a vision system that tells its results by OPC UA events (Machine Vision). Prints `ready`
    and its address; its content is in firmware_sim/vision/camera.py; SIGTERM ends it."""
    settings = checked(
        CameraSettings,
        host=host,
        port=port,
        seed=seed,
        cycle_s=cycle_s,
        nok_rate=nok_rate,
        ledger=ledger,
    )
    _serve_alone(run_camera(settings))


def joining(
    host: Host = "127.0.0.1",
    port: Port = 0,
    seed: Seed = 1,
    cycle_s: Annotated[float, typer.Option(help="seconds between two joints")] = 2.0,
    nok_rate: NokRate = 0.05,
    ledger: LedgerPath = None,
) -> None:
    """Run a joining system that tells its results by OPC UA events (Machinery Result). Prints
    `ready` and its address; SIGTERM ends it."""
    settings = checked(
        JoiningSettings,
        host=host,
        port=port,
        seed=seed,
        cycle_s=cycle_s,
        nok_rate=nok_rate,
        ledger=ledger,
    )
    _serve_alone(run_joining(settings))


def _serve_alone(device: AbstractAsyncContextManager[Served]) -> None:
    try:
        asyncio.run(serve(device))
    except OSError as error:
        fail(str(error))


def camera(
    host: Host = "127.0.0.1",
    port: Port = 0,
    control_port: ControlPort = 0,
    fps: Annotated[float, typer.Option(help="frames of its stream a second")] = 10.0,
    width: Annotated[int, typer.Option(help="of its frames, in pixels")] = 320,
    height: Annotated[int, typer.Option(help="of its frames, in pixels")] = 240,
    log_in: Annotated[
        Literal["none", "basic", "digest"], typer.Option(help="what it wants of viewer, sim")
    ] = "none",
) -> None:
    """Run a camera. Prints `ready address control host:port`, the address being that of its
    pictures (/snapshot.jpg); its stream is /stream.mjpg; `lineside-sim misbehave` commands it;
    SIGTERM ends it."""
    settings = checked(
        HttpCameraSettings,
        host=host,
        port=port,
        fps=fps,
        width=width,
        height=height,
        log_in=log_in,
    )
    _run(run_http_camera(settings), control_port)


def misbehave(
    control: Annotated[str, typer.Argument(help="the device's control port, host:port")],
    answer: Annotated[AnswerName | None, typer.Option(help="how it answers from now on")] = None,
    delay_s: Annotated[float | None, typer.Option(help="each answer comes so much later")] = None,
    hide: Annotated[
        str | None, typer.Option(help="what is not there from now on: DB10, unit 3, holding")
    ] = None,
    show: Annotated[str | None, typer.Option(help="what is there again")] = None,
    seconds: Annotated[float | None, typer.Option(help="be well again after so long")] = None,
) -> None:
    """Let a running device misbehave, and print what is wrong with it now."""
    host, port = address_of(control, "CONTROL")
    command = checked(
        MisbehaveCommand, answer=answer, delay_s=delay_s, hide=hide, show=show, seconds=seconds
    )
    try:
        print(asyncio.run(send_line(host, port, command.model_dump_json())))
    except (OSError, CommandRefusedError) as error:
        fail(str(error))


class _Device(Served, Protocol):
    """What every simulated device has when it runs."""

    @property
    def manners(self) -> Manners: ...


def _run(device: AbstractAsyncContextManager[_Device], control_port: int) -> None:
    try:
        asyncio.run(_serve(device, control_port))
    except OSError as error:
        fail(str(error))


async def _serve(device: AbstractAsyncContextManager[_Device], control_port: int) -> None:
    stop = stop_on_signal()
    async with (
        device as running,
        serve_commands(running.manners.obey, "127.0.0.1", control_port) as control,
    ):
        print(f"ready {running.endpoint} control 127.0.0.1:{control}", flush=True)
        await stop.wait()
