"""Tags from what engineers have written down: symbols of an S7 project, a map of Modbus
registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.discover.names import free_name
from edge.sources.modbus.config import ModbusSettings
from edge.sources.s7.config import S7Settings
from protocols.modbus import map_csv
from protocols.modbus.address import parse as parse_modbus
from protocols.s7 import parse as parse_s7
from protocols.s7 import symbols

_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252")
"""In which engineering tools write; the last one takes any bytes but a few."""


def s7_tags(path: Path, numbers: Mapping[str, int]) -> list[tuple[dict[str, Any], str]]:
    """Tag and comment of each symbol. Raises `SymbolsError`, `OSError`."""
    found = symbols.read(_text(path), path.name, numbers=numbers)
    return [
        ({"name": symbol.name.replace(".", "/"), "address": str(symbol.address)}, symbol.comment)
        for symbol in found
    ]


def modbus_tags(path: Path) -> list[tuple[dict[str, Any], str]]:
    """Tag and comment of each register. Raises `MapError`, `OSError`."""
    return [(_of_register(r), r.comment) for r in map_csv.read(_text(path), path.name)]


def places(settings: S7Settings | ModbusSettings | None) -> set[tuple[Any, ...]]:
    """Where the tags of a source are, to know them again."""
    if settings is None:
        return set()
    return {place(tag.model_dump(by_alias=True), settings.kind) for tag in settings.tags}


def place(tag: Mapping[str, Any], kind: str) -> tuple[Any, ...]:
    """Where a tag is, however its address is written."""
    if kind == "s7":
        return (str(parse_s7(tag["address"])),)
    return (str(parse_modbus(tag["address"])), tag.get("unit_id"), tag.get("order"))


def fresh(
    tags: Iterable[dict[str, Any]], settings: S7Settings | ModbusSettings | None, kind: str
) -> list[dict[str, Any]]:
    """Those that the source does not have yet; a name that is taken gets a number."""
    had = places(settings)
    names = {tag.name for tag in settings.tags} if settings is not None else set()
    return [
        {**tag, "name": free_name(tag["name"], names)}
        for tag in tags
        if place(tag, kind) not in had
    ]


def _of_register(register: map_csv.Register) -> dict[str, Any]:
    tag: dict[str, Any] = {"name": register.name, "address": str(register.address)}
    if register.unit:
        tag["unit"] = register.unit
    if register.scale != 1:
        tag["scale"] = register.scale
    if register.shift:
        tag["shift"] = register.shift
    if register.order is not None:
        tag["order"] = str(register.order)
    if register.unit_id is not None:
        tag["unit_id"] = register.unit_id
    return tag


def _text(path: Path) -> str:
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            continue
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")
