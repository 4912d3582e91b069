"""Results of inspection as a file that a measuring room's software reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import tzinfo

from protocols.aqdef.fields import write_instant
from protocols.aqdef.model import Characteristic, Content, Fields, Value
from protocols.inspection import Result, judged


def results_as_content(found: Iterable[Result], zone: tzinfo | None) -> Content:
    """Results as a file: a part for each programme, a characteristic for each name, unit and
    limits; operators and tools in catalogues; times by a clock of `zone`, or this machine's. A
    verdict that the limits do not tell is in K0009."""
    return _Contents(zone).of(found)


class _Contents:
    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self._content = Content()
        self._parts: dict[str, int] = {}
        self._characteristics: dict[tuple[object, ...], int] = {}
        self._entries: dict[tuple[str, str], int] = {}
        self._counts: Counter[str] = Counter()
        self._sets: dict[str, int] = {}

    def of(self, found: Iterable[Result]) -> Content:
        values = self._content.values
        for result in found:
            number = self._characteristic(result)
            group = self._sets.setdefault(result.key, len(self._sets) + 1)
            values.append(Value(number, self._fields(result), group))
        # The description has parts one after the other, and characteristics are numbered in it.
        order = sorted(self._content.characteristics.items(), key=lambda item: item[1].part)
        renumbered = {old: new for new, (old, _) in enumerate(order, 1)}
        self._content.characteristics = {renumbered[old]: c for old, c in order}
        for value in values:
            value.characteristic = renumbered[value.characteristic]
        values.sort(key=lambda value: value.set)
        return self._content

    def _characteristic(self, result: Result) -> int:
        part = self._part(result.programme or "")
        counted = result.value is None
        limits = (result.lower, result.upper, result.nominal)
        identity = (part, result.characteristic, result.unit, counted, *limits)
        if identity not in self._characteristics:
            number = len(self._characteristics) + 1
            self._characteristics[identity] = number
            fields = {"K2001": str(number), "K2002": result.characteristic}
            fields["K2004"] = "1" if counted else "0"
            for key, limit in zip(("K2110", "K2111", "K2101"), limits, strict=True):
                if limit is not None:
                    fields[key] = repr(limit)
            if result.unit:
                fields["K2142"] = result.unit
            self._content.characteristics[number] = Characteristic(part, fields)
        return self._characteristics[identity]

    def _part(self, programme: str) -> int:
        if programme not in self._parts:
            self._parts[programme] = len(self._parts) + 1
            self._content.parts[len(self._parts)] = {"K1001": programme} if programme else {}
        return self._parts[programme]

    def _fields(self, result: Result) -> Fields:
        said = [result.reason] if result.reason else []
        if result.value is None:
            known = result.verdict != "unknown"
            errors = {"ok": "0", "nok": "1"}.get(result.verdict, "0")
            fields = {"K0020": "1000", "K0021": errors, "K0002": "0" if known else "255"}
        else:
            fields = {"K0001": repr(result.value), "K0002": "0"}
            if result.verdict != judged(result.value, result.lower, result.upper):
                said.insert(0, f"verdict {result.verdict}")
        fields["K0004"] = write_instant(result.measured_at, self._zone)
        if said:
            fields["K0009"] = ": ".join(said)
        if result.serial:
            fields["K0014"] = result.serial
        for key, catalogue, name in (
            ("K0008", "K4092", result.operator),
            ("K0012", "K4072", result.tool),
        ):
            if name:
                fields[key] = str(self._entry(catalogue, name))
        return fields

    def _entry(self, catalogue: str, name: str) -> int:
        if (catalogue, name) not in self._entries:
            number = self._counts[catalogue] = self._counts[catalogue] + 1
            self._entries[catalogue, name] = number
            self._content.catalogues[catalogue, number] = name
        return self._entries[catalogue, name]
