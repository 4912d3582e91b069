"""The values that a joining system (OPC 40450-1) reports, as characteristics. No network here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from edge.sources.opcua.companion import Fields
from edge.sources.opcua.plain import number, short
from protocols.inspection import Verdict, judged
from protocols.opcua.machinery_result import (
    CONTENT,
    NOT_DECIDABLE,
    NOT_OK,
    OK,
    OVERALL,
    QUANTITIES,
)

_EVALUATIONS: Mapping[int | None, Verdict] = {OK: "ok", NOT_OK: "nok", NOT_DECIDABLE: "unknown"}
_MOST = 200
_LONGEST_NAME = 90


def evaluated(found: Any) -> Verdict | None:
    """What a ResultEvaluation says; None: nothing."""
    return _EVALUATIONS.get(_whole(found))


def joined(fields: Fields, taken: Collection[str]) -> list[dict[str, Any]]:
    """A characteristic for each of the values, with a name that is neither taken nor another's."""
    names = {*taken}
    told = []
    for value in _values(fields):
        each = _characteristic(value)
        plain, count = each["characteristic"], 1
        while each["characteristic"] in names:
            count += 1
            each["characteristic"] = f"{plain} {count}"
        names.add(each["characteristic"])
        told.append(each)
        if len(told) == _MOST:
            break
    return told


def _values(fields: Fields) -> Iterator[Fields]:
    content = fields.get(CONTENT)
    for each in content if isinstance(content, list) else ():
        values = each.get(OVERALL) if isinstance(each, Mapping) else None
        for value in values if isinstance(values, list) else ():
            if isinstance(value, Mapping):
                yield value


def _characteristic(value: Fields) -> dict[str, Any]:
    measured = number(value.get("MeasuredValue"))
    lower, upper = number(value.get("LowLimit")), number(value.get("HighLimit"))
    verdict = evaluated(value.get("ResultEvaluation"))
    if verdict is None:
        verdict = "unknown" if measured is None else judged(measured, lower, upper)
    unit = value.get("EngineeringUnits")
    return {
        "characteristic": short(value.get("Name"), _LONGEST_NAME) or _quantity(value),
        "value": measured,
        "unit": (short(unit.get("DisplayName"), 40) if isinstance(unit, Mapping) else None) or "",
        "lower": lower,
        "upper": upper,
        "nominal": number(value.get("TargetValue")),
        "verdict": verdict,
    }


def _quantity(value: Fields) -> str:
    quantity = _whole(value.get("PhysicalQuantity")) or 0
    known = QUANTITIES[quantity] if 0 <= quantity < len(QUANTITIES) else ""
    return known or "Value"


def _whole(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None
