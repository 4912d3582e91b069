"""The contracts as JSON Schema (draft 2020-12), for partners who write their own end."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from protocols.jis.envelope import AnswerMessage, Lost, Records, StateMessage
from protocols.jis.messages import (
    Call,
    CallChange,
    Delay,
    Delivery,
    Event,
    Instruction,
    LineState,
    Preview,
    Shipment,
)

CONTRACTS: dict[str, type[Any]] = {
    "call": Call,
    "change": CallChange,
    "instruction": Instruction,
    "preview": Preview,
    "line_state": LineState,
    "delivery": Delivery,
    "event": Event,
    "shipment": Shipment,
    "delay": Delay,
    "records": Records,
    "lost": Lost,
    "state": StateMessage,
    "answer": AnswerMessage,
}
"""Name of each message to its model. Version 1: a field may be added, none removed or retyped."""


def json_schemas() -> dict[str, dict[str, Any]]:
    """One self-contained schema per message."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:lineside:v1:{name}",
            **TypeAdapter(model).json_schema(),
        }
        for name, model in CONTRACTS.items()
    }
