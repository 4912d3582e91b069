"""What differs between the configuration that runs and a new one, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge.calls import line_key
from edge.config import EdgeConfig, JisLine
from edge.sources import SourceSettings
from edge.sources.opcua import OpcUaSettings

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Difference(Generic[_V]):
    """How one mapping differs from another; what is in none of the three is the same in both."""

    gone: list[str]
    new: dict[str, _V]
    changed: dict[str, _V]
    """With their new values."""

    @classmethod
    def between(cls, old: Mapping[str, _V], new: Mapping[str, _V]) -> Difference[_V]:
        """What must be done so that `old` becomes `new`."""
        return cls(
            [name for name in old if name not in new],
            {name: value for name, value in new.items() if name not in old},
            {name: value for name, value in new.items() if name in old and value != old[name]},
        )


@dataclass(frozen=True, slots=True)
class Line:
    """All that the session with one line's PLC depends on."""

    jis: JisLine
    plc: OpcUaSettings
    """Without its tags: they are the source's business."""


def sources_of(config: EdgeConfig) -> dict[str, SourceSettings]:
    """Sources by device."""
    return {source.device: source for source in config.sources}


def lines_of(config: EdgeConfig) -> dict[str, Line]:
    """Lines by `plant/line`."""
    plcs = {s.device: s for s in config.sources if isinstance(s, OpcUaSettings)}
    return {
        line_key(jis.plant, jis.line): Line(jis, plcs[jis.device].model_copy(update={"tags": []}))
        for jis in config.jis
    }


def refusals(old: EdgeConfig, new: EdgeConfig) -> list[str]:
    """Why an agent that runs with `old` cannot go on with `new`; empty if it can."""
    fixed = {
        "gateway.group": (old.gateway.group, new.gateway.group),
        "gateway.node": (old.gateway.node, new.gateway.node),
        "data_dir": (old.data_dir, new.data_dir),
    }
    return [
        f"{key} cannot change while the agent runs; restart it for that, or put back what it was"
        for key, (was, would_be) in fixed.items()
        if was != would_be
    ]
