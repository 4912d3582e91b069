"""What measuring room and testers write: a file for each part, which appears whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from firmware_sim.stations.settings import Limits
from protocols.aqdef import Characteristic, Content, Value, write

Measured = tuple[Limits, float]


def dfq(serial: str, measured: Sequence[Measured], at: datetime) -> bytes:
    """A part of a measuring room in the Q-DAS format."""
    content = Content()
    content.parts[1] = {"K1001": "SR-420", "K1002": "Seat rail"}
    for number, (limits, value) in enumerate(measured, 1):
        fields = {
            "K2001": str(number),
            "K2002": limits.characteristic,
            "K2004": "0",
            "K2110": repr(limits.lower),
            "K2111": repr(limits.upper),
            "K2142": limits.unit,
        }
        content.characteristics[number] = Characteristic(1, fields)
        said = {"K0001": repr(value), "K0004": f"{at:%d.%m.%Y/%H:%M:%S}", "K0014": serial}
        content.values.append(Value(number, said, 1))
    return write(content).encode("cp1252")


def table(serial: str, measured: Measured, at: datetime) -> bytes:
    """A row of a tester that writes CSV, as spreadsheets of half of Europe like it."""
    limits, value = measured
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";", lineterminator="\r\n")
    rows.writerow(("Serial", "Time", limits.characteristic))
    rows.writerow((serial, f"{at:%d.%m.%Y %H:%M:%S}", repr(value).replace(".", ",")))
    return text.getvalue().encode()


def document(serial: str, measured: Measured, at: datetime) -> bytes:
    """What a tester says that writes JSON."""
    limits, value = measured
    said = {"part": {"serial": serial}, "at": at.isoformat(), limits.characteristic: value}
    return json.dumps(said).encode()


def put(folder: Path, name: str, data: bytes) -> None:
    """Let a file appear whole."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{name}.part"
    beside.write_bytes(data)
    beside.rename(folder / name)
