"""What a file says, as results of inspection."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from pydantic import ValidationError

from protocols.aqdef.fields import instant, number, whole
from protocols.aqdef.model import AqdefError, Content, Fields, Value
from protocols.aqdef.read import MAX_PROBLEMS
from protocols.inspection import Result, Verdict, judged
from protocols.refusal import first_problem

SERIAL_FIELDS = ("K0014",)
"""Where the serial of the part stands unless the sender says otherwise."""
NO_VALUE = (255, 256)
"""K0002 of values that are none: not measured, or only there to hold a position together."""
_SAID = re.compile(r"(?:verdict (ok|nok|unknown)(?:: |$))?(.*)", re.DOTALL)
"""K0009: a verdict that the limits do not tell, as `results_as_content` writes it, and a reason."""
_ONE_PIECE = (0, 1, 1000)
"""K0020 of a sample of one; programs write thousandths."""
_MAX_NAME = 100
_MAX_SERIAL = 128
_MAX_UNIT = 40
_MAX_REASON = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


def results(
    content: Content,
    *,
    sha256: str,
    zone: tzinfo,
    otherwise: datetime,
    serial_fields: Sequence[str] = SERIAL_FIELDS,
) -> list[Result]:
    """What was measured, in the order of the file. `sha256` is that of the file, `zone` that of its
    clock, `otherwise` the time of values that have none. The serial stands in the first of
    `serial_fields` that is there: of the value, or of its part. Raises `AqdefError`.

    Values of one part have one key. It comes of what the values say, with their time, so that a
    file that is written anew with more in it repeats nothing; a value without a time is known by
    its file, one with K0097 by that.
    """
    return _Results(content, sha256, zone, otherwise, serial_fields).read()


@dataclass(frozen=True, slots=True)
class _Described:
    """What all results of a characteristic share, as far as their values say nothing else."""

    counted: bool
    limits: tuple[float | None, float | None, float | None]
    unit: str
    tool: str
    programme: str | None
    operator: str
    serial: str


class _Results:
    def __init__(
        self,
        content: Content,
        sha256: str,
        zone: tzinfo,
        otherwise: datetime,
        serial_fields: Sequence[str],
    ) -> None:
        self._content = content
        self._sha256 = sha256
        self._zone = zone
        self._otherwise = otherwise
        self._serial_fields = serial_fields
        self._names = _names(content)
        self._described: dict[int, _Described] = {}

    def read(self) -> list[Result]:
        problems: list[str] = []
        found: list[Result] = []
        self._described = {n: self._describe(n) for n in self._content.characteristics}
        named = self._serials_and_times()
        keys = self._keys([serial for serial, _ in named])
        for value, (serial, when), key in zip(self._content.values, named, keys, strict=True):
            try:
                found += self._result(value, serial, when, key)
            except ValidationError as error:
                problems.append(f"{value.file}:{value.line}: {first_problem(error, 'value')}")
            except ValueError as error:
                problems.append(f"{value.file}:{value.line}: {error}")
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise AqdefError(problems)
        return found

    def _result(self, value: Value, serial: str, when: str, key: str) -> Iterator[Result]:
        attribute = whole(value.fields.get("K0002") or "0")
        if attribute in NO_VALUE:
            return
        described = self._described[value.characteristic]
        lower, upper, nominal = described.limits
        said, reason = _said(value.fields.get("K0009", ""))
        if described.counted or "K0001" not in value.fields:
            measured, verdict = _counted(value.fields)
            lower = upper = nominal = None
        else:
            if not value.fields["K0001"]:
                return
            measured = number(value.fields["K0001"])
            verdict = said or judged(measured, lower, upper)
        yield Result(
            key=key,
            serial=_text(serial, _MAX_SERIAL),
            characteristic=self._names[value.characteristic],
            value=measured,
            lower=lower,
            upper=upper,
            nominal=nominal,
            unit=described.unit,
            verdict="unknown" if attribute else verdict,
            tool=_text(self._tool(value.fields) or described.tool, _MAX_NAME),
            programme=described.programme,
            operator=_text(self._operator(value.fields) or described.operator, _MAX_NAME),
            reason=_text(reason, _MAX_REASON),
            measured_at=instant(when, self._zone) if when else self._otherwise,
            raw_sha256=self._sha256,
        )

    def _describe(self, n: int) -> _Described:
        characteristic = self._content.characteristics[n]
        fields, part = characteristic.fields, self._content.parts[characteristic.part]
        unit = fields.get("K2142") or self._entry("K4082", fields.get("K2141", ""))
        gage = _first(fields, "K2401", "K2402") or _first(part, "K1201", "K1202")
        return _Described(
            characteristic.attributive,
            _limits(fields),
            _text(unit, _MAX_UNIT) or "",
            gage or _first(part, "K1081", "K1082"),
            _text(_first(part, "K1231", "K1341", "K1001", "K1002"), _MAX_NAME),
            _first(part, "K1222", "K1221"),
            self._serial(part),
        )

    def _serials_and_times(self) -> list[tuple[str, str]]:
        """Of a set it is often the first value alone that has a time, and of a value line alone a
        serial; K-fields of values in turn do not say which belong to one part."""
        times: dict[int, str] = {}
        serials: dict[tuple[str, int], str] = {}
        own = [self._serial(value.fields) for value in self._content.values]
        for value, serial in zip(self._content.values, own, strict=True):
            if when := value.fields.get("K0004"):
                times.setdefault(value.set, when)
            if serial:
                serials.setdefault((value.file, value.line), serial)
        return [
            (
                serial
                or serials.get((value.file, value.line))
                or self._described[value.characteristic].serial,
                value.fields.get("K0004") or times.get(value.set, ""),
            )
            for value, serial in zip(self._content.values, own, strict=True)
        ]

    def _serial(self, fields: Fields) -> str:
        return _first(fields, *self._serial_fields).removeprefix("#")

    def _keys(self, serials: Sequence[str]) -> list[str]:
        """The key of each value: that of its group, or of itself where it has a K0097."""
        groups: dict[tuple[object, int], list[int]] = {}
        seen: Counter[tuple[object, str]] = Counter()
        for position, (value, serial) in enumerate(zip(self._content.values, serials, strict=True)):
            who = serial or value.set
            # Characteristics of two parts may have one name: the hub tells them apart by the key.
            name = self._names[value.characteristic]
            seen[who, name] += 1
            groups.setdefault((who, seen[who, name]), []).append(position)
        keys = [""] * len(self._content.values)
        repeated: Counter[str] = Counter()
        for n, positions in enumerate(groups.values()):
            digest = self._digest(positions, n)
            repeated[digest] += 1
            for position in positions:
                keys[position] = self._guid(position, repeated) or f"{digest}-{repeated[digest]}"
        return keys

    def _guid(self, position: int, repeated: Counter[str]) -> str:
        """The value's K0097, if it has one; with a number where one name has it twice."""
        value = self._content.values[position]
        guid = _text(value.fields.get("K0097", ""), 56)
        if guid is None:
            return ""
        repeated[whose := f"{guid} {self._names[value.characteristic]}"] += 1
        return guid if repeated[whose] == 1 else f"{guid}-{repeated[whose]}"

    def _digest(self, positions: list[int], n: int) -> str:
        values = [self._content.values[position] for position in positions]
        said: list[object] = [[self._names[v.characteristic], v.fields] for v in values]
        if not any(v.fields.get("K0004") for v in values):
            said.append([self._sha256, n])
        part = self._content.parts[self._content.characteristics[values[0].characteristic].part]
        said.append(_first(part, "K1001", "K1002"))
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]

    def _operator(self, value: Fields) -> str:
        entry = value.get("K0008", "")
        names = [self._entry(key, entry) for key in ("K4093", "K4092")] if entry else []
        return " ".join(filter(None, names)) or entry

    def _tool(self, value: Fields) -> str:
        for field, catalogue in (("K0012", ("K4072", "K4073")), ("K0010", ("K4062", "K4063"))):
            if entry := value.get(field, ""):
                names = [self._entry(key, entry) for key in catalogue]
                return " ".join(filter(None, names)) or entry
        return ""

    def _entry(self, key: str, entry: str) -> str:
        return self._content.catalogues.get((key, int(entry)), "") if _is_entry(entry) else ""


