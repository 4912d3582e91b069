"""What the commands of `lineside-sim` share."""

from __future__ import annotations

import asyncio
import signal
from typing import NoReturn

import typer
from pydantic import ValidationError


def address_of(text: str, option: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises `typer.BadParameter`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise typer.BadParameter(f"{option}: not host:port: {text!r}")
    return host, int(port)


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def bad_option(error: ValidationError) -> typer.BadParameter:
    """Which option is wrong, and why."""
    first = error.errors(include_url=False)[0]
    option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "options"
    return typer.BadParameter(f"{option}: {first['msg']}, not {first['input']!r}")


def fail(reason: str) -> NoReturn:
    """Say why it cannot be done, and end."""
    typer.echo(f"lineside-sim: {reason}", err=True)
    raise typer.Exit(1)
