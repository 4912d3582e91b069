"""What a controller knows and does: its tool tightens, it keeps results, and tells who listens."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from firmware_sim.line.ledger import Ledger, Sample
from firmware_sim.open_protocol.settings import ControllerSettings
from protocols.open_protocol import Value, step
from protocols.open_protocol.spindles import LAST_SYNC_ID

PROGRAMMES = {1: "Seat rail M8", 2: "Belt anchor M10", 3: "Back rest M6"}
_TARGETS = {1: (25.0, 90), 2: (42.0, 120), 3: (9.5, 60)}
"""Torque in Nm and angle in degrees."""
TOOL_SERIAL = "C0761275"

Values = Mapping[str, Value]
Hear = Callable[[int, Values, Sequence[Values]], None]
"""Told of a message by its MID, with all that any revision of it may say, and what MID 0101 says of
each spindle."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A result as the controller holds it: what MID 0061 says of it in any revision."""

    id: int
    values: dict[str, Value]

    @property
    def ok(self) -> bool:
        """Whether it was in order."""
        return self.values["tightening_status"] == 1


@dataclass
class Controller:
    """A controller that is on. Its commands stand for what people and PLCs do at it."""

    settings: ControllerSettings
    ledger: Ledger | None = None
    results: OrderedDict[int, Kept] = field(default_factory=OrderedDict)
    programme: int = 1
    identifiers: list[str] = field(default_factory=lambda: ["", "", "", ""])
    enabled: bool = True
    takes_parts: bool = True
    """Its settings let Open Protocol say which part it has."""
    error: str = ""
    """Of the alarm that is active."""
    ahead_s: float = 0.0
    """How far its clock is ahead."""
    hearers: set[Hear] = field(default_factory=set)
    refused: int = 0
    """Tightenings that the tool did not do since it was disabled."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.settings.seed)  # noqa: S311  a simulation
        self.next_id = self.settings.first_id
        self._parts = 0
        self.next_sync = 1
        self._batch = 0
        self._changed_at = datetime(2026, 1, 5, 8, 0, 0)

    @property
    def now(self) -> datetime:
        """By its clock, which has no zone; here it is UTC."""
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(
            seconds=self.ahead_s
        )

    @property
    def last(self) -> Kept | None:
        """The newest result."""
        return next(reversed(self.results.values()), None)

    async def run(self) -> None:
        """Tighten for ever."""
        while True:
            await asyncio.sleep(self.settings.cycle_s or 3600)
            if self.settings.cycle_s:
                self._parts += 1
                if not self.identifiers[0] or self._parts > 1:
                    self.identify(f"P{self.settings.seed:03}{self._parts:07}")
                self.tighten()

    def tighten(self, *, ok: bool | None = None) -> Kept | None:
        """Press the trigger; None: the tool is disabled."""
        if not self.enabled:
            self.refused += 1
            return None
        if ok is None:
            ok = self._chance.random() >= self.settings.nok_rate
        torque, angle = _TARGETS[self.programme]
        reached = torque * (1 + self._chance.gauss(0, 0.01) if ok else 0.7)
        turned = round(angle * (1 + self._chance.gauss(0, 0.02)))
        self._batch = self._batch % 4 + 1
        kept = Kept(
            self.next_id,
            {
                "cell": 1, "channel": 1, "controller": self.settings.name,
                "vin": self.identifiers[0], "job": 0, "programme": self.programme,
                "strategy": 1, "strategy_options": 0, "batch_size": 4,
                "batch_counter": self._batch, "tightening_status": int(ok),
                "batch_status": 1 if self._batch == 4 else 0, "torque_status": int(ok),
                "angle_status": 1, "rundown_angle_status": 1, "current_status": 1,
                "selftap_status": 1, "prevail_torque_status": 1, "prevail_compensate_status": 1,
                "error_status": 0 if ok else 1 << 4, "torque_min": round(torque * 0.92, 2),
                "torque_max": round(torque * 1.08, 2), "torque_target": torque,
                "torque": round(reached, 2), "angle_min": round(angle * 0.8),
                "angle_max": round(angle * 1.2), "angle_target": angle, "angle": turned,
                "rundown_angle_min": 0, "rundown_angle_max": 0, "rundown_angle": 0,
                "current_min": 0, "current_max": 0, "current": 0, "selftap_min": 0.0,
                "selftap_max": 0.0, "selftap": 0.0, "prevail_torque_min": 0.0,
                "prevail_torque_max": 0.0, "prevail_torque": 0.0, "tightening_id": self.next_id,
                "job_sequence": 0, "sync_id": 0, "tool_serial": TOOL_SERIAL, "at": self.now,
                "programme_changed_at": self._changed_at,
                "programme_name": PROGRAMMES[self.programme], "torque_unit": 1, "result_type": 1,
                "identifier_2": self.identifiers[1], "identifier_3": self.identifiers[2],
                "identifier_4": self.identifiers[3], "customer_error": "" if ok else "E004",
                "prevail_compensate": 0.0, "error_status_2": 0, "compensated_angle": 0.0,
                "final_angle": float(turned), "station": 1, "station_name": self.settings.name,
            },
        )  # fmt: skip
        self.results[kept.id] = kept
        if len(self.results) > self.settings.keeps:
            self.results.popitem(last=False)
        self.next_id = step(self.next_id)
        if self.ledger is not None:
            self.ledger.add(Sample("Tightening", time.time_ns() // 1000, "Int64", kept.id))
        self._tell(61, kept.values)
        if self.settings.spindles > 1:
            self._tighten_together(kept)
        return kept

    def _tighten_together(self, kept: Kept) -> None:
        """The other spindles are as the first, but for some tenths of a Nm."""
        said = kept.values
        each: list[Values] = [
            {
                "number": number, "channel": number, "status": said["tightening_status"],
                "torque_status": said["torque_status"], "angle_status": 1,
                "torque": round(float(str(said["torque"])) + (number - 1) / 10, 2),
                "angle": said["angle"],
            }
            for number in range(1, self.settings.spindles + 1)
        ]  # fmt: skip
        of_all = {**said, "sync_id": self.next_sync, "sync_status": said["tightening_status"]}
        self.next_sync = self.next_sync % LAST_SYNC_ID + 1
        self._tell(101, of_all, each)

    def identify(self, *identifiers: str) -> None:
        """A part is scanned: up to four identifiers, the VIN number first."""
        self.identifiers = [*identifiers, "", "", "", ""][:4]
        self._tell(52, self.part())

    def select(self, programme: int) -> None:
        """Choose a programme. Raises `KeyError` if there is none of this number."""
        if programme not in PROGRAMMES:
            raise KeyError(programme)
        self.programme = programme
        self._batch = 0
        self._tell(15, self.chosen())

    def alarm(self, error: str) -> None:
        """An alarm comes."""
        self.error = error
        self._tell(71, self.alarm_state())

    def clear_alarm(self) -> None:
        """Somebody acknowledges the alarm at the controller."""
        error, self.error = self.error, ""
        self._tell(74, {"error": error})

    def forget(self, *, restart_at: int | None = None) -> None:
        """Its results are deleted, and numbered from here."""
        self.results.clear()
        self.next_id = self.next_id if restart_at is None else restart_at

    def part(self) -> dict[str, Value]:
        """What MID 0052 says."""
        vin, *others = self.identifiers
        return {"vin": vin, **{f"identifier_{n}": t for n, t in enumerate(others, start=2)}}

    def chosen(self) -> dict[str, Value]:
        """What MID 0015 says."""
        torque, angle = _TARGETS[self.programme]
        return {
            "programme": self.programme, "programme_name": PROGRAMMES[self.programme],
            "changed_at": self._changed_at, "direction": 1, "batch_size": 4,
            "torque_min": torque * 0.92, "torque_max": torque * 1.08, "torque_target": torque,
            "angle_min": round(angle * 0.8), "angle_max": round(angle * 1.2),
            "angle_target": angle, "first_target": 0.0, "start_final_angle": 0.0,
        }  # fmt: skip

    def job(self) -> dict[str, Value]:
        """What MID 0035 says: a job of one batch."""
        return {
            "job": 1, "status": 0, "batch_mode": 0, "batch_size": 4, "batch_counter": self._batch,
            "at": self.now, "step": 1, "steps": 1, "step_type": 1, "tightening_status": 0,
            "job_sequence": 0, **self.part(),
        }  # fmt: skip

    def alarm_state(self) -> dict[str, Value]:
        """What MID 0071 and 0076 say."""
        return {
            "active": bool(self.error), "error": self.error, "controller_ready": not self.error,
            "tool_ready": self.enabled, "at": self.now, "text": f"Alarm {self.error}".strip(),
            "tool_health": 1,
        }  # fmt: skip

    def _tell(self, mid: int, values: Values, each: Sequence[Values] = ()) -> None:
        for hear in tuple(self.hearers):
            hear(mid, values, each)
