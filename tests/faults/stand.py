"""All of Lineside as real processes, with a fault proxy on every link between them.

    PLC ─ plc:<gateway> ─ agent ─ broker:<gateway> ─ broker ─ hub-broker ─ ingest, calls
                                                  database ─ hub-database ─ ingest, calls, API

Everything lies below one directory and listens on loopback, on free ports.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asyncua import ua
from ruamel.yaml import YAML

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.opcua import patient_client
from deploy.local.ports import LOOPBACK, free_port, wait_listening
from deploy.local.processes import Process, ProcessError
from deploy.local.verify import LineTruth
from deploy.local.world import (
    CONTROL_POINT,
    PLANT,
    SUPPLIERS,
    Supplier,
    gateway_config,
    tag_name,
    tag_names,
    write_yaml,
)
from firmware_sim.line.counters import RUN, RetainedNumbers
from firmware_sim.line.ledger import Entry, LedgerTail
from firmware_sim.line.process import counter_tags
from protocols.opcua.line import NAMESPACE
from tests.faults import clock
from tests.faults.clock import SteppedClock
from tests.faults.database import NAME, HubDatabase
from tests.faults.disk import Disk, LimitedDisk, MountedDisk
from tests.faults.proxies import Proxies
from tests.faults.services import Service, ServiceManager

COUNTERS = 8
COUNTER_HZ = 4.0
PART_S = 0.6
"""Seconds to build a part."""
STEPS = 4
START_TIMEOUT_S = 180.0
COMMAND_TIMEOUT_S = 120.0
HUB_SERVICES = ("ingest", "ingest-2", "calls", "api")
LEASE_S = 2
"""Shorter than ingest hangs at times, so that its groups are taken over."""
_PLANT_CYCLE_S = 15.0
"""A part's share of plant time, as the simulated line has it."""


@dataclass(frozen=True, slots=True)
class StandSettings:
    """What can be chosen. `takt_s`: seconds per car; `cars`: orders, more than can be built."""

    directory: Path
    seed: int
    gateways: int
    takt_s: float
    cars: int
    mounts: bool
    """Whether file systems may be mounted."""


class Cell:
    """A supplier's gateway, its disk, and the line behind it."""

    def __init__(self, supplier: Supplier, directory: Path) -> None:
        self.supplier = supplier
        self.directory = directory
        self.ledger = directory / "plc-ledger.jsonl"
        self.state = directory / "plc-state.json"
        self.agent: Service
        self.plc: Service
        self.disk: Disk
        self.agent_clock: SteppedClock
        self.plc_clock: SteppedClock
        self.plc_port = free_port()
        self.marks = Marks(self.ledger)
        self.first_read = 0
        """Index of the ledger's first entry after the gateway was seen to read the line."""

    @property
    def name(self) -> str:
        return self.supplier.node

    @property
    def data(self) -> Path:
        """What the agent keeps."""
        return self.disk.path / "data"

    def counted(self) -> int:
        """How far the PLC's first counter is."""
        with RetainedNumbers(self.state.with_suffix(".counters"), COUNTERS) as numbers:
            return numbers[0]

    def stop_counting(self) -> None:
        """Let the line count no further, so that all can come in."""

        async def write() -> None:
            async with patient_client(f"opc.tcp://{LOOPBACK}:{self.plc_port}/") as client:
                index = await client.get_namespace_index(NAMESPACE)
                node = client.get_node(f"ns={index};s={RUN}")
                value = ua.DataValue(ua.Variant(False, ua.VariantType.Boolean))
                await node.write_attribute(ua.AttributeIds.Value, value)

        asyncio.run(write())

    def truth(self) -> LineTruth:
        counters = {tag.node: tag_name(tag) for tag in counter_tags(COUNTERS)}
        supplier = self.supplier
        return LineTruth(
            line=supplier.line,
            group=supplier.group,
            node=supplier.node,
            device=supplier.line,
            ledger=self.ledger,
            tags=tag_names() | counters,
            since=self.first_read,
        )


class Marks:
    """How long a ledger was at which instant: the PLC's own clock may step, its ledger may not."""

    def __init__(self, ledger: Path) -> None:
        self._tail = LedgerTail(ledger)
        self._lock = threading.Lock()
        self._times: list[float] = []
        """Monotonic, of each mark."""
        self._lengths: list[int] = []

    def take(self) -> int:
        """Note how many entries there are now, and return it."""
        with self._lock:
            self._times.append(time.monotonic())
            self._lengths.append(self._tail.read_on())
            return self._lengths[-1]

    def entries(self) -> Sequence[Entry]:
        """All entries at the last mark; never changed, only added to."""
        return self._tail.entries

    def between(self, since: float, until: float) -> range:
        """Indices of the entries that may have been written between two instants."""
        with self._lock:
            before = bisect_right(self._times, since)
            after = bisect_left(self._times, until)
            first = self._lengths[before - 1] if before else 0
            # An entry was there before the mark that counts it.
            last = self._lengths[after] if after < len(self._times) else sys.maxsize
        return range(first, last)


