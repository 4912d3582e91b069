"""What tells the companion models apart whose event ResultReady tells results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protocols.opcua import machine_vision, machinery_result
from protocols.opcua.machinery_result import CONTENT, META, RESULT

Fields = Mapping[str, Any]
"""Fields of an event by name: plain values, lists, and dicts for structures; times as they are."""


@dataclass(frozen=True, slots=True)
class Companion:
    """One model."""

    key: str
    """Of the settings that ask for it."""
    title: str
    what: str
    """Begins the causes of its gaps."""
    namespace: str
    event_type: int
    """Number of the node ResultReadyEventType there."""
    fields: tuple[str, ...]
    """Fields of the event, beside those of every event; none has the first one but this event."""
    flat: Callable[[Fields], dict[str, Any]]
    """An event's fields with those of the result among them. Raises `ValueError`."""
    held: Callable[[Any], dict[str, Any]]
    """The same of a result that the system holds, as it gives it. Raises `ValueError`."""
    methods: tuple[str, ...]
    """Methods that give the results that the system holds, the necessary ones first."""


def _vision_held(held: Any) -> dict[str, Any]:
    if not isinstance(held, dict):
        raise ValueError("it is no structure")
    return {**held, "CreationTime": _instant(held.get("CreationTime"))}


def machinery_flat(said: Fields) -> dict[str, Any]:
    """Members of the metadata, and the content, as fields."""
    result = said.get(RESULT)
    meta = result.get(META) if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or not isinstance(meta, Mapping):
        raise ValueError(f"it has no {META}")
    return {
        **{name: value for name, value in said.items() if name != RESULT},
        **meta,
        "CreationTime": _instant(meta.get("CreationTime")),
        CONTENT: result.get(CONTENT),
    }


def _instant(text: Any) -> datetime | None:
    """Within a structure a time has become text."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None


VISION = Companion(
    "machine_vision",
    "Machine Vision",
    "machine vision results",
    machine_vision.NAMESPACE,
    machine_vision.RESULT_READY,
    machine_vision.RESULT_FIELDS,
    dict,
    _vision_held,
    (machine_vision.LIST_RESULTS, machine_vision.RELEASE),
)
MACHINERY = Companion(
    "machinery_result",
    "Machinery Result",
    "machinery results",
    machinery_result.NAMESPACE,
    machinery_result.RESULT_READY,
    (RESULT,),
    machinery_flat,
    lambda held: machinery_flat({RESULT: held}),
    (machinery_result.LIST_IDS, machinery_result.BY_ID, machine_vision.RELEASE),
)
RESULT_KEYS = (VISION.key, MACHINERY.key)
"""Settings that ask for results as events."""
