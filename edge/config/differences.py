"""What differs between two configurations, setting by setting, and what of it a reload does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from edge.config.model import EdgeConfig
from edge.reload import Difference, lines_of, refusals, sources_of
from protocols.logs import HIDDEN, with_bare_addresses


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that is not the same; None where it is not there."""

    where: str
    old: Any
    new: Any


def changes(old: EdgeConfig, new: EdgeConfig) -> list[Change]:
    """Every setting that differs, in the order of the old file; secrets are not shown, those in an
    address neither. What one file leaves to its default is the same as the default written down.
    Sources, tags and lines are told apart by their names, not by their order."""
    before, after = dict(_settings(old, "")), dict(_settings(new, ""))
    return [
        Change(where, _shown(before.get(where)), _shown(after.get(where)))
        for where in dict.fromkeys((*before, *after))
        if before.get(where) != after.get(where)
    ]


def on_reload(old: EdgeConfig, new: EdgeConfig) -> list[str]:
    """What a running agent does when it takes in the new file, or why it does not."""
    if refused := refusals(old, new):
        return refused
    said = []
    for what, each in (
        ("source", Difference.between(sources_of(old), sources_of(new))),
        ("line", Difference.between(lines_of(old), lines_of(new))),
    ):
        said += [f"{what} {name} ends" for name in each.gone]
        said += [f"{what} {name} begins" for name in each.new]
        said += [f"{what} {name} is begun anew" for name in each.changed]
    if old.brokers != new.brokers or old.uplink != new.uplink or old.hub != new.hub:
        said.append("the connection to the hub is made anew")
    return said


def _settings(model: BaseModel, where: str) -> Iterator[tuple[str, Any]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        at = f"{where}.{field.alias or name}" if where else field.alias or name
        if isinstance(value, BaseModel):
            yield from _settings(value, at)
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            for number, item in enumerate(value):
                yield from _settings(item, f"{at}[{_name(item, number)}]")
        else:
            yield at, value


def _name(item: BaseModel, number: int) -> str:
    for key in ("device", "name", "host"):
        if hasattr(item, key) and not hasattr(item, "line"):
            return str(getattr(item, key))
    if hasattr(item, "line") and hasattr(item, "plant"):
        return f"{item.plant}/{item.line}"
    return str(number)


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return with_bare_addresses(str(value))