class Stand:
    """A context manager: enter to start all, leave to end all, however it is left."""

    def __init__(self, settings: StandSettings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.logs = settings.directory / "logs"
        self.database = HubDatabase(settings.directory / "hub")
        kind = EmbeddedBroker if Mosquitto.executable() is None else Mosquitto
        self.broker: LocalBroker = kind(settings.directory / "broker")
        self.proxies = Proxies(settings.seed)
        self.hub: dict[str, Service] = {}
        self.cells = [
            Cell(supplier, settings.directory / supplier.node)
            for supplier in SUPPLIERS[: settings.gateways]
        ]
        self.plant: Service
        self._say = say
        self._open = ExitStack()
        # Threads that start processes must live as long as those: the kernel kills a child when the
        # thread that started it has ended.
        self.pool = ThreadPoolExecutor(thread_name_prefix="faults", max_workers=100)
        self._services = ServiceManager(self.pool)
        self._http_port = free_port()
        self._hub_environment: Mapping[str, str] = {}
        self._marking = threading.Event()

    @property
    def shared(self) -> bool:
        """Whether two workers share ingest: the broker that comes as a wheel speaks no MQTT 5."""
        return isinstance(self.broker, Mosquitto)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._http_port}/"

    @property
    def services(self) -> Sequence[Service]:
        return self._services.services

    @property
    def links(self) -> list[str]:
        """All links that have a proxy."""
        sides = [f"{side}:{cell.name}" for cell in self.cells for side in ("broker", "plc")]
        return [*sides, "hub-broker", "hub-database"]

    def cell(self, name: str) -> Cell:
        return next(cell for cell in self.cells if cell.name == name)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def note(self, text: str) -> None:
        """Say what a fault has done."""
        self._say(f"    {text}")

    def kill_hub(self) -> None:
        for name in self.hub:
            self.hub[name].kill()

    def draw_epochs(self) -> None:
        """What operators do with a database put back from a backup, before they start the hub."""
        at_the_database = {"LINESIDE_HUB_DATABASE__PORT": str(self.database.port)}
        self._command("lineside-hub", "db", "restored", environment=at_the_database)

    def pass_again(self, cars: int) -> None:
        """Let the plant tell the hub of its first `cars` cars: of those the hub has forgotten."""
        self._command(
            *("lineside-sim", "plant", "--url", self.url, "--plant", PLANT),
            *("--control-point", CONTROL_POINT, "--cars", cars),
            *("--takt-s", 0.02),
            name="plant",
        )

    def cars_passed(self) -> list[str]:
        """Production numbers of the cars that the hub has confirmed to the plant, in order."""
        log = self.plant.process.log
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        said = (line.partition(": car ")[2] for line in lines if line.startswith("passed "))
        return list(dict.fromkeys(part.partition(",")[0] for part in said))

    def _start(self) -> None:
        settings, enter = self.settings, self._open.enter_context
        enter(self.pool)
        enter(self.database)
        enter(self.proxies)
        database_port = self.proxies.add("hub-database", self.database.port)
        broker_port = self.proxies.add("hub-broker", self.broker.port)
        self._hub_environment = self._hub_settings(database_port, broker_port)
        self._prepare_hub()
        enter(self.broker)
        self._say(f"broker: {self.broker.kind}")
        for cell in self.cells:
            cell.disk = self._disk(cell)
            enter(cell.disk)
        enter(self._services)
        for name in HUB_SERVICES:
            part = name.partition("-")[0]
            if part == name or self.shared:
                self.hub[name] = self._run(name, ["lineside-hub", "serve", "--only", part])
            else:
                self.hub[name] = self.hub[part]
        library = clock.build(settings.directory)
        for cell in self.cells:
            self._start_cell(cell, library)
        self._wait_listening(self.hub["api"].process, self._http_port)
        self.plant = self._run(
            "plant",
            [
                *("lineside-sim", "plant", "--url", self.url, "--plant", PLANT),
                *("--control-point", CONTROL_POINT, "--takt-s", settings.takt_s),
            ],
            ends=True,
        )
        self.pool.submit(self._mark)
        self._open.callback(self._marking.set)

    def _mark(self) -> None:
        while not self._marking.wait(0.25):
            for cell in self.cells:
                cell.marks.take()

    def _hub_settings(self, database_port: int, broker_port: int) -> dict[str, str]:
        values: dict[str, object] = {
            "DATA_DIR": self.settings.directory / "hub",
            "DATABASE__HOST": LOOPBACK,
            "DATABASE__PORT": database_port,
            "DATABASE__NAME": NAME,
            "DATABASE__SSLMODE": "disable",
            "DATABASE__PROGRAMS": "",
            "BROKER__HOST": LOOPBACK,
            "BROKER__PORT": broker_port,
            "BROKER__TLS": "false",
            "BROKER__KEEPALIVE_S": 5,
            "INGEST__SHARED": self.shared,
            "INGEST__LEASE_S": LEASE_S,
            "API__HOST": LOOPBACK,
            "API__PORT": self._http_port,
        }
        values |= {
            f"DATABASE__{role.upper()}_PASSWORD": password
            for role, password in self.database.passwords.items()
        }
        return {f"LINESIDE_HUB_{name}": str(value) for name, value in values.items()}

    def _prepare_hub(self) -> None:
        plant_file = self.settings.directory / "plant.yaml"
        plant_file.write_text("")
        write_yaml(plant_file, self._plant())
        self._command("lineside-hub", "migrate")
        self._command("lineside-hub", "plant", "load", plant_file)
        self._command(
            *("lineside-hub", "orders", "generate", "--plant", PLANT),
            *("--cars", self.settings.cars, "--seed", self.settings.seed),
        )
        self._command("lineside-hub", "sequence", "make", "--plant", PLANT)

    def _plant(self) -> dict[str, Any]:
        """The sample plant with the lines of our gateways alone."""
        source = files("hub.orders") / "sample" / "plant.yaml"
        plant: dict[str, Any] = YAML(typ="safe").load(source.read_text())
        lines = {cell.supplier.line for cell in self.cells}
        plant["lines"] = [line for line in plant["lines"] if line["id"] in lines]
        return plant

    def _start_cell(self, cell: Cell, library: Path) -> None:
        supplier, port = cell.supplier, cell.plc_port
        cell.plc_clock = SteppedClock(library, cell.directory / "plc.clock")
        cell.agent_clock = SteppedClock(library, cell.directory / "agent.clock")
        cell.plc = self._run(
            f"plc-{supplier.line}",
            [
                *("lineside-sim", "--verbose", "line", "--plant", PLANT, "--line", supplier.line),
                *("--part-groups", ",".join(supplier.part_groups), "--port", port),
                *("--seed", supplier.seed, "--speed", _PLANT_CYCLE_S / PART_S, "--steps", STEPS),
                *("--rack-slots", supplier.rack_slots, "--ship-idle-s", 2),
                *("--counters", COUNTERS, "--counter-hz", COUNTER_HZ),
                *("--ledger", cell.ledger, "--state", cell.state),
            ],
            cell.plc_clock.environment,
        )
        self._wait_listening(cell.plc.process, port)
        plc_port = self.proxies.add(f"plc:{cell.name}", port)
        broker_port = self.proxies.add(f"broker:{cell.name}", self.broker.port)
        config = cell.directory / "edge.yaml"
        write_yaml(config, _edge_config(cell, plc_port, broker_port))
        cell.agent = self._run(
            cell.name,
            ["lineside-edge", "run", "--config", config],
            cell.agent_clock.environment,
        )
        self._say(f"gateway {cell.name}, line {supplier.line}, data on a {cell.disk.kind}")

    def _disk(self, cell: Cell) -> Disk:
        folder = cell.directory / "disk"
        if self.settings.mounts:
            return MountedDisk(folder)
        return LimitedDisk(folder, lambda: cell.agent.process.pid)

    def _run(
        self,
        name: str,
        argv: Sequence[object],
        environment: Mapping[str, str] | None = None,
        *,
        ends: bool = False,
    ) -> Service:
        process = self._process(name, argv, environment)
        return self._services.add(Service(process, ends=ends))

    def _process(
        self, name: str, argv: Sequence[object], environment: Mapping[str, str] | None = None
    ) -> Process:
        program, *arguments = (str(part) for part in argv)
        return Process(
            name,
            [_script(program), *arguments],
            self.logs / f"{name}.log",
            {**self._hub_environment, **(environment or {})},
        )

    def _wait_listening(self, process: Process, port: int) -> None:
        try:
            wait_listening(port, lambda: process.running, START_TIMEOUT_S)
        except (ConnectionError, TimeoutError) as error:
            raise process.failure(str(error)) from None

    def _command(
        self,
        *argv: object,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command to its end. Raises `ProcessError` if it fails."""
        called = "-".join(str(part) for part in argv[:3] if not str(part).startswith("-"))
        process = self._process(name or called, argv, environment)
        process.start()
        try:
            if process.wait(COMMAND_TIMEOUT_S) != 0:
                raise process.failure("failed")
        finally:
            process.kill()


def _edge_config(cell: Cell, plc_port: int, broker_port: int) -> dict[str, Any]:
    config: dict[str, Any] = dict(
        gateway_config(cell.supplier, f"opc.tcp://{LOOPBACK}:{plc_port}/", broker_port)
    )
    config["data_dir"] = str(cell.data.relative_to(cell.directory))
    config["broker"] = {**config["broker"], "keepalive_s": 5}
    config["journal"] = {"keep_free_mb": 0, "quota_mb": 64}
    (source,) = config["sources"]
    source["timeout_s"] = 3.0
    source["tags"] += [
        {"name": tag_name(tag), "node": f"nsu={NAMESPACE};s={tag.node}"}
        for tag in counter_tags(COUNTERS)
    ]
    return config


def _script(name: str) -> str:
    """A command of this environment: beside our own Python, whatever PATH says."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProcessError(f"the command {name} is not installed: make build")
    return found
