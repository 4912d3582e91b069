"""The figures an agent reports of itself: the one place its parts write them to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version


@dataclass(slots=True)
class Figures:
    """Latest state of the agent's parts. The uplink sends it as `Gateway/…` metrics."""

    version: str = field(default_factory=lambda: version("lineside"))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    journal_records: int = 0
    """Records not yet committed by the hub."""
    journal_bytes: int = 0
    calls_open: int = 0
    """Calls received and not yet decided by a PLC."""
    events_pending: int = 0
    """Events not yet committed by the hub."""
