"""What a line PLC must not forget: its retentive memory, optionally kept in a file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from firmware_sim.line.clock import now_us
from firmware_sim.line.ledger import Result, ResultKind
from protocols.opcua.line import Command
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
    revision: int = 1
    express: bool = False


class Part(BaseModel):
    """The part on the line. `missing`, `started`, `produced` are set once that has been given out;
    `taken_away`: a person has, so there is no result of it any more."""

    call: HandedCall
    serial: str
    attempt: int
    missing: bool = False
    started: bool = False
    produced: bool = False
    taken_away: bool = False


class PackedPart(BaseModel, frozen=True):
    key: str
    serial: str
    slot: int


class Rack(BaseModel):
    """A rack: parts that stand in it, how many have left, and slots that stay empty."""

    waiting: list[PackedPart] = []
    left: int = 0
    empty: list[int] = []
    closed: bool = False
    """Scanned, and ready for its truck."""

    @property
    def filled(self) -> int:
        """Slots that are done with, since the rack came."""
        return self.left + len(self.waiting) + len(set(self.empty))


class Echo(BaseModel, frozen=True):
    """The last decision on a call."""

    key: str = ""
    accepted: bool = False
    reason: str = ""
    strobe: int = 0
    repeated: bool = False
    command: Command = "build"
    revision: int = 1


class LineState(BaseModel):
    """The state of one line. Numbers only ever grow."""

    echo: Echo = Echo()
    taken: dict[str, None] = Field(default={}, description="keys of calls accepted, in order")
    queue: list[HandedCall] = []
    open: dict[str, HandedCall] = Field(default={}, description="calls whose part has not left")
    attempts: dict[str, int] = {}
    serials: dict[str, str] = Field(default={}, description="of the part of an open call")
    held: dict[str, bool] = Field(default={}, description="calls not to be built; keeps its slot?")
    parked: dict[str, str] = Field(default={}, description="serial of what was set aside")
    cancelled: dict[str, None] = {}
    part: Part | None = None
    racks: dict[str, Rack] = {}
    newest_rack: str = Field(default="", description="that a call in sequence goes into")
    results: list[Result] = Field(default=[], description="given out, not acknowledged, by number")
    next_result: int = 1
    next_serial: int = 1
    next_truck: int = 1
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
        shipment: str = "",
        eta: int = 0,
        reason: str = "",
    ) -> Result:
        """Number a result and hold it until it is acknowledged."""
        result = Result(
            *(self.next_result, kind, key, serial, verdict, rack, slot, at_us),
            *(shipment, eta, reason),
        )
        self.next_result += 1
        self.results.append(result)
        return result

    def acknowledge(self, no: int) -> None:
        """Forget a result that the gateway has stored; an unknown number changes nothing."""
        self.results = [result for result in self.results if result.no != no]

    def take(self, call: HandedCall) -> None:
        """A call joins the queue: an express one before all that are not."""
        self.taken[call.key] = None
        self.open[call.key] = call
        if not call.express:
            self.newest_rack = max(self.newest_rack, call.rack)
        ahead = len(self.queue)
        if call.express:
            ahead = next((n for n, other in enumerate(self.queue) if not other.express), ahead)
        self.queue.insert(ahead, call)

    def next_call(self) -> HandedCall | None:
        """The first in the queue that is not held."""
        return next((call for call in self.queue if call.key not in self.held), None)

    def serial_of(self, key: str) -> str:
        """Serial of the part of an open call; empty if none is begun."""
        return self.serials.get(key, "")

    def rack(self, name: str) -> Rack:
        """A rack, which comes if it is not there."""
        return self.racks.setdefault(name, Rack())

    def packed(self, key: str) -> PackedPart | None:
        """The part of a call in its rack, if it stands there."""
        return next((p for rack in self.racks.values() for p in rack.waiting if p.key == key), None)

    def pack(self, rack_name: str, part: PackedPart, rack_slots: int) -> bool:
        """Put a part into its rack; true if that fills the rack."""
        rack = self.rack(rack_name)
        rack.waiting.append(part)
        return rack.filled >= rack_slots

    def put(self, call: HandedCall, serial: str, slot: int | None = None) -> Result:
        """Put the part of a call into its rack, into its slot or by mistake another; the result."""
        into = call.slot if slot is None else slot
        self.rack(call.rack).waiting.append(PackedPart(key=call.key, serial=serial, slot=into))
        return self.give("packed", call.key, now_us(), serial=serial, rack=call.rack, slot=into)

    def forget_empty(self, call: HandedCall) -> None:
        """The slot of a call is to be filled after all."""
        rack = self.rack(call.rack)
        rack.empty = [slot for slot in rack.empty if slot != call.slot]

    def close(self, key: str) -> None:
        """The line has nothing to do with a call any more."""
        self.queue = [call for call in self.queue if call.key != key]
        for known in (self.open, self.attempts, self.serials, self.held, self.parked):
            known.pop(key, None)

    def ship(self, rack_name: str, rack_slots: int) -> list[PackedPart]:
        """Take what waits in a rack. A rack that left part-filled is remembered until it is full,
        so that the parts that come later for it still ship."""
        rack = self.racks[rack_name]
        leaving, rack.waiting = rack.waiting, []
        rack.left += len(leaving)
        rack.closed = False
        if rack.filled >= rack_slots:
            del self.racks[rack_name]
        for part in leaving:
            self.close(part.key)
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
