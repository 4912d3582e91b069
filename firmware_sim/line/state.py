"""What a line PLC must not forget: its retentive memory, optionally kept in a file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from firmware_sim.line.ledger import Result, ResultKind
from protocols.refusal import first_problem


class HandedCall(BaseModel, frozen=True):
    """A call as it was handed over. The PLC reads no meaning into its texts."""

    key: str
    part_no: str
    colour: str
    rack: str
    sequence_no: int
    slot: int
    quantity: int


class Part(BaseModel):
    """The part on the line. `produced` is set once its result has been given out."""

    call: HandedCall
    serial: str
    attempt: int
    produced: bool = False


class PackedPart(BaseModel, frozen=True):
    key: str
    serial: str
    slot: int


class Rack(BaseModel):
    """A rack being filled: `filled` slots since it came, of which `waiting` have not left yet."""

    filled: int = 0
    waiting: list[PackedPart] = []


class Echo(BaseModel, frozen=True):
    """The last decision on a call."""

    key: str = ""
    accepted: bool = False
    reason: str = ""
    strobe: int = 0


class LineState(BaseModel):
    """The state of one line. Numbers only ever grow."""

    echo: Echo = Echo()
    taken: dict[str, None] = Field(default={}, description="keys of calls accepted, in order")
    queue: list[HandedCall] = []
    part: Part | None = None
    racks: dict[str, Rack] = {}
    results: list[Result] = Field(default=[], description="given out, not acknowledged, by number")
    next_result: int = 1
    next_serial: int = 1
    cycles: int = 0
    good: int = 0
    nok: int = 0

    def give(
        self,
        kind: ResultKind,
        key: str,
        at_us: int,
        *,
        serial: str = "",
        verdict: str = "",
        rack: str = "",
        slot: int = 0,
    ) -> Result:
        """Number a result and hold it until it is acknowledged."""
        result = Result(self.next_result, kind, key, serial, verdict, rack, slot, at_us)
        self.next_result += 1
        self.results.append(result)
        return result

    def acknowledge(self, no: int) -> None:
        """Forget a result that the gateway has stored; an unknown number changes nothing."""
        self.results = [result for result in self.results if result.no != no]

    def pack(self, rack_name: str, part: PackedPart, rack_slots: int) -> bool:
        """Put a part into its rack; true if that fills the rack."""
        rack = self.racks.setdefault(rack_name, Rack())
        rack.filled += 1
        rack.waiting.append(part)
        return rack.filled >= rack_slots

    def ship(self, rack_name: str, rack_slots: int) -> list[PackedPart]:
        """Take what waits in a rack. A rack that left part-filled is remembered until it is full,
        so that the parts that come later for it still ship."""
        rack = self.racks[rack_name]
        leaving, rack.waiting = rack.waiting, []
        if rack.filled >= rack_slots:
            del self.racks[rack_name]
        return leaving


class StateError(ValueError):
    """The state file cannot be read as one; the text says why."""


class RetentiveMemory:
    """The state of a line and, if a path is given, the file that keeps it over a restart."""

    def __init__(self, path: Path | None) -> None:
        """Read the state as last saved, or begin that of a new PLC. Without a path it lives as long
        as the process. Raises `StateError`."""
        self._path = path
        self.state = LineState() if path is None or not path.exists() else _read(path)

    def save(self) -> None:
        """Replace the file. A killed process leaves the old state or the new one."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_bytes(self.state.model_dump_json().encode())
        draft.replace(self._path)


def _read(path: Path) -> LineState:
    try:
        return LineState.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = first_problem(error, "file")
        raise StateError(
            f"{path}: not the state of a line PLC, remove it to start anew; {problem}"
        ) from None
