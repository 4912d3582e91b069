"""The faults: what each breaks, how it is mended, and what it may cost."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from firmware_sim.proxy.faults import FaultName
from tests.faults.damage import flip_bits, tear
from tests.faults.services import Service
from tests.faults.stand import Cell, Stand


class Cost(Enum):
    """What may be missing after a fault, if a gap names it."""

    NOTHING = "nothing"
    VALUES = "values that the PLC produced while it lasted"
    STORED_VALUES = "values that the gateway had on its disk and the hub had not committed"
    STORED_EVENTS = "events that the gateway had on its disk and the hub had not committed"
    STORED = "all that the gateway had on its disk and the hub had not committed"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan: `lasts_s` from its beginning at `at_s` until it is mended. `value` is
    the kind's own figure (a delay, a rate, a step, seconds); `seed` decides what else is random."""

    at_s: float
    kind: str
    place: str
    lasts_s: float
    value: float
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.place} for {self.lasts_s:.1f} s ({self.value:.3g})"


Making = Callable[[Stand, Fault], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. `make` breaks on entering and mends on leaving."""

    name: str
    make: Making
    places: Callable[[Sequence[str]], list[str]]
    """Where it can happen, given the gateways' names."""
    weight: float
    lasts_s: tuple[float, float]
    cost: Cost = Cost.NOTHING
    value: tuple[float, float] = (0.0, 0.0)
    needs: Callable[[str], list[str]] = lambda place: [place]
    """What no other fault may touch meanwhile."""


def _service(stand: Stand, place: str) -> Service:
    part, _, name = place.partition(":")
    if part in stand.hub:
        return stand.hub[part]
    cell = stand.cell(name)
    return cell.agent if part == "agent" else cell.plc


@contextmanager
def _kill(stand: Stand, fault: Fault) -> Iterator[None]:
    service = _service(stand, fault.place)
    service.kill()
    yield
    service.start()


@contextmanager
def _hang(stand: Stand, fault: Fault) -> Iterator[None]:
    service = _service(stand, fault.place)
    service.signal(signal.SIGSTOP)
    yield
    service.signal(signal.SIGCONT)


@contextmanager
def _kill_broker(stand: Stand, _fault: Fault) -> Iterator[None]:
    stand.broker.kill()
    yield
    stand.broker.start()


@contextmanager
def _forgetful_broker(stand: Stand, _fault: Fault) -> Iterator[None]:
    stand.broker.kill()
    yield
    stand.broker.forget()


@contextmanager
def _hang_broker(stand: Stand, _fault: Fault) -> Iterator[None]:
    service = Service(stand.broker.process)
    service.signal(signal.SIGSTOP)
    yield
    service.signal(signal.SIGCONT)


@contextmanager
def _kill_database(stand: Stand, _fault: Fault) -> Iterator[None]:
    stand.database.kill()
    yield
    stand.database.start()


@contextmanager
def _hang_database(stand: Stand, _fault: Fault) -> Iterator[None]:
    stand.database.hang()
    yield
    stand.database.resume()


def _on_link(name: FaultName) -> Making:
    valued = name in ("delay", "throttle", "drop")

    @contextmanager
    def make(stand: Stand, fault: Fault) -> Iterator[None]:
        stand.proxies.make(fault.place, name, fault.value if valued else None)
        yield
        stand.proxies.make(fault.place, "none")

    return make


@contextmanager
def _fill_disk(stand: Stand, fault: Fault) -> Iterator[None]:
    disk = _cell(stand, fault).disk
    disk.fill()
    yield
    disk.free()


def _damage(file: str, harm: Callable[[Path, random.Random], str]) -> Making:
    @contextmanager
    def make(stand: Stand, fault: Fault) -> Iterator[None]:
        cell, chance = _cell(stand, fault), random.Random(fault.seed)
        cell.agent.kill()
        # What is newest lies in the write-ahead log, the rest in the file itself.
        suffix = chance.choice(("", "-wal"))
        said = harm(cell.data / f"{file}{suffix}", chance)
        stand.note(f"{cell.name}: {said}")
        yield
        cell.agent.start()

    return make


@contextmanager
def _replace_pc(stand: Stand, fault: Fault) -> Iterator[None]:
    cell = _cell(stand, fault)
    cell.agent.kill()
    shutil.rmtree(cell.data, ignore_errors=True)
    yield
    cell.agent.start()


@contextmanager
def _step_clock(stand: Stand, fault: Fault) -> Iterator[None]:
    part, _, name = fault.place.partition("-clock:")
    cell = stand.cell(name)
    (cell.agent_clock if part == "agent" else cell.plc_clock).set(fault.value)
    yield


@contextmanager
def _restore_hub(stand: Stand, fault: Fault) -> Iterator[None]:
    """The hub loses its database and all it did since the backup, and comes back as its operators
    bring it back: the plant tells it first of the cars it has forgotten, then it hears gateways."""
    backup = stand.settings.directory / "backup"
    stand.database.back_up(backup)
    time.sleep(fault.value)
    stand.plant.kill()
    cars = len(stand.cars_passed())
    stand.kill_hub()
    yield
    stand.database.restore(backup)
    stand.draw_epochs()
    stand.hub["api"].start()
    if cars:
        stand.pass_again(cars)
    for name, service in stand.hub.items():
        if name != "api":
            service.start()
    stand.plant.start()


def _cell(stand: Stand, fault: Fault) -> Cell:
    return stand.cell(fault.place.partition(":")[2])


def _each(part: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda gateways: [f"{part}:{name}" for name in gateways]


def _at(*places: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda _gateways: list(places)


def _plc_links(gateways: Sequence[str]) -> list[str]:
    return [f"plc:{name}" for name in gateways]


def _other_links(gateways: Sequence[str]) -> list[str]:
    return [*(f"broker:{name}" for name in gateways), "hub-broker", "hub-database"]


def _link(place: str) -> list[str]:
    return [f"link {place}"]


_SHORT = (0.3, 3.0)
_LONG = (1.0, 6.0)
_LINK_FAULTS: Mapping[FaultName, tuple[tuple[float, float], tuple[float, float]]] = {
    "cut": (_SHORT, (0.0, 0.0)),
    "half_open": (_LONG, (0.0, 0.0)),
    "delay": (_LONG, (0.05, 0.6)),
    "throttle": (_LONG, (2_000.0, 30_000.0)),
    "drop": (_LONG, (0.01, 0.1)),
}
"""How long each lasts, and between which values."""

_INGEST = _at("ingest", "ingest-2")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("kill agent", _kill, _each("agent"), 6, _SHORT, Cost.VALUES),
        Kind("kill PLC", _kill, _each("plc"), 3, _SHORT, Cost.VALUES),
        Kind("kill ingest", _kill, _INGEST, 3, _SHORT),
        Kind("kill calls", _kill, _at("calls"), 3, _SHORT),
        Kind("kill API", _kill, _at("api"), 1, _SHORT),
        Kind("kill broker", _kill_broker, _at("broker"), 3, _SHORT),
        Kind("kill database", _kill_database, _at("database"), 2, _SHORT),
        Kind("forgetful broker", _forgetful_broker, _at("broker"), 2, _SHORT),
        Kind("hang agent", _hang, _each("agent"), 3, _LONG, Cost.VALUES),
        Kind("hang PLC", _hang, _each("plc"), 2, _LONG, Cost.VALUES),
        Kind("hang ingest", _hang, _INGEST, 2, (3.0, 8.0)),
        Kind("hang calls", _hang, _at("calls"), 2, _LONG),
        Kind("hang broker", _hang_broker, _at("broker"), 2, _LONG),
        Kind("hang database", _hang_database, _at("database"), 2, _LONG),
        *(
            Kind(
                f"{name} PLC link", _on_link(name), _plc_links, 3, lasts, Cost.VALUES, value, _link
            )
            for name, (lasts, value) in _LINK_FAULTS.items()
        ),
        *(
            Kind(f"{name} link", _on_link(name), _other_links, 5, lasts, Cost.NOTHING, value, _link)
            for name, (lasts, value) in _LINK_FAULTS.items()
        ),
        Kind(
            *("disk full", _fill_disk, _each("agent"), 2, (2.0, 8.0), Cost.VALUES),
            needs=lambda place: [f"disk {place}"],
        ),
        *(
            Kind(
                f"{name} {file.partition('.')[0]}",
                _damage(file, harm),
                _each("agent"),
                1.5,
                _SHORT,
                cost,
            )
            for file, cost in (
                ("journal.sqlite", Cost.STORED_VALUES),
                ("calls.sqlite", Cost.STORED_EVENTS),
            )
            for name, harm in (("torn", tear), ("bit-flipped", flip_bits))
        ),
        Kind("PC replaced", _replace_pc, _each("agent"), 1, _LONG, Cost.STORED),
        Kind("agent clock step", _step_clock, _each("agent-clock"), 2, (0, 0), value=(-20, 20)),
        Kind("PLC clock step", _step_clock, _each("plc-clock"), 2, (0, 0), value=(-20, 20)),
        Kind(
            *("hub restored", _restore_hub, _at("hub"), 1, _SHORT),
            value=(3.0, 10.0),
            needs=lambda _place: ["database", "ingest", "ingest-2", "calls", "api", "hub"],
        ),
    )
}
