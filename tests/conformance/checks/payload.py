"""What every payload has to hold to, whoever sends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.conformance.recording import (
    BIRTHS,
    COMMANDS,
    DATA,
    NUMBERED,
    Message,
    Recording,
)
from tests.conformance.rules import (
    FIELD_OF_TYPE,
    LATE_MS,
    REBIRTH,
    Select,
    each,
    each_metric,
    edge,
    either,
    host,
    label,
    no_seq,
    seq_not_next,
    seq_not_zero,
    untimed,
)
from tests.conformance.verdict import Check, Entry, Finding, NotApplicable, Test

INT32 = 3
LAST_TYPE = 34
SCALARS = range(1, 16)
QUALITIES = (0, 192, 500)
"""Bad, good, stale."""

_everything: Select = either(edge(*NUMBERED), host(*COMMANDS))


# --- metrics -----------------------------------------------------------------------------------


def _nameless(recording: Recording, message: Message) -> str:
    """A metric without a name whose alias the birth does not know either."""
    birth = recording.births.get(id(message.record))
    for metric in message.metrics:
        if metric.name:
            continue
        known = birth is not None and birth.find(metric, message.device) is not None
        if not (metric.HasField("alias") and known):
            return f"metric {label(metric)} has neither a name nor a known alias"
    return ""


def _aliases_unique(recording: Recording) -> Iterator[Finding]:
    """No alias names two metrics of a node and its devices."""
    for connection in recording.edge:
        owner: dict[int, tuple[str, str]] = {}
        for message in connection.published(*BIRTHS):
            if message.kind == "NBIRTH":
                owner.clear()
            problem = ""
            seen: set[int] = set()
            for metric in message.metrics:
                if metric.HasField("alias"):
                    name = message.device, metric.name
                    if owner.setdefault(metric.alias, name) != name or metric.alias in seen:
                        problem = f"alias {metric.alias} names {owner[metric.alias]} and {name}"
                    seen.add(metric.alias)
            yield Finding(message.record, problem)


def _alias_without_name(_: Message, metric: Any) -> str | None:
    """Only metrics with an alias are looked at."""
    if not metric.HasField("alias"):
        return None
    return "" if metric.name else "an alias without a name in a birth"


def _alias_with_name(_: Message, metric: Any) -> str | None:
    """Only metrics with an alias are looked at: in data it stands alone."""
    if not metric.HasField("alias"):
        return None
    return "a name beside its alias" if metric.HasField("name") else ""


def _no_timestamp(_: Message, metric: Any) -> str:
    return "" if metric.HasField("timestamp") else "no timestamp"


def _time_of_another_world(message: Message, metric: Any) -> str | None:
    """A live metric's time lies well outside the moment of its sending: no UTC milliseconds."""
    if not metric.HasField("timestamp") or metric.is_historical:
        return None
    late_ms = message.record.at_ms - metric.timestamp
    return "" if -LATE_MS <= late_ms <= LATE_MS else f"{late_ms} ms behind its sending"


def _bad_type(_: Message, metric: Any) -> str | None:
    """Only metrics with a datatype are looked at."""
    if not metric.HasField("datatype"):
        return None
    return "" if 1 <= metric.datatype <= LAST_TYPE else f"datatype {metric.datatype}"


def _value_of_other_type(_: Message, metric: Any) -> str | None:
    """Only metrics with datatype and value are looked at: the value's field is that of the type."""
    field = metric.WhichOneof("value")
    if not metric.HasField("datatype") or field is None:
        return None
    fits = field == FIELD_OF_TYPE.get(metric.datatype)
    return "" if fits else f"datatype {metric.datatype} in {field}"


def _no_type(_: Message, metric: Any) -> str:
    return "" if metric.HasField("datatype") else "no datatype"


def _needless_type(message: Message, metric: Any) -> str | None:
    """A rebirth request is passed over: nodes that resolve a command without their own birth at
    hand read no value from it unless it says its datatype."""
    if metric.name == REBIRTH and message.kind in COMMANDS:
        return None
    return "a datatype that the birth says already" if metric.HasField("datatype") else ""


