"""What ingest says of itself. Written by its worker alone; read by whoever asks for metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class IngestFigures:
    """Counters begin at 0 with the process and only grow."""

    inbox_bytes: Callable[[], int]
    messages: int = 0
    commits: int = 0
    commit_s: float = 0.0
    failures: int = 0
    """Attempts that the database refused, or was not there for."""