def _names(content: Content) -> dict[int, str]:
    """A name for each characteristic: its description, with its number where two share it."""
    described = content.characteristics
    plain = {n: _first(c.fields, "K2002", "K2001") or f"#{n}" for n, c in described.items()}
    parts = {n: c.part for n, c in described.items()}
    shared = Counter((parts[n], name) for n, name in plain.items())
    names: dict[int, str] = {}
    taken: set[tuple[int, str]] = set()
    for n, name in plain.items():
        if shared[parts[n], name] > 1:
            name = f"{described[n].fields.get('K2001', '')} {name}".strip()
        name = _text(name, _MAX_NAME) or f"#{n}"
        if (parts[n], name) in taken:
            name = f"{name[: _MAX_NAME - 8]} #{n}"
        taken.add((parts[n], name))
        names[n] = name
    return names


def _limits(fields: Fields) -> tuple[float | None, float | None, float | None]:
    """Lower and upper limit, nominal: limits may be given as they are or as allowances."""
    nominal = _number(fields, "K2101")
    lower, upper = _number(fields, "K2110"), _number(fields, "K2111")
    if nominal is not None:
        below, above = _number(fields, "K2112"), _number(fields, "K2113")
        lower = nominal + below if lower is None and below is not None else lower
        upper = nominal + above if upper is None and above is not None else upper
    return lower, upper, nominal


def _number(fields: Fields, key: str) -> float | None:
    return number(text) if (text := fields.get(key)) else None


def _counted(fields: Fields) -> tuple[float | None, Verdict]:
    """The number of errors in a sample of several, None for one piece; whether there were any."""
    if not fields.get("K0021"):
        return None, "unknown"
    errors = whole(fields["K0021"])
    several = whole(fields.get("K0020") or "0") not in _ONE_PIECE
    return float(errors) if several else None, "nok" if errors else "ok"


def _said(text: str) -> tuple[Verdict | None, str]:
    found = _SAID.fullmatch(text)
    verdict: Verdict | None = found.group(1) if found else None  # type: ignore[assignment]
    return verdict, found.group(2) if found else text


def _first(fields: Fields, *keys: str) -> str:
    return next((fields[key] for key in keys if fields.get(key)), "")


def _text(text: str, longest: int) -> str | None:
    """As a result may have it: one line, not too long; None if there is none."""
    return (_CONTROLS.sub(" ", text)[:longest].strip() or None) if text else None


def _is_entry(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10
