"""What a controller tells beside its results: alarms, job, programme, part, as values of tags."""

from __future__ import annotations

import time
from collections.abc import Mapping

from edge.filters import Sample
from edge.journal import SampleBatch, SampleClass, TelemetryJournal
from edge.journal.records import GOOD
from edge.sources.outflow import Columns
from protocols.open_protocol import Value
from protocols.sparkplug.datatypes import DataType

_TYPES = {bool: DataType.Boolean, int: DataType.Int32, str: DataType.String}
_SAID: Mapping[int, Mapping[str, str]] = {
    15: {"programme": "Programme/Id"},
    35: {
        "job": "Job/Id",
        "status": "Job/Status",
        "batch_size": "Job/Batch Size",
        "batch_counter": "Job/Batch Counter",
    },
    52: {
        "vin": "Part/Identifier",
        "identifier_2": "Part/Identifier 2",
        "identifier_3": "Part/Identifier 3",
        "identifier_4": "Part/Identifier 4",
    },
    76: {
        "active": "Alarm/Active",
        "error": "Alarm/Code",
        "controller_ready": "Controller/Ready",
        "tool_ready": "Tool/Ready",
    },
}
"""Names of tags by MID and value."""
LOCKED = "Tool/Locked"


class Values:
    """The values of one controller; one that is as before is no sample."""

    def __init__(self, device: str, journal: TelemetryJournal) -> None:
        self._device = device
        self._journal = journal
        self._columns = Columns(SampleClass.NORMAL)
        self._known: dict[str, Value] = {}

    def take(self, mid: int, said: Mapping[str, Value]) -> None:
        """A push: MID 0015, 0035, 0052, 0071, 0074 or 0076."""
        if mid == 71:
            mid, said = 76, {**said, "active": True}
        elif mid == 74:
            mid, said = 76, {"active": False, "error": ""}
        for field, name in _SAID[mid].items():
            value = said.get(field)
            if value is not None:
                self.put(name, value.strip() if isinstance(value, str) else value)

    def put(self, name: str, value: Value) -> None:
        """A value as of now."""
        if not isinstance(value, bool | int | str) or self._known.get(name) == value:
            return
        self._known[name] = value
        tag_id = self._journal.tag_id(self._device, name, int(_TYPES[type(value)]))
        self._columns.put(tag_id, Sample(value, time.time_ns() // 1000, GOOD))

    def take_out(self) -> list[SampleBatch]:
        """The batches of what was put."""
        return list(self._columns.take_out(self._device))