# --- properties --------------------------------------------------------------------------------


def _each_set(problem: Callable[[Any], str]) -> Test:
    """No property set has this problem; metrics without one are passed over."""
    return each_metric(
        _everything, lambda _, m: problem(m.properties) if m.HasField("properties") else None
    )


def _sizes_differ(properties: Any) -> str:
    fits = len(properties.keys) == len(properties.values)
    return "" if fits else f"{len(properties.keys)} keys, {len(properties.values)} values"


def _property_type(properties: Any) -> str:
    bad = next((v.type for v in properties.values if not 1 <= v.type <= LAST_TYPE), None)
    return "" if bad is None else f"property type {bad}"


def _property_untyped(properties: Any) -> str:
    return "" if all(v.HasField("type") for v in properties.values) else "a property without type"


def _property_of_other_type(properties: Any) -> str:
    for value in properties.values:
        field = value.WhichOneof("value")
        if field is not None and field != FIELD_OF_TYPE.get(value.type):
            return f"property type {value.type} in {field}"
    return ""


def _each_quality(problem: Callable[[Any], str]) -> Test:
    """No Quality property has this problem."""

    def judge(_: Message, metric: Any) -> str | None:
        pairs = zip(metric.properties.keys, metric.properties.values, strict=False)
        quality = next((value for key, value in pairs if key == "Quality"), None)
        return None if quality is None else problem(quality)

    return each_metric(_everything, judge)


def _quality_type(quality: Any) -> str:
    return "" if quality.type == INT32 else f"Quality of type {quality.type}"


def _quality_value(quality: Any) -> str:
    fits = quality.HasField("int_value") and quality.int_value in QUALITIES
    return "" if fits else f"Quality {quality.int_value}"


# --- what we do not send -----------------------------------------------------------------------


def _sent(field: str, what: str) -> Test:
    """Disproves that such values are never sent."""
    return each_metric(
        _everything, lambda _, m: f"{what} is sent after all" if m.HasField(field) else None
    )


_NO_DATASET = NotApplicable("no data sets are sent", _sent("dataset_value", "a data set"))
_NO_TEMPLATE = NotApplicable("no templates are sent", _sent("template_value", "a template"))

