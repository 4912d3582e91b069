"""The whole of Lineside on one machine, below one directory: database, broker, hub, and for each
supplier a line PLC and a gateway. Everything listens on loopback, on free ports."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from asyncua import ua

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.database import own_database
from deploy.local.opcua import patient_client
from deploy.local.ports import LOOPBACK, free_port, wait_listening
from deploy.local.processes import Process, ProcessError
from deploy.local.verify import LineTruth, Verdict, verify
from deploy.local.world import (
    CONTROL_POINT,
    PLANT,
    SUPPLIERS,
    Supplier,
    gateway_config,
    tag_names,
    write_yaml,
)
from firmware_sim.line.production import SHIP
from hub.store.connect import Database
from protocols.opcua.line import NAMESPACE

START_TIMEOUT_S = 180.0
COMMAND_TIMEOUT_S = 120.0
PLANT_FILE = files("hub.orders") / "sample" / "plant.yaml"
PLANT_TAKT_S = 60.0
"""Seconds per car in the plant's own time; the demo runs faster by this over its takt."""
SCRAMBLE = 0.05
"""Share of cars that fall back behind others before the control point, as cars do."""
TRUCK_RACKS = 2
TRUCK_WAIT_S = 1200.0
"""Plant time after which a truck leaves part-filled."""
MISSING_RATE = 0.01
MISPACK_RATE = 0.02
DELAY_RATE = 0.2
"""Share of parts without material or put into a wrong slot at first, and of late trucks."""
SEARCH_S = 3
"""Seconds that go into the search for the day's sequence."""
_PLANNED_CARS = """
SELECT count(*), (array_agg(s.score ->> 'mark'))[1]
FROM lineside.sequence_position p JOIN lineside.production_sequence s ON s.id = p.sequence
WHERE s.id = (SELECT max(id) FROM lineside.production_sequence)
"""
_LINES_READ = "SELECT count(*) FROM lineside.device WHERE online"
BROKERS: Mapping[str, type[LocalBroker]] = {
    broker.kind: broker for broker in (EmbeddedBroker, Mosquitto)
}


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What can be chosen. `orders` None: generated."""

    directory: Path
    cars: int
    takt_s: float
    orders: Path | None = None
    broker: str = EmbeddedBroker.kind
    seed: int = 1
    suppliers: tuple[Supplier, ...] = SUPPLIERS
    plant_file: Traversable = PLANT_FILE

    @property
    def speed(self) -> float:
        """Plant seconds per second."""
        return PLANT_TAKT_S / self.takt_s


class LocalStack:
    """A context manager: enter to start all, leave to end all, however it is left."""

    def __init__(self, settings: StackSettings, say: Callable[[str], None]) -> None:
        """`say` is told what happens, a line at a time."""
        self.settings = settings
        self.logs = settings.directory / "logs"
        self.broker = BROKERS[settings.broker](settings.directory / "broker")
        self.cars = settings.cars
        """Cars to be built: no more than the orders hold, once those are in."""
        self._say = say
        self._open = ExitStack()
        self._database: Database | None = None
        self._http_port = free_port()
        self._environment = {
            "LINESIDE_HUB_DATA_DIR": str(settings.directory / "hub"),
            "LINESIDE_HUB_BROKER__HOST": self.broker.host,
            "LINESIDE_HUB_BROKER__PORT": str(self.broker.port),
            "LINESIDE_HUB_BROKER__TLS": "false",
            "LINESIDE_HUB_API__HOST": LOOPBACK,
            "LINESIDE_HUB_API__PORT": str(self._http_port),
        }
        self.hub = self._process("hub", ["lineside-hub", "serve"])
        self.lines: dict[str, Process] = {}
        self.gateways: dict[str, Process] = {}
        self.plant: Process | None = None
        self.boards: dict[str, str] = {}
        """Where each gateway serves its pages."""
        self._endpoints: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The live page."""
        return f"http://{LOOPBACK}:{self._http_port}/"

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

    def start_plant(self) -> None:
        """Let the cars move: the plant passes its control point, a car each takt.

        Not before each gateway reads its line. Calls do not wait for samples, so a line may be at
        work before its gateway has subscribed, and of what a tag was till then it is told only the
        last value. Raises `ProcessError` if it takes too long, or a part has ended by itself."""
        if not wait_for(self._lines_are_read, START_TIMEOUT_S):
            raise ProcessError(f"the gateways do not read their lines; the logs are in {self.logs}")
        self.plant = self._process("plant", self._plant_command())
        self._run(self.plant)

    def _plant_command(self) -> list[object]:
        return ["lineside-sim", "--verbose", "plant", *self._plant_options()]

    def _plant_options(self) -> list[object]:
        return [
            *("--url", self.url, "--plant", PLANT),
            *("--control-point", CONTROL_POINT, "--cars", self.cars),
            *("--takt-s", PLANT_TAKT_S, "--speed", self.settings.speed),
            *("--scramble", SCRAMBLE, "--seed", self.settings.seed),
        ]

    def end_shift(self) -> None:
        """Let each line send what stands in its racks, part-filled ones too: no more will come."""
        asyncio.run(self._end_shift())

    async def _end_shift(self) -> None:
        for endpoint in self._endpoints.values():
            async with patient_client(endpoint) as client:
                index = await client.get_namespace_index(NAMESPACE)
                value = ua.DataValue(ua.Variant(True, ua.VariantType.Boolean))
                node = client.get_node(f"ns={index};s={SHIP}")
                await node.write_attribute(ua.AttributeIds.Value, value)

    def kill_gateway(self, supplier: Supplier) -> None:
        """`kill -9`."""
        self.gateways[supplier.node].kill()

    def restart_gateway(self, supplier: Supplier) -> None:
        """Start a killed gateway on what it left on disk."""
        self.gateways[supplier.node].start()

    def check_alive(self) -> None:
        """Raise `ProcessError` with the last lines of its log if a part has ended by itself."""
        for process in (self.hub, *self.lines.values(), *self.gateways.values()):
            if not process.running:
                raise process.failure("has ended")
        if self.plant is not None and self.plant.exit_code not in (None, 0):
            raise self.plant.failure("has failed")

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees the rows of all tenants."""
        if self._database is None:
            raise ProcessError("the database has not been started")
        with self._database.connect("ingest", autocommit=True) as connection:
            yield connection

    def truths(self) -> list[LineTruth]:
        """Where the line PLCs wrote down what they did."""
        return [
            LineTruth(
                line=supplier.line,
                group=supplier.group,
                node=supplier.node,
                device=supplier.line,
                ledger=self._ledger(supplier),
                tags=tag_names(),
            )
            for supplier in self.settings.suppliers
        ]

    def verify(self, database: psycopg.Connection[Any]) -> Verdict:
        """Whether all that the lines did is in the database, once."""
        return verify(database, self.truths())

    def build_record(self) -> str:
        """Of one part, to be shown at the end; here no station finds anything."""
        return ""

    def calls_of(self, supplier: Supplier) -> Path:
        """Where a supplier's gateway keeps its calls."""
        return self.settings.directory / supplier.node / "data" / "calls.sqlite"

    def _start(self) -> None:
        self._say("database: an embedded PostgreSQL")
        self._database = self._open.enter_context(own_database(self.settings.directory / "hub"))
        self._command("lineside-hub", "migrate")
        self._load_plant()
        self._say(f"broker: {self.broker.kind}, on port {self.broker.port}")
        self._open.enter_context(self.broker)
        self._run(self.hub)
        self._wait_listening(self.hub, self._http_port)
        self._say(f"live page: {self.url}")
        for supplier in self.settings.suppliers:
            self._start_supplier(supplier)

    def _load_plant(self) -> None:
        self._command("lineside-hub", "plant", "load", self.settings.plant_file)
        if self.settings.orders is None:
            self._command(
                *("lineside-hub", "orders", "generate", "--plant", PLANT),
                *("--cars", self.settings.cars, "--seed", self.settings.seed),
            )
        else:
            self._command(
                "lineside-hub", "orders", "import", "--plant", PLANT, self.settings.orders
            )
        self._command(
            *("lineside-hub", "sequence", "make", "--plant", PLANT),
            *("--method", "search", "--time-limit", SEARCH_S),
        )
        with self.database() as database:
            planned, mark = database.execute(_PLANNED_CARS).fetchone() or (0, None)
        self.cars = min(self.settings.cars, planned)
        self._say(
            f"{planned} cars in the best sequence found in {SEARCH_S} s (mark {mark}), "
            f"{self.cars} of them to be built"
        )

    def _start_supplier(self, supplier: Supplier) -> None:
        directory = self.settings.directory / supplier.node
        port = free_port()
        line = self._process(
            f"plc-{supplier.line}",
            [
                *("lineside-sim", "--verbose", "line", "--plant", PLANT, "--line", supplier.line),
                *("--part-groups", ",".join(supplier.part_groups), "--port", port),
                *("--seed", supplier.seed, "--speed", self.settings.speed),
                *("--rack-slots", supplier.rack_slots),
                *("--truck-racks", TRUCK_RACKS, "--truck-wait-s", TRUCK_WAIT_S),
                *("--missing-rate", MISSING_RATE, "--mispack-rate", MISPACK_RATE),
                *("--delay-rate", DELAY_RATE, *self._line_options()),
                *("--ledger", self._ledger(supplier)),
                *("--state", directory / "plc-state.json"),
            ],
        )
        self.lines[supplier.line] = line
        self._run(line)
        self._wait_listening(line, port)
        config = directory / "edge.yaml"
        board_port = free_port()
        endpoint = self._endpoints[supplier.line] = f"opc.tcp://{LOOPBACK}:{port}/"
        broker_port = self._broker_port(supplier)
        board = self.boards[supplier.node] = f"http://{LOOPBACK}:{board_port}/"
        more = self._more_sources(supplier)
        write_yaml(config, gateway_config(supplier, endpoint, broker_port, board_port, more))
        gateway = self._process(supplier.node, ["lineside-edge", "run", "--config", config])
        self.gateways[supplier.node] = gateway
        self._run(gateway)
        self._say(
            f"supplier {supplier.group}: line {supplier.line}, gateway {supplier.node}, "
            f"board {board}"
        )

    def _line_options(self) -> list[object]:
        """More options of each line PLC."""
        return []

    def _more_sources(self, _supplier: Supplier) -> Sequence[Mapping[str, object]]:
        """Of a gateway, beside the line's PLC."""
        return ()

    def _broker_port(self, _supplier: Supplier) -> int:
        """Where a supplier's gateway finds the broker."""
        return self.broker.port

    def _lines_are_read(self) -> bool:
        self.check_alive()
        with self.database() as database:
            (read,) = database.execute(_LINES_READ).fetchone() or (0,)
        return bool(read == len(self.settings.suppliers))

    def _ledger(self, supplier: Supplier) -> Path:
        return self.settings.directory / supplier.node / "plc-ledger.jsonl"

    def _process(self, name: str, argv: Sequence[object]) -> Process:
        program, *arguments = (str(part) for part in argv)
        return Process(
            name, [_script(program), *arguments], self.logs / f"{name}.log", self._environment
        )

    def _run(self, process: Process) -> None:
        process.start()
        self._open.callback(process.stop)

    def _wait_listening(self, process: Process, port: int) -> None:
        try:
            wait_listening(port, lambda: process.running, START_TIMEOUT_S)
        except (ConnectionError, TimeoutError) as error:
            raise process.failure(str(error)) from None

    def _command(self, *argv: object) -> None:
        """Run a command to its end. Raises `ProcessError` if it fails."""
        name = "-".join(str(part) for part in argv[:3] if not str(part).startswith("-"))
        process = self._process(name, argv)
        process.start()
        try:
            if process.wait(COMMAND_TIMEOUT_S) != 0:
                raise process.failure("failed")
        finally:
            process.kill()


def _script(name: str) -> str:
    """A command of this environment: beside our own Python, whatever PATH says."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProcessError(f"the command {name} is not installed: make build")
    return found


def wait_for(condition: Callable[[], bool], timeout_s: float, every_s: float = 0.2) -> bool:
    """Whether `condition` came true within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
