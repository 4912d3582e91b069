"""Reads the Q-DAS ASCII transfer format: DFQ, or DFD with DFX.

A line is a K-field (`K2110/3 9.8`: field, number, text) or a value line, which has a portion for
each characteristic, divided by 0x0F, and in it fields that are divided by 0x14. What is not said
plainly anywhere, and how it is taken here:

- `/0` means all: parts, characteristics, or the values of the set just written. What a field says
  of one of them by its number counts more.
- A K-field of a value belongs to the value before it. If that has the field already, or there is
  none yet, it belongs to the next one: some write the time before the value.
- K0001/n begins a value; K0020 or K0021 do so where characteristics are counted. `/n/m` is the
  m-th value of characteristic n.
- A value line gives a portion for each characteristic of the file, of whatever part.
- A portion with more than ten fields is that of a counted characteristic though K2004 is not given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from protocols.aqdef.fields import is_number
from protocols.aqdef.fields import number as number_of
from protocols.aqdef.model import (
    ATTRIBUTIVE,
    COUNT_FIELDS,
    LIMITS,
    VALUE_FIELDS,
    AqdefError,
    Characteristic,
    Content,
    Fields,
    Value,
)
from protocols.text import EncodingError, decode

MAX_BYTES = 16 * 1024 * 1024
"""Longest content that is read."""
MAX_NUMBER = 99_999
"""Highest number of a part or a characteristic: the format gives them five digits."""
MAX_PROBLEMS = 20
"""So many are told; what follows a first mistake often follows from it."""
_MAX_SHARED = 2_000_000
"""Most fields that come of lines for all parts or all characteristics."""
_FIELD = re.compile(r"K([0-9X])([0-9])[0-9]{2}")
_NUMBERS = re.compile(r"/([0-9]{1,5})(?:/([0-9]{1,7}))?")
_BEGIN = ("K0001", "K0020", "K0021")
_OLD_COUNTS = ("K100 ", "K101 ")
"""Numbers of characteristics as files of before 1997 give them."""
_END_OF_FILE = "\x1a\r\n"
"""What may stand behind the last line; programs that come from DOS write 0x1A."""


def read(
    files: Sequence[tuple[str, bytes]], *, encoding: str = "cp1252", max_bytes: int = MAX_BYTES
) -> Content:
    """Name and bytes of a DFQ, or of a DFD and its DFX. A byte order mark counts more than
    `encoding`. Raises `AqdefError` with all that is wrong, up to `MAX_PROBLEMS`."""
    if (size := sum(len(data) for _, data in files)) > max_bytes:
        raise AqdefError([f"{files[0][0]}: {size} bytes, and {max_bytes} are read at most"])
    reader = _Reader()
    for name, data in files:
        try:
            reader.read(name, decode(data, encoding))
        except EncodingError as error:
            raise AqdefError([f"{name}:{error.line}: {error}"]) from None
    return reader.finish()


class _LineError(ValueError):
    """One line cannot be used."""


class _Reader:
    def __init__(self) -> None:
        self._content = Content()
        self._problems: list[str] = []
        self._all_parts: Fields = {}
        self._all_characteristics: Fields = {}
        self._part = 1
        self._values: dict[int, list[Value]] = {}
        self._nth: list[list[Value]] = []
        self._shared: dict[int, set[str]] = {}
        """Fields of the last value of each characteristic that a line for all gave it."""
        self._said_of_nth: set[tuple[str, int]] = set()
        self._next: dict[int, Fields] = {}
        """Fields that wait for the next value of a characteristic."""
        self._next_set: Fields = {}
        self._for_set: Fields = {}
        """Fields that hold for all values of the set."""
        self._set: dict[int, Value] = {}
        self._set_number = 0
        self._set_ended = True
        self._in_line = False
        self._orders: dict[int, tuple[str, ...]] = {}
        self._file = ""
        self._line = 0

    def read(self, name: str, text: str) -> None:
        self._file = name
        text = text.rstrip(_END_OF_FILE).replace("\r\n", "\n").replace("\r", "\n")
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip(" \t")
            if not stripped:
                continue
            self._line = number
            try:
                self._take(stripped)
            except _LineError as error:
                self._problem(str(error))
                if len(self._problems) >= MAX_PROBLEMS:
                    raise AqdefError(self._problems) from None

    def finish(self) -> Content:
        content = self._content
        if content.values:
            for fields in (self._next_set, *self._next.values()):
                for key in fields:
                    self._problem(f"{key} is given once more than there are values")
        shared = len(self._all_parts) * len(content.parts)
        shared += len(self._all_characteristics) * len(content.characteristics)
        if shared > _MAX_SHARED:
            self._problem(f"{shared} fields by lines for all; {_MAX_SHARED} are read at most")
        if self._problems:
            raise AqdefError(self._problems[:MAX_PROBLEMS])
        if self._all_parts and not content.parts:
            content.parts[1] = {}
        for part in content.parts.values():
            _default(part, self._all_parts)
        for characteristic in content.characteristics.values():
            _default(characteristic.fields, self._all_characteristics)
            content.parts.setdefault(characteristic.part, {})
        return content

    def _problem(self, what: str) -> None:
        self._problems.append(f"{self._file}:{self._line}: {what}")

    def _take(self, line: str) -> None:
        found = _FIELD.match(line)
        if found is None:
            if not line.startswith(_OLD_COUNTS):
                self._value_line(line)
            return
        key, level = found.group(), found.group(2) if found.group(1) == "X" else found.group(1)
        number, nth, text = _numbers(key, line[len(key) :])
        if level == "0":
            if key >= "K0100" and found.group(1) != "X":
                if key != "K0100" and text:
                    self._content.header[key] = text
            else:
                self._value_field(key, 1 if number is None else number, nth, text)
            return
        if nth is not None:
            raise _LineError(f"{key}/{number}/{nth}: only fields of values have a second number")
        if level in "13":
            self._part_field(key, 1 if number is None else number, text)
        elif level in "28":
            self._characteristic_field(key, 1 if number is None else number, text)
        elif level == "4":
            if text:
                self._content.catalogues[key, 1 if number is None else number] = text
        else:
            self._content.groups.append((key, 1 if number is None else number, text))

    def _part_field(self, key: str, number: int, text: str) -> None:
        if number == 0:
            self._all_parts[key] = text
            return
        self._part = number
        fields = self._content.parts.setdefault(number, {})
        if text:
            fields[key] = text

    def _characteristic_field(self, key: str, at: int, text: str) -> None:
        if key == "K2004":
            self._orders.clear()
        if key in LIMITS and text:
            try:
                number_of(text)
            except ValueError as error:
                raise _LineError(f"{key}/{at}: {error}") from None
        if at == 0:
            self._all_characteristics[key] = text
            return
        known = self._content.characteristics
        if at not in known:
            known[at] = Characteristic(self._part)
        if text:
            known[at].fields[key] = text

    def _value_field(self, key: str, number: int, nth: int | None, text: str) -> None:
        if number == 0:
            self._field_of_all(key, nth, text)
            return
        if number not in self._content.characteristics:
            raise _LineError(f"{key}/{number}: the file describes no characteristic {number}")
        values = self._values.setdefault(number, [])
        if nth is not None:
            if not 1 <= nth <= len(values):
                what = f"characteristic {number} has {len(values)} values so far"
                raise _LineError(f"{key}/{number}/{nth}: {what}")
            _put(values[nth - 1].fields, key, text)
            return
        last = values[-1].fields if values else None
        if key in _BEGIN:
            if text and not is_number(text):
                raise _LineError(f"{key}/{number}: {text[:40]!r} is no number")
            if last is None or key in last:
                self._begin(number, {key: text})
            else:
                last[key] = text
        elif last is None or (key in last and key not in self._shared.get(number, ())):
            _put(self._next.setdefault(number, {}), key, text)
        else:
            _put(last, key, text)
            self._shared.get(number, set()).discard(key)

    def _field_of_all(self, key: str, nth: int | None, text: str) -> None:
        if key in _BEGIN:
            raise _LineError(f"{key}/0: a value belongs to one characteristic")
        if nth is not None:
            if not 1 <= nth <= len(self._nth):
                raise _LineError(f"{key}/0/{nth}: no characteristic has so many values so far")
            if (key, nth) not in self._said_of_nth:
                self._said_of_nth.add((key, nth))
                for value in self._nth[nth - 1]:
                    value.fields.setdefault(key, text)
            return
        lacking = [] if key in self._for_set else [
            number for number, value in self._set.items() if key not in value.fields
        ]  # fmt: skip
        self._set_ended = True
        if not lacking:
            _put(self._next_set, key, text)
            return
        self._for_set[key] = text
        for number in lacking:
            _put(self._set[number].fields, key, text)
            self._shared.setdefault(number, set()).add(key)

    def _value_line(self, line: str) -> None:
        portions = line.split("\x0f")
        if len(portions) == 1 and "\x14" not in line and not is_number(line):
            raise _LineError(f"{line[:40]!r} is neither a K-field nor a value line")
        self._set_ended = True
        self._in_line = True
        for number, portion in enumerate(portions, 1):
            if not portion.strip():
                continue
            cells = [cell.strip() for cell in portion.split("\x14")]
            keys = self._order(number, len(cells))
            if len(cells) > len(keys) and any(cells[len(keys) :]):
                what = f"{len(cells)} fields, and there are {len(keys)} at most"
                raise _LineError(f"the value of characteristic {number} has {what}")
            if cells[0] and not is_number(cells[0]):
                raise _LineError(f"characteristic {number}: {cells[0][:40]!r} is no number")
            fields = {key: cell for key, cell in zip(keys, cells, strict=False) if cell}
            fields.setdefault(keys[0], "")
            if keys is COUNT_FIELDS:
                fields.pop("K0001", None)
            self._begin(number, fields)
        self._set_ended = True
        self._in_line = False

    def _order(self, number: int, count: int) -> tuple[str, ...]:
        """Which fields a portion has, one after the other."""
        known = self._orders.get(number)
        if known is not None:
            return known
        characteristic = self._content.characteristics.get(number)
        if characteristic is None:
            what = f"the file describes no characteristic {number}"
            raise _LineError(f"the line has a value for characteristic {number}; {what}")
        given = characteristic.fields.get("K2004") or self._all_characteristics.get("K2004")
        if not given:
            return COUNT_FIELDS if count > len(VALUE_FIELDS) else VALUE_FIELDS
        order = COUNT_FIELDS if given in ATTRIBUTIVE else VALUE_FIELDS
        self._orders[number] = order
        return order

    def _begin(self, number: int, fields: Fields) -> None:
        """A value of a characteristic; of the next set if this one has a value of it already, or
        K-fields have come to another part."""
        if self._set_ended or number in self._set or self._other_part(number):
            self._set = {}
            self._set_number += 1
            self._set_ended = False
            self._for_set, self._next_set = self._next_set, {}
        _default(fields, self._next.pop(number, {}))
        if self._for_set:
            self._shared[number] = set(self._for_set) - set(fields)
            _default(fields, self._for_set)
        else:
            self._shared.pop(number, None)
        value = Value(number, fields, self._set_number, self._line, self._file)
        self._set[number] = value
        self._content.values.append(value)
        values = self._values.setdefault(number, [])
        values.append(value)
        if len(values) > len(self._nth):
            self._nth.append([])
        self._nth[len(values) - 1].append(value)

    def _other_part(self, number: int) -> bool:
        if self._in_line:
            return False
        described = self._content.characteristics
        return any(described[n].part != described[number].part for n in [*self._set][:1])


def _numbers(key: str, rest: str) -> tuple[int | None, int | None, str]:
    """The numbers after a field, and its text."""
    if not rest.startswith("/"):
        if rest and rest[0] not in " \t":
            raise _LineError(f"after {key} stands {rest[:20]!r} in place of a number or a text")
        return None, None, rest.strip()
    found = _NUMBERS.match(rest)
    after = rest[found.end() :] if found else rest
    if found is None or (after and after[0] not in " \t"):
        raise _LineError(f"{key}{rest.split(' ')[0][:20]}: that is no number after the field")
    nth = found.group(2)
    return int(found.group(1)), None if nth is None else int(nth), after.strip()


def _put(fields: Fields, key: str, text: str) -> None:
    if text:
        fields[key] = text


def _default(fields: Fields, others: Fields) -> None:
    for key, text in others.items():
        if text:
            fields.setdefault(key, text)
