"""What a file of the Q-DAS ASCII transfer format says: parts, characteristics, values.

Texts stay as the file has them, trimmed; `fields.py` reads numbers and instants out of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PART = "1"
"""First digit of the K-fields that describe a part; 3 too, of its test report."""
CHARACTERISTIC = "2"
"""First digit of the K-fields that describe a characteristic; 8 too, of its control chart."""
ATTRIBUTIVE = frozenset(("1", "5", "6"))
"""K2004 of characteristics that are counted, not measured: attributive, error log sheets."""

LIMITS = ("K2101", "K2110", "K2111", "K2112", "K2113")
"""Nominal value, lower and upper limit, lower and upper allowance: numbers."""

VALUE_FIELDS = (
    "K0001", "K0002", "K0004", "K0005", "K0006", "K0007", "K0008", "K0010", "K0011", "K0012",
)  # fmt: skip
"""What a value line may say of a measured value, in this order: value, attribute, time, events,
batch, cavity, operator, machine, process parameters, gage."""
COUNT_FIELDS = ("K0020", "K0021", "K0001", *VALUE_FIELDS[1:])
"""The same of a counted value: size of the sample, errors, a field that says nothing, the rest."""

Fields = dict[str, str]


@dataclass(slots=True)
class Characteristic:
    """One characteristic of a part."""

    part: int
    """Number of the part, from 1."""
    fields: Fields = field(default_factory=dict)

    @property
    def attributive(self) -> bool:
        """Counted, not measured."""
        return self.fields.get("K2004") in ATTRIBUTIVE


@dataclass(slots=True)
class Value:
    """One value of one characteristic, with what belongs to it."""

    characteristic: int
    """Number in the file, from 1, over all parts."""
    fields: Fields
    """K0001 or K0020 is among them, empty if nothing was measured."""
    set: int = field(default=0, compare=False)
    """Values of one set were written together: a value line, or K-fields up to the next round."""
    line: int = field(default=0, compare=False)
    file: str = field(default="", compare=False)


@dataclass(slots=True)
class Content:
    """A file, or a description (DFD) with its values (DFX)."""

    parts: dict[int, Fields] = field(default_factory=dict)
    characteristics: dict[int, Characteristic] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    """In the order of the file."""
    catalogues: dict[tuple[str, int], str] = field(default_factory=dict)
    """K4xxx by field and number of the entry, as K0008 and others name it."""
    header: Fields = field(default_factory=dict)
    """K0101 and on; K0100, the number of characteristics, is counted and not kept."""
    groups: list[tuple[str, int, str]] = field(default_factory=list)
    """K5xxx and other fields that nothing here looks into, in the order of the file."""


class AqdefError(ValueError):
    """The file cannot be used; `problems` has the reasons, each with file and line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
