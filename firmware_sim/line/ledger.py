"""What a line PLC did, written down by itself: the truth a verifier compares the database with.

One append-only JSONL file per PLC. Each line is an object with `kind`:

  {"kind": "sample", "node": …, "at": µs, "type": "Double", "value": 1.25}
  {"kind": "call", "key": …, "accepted": true, "repeated": false, "reason": "", "at": µs,
   "command": "build", "revision": 1}
  {"kind": "result", "no": 1, "result": "produced", "key": …, "serial": …, "verdict": "",
   "rack": "", "slot": 0, "at": µs, "shipment": "", "eta": 0, "reason": ""}

`at` is the source time in microseconds since the epoch, UTC. A sample's source time is a whole
millisecond and unique per node, as long as the PLC's clock is not set back: (node, at) is its
identity on a wire that carries milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from protocols.opcua.line import Command

TagType = Literal["Double", "Int64", "Boolean", "String", "DateTime"]
TagValue = float | int | bool | str
"""Value of a tag; a DateTime is given as milliseconds since the epoch, UTC."""
ResultKind = str
"""One of `protocols.opcua.line.RESULT_KINDS`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One change of a process tag. `node` is the identifier without its namespace."""

    node: str
    at: int
    type: TagType
    value: TagValue


@dataclass(frozen=True, slots=True)
class CallDecision:
    """What the PLC echoed to a strobe. `repeated`: a key it had taken before, not built twice, or a
    command that changed nothing."""

    key: str
    accepted: bool
    repeated: bool
    reason: str
    at: int
    command: Command = "build"
    revision: int = 1

    @property
    def builds(self) -> bool:
        """Whether the PLC took a call by it."""
        return self.command == "build" and self.accepted and not self.repeated


@dataclass(frozen=True, slots=True)
class Result:
    """One result of the ring. Empty strings, slot 0 and eta 0 mean "not given"."""

    no: int
    result: ResultKind
    key: str
    serial: str
    verdict: str
    rack: str
    slot: int
    at: int
    shipment: str = ""
    eta: int = 0
    """Microseconds since the epoch, UTC."""
    reason: str = ""


Entry = Sample | CallDecision | Result

_KINDS: dict[str, type[Sample] | type[CallDecision] | type[Result]] = {
    "sample": Sample,
    "call": CallDecision,
    "result": Result,
}
_NAMES = {entry: name for name, entry in _KINDS.items()}
_SAMPLE = '{"kind": "sample"'
"""How the line of a sample begins."""


class LedgerError(ValueError):
    """The file is not a ledger; the text says file, line and reason."""


class Ledger:
    """The writing end. Every entry reaches the operating system before `add` returns, so that a
    killed PLC leaves nothing unwritten that a client may have seen."""

    def __init__(self, path: Path) -> None:
        """Open `path` for appending. An entry that a killed writer left torn is cut off."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, entry: Entry) -> None:
        """Append one entry."""
        body = {name: getattr(entry, name) for name in entry.__slots__}
        self._file.write(json.dumps({"kind": _NAMES[type(entry)], **body}) + "\n")

    def close(self) -> None:
        self._file.close()


def read_ledger(path: Path, *, samples: bool = True) -> Iterator[Entry]:
    """The entries in the order in which they happened, without `samples` if so told: they are most
    of a ledger, and cost most to read. May be called while the PLC runs; a last line not yet ended
    is left out. Raises `LedgerError` for a line that is no entry."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            if not samples and line.startswith(_SAMPLE):
                continue
            yield _parse(path, number, line)


class LedgerTail:
    """A ledger that is read on while its PLC runs, is killed and starts again."""

    def __init__(self, path: Path, *, samples: bool = True) -> None:
        """Without `samples` if so told: they are most of a ledger, and cost most to read."""
        self._path = path
        self._samples = samples
        self._offset = 0
        self.entries: list[Entry] = []
        """All that `read_on` has found, in the order in which it happened."""

    def read_on(self) -> int:
        """Read what has come since; returns how many entries there are. Raises `LedgerError`."""
        if not self._path.exists():
            return 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            # A line without its end is still being written, or will be cut off.
            fresh = file.read().rpartition(b"\n")[0]
        if fresh:
            self._offset += len(fresh) + 1
            for line in fresh.decode().split("\n"):
                if not self._samples and line.startswith(_SAMPLE):
                    continue
                self.entries.append(_parse(self._path, len(self.entries) + 1, line))
        return len(self.entries)


def _parse(path: Path, number: int, line: str) -> Entry:
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("kind")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path}:{number}: not a ledger entry: {error}") from None


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
