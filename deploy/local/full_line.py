"""A supplier's line with one of each: beside its PLC a press, an oven and a dryer that are read by
address, and the stations that find something of every part; and whether the hub has all of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.stack import START_TIMEOUT_S, LocalStack, StackSettings, wait_for
from deploy.local.verify import Verdict
from deploy.local.world import SUPPLIERS, Supplier
from firmware_sim.joining.system import NODE as SCREWDRIVER
from firmware_sim.line.ledger import Result, read_ledger
from firmware_sim.modbus.memory import ADDRESSES as MODBUS
from firmware_sim.s7.memory import ADDRESSES as S7
from firmware_sim.stations import STATIONS, Finding, read_findings
from firmware_sim.stations.settings import (
    CURRENT,
    GAP,
    HAND,
    JOINED,
    LEAK,
    LEAKING,
    LOOKED_AT,
    MEASURED,
    REASON,
    SEEN,
    SURFACE,
    TESTER,
    TIGHTENED,
    Limits,
)
from firmware_sim.vision.camera import NODE as CAMERA

READY = re.compile(r"^ready (\S+)", re.MULTILINE)
SUPPLIER = SUPPLIERS[0]
BY_ADDRESS = ("press", "oven", "dryer")
"""An S7 PLC, Modbus over TCP, and Modbus on a serial port."""
WATCHING = "camera"
"""Beside the stations; it finds nothing itself, and takes clips of what they find."""
PLC_STATIONS = 3
"""Of the line's own PLC, by OPC UA."""
_READ = {"Force": "kN", "Stroke": "mm", "Parts": "", "Ok": ""}
_SCAN = {"scan_s": 0.5, "settle_s": 0.5}
"""What is written here appears whole."""
_ONLINE = "SELECT count(*) FROM lineside.device WHERE online"
_FOUND = """
SELECT d.name, r.serial, r.characteristic, r.value, r.verdict, count(*)
FROM lineside.inspection_result r
JOIN lineside.tag t ON t.id = r.tag JOIN lineside.device d ON d.id = t.device
GROUP BY 1, 2, 3, 4, 5
"""
_PICTURES = """
SELECT found_by, found_key, count(*) FROM lineside.inspection_picture GROUP BY 1, 2
"""
_NOK = """
SELECT DISTINCT d.name, r.key FROM lineside.inspection_result r
JOIN lineside.tag t ON t.id = r.tag JOIN lineside.device d ON d.id = t.device
WHERE r.verdict = 'nok'
"""
_TOLD = """
SELECT d.name, count(DISTINCT t.id) FROM lineside.device d JOIN lineside.tag t ON t.device = d.id
WHERE EXISTS (SELECT FROM lineside.sample s WHERE s.tag_id = t.id) GROUP BY 1
"""


