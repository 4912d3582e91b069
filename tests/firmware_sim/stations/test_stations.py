"""Stations beside a line's PLC: what they find they note, and tell as the real ones do."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path

from deploy.local.ports import free_port
from firmware_sim.line.ledger import Ledger, Result
from firmware_sim.stations import STATIONS, Finding, StationsSettings, read_findings, run_stations
from protocols.aqdef import read
from tests.edge.waiting import until

SERIALS = ["SEAT1-X-000001", "SEAT1-X-000002"]


def settings(directory: Path, seed: int = 1) -> StationsSettings:
    return StationsSettings(
        line_ledger=directory / "plc.jsonl",
        directory=directory,
        board=f"http://127.0.0.1:{free_port()}/",
        findings=directory / "findings.jsonl",
        tightening_port=0,
        joining_port=0,
        vision_port=0,
        seed=seed,
    )


async def findings(directory: Path, seed: int = 1) -> list[Finding]:
    """Of two parts. Nobody answers at the board: the person waits with the first."""
    chosen = settings(directory, seed)
    ledger = Ledger(chosen.line_ledger)
    for no, serial in enumerate(SERIALS, 1):
        ledger.add(Result(no, "produced", "P1/SEAT1/1/SEAT/0", serial, "", "", 0, no))
    ledger.close()
    async with run_stations(chosen) as working:
        await until(
            lambda: (
                {f.serial for f in read_findings(chosen.findings)} == set(SERIALS)
                and (directory / "end-of-line" / f"{SERIALS[1]}.json").exists()
                and any(f.station == "hand-station" for f in read_findings(chosen.findings))
            ),
            "two parts at all stations",
        )
        assert not working.done()
    return list(read_findings(chosen.findings))


def test_each_part_passes_each_station(tmp_path: Path) -> None:
    found = asyncio.run(findings(tmp_path))
    passed = {f.station for f in found if f.serial == SERIALS[0]}
    assert passed == set(STATIONS)

    def value(station: str, characteristic: str) -> float | None:
        (one,) = [
            f for f in found
            if (f.station, f.serial, f.characteristic) == (station, SERIALS[0], characteristic)
        ]  # fmt: skip
        return one.value

    data = (tmp_path / "measuring-room" / f"{SERIALS[0]}.dfq").read_bytes()
    content = read([("part.dfq", data)])
    assert [float(v.fields["K0001"]) for v in content.values] == [
        value("measuring-room", "Rail length"), value("measuring-room", "Rail width")
    ]  # fmt: skip
    with (tmp_path / "leak-tester" / f"{SERIALS[0]}.csv").open(newline="") as file:
        (row,) = csv.DictReader(file, delimiter=";")
    assert row["Serial"] == SERIALS[0]
    assert float(row["Leak rate"].replace(",", ".")) == value("leak-tester", "Leak rate")
    said = json.loads((tmp_path / "end-of-line" / f"{SERIALS[0]}.json").read_bytes())
    assert (said["part"]["serial"], said["Heater current"]) == (
        SERIALS[0], value("end-of-line", "Heater current")
    )  # fmt: skip


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    seeds = {"a": 1, "b": 1, "c": 2}
    first, again, other = (
        set(asyncio.run(findings(tmp_path / name, seed))) for name, seed in seeds.items()
    )
    assert first == again != other
