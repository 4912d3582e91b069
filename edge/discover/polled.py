"""Reads each tag of a device once that is read by address: S7, Modbus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.sources.modbus.config import ModbusSettings
from edge.sources.polled.link import Device, Link, LinkError, Read, Refused, Silent
from edge.sources.s7.config import S7Settings
from protocols.plc import Block, PlcValue, UnreadableError, group


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """What became of a tag: a value, or why there is none."""

    value: PlcValue | None
    why_not: str = ""


def device_of(settings: S7Settings | ModbusSettings) -> Device:
    """The device as its source addresses it."""
    match settings.kind:
        case "s7":
            from edge.sources.s7.source import S7Device

            return S7Device(settings)
        case "modbus":
            from edge.sources.modbus.source import ModbusDevice

            return ModbusDevice(settings)


async def read_once(device: Device) -> list[TagAnswer]:
    """What each tag gives now, in the order of the settings. Raises `LinkError` if nothing can be
    read at all."""
    link = await device.connect()
    answers: dict[int, TagAnswer] = {}
    try:
        spaces = dict.fromkeys(item.space for item in device.items)
        for space in spaces:
            blocks = group(
                [item for item in device.items if item.space == space],
                max_gap=device.max_gap(space),
                max_size=link.max_size(space),
            )
            await _read(link, device, blocks, answers)
    finally:
        await link.close()
    return [answers[position] for position in range(len(device.items))]


async def _read(
    link: Link, device: Device, blocks: Sequence[Block], answers: dict[int, TagAnswer]
) -> None:
    """Read blocks; those that are refused by halves, down to the tags that are to blame."""
    for block, outcome in zip(blocks, await link.read(blocks), strict=True):
        match outcome:
            case Read(data):
                unit = device.unit_bytes(block.space)
                for item in block.items:
                    offset = (item.start - block.start) * unit
                    answers[item.tag] = _decoded(device, item.tag, data[offset:])
            case Refused(reason) if len(block.items) == 1:
                answers[block.items[0].tag] = TagAnswer(None, reason)
            case Refused():
                await _read(link, device, block.halves(), answers)
            case Silent(party, reason):
                for item in block.items:
                    answers[item.tag] = TagAnswer(None, f"{party}: {reason}")


def _decoded(device: Device, tag: int, data: bytes) -> TagAnswer:
    field = device.fields[tag]
    try:
        return TagAnswer(field.decode(data[: field.size]))
    except UnreadableError as error:
        return TagAnswer(None, str(error))


__all__ = ["LinkError", "TagAnswer", "device_of", "read_once"]