class FullLineStack(LocalStack):
    """The local stack, in which the first supplier's line has thirteen stations."""

    def __init__(self, settings: StackSettings, say: Callable[[str], None]) -> None:
        super().__init__(settings, say)
        # A relative one would be taken from the folder of the gateway's file.
        self._stations = settings.directory.absolute() / SUPPLIER.node / "stations"
        self._findings = self._stations / "findings.jsonl"
        self._tightening_port, self._joining_port = free_port(), free_port()
        self._vision_port = free_port()

    def verify(self, database: psycopg.Connection[Any]) -> Verdict:
        """Each finding of each station is there too, once, and no part went past a station."""
        verdict = super().verify(database)
        found = Counter({Finding(*row[:5]): row[5] for row in database.execute(_FOUND)})
        ledger = self._ledger(SUPPLIER)
        entries = read_ledger(ledger, samples=False) if ledger.exists() else ()
        built = {e.serial for e in entries if isinstance(e, Result) and e.result == "produced"}
        check_findings(Counter(read_findings(self._findings)), found, built, verdict)
        told = dict(database.execute(_TOLD).fetchall())
        silent = [name for name in BY_ADDRESS if told.get(name, 0) < len(_READ)]
        verdict.add("devices that did not tell each of their values", silent)
        self._check_pictures(database, verdict)
        return verdict

    def _check_pictures(self, database: psycopg.Connection[Any], verdict: Verdict) -> None:
        """Of each result that is not in order there is one word of the camera."""
        nok = {tuple(row) for row in database.execute(_NOK)}
        told = {(by, key): count for by, key, count in database.execute(_PICTURES)}
        verdict.add("results not in order of which no camera says anything", nok - told.keys())
        verdict.add(
            "pictures of something else, or twice",
            [what for what, count in told.items() if what not in nok or count > 1],
        )

    def build_record(self) -> str:
        """Of the last part, as the hub answers for its serial; and a clip from the gateway."""
        *_, last = read_findings(self._findings)
        return draw_record(self.url, last.serial) + fetch_clip(self.url)

    def _more_sources(self, supplier: Supplier) -> Sequence[Mapping[str, object]]:
        if supplier is not SUPPLIER:
            return ()
        endpoints = {
            "press": self._device("s7"),
            "oven": self._device("modbus"),
            "dryer": self._device("modbus", "--serial"),
        }
        return [
            _polled("press", "s7", endpoints["press"], S7),
            _polled("oven", "modbus", endpoints["oven"], MODBUS),
            _polled("dryer", "modbus", endpoints["dryer"], MODBUS),
            {
                "kind": "open_protocol",
                "device": TIGHTENED,
                "host": LOOPBACK,
                "port": self._tightening_port,
            },
            {
                "kind": "opcua",
                "device": JOINED,
                "endpoint": f"opc.tcp://{LOOPBACK}:{self._joining_port}/",
                "machinery_result": {"node": SCREWDRIVER},
            },
            {
                "kind": "opcua",
                "device": SEEN,
                "endpoint": f"opc.tcp://{LOOPBACK}:{self._vision_port}/",
                "machine_vision": {
                    "node": CAMERA,
                    "verdict": "ResultContent.0",
                    "measured": [{**_limited(LOOKED_AT), "value": "ResultContent.1.Width"}],
                },
            },
            {"kind": "qdas", "device": MEASURED, **self._folder(MEASURED), "time_zone": "UTC"},
            {
                "kind": "drop",
                "device": LEAK,
                **self._folder(LEAK),
                "columns": {"serial": "Serial", "time": "Time"},
                "measured": [{**_limited(LEAKING), "column": LEAKING.characteristic}],
            },
            {
                "kind": "drop",
                "device": TESTER,
                **self._folder(TESTER),
                "files": "*.json",
                "columns": {"serial": "part.serial", "time": "at"},
                "measured": [{**_limited(CURRENT), "column": CURRENT.characteristic}],
            },
            {
                "kind": "camera",
                "device": WATCHING,
                "url": self._device("camera").replace("snapshot.jpg", "stream.mjpg"),
                "take": "clip",
                "after_s": 1,
                "of": list(STATIONS),
            },
            {
                "kind": "manual",
                "device": HAND,
                "characteristics": [
                    _limited(GAP),
                    {"name": SURFACE, "check": True},
                ],
                "reasons": [REASON],
            },
        ]  # fmt: skip

    def _folder(self, station: str) -> Mapping[str, object]:
        folder = self._stations / station
        folder.mkdir(parents=True, exist_ok=True)
        return {"watch_dir": str(folder), **_SCAN}

    def _device(self, *command: str) -> str:
        """Start a device that is read by address; where it is."""
        name = "-".join(part.strip("-") for part in command)
        process = self._process(f"plc-{name}", ["lineside-sim", *command])
        self._run(process)
        if not wait_for(lambda: READY.search(process.tail()) is not None, START_TIMEOUT_S):
            raise process.failure("is not ready")
        found = READY.search(process.tail())
        return found[1] if found else ""

    def _start_supplier(self, supplier: Supplier) -> None:
        super()._start_supplier(supplier)
        if supplier is not SUPPLIER:
            return
        stations = self._process(
            "stations",
            [
                *("lineside-sim", "--verbose", "stations", "--seed", self.settings.seed),
                *("--line-ledger", self._ledger(supplier), "--directory", self._stations),
                *("--board", self.boards[supplier.node], "--findings", self._findings),
                *("--tightening-port", self._tightening_port),
                *("--joining-port", self._joining_port, "--vision-port", self._vision_port),
            ],
        )
        self.lines["stations"] = stations
        self._run(stations)
        count = PLC_STATIONS + len(BY_ADDRESS) + len(STATIONS)
        self._say(f"line {supplier.line} has {count} stations: {', '.join(BY_ADDRESS + STATIONS)}")

    def _lines_are_read(self) -> bool:
        self.check_alive()
        with self.database() as database:
            (online,) = database.execute(_ONLINE).fetchone() or (0,)
        more = len(BY_ADDRESS) + len(STATIONS) + 1  # the camera that watches them
        return bool(online == len(self.settings.suppliers) + more)


