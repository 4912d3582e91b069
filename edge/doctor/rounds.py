"""All that there is to look at, in the order in which it is put right: this PC, the devices, the
way to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

from edge.cli.words import Catalogue
from edge.config import EdgeConfig
from edge.config.hand_over import HandOverSettings
from edge.doctor import broker, certificate, machine
from edge.doctor.finding import Finding, failed, ok
from edge.sources.camera.config import CameraSettings
from edge.sources.drop.config import DropSettings
from edge.sources.manual.config import ManualSettings
from edge.sources.modbus.config import ModbusSettings
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.open_protocol.config import OpenProtocolSettings
from edge.sources.qdas.config import QdasSettings
from edge.sources.s7.config import S7Settings
from edge.status.client import NotRunningError, ask

words = Catalogue(
    {
        "entered": ("entered by hand at {place}", "手工录入地址：{place}"),
        "nowhere": ("there is no page to enter its results at", "没有录入结果的页面"),
        "give_port": ("give board.port a port, such as 9485", "请设置 board.port，例如 9485"),
    }
)


async def look(config: EdgeConfig) -> AsyncIterator[Finding]:
    """Findings as they come."""
    for finding in await asyncio.to_thread(lambda: list(machine.look(config))):
        yield finding
    running = await asyncio.to_thread(_runs, config)
    for source in config.sources:
        if isinstance(source, ManualSettings):
            yield entered(config, source)
        async for finding in _source(source, running=running):
            yield finding
    async for finding in _lines(config):
        yield finding
    for finding in await asyncio.to_thread(lambda: list(certificate.look(config))):
        yield finding
    for settings in config.brokers:
        async for finding in broker.look(config, settings):
            yield finding
    if config.trace.endpoint is not None:
        from edge.doctor import collector

        yield await asyncio.to_thread(collector.look, config.trace)


def entered(config: EdgeConfig, source: ManualSettings) -> Finding:
    """Where a station is entered; the port itself is looked at with this PC."""
    part, board = f"source {source.device}", config.board
    if not board.port:
        return failed(part, words("nowhere"), words("give_port"))
    place = f"http://{board.host}:{board.port}/entry/{quote(source.device)}"
    return ok(part, words("entered", place=place))


def _runs(config: EdgeConfig) -> bool:
    try:
        ask(config.data_dir, "GET", "/status.json")
    except NotRunningError:
        return False
    return True


async def _source(source: object, *, running: bool) -> AsyncIterator[Finding]:
    # Each library is loaded for a source that needs it.
    if isinstance(source, OpcUaSettings):
        from edge.doctor import opcua

        async for finding in opcua.look(source):
            yield finding
    elif isinstance(source, (S7Settings, ModbusSettings)):
        from edge.doctor import polled

        async for finding in polled.look(source, running=running):
            yield finding
    elif isinstance(source, OpenProtocolSettings):
        from edge.doctor import open_protocol

        async for finding in open_protocol.look(source, running=running):
            yield finding
    elif isinstance(source, CameraSettings):
        from edge.doctor import camera

        async for finding in camera.look(source):
            yield finding
    elif isinstance(source, (QdasSettings, DropSettings)):
        from edge.doctor import folder

        async for finding in folder.look(source):
            yield finding


async def _lines(config: EdgeConfig) -> AsyncIterator[Finding]:
    """The nodes of each line that names those of its hand-over."""
    devices = {source.device: source for source in config.sources}
    for line in config.jis:
        plc = devices.get(line.device)
        if line.hand_over is None or not isinstance(plc, OpcUaSettings):
            continue
        from edge.doctor import opcua

        part = f"line {line.plant}/{line.line}"
        async for finding in opcua.look_at_nodes(part, plc, _named(line.hand_over)):
            yield finding


def _named(hand_over: HandOverSettings) -> list[tuple[str, str]]:
    fields = [(f"fields.{name}", node) for name, node in hand_over.fields.by_field().items()]
    return fields + [(name, node) for name, node in hand_over if isinstance(node, str)]
