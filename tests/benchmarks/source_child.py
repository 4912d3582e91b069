"""One side of `bench_sources`: a source with its journal, or the bare library, reading a device.

    python -m tests.benchmarks.source_child ours|bare KIND PORT TAGS POLL_S DIRECTORY

Prints twice a second how many values it has read, and of these how many are samples on the disk
(the bare library keeps none, so it counts what it decoded). POLL_S 0: as fast as it goes, which of
a source is every 10 ms at most. Of those that tell by themselves (a controller, a vision system,
people at a station, which listens at PORT itself) it counts results.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from edge.board.endpoint import BoardEndpoint
from edge.board.settings import BoardSettings
from edge.calls import CallStore, Desk
from edge.journal import JournalSettings, TelemetryJournal
from edge.sources import make_source
from edge.sources.manual import ManualSettings
from edge.sources.manual.station import Station
from edge.sources.modbus import ModbusSettings
from edge.sources.opcua import OpcUaSettings
from edge.sources.open_protocol import OpenProtocolSettings
from edge.sources.s7 import S7Settings
from edge.status import Figures, SourceFigures
from protocols.opcua.machine_vision import NAMESPACE, RESULT_READY
from protocols.open_protocol import Message, Splitter
from tests.benchmarks.typist import STATION

_LEAST_POLL_S = 0.01
_REGISTERS = 124
_PUBLISHING_MS = 100
_FINDINGS = 2
"""Of each part that a vision system or a person looks at."""


class Deaf:
    """Hears of no device."""

    def device_online(self, device: str) -> None: ...

    def device_offline(self, device: str, reason: str) -> None: ...


def settings(
    kind: str, port: int, tags: int, poll_s: float
) -> S7Settings | ModbusSettings | OpenProtocolSettings | OpcUaSettings:
    """All numbers for load of a simulated device; all results of a controller or a camera."""
    if kind == "machine_vision":
        gap = {"name": "Gap", "value": "ResultContent.1.Width", "lower": 2.5, "upper": 4.0}
        return OpcUaSettings.model_validate(
            {
                "device": "load",
                "endpoint": f"opc.tcp://127.0.0.1:{port}/",
                "publishing_ms": _PUBLISHING_MS,
                "machine_vision": {"verdict": "ResultContent.0", "measured": [gap]},
            }
        )
    if kind == "open_protocol":
        return OpenProtocolSettings.model_validate(
            {"kind": kind, "device": "load", "host": "127.0.0.1", "port": port}
        )
    common: dict[str, Any] = {
        "kind": kind, "device": "load", "host": "127.0.0.1", "port": port, "poll_s": poll_s
    }  # fmt: skip
    if kind == "s7":
        listed = [{"name": f"t{n}", "address": f"DB200.DBD{4 * n}:REAL"} for n in range(tags)]
        return S7Settings.model_validate({**common, "tags": listed})
    listed = [{"name": f"t{n}", "address": f"input:{1000 + 2 * n}:float32"} for n in range(tags)]
    return ModbusSettings.model_validate({**common, "tags": listed})


async def ours(kind: str, port: int, tags: int, poll_s: float, directory: Path) -> None:
    """A source, with a durable journal."""
    journal = TelemetryJournal.open(directory / "journal.sqlite", JournalSettings(keep_free_mb=0))
    figures = SourceFigures("load")
    if kind == "manual":
        running = asyncio.create_task(_station(port, directory, journal, figures))
        read = _findings(figures)
    else:
        wanted = settings(kind, port, tags, max(poll_s, _LEAST_POLL_S))
        source: Any = make_source(wanted, journal, Deaf(), figures)
        if kind == "machine_vision":
            read = _findings(figures)
        else:
            read = _results(source) if kind == "open_protocol" else _counted(source, tags)
        running = asyncio.create_task(source.run())
    try:
        while not running.done():
            await asyncio.sleep(0.5)
            print(read(), figures.samples, flush=True)
    finally:
        running.cancel()


async def _station(
    port: int, directory: Path, journal: TelemetryJournal, figures: SourceFigures
) -> None:
    """The page of a station, and what takes its entries."""
    described = [{"name": "Gap", "lower": 0.4, "upper": 0.9}, {"name": "Surface", "check": True}]
    wanted = ManualSettings.model_validate(
        {"kind": "manual", "device": STATION, "characteristics": described}
    )
    desk = Desk(CallStore.open(directory / "calls.sqlite"), ())
    stations = {STATION: Station(wanted, journal, figures)}
    await BoardEndpoint(desk, Figures(), tuple, BoardSettings(port=port), stations).serve()


def _findings(figures: SourceFigures) -> Callable[[], int]:
    """Count the parts of which there are findings."""
    return lambda: figures.samples // _FINDINGS


def _counted(source: Any, tags: int) -> Callable[[], int]:
    """Count the polls of a source of one group."""
    polled, read = 0, source._read

    async def counting(*about: Any) -> None:
        nonlocal polled
        await read(*about)
        polled += 1

    source._read = counting
    return lambda: polled * tags


def _results(source: Any) -> Callable[[], int]:
    """Count the results of a controller's source."""
    taken, take = 0, source._take_result

    async def counting(*about: Any) -> None:
        nonlocal taken
        await take(*about)
        taken += 1

    source._take_result = counting
    return lambda: taken