CHECKS: dict[str, Entry] = {
    "payloads-timestamp-in-UTC": Check(
        "payload times are UTC milliseconds", each(_everything, untimed)
    ),
    "payloads-sequence-num-always-included": Check(
        "all that an edge node says bears a seq, but NDEATH", each(edge(*NUMBERED), no_seq)
    ),
    "payloads-sequence-num-req-nbirth": Check(
        "an NBIRTH bears seq 0", each(edge("NBIRTH"), seq_not_zero)
    ),
    "payloads-sequence-num-incrementing": Check(
        "each message bears the next seq",
        each(edge("DBIRTH", "NDATA", "DDATA", "DDEATH"), seq_not_next),
    ),
    "payloads-name-requirement": Check(
        "each metric has a name, or an alias that its birth names", each(_everything, _nameless)
    ),
    "payloads-alias-uniqueness": Check("an alias names one metric of a node", _aliases_unique),
    "payloads-alias-birth-requirement": Check(
        "in births an alias stands beside its name",
        each_metric(edge(*BIRTHS), _alias_without_name),
    ),
    "payloads-alias-data-cmd-requirement": Check(
        "in data and commands an alias stands alone",
        each_metric(either(edge(*DATA), host(*COMMANDS)), _alias_with_name),
    ),
    "payloads-name-birth-data-requirement": Check(
        "metrics of births and data bear a time",
        each_metric(edge(*BIRTHS, *DATA), _no_timestamp),
    ),
    "payloads-name-cmd-requirement": NotApplicable(
        "a permission: metrics of commands may bear a time or not"
    ),
    "payloads-metric-timestamp-in-UTC": Check(
        "times of live metrics are UTC milliseconds",
        each_metric(_everything, _time_of_another_world),
    ),
    "payloads-metric-datatype-value-type": Check(
        "a value stands in the field of its datatype",
        each_metric(_everything, _value_of_other_type),
    ),
    "payloads-metric-datatype-value": Check(
        "datatypes are those of the standard", each_metric(_everything, _bad_type)
    ),
    "payloads-metric-datatype-req": Check(
        "metrics of births have a datatype", each_metric(edge(*BIRTHS), _no_type)
    ),
    "payloads-metric-datatype-not-req": Check(
        "data and commands, but requests of a rebirth, leave the datatype out (recommended)",
        each_metric(either(edge(*DATA), host(*COMMANDS)), _needless_type),
    ),
    "payloads-propertyset-keys-array-size": Check(
        "property sets have as many keys as values", _each_set(_sizes_differ)
    ),
    "payloads-propertyset-values-array-size": Check(
        "property sets have as many values as keys", _each_set(_sizes_differ)
    ),
    "payloads-metric-propertyvalue-type-type": Check(
        "a property's value stands in the field of its type", _each_set(_property_of_other_type)
    ),
    "payloads-metric-propertyvalue-type-value": Check(
        "property types are those of the standard", _each_set(_property_type)
    ),
    "payloads-metric-propertyvalue-type-req": Check(
        "each property has a type", _each_set(_property_untyped)
    ),
    "payloads-propertyset-quality-value-type": Check(
        "Quality is Int32", _each_quality(_quality_type)
    ),
    "payloads-propertyset-quality-value-value": Check(
        "Quality is bad, good or stale", _each_quality(_quality_value)
    ),
    "payloads-dataset-column-size": _NO_DATASET,
    "payloads-dataset-column-num-headers": _NO_DATASET,
    "payloads-dataset-types-def": _NO_DATASET,
    "payloads-dataset-types-num": _NO_DATASET,
    "payloads-dataset-types-type": _NO_DATASET,
    "payloads-dataset-types-value": _NO_DATASET,
    "payloads-dataset-parameter-type-req": _NO_DATASET,
    "payloads-template-dataset-value": _NO_DATASET,
    "payloads-template-definition-nbirth-only": _NO_TEMPLATE,
    "payloads-template-definition-is-definition": _NO_TEMPLATE,
    "payloads-template-definition-ref": _NO_TEMPLATE,
    "payloads-template-definition-members": _NO_TEMPLATE,
    "payloads-template-definition-nbirth": _NO_TEMPLATE,
    "payloads-template-definition-parameters": _NO_TEMPLATE,
    "payloads-template-definition-parameters-default": _NO_TEMPLATE,
    "payloads-template-instance-is-definition": _NO_TEMPLATE,
    "payloads-template-instance-ref": _NO_TEMPLATE,
    "payloads-template-instance-members": _NO_TEMPLATE,
    "payloads-template-instance-members-birth": _NO_TEMPLATE,
    "payloads-template-instance-members-data": _NO_TEMPLATE,
    "payloads-template-instance-parameters": _NO_TEMPLATE,
    "payloads-template-version": _NO_TEMPLATE,
    "payloads-template-ref-definition": _NO_TEMPLATE,
    "payloads-template-ref-instance": _NO_TEMPLATE,
    "payloads-template-is-definition": _NO_TEMPLATE,
    "payloads-template-is-definition-definition": _NO_TEMPLATE,
    "payloads-template-is-definition-instance": _NO_TEMPLATE,
    "payloads-template-parameter-name-required": _NO_TEMPLATE,
    "payloads-template-parameter-name-type": _NO_TEMPLATE,
    "payloads-template-parameter-value-type": _NO_TEMPLATE,
    "payloads-template-parameter-type-value": _NO_TEMPLATE,
    "payloads-template-parameter-type-req": _NO_TEMPLATE,
    "payloads-template-parameter-value": _NO_TEMPLATE,
}