def check_findings(
    expected: Counter[Finding], found: Counter[Finding], built: Set[str], verdict: Verdict
) -> None:
    """Add to the verdict what is missing at the hub, doubled or changed, and what no station has
    found. What stations say beyond their findings (that a screw was tightened) is theirs."""
    verdict.add("results that the hub does not have", expected - found)
    known = {_what(finding) for finding in expected}
    said = Counter({finding: times for finding, times in found.items() if _what(finding) in known})
    verdict.add("results that the hub has too often, or otherwise", said - expected)
    for station in STATIONS:
        seen = {finding.serial for finding in expected if finding.station == station}
        verdict.add(f"parts that went past {station}", sorted(built - seen))


def _what(finding: Finding) -> tuple[str, str, str]:
    return finding.station, finding.serial, finding.characteristic


def draw_record(url: str, serial: str) -> str:
    """All that was measured of a part, as a table."""
    answer = httpx.get(f"{url}v1/parts/{quote(serial, safe='')}/results")
    answer.raise_for_status()
    record = answer.json()
    cars = [f"car {call['production_no']} {call['part_group']}" for call in record["calls"]]
    table = Table(title=f"Build record of {serial} ({', '.join(cars)})")
    for column in ("station", "characteristic", "value", "limits", "verdict", "tool, operator"):
        table.add_column(column)
    for row in record["results"]:
        value = "" if row["value"] is None else f"{row['value']:g} {row['unit']}"
        lower, upper = ("" if row[end] is None else f"{row[end]:g}" for end in ("lower", "upper"))
        limits = f"{lower} … {upper}" if lower or upper else ""
        who = ", ".join(part for part in (row["tool"], row["operator"]) if part)
        table.add_row(row["device"], row["characteristic"], value, limits, row["verdict"], who)
    console = Console(width=110)
    with console.capture() as text:
        console.print(table)
    return text.get()


def fetch_clip(url: str) -> str:
    """Fetch the newest clip that the gateway keeps, and say what came of it."""
    with httpx.Client(timeout=60) as client:
        return _fetch_clip(client, url)


def _fetch_clip(client: httpx.Client, url: str) -> str:
    page = client.get(f"{url}v1/pictures", params={"limit": 100}).raise_for_status().json()
    kept = [each for each in page["items"] if each["state"] == "kept"]
    missed = sum(each["state"] == "missed" for each in page["items"])
    said = f"The camera kept {len(kept)} clips of results not in order; {missed} it missed."
    if not kept:
        return f"{said}\n"
    where = f"{url}v1/pictures/{kept[0]['id']}"
    client.post(f"{where}/fetch").raise_for_status()

    def settled() -> bool:
        state = client.get(where).raise_for_status().json()["fetch_state"]
        return state not in ("asked", "arriving")

    wait_for(settled, START_TIMEOUT_S)
    answer = client.get(f"{where}/content")
    whole = hashlib.sha256(answer.content).hexdigest() == kept[0]["sha256"]
    came = "fetched, and it is what was taken" if whole else "NOT FETCHED"
    return (
        f"{said} The newest, of {kept[0]['found_by']} {kept[0]['what']} at {kept[0]['serial']} "
        f"({kept[0]['frames']} frames, {kept[0]['size']} bytes): {came}.\n"
    )


def _polled(
    device: str, kind: str, endpoint: str, addresses: Mapping[str, str]
) -> Mapping[str, object]:
    tags = [
        {"name": name, "address": addresses[name], "unit": unit} for name, unit in _READ.items()
    ]
    where: dict[str, object] = {"serial_port": endpoint, "parity": "none"}
    host, colon, port = endpoint.rpartition(":")
    if colon and port.isdecimal():
        where = {"host": host, "port": int(port)}
    return {"kind": kind, "device": device, **where, "poll_s": 0.5, "tags": tags}


def _limited(limits: Limits) -> Mapping[str, object]:
    return {
        "name": limits.characteristic,
        "unit": limits.unit,
        "lower": limits.lower,
        "upper": limits.upper,
    }
