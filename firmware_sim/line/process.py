"""What a line measures: its process tags, and how their values move while a part is built.

All values follow from the seed, the call's key and the attempt, so that a run can be repeated.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_sim.line.ledger import TagType, TagValue


@dataclass(frozen=True, slots=True)
class Tag:
    """A process tag. `node` is its identifier below the line's namespace, `unit` as it is shown."""

    node: str
    type: TagType
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A Double that moves during a station's work: `shape` of progress (0 … 1] times `nominal`,
    with relative noise."""

    tag: Tag
    nominal: float
    shape: Callable[[float], float]
    noise: float = 0.01


@dataclass(frozen=True, slots=True)
class Station:
    """One station of the line. Its path is `Line.{name}`."""

    name: str
    title: str
    curves: tuple[Curve, ...]

    @property
    def running(self) -> Tag:
        return Tag(f"Line.{self.name}.Running", "Boolean")

    @property
    def recipe(self) -> Tag:
        return Tag(f"Line.{self.name}.Recipe", "String")

    @property
    def cycles(self) -> Tag:
        return Tag(f"Line.{self.name}.Cycles", "Int64")


def _seat(progress: float) -> float:
    """A press: free travel, then a steep rise once the parts meet."""
    return 0.04 + 0.96 * max(0.0, (progress - 0.35) / 0.65) ** 2


def _travel(progress: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * progress)


def _tighten(progress: float) -> float:
    """A screw: run-down at low torque, then nearly linear to the shut-off."""
    return 0.08 if progress < 0.4 else 0.08 + 0.92 * (progress - 0.4) / 0.6


def _fill(progress: float) -> float:
    """A leak test: fill, hold, slow decay."""
    return min(1.0, progress / 0.3) * (1.0 - 0.02 * max(0.0, progress - 0.3))


def _settle(progress: float) -> float:
    return 0.2 + 0.8 * math.exp(-4.0 * progress)


def _steady(_progress: float) -> float:
    return 1.0


def _curve(
    node: str, unit: str, nominal: float, shape: Callable[[float], float], noise: float = 0.01
) -> Curve:
    return Curve(Tag(f"Line.{node}", "Double", unit), nominal, shape, noise)


JOINING = Station(
    "Station10",
    "joining",
    (
        _curve("Station10.Force", "kN", 18.0, _seat),
        _curve("Station10.Position", "mm", 82.5, _travel, 0.002),
        _curve("Station10.Temperature", "°C", 41.0, _steady, 0.004),
    ),
)
TIGHTENING = Station(
    "Station20",
    "tightening",
    (
        _curve("Station20.Torque", "N·m", 24.0, _tighten),
        _curve("Station20.Angle", "deg", 1260.0, _travel, 0.002),
        _curve("Station20.Current", "A", 6.2, _tighten, 0.02),
    ),
)
TESTING = Station(
    "Station30",
    "testing",
    (
        _curve("Station30.Pressure", "mbar", 350.0, _fill, 0.003),
        _curve("Station30.Leak", "ml/min", 4.0, _settle, 0.03),
        _curve("Station30.Voltage", "V", 13.4, _steady, 0.002),
    ),
)
STATIONS = (JOINING, TIGHTENING, TESTING)

SERIAL = Tag("Line.Station30.Serial", "String")
VERDICT = Tag("Line.Station30.Verdict", "String")
TESTED_AT = Tag("Line.Station30.TestedAt", "DateTime")
GOOD = Tag("Line.Station30.Good", "Int64")
NOK = Tag("Line.Station30.Nok", "Int64")

PROCESS_TAGS: tuple[Tag, ...] = (
    *(
        tag
        for station in STATIONS
        for tag in (
            *(curve.tag for curve in station.curves),
            station.running,
            station.recipe,
            station.cycles,
        )
    ),
    SERIAL,
    VERDICT,
    TESTED_AT,
    GOOD,
    NOK,
)
"""Every process tag of a line, by station; a gateway may subscribe to them all."""


def extra_tags(count: int) -> list[Tag]:
    """`count` further Double tags for load, fifty to a folder."""
    return [Tag(f"Line.Extra{n // 50:03d}.Value{n % 50:02d}", "Double") for n in range(count)]


def counter_tags(count: int) -> list[Tag]:
    """`count` Int64 tags that only ever count on."""
    return [Tag(f"Line.Counters.Count{n:02d}", "Int64") for n in range(count)]


INITIAL: dict[TagType, TagValue] = {
    "Double": 0.0,
    "Int64": 0,
    "Boolean": False,
    "String": "",
    "DateTime": 0,
}


class PartProcess:
    """How one part comes out: its verdict, drawn before it is built, and its curves."""

    def __init__(self, seed: int, key: str, attempt: int, nok_rate: float) -> None:
        self._identity = f"{seed}/{key}/{attempt}"
        self.ok = self._random("verdict").random() >= nok_rate
        # A failing part shows in its curves: too little torque, and it leaks.
        self._scale = {} if self.ok else {"Line.Station20.Torque": 0.7, "Line.Station30.Leak": 6.0}

    def values(self, station: Station, steps: int) -> Iterator[list[tuple[Tag, float]]]:
        """What a station measures in its work on the part: its curves' values, `steps` times."""
        noise = self._random(station.name)
        for step in range(1, steps + 1):
            yield [(c.tag, self._value(c, step / steps, noise)) for c in station.curves]

    def _value(self, curve: Curve, progress: float, noise: random.Random) -> float:
        scale = curve.nominal * self._scale.get(curve.tag.node, 1.0)
        return round(scale * curve.shape(progress) * (1.0 + noise.gauss(0.0, curve.noise)), 4)

    def _random(self, what: str) -> random.Random:
        # One source for each subject: a PLC that restarts between two stations draws the same.
        return random.Random(f"{self._identity}/{what}")  # noqa: S311  a simulation


def lot(seed: int) -> str:
    """The lot code in a line's serials, which tells two seeds apart: four letters or digits."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(random.Random(f"lot/{seed}").choices(alphabet, k=4))  # noqa: S311  a simulation