async def bare(kind: str, port: int, tags: int, poll_s: float) -> None:
    """The library alone: reads and decodes, as its documentation shows, and drops the values."""
    alone = {
        "open_protocol": _bare_open_protocol,
        "machine_vision": _bare_machine_vision,
        "manual": _bare_manual,
    }.get(kind)
    if alone is not None:
        return await alone(port)
    poll = await (_bare_s7 if kind == "s7" else _bare_modbus)(port, tags)
    values, told, due = 0, time.monotonic(), time.monotonic()
    while True:
        values += await poll()
        now = time.monotonic()
        if now - told > 0.5:
            told = now
            print(values, values, flush=True)
        due = max(due + poll_s, now)
        await asyncio.sleep(due - now)


async def _bare_open_protocol(port: int) -> None:
    """A socket: takes the frames apart, acknowledges each result, and drops it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    splitter, results, told = Splitter(), 0, time.monotonic()
    writer.write(Message(1).encode())
    started = False
    while chunk := await reader.read(65_536):
        splitter.feed(chunk)
        while (message := splitter.take()) is not None:
            if message.mid == 61:
                results += 1
                writer.write(Message(62).encode())
            elif not started:
                started = True
                writer.write(Message(60, revision=7).encode())
        now = time.monotonic()
        if now - told > 0.5:
            told = now
            print(results, results, flush=True)


async def _bare_machine_vision(port: int) -> None:
    """The library: subscribes to the events, decodes all but their structures, drops them."""
    from asyncua import Client, ua

    class Counter:
        results = 0

        def event_notification(self, _event: object) -> None:
            self.results += 1

    counter = Counter()
    async with Client(f"opc.tcp://127.0.0.1:{port}/", timeout=60) as client:
        index = await client.get_namespace_index(NAMESPACE)
        kind = client.get_node(ua.NodeId(ua.Int32(RESULT_READY), ua.Int16(index)))
        subscription = await client.create_subscription(_PUBLISHING_MS, counter)
        await subscription.subscribe_events(evtypes=kind)
        while True:
            await asyncio.sleep(0.5)
            print(counter.results, counter.results, flush=True)


async def _bare_manual(port: int) -> None:
    """A socket: takes each form apart, answers, and drops it."""
    forms = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal forms
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            body = await reader.readexactly(int(fields.get(b"content-length", 0)))
            forms += "ticket" in parse_qs(body.decode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    await asyncio.start_server(converse, "127.0.0.1", port)
    while True:
        await asyncio.sleep(0.5)
        print(forms, forms, flush=True)


async def _bare_s7(port: int, tags: int) -> Callable[[], Awaitable[int]]:
    from snap7 import Client
    from snap7.util import get_real

    client = Client()
    client.connect("127.0.0.1", 0, 1, port)

    async def poll() -> int:
        data = client.db_read(200, 0, 4 * tags)
        return len([get_real(data, 4 * n) for n in range(tags)])

    return poll


async def _bare_modbus(port: int, tags: int) -> Callable[[], Awaitable[int]]:
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()

    async def poll() -> int:
        values = 0
        for at in range(0, 2 * tags, _REGISTERS):
            count = min(_REGISTERS, 2 * tags - at)
            answer = await client.read_input_registers(1000 + at, count=count)
            found = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
            values += len(found) if isinstance(found, list) else 1
        return values

    return poll


def main() -> None:
    """Run until killed."""
    side, kind, port, tags, poll_s, directory = sys.argv[1:]
    logging.getLogger("edge").setLevel(logging.ERROR)
    given = (kind, int(port), int(tags), float(poll_s))
    asyncio.run(ours(*given, Path(directory)) if side == "ours" else bare(*given))


if __name__ == "__main__":
    main()
