"""What the commands of `lineside-sim` share."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Protocol, TypeVar

import typer
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


class Served(Protocol):
    """What runs and can be reached."""

    @property
    def endpoint(self) -> str:
        """Its address."""


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


def checked(model: type[M], **given: object) -> M:
    """The options of a command as its settings. Raises `typer.BadParameter`: which option is wrong,
    and why."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _bad_option(error) from None


async def serve(device: AbstractAsyncContextManager[Served]) -> None:
    """Print `ready` and the address, and let it run until a signal."""
    stop = stop_on_signal()
    async with device as running:
        print(f"ready {running.endpoint}", flush=True)
        await stop.wait()


def _bad_option(error: ValidationError) -> typer.BadParameter:
    first = error.errors(include_url=False)[0]
    option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "options"
    return typer.BadParameter(f"{option}: {first['msg']}, not {first['input']!r}")


def fail(reason: str) -> NoReturn:
    """Say why it cannot be done, and end."""
    typer.echo(f"lineside-sim: {reason}", err=True)
    raise typer.Exit(1)
