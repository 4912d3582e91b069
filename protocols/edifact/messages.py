"""Any message that is known, by its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from protocols.edifact.calls import read_calls
from protocols.edifact.content import CallMessage, Forecast, ShipNotice
from protocols.edifact.forecast import read_forecast
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.profile import EdiProfile
from protocols.edifact.shipment import read_shipment

Content = CallMessage | Forecast | ShipNotice

READERS: Mapping[str, Callable[[Message, EdiProfile], Content]] = {
    "DELJIT": read_calls,
    "DELFOR": read_forecast,
    "DESADV": read_shipment,
}


def read_content(message: Message, profile: EdiProfile) -> Content:
    """What a message says. Raises `EdifactError` with its problems."""
    reader = READERS.get(message.kind)
    if reader is None:
        raise EdifactError(
            Problem(
                f"{message.kind[:20]!r} is not read; known: {', '.join(READERS)}",
                message.number,
                "UNH",
                "0065 (element 2)",
                ErrorCode.INVALID_VALUE,
                message.reference,
                (2, 1),
            )
        )
    return reader(message, profile)
