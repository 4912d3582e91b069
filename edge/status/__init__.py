"""What the agent knows of itself: figures for the health metrics, and logging on change only."""

from edge.status.condition import Condition
from edge.status.figures import (
    CallFigures,
    Figures,
    JournalFigures,
    SourceFigures,
    SourceState,
    UplinkFigures,
)

__all__ = [
    "CallFigures",
    "Condition",
    "Figures",
    "JournalFigures",
    "SourceFigures",
    "SourceState",
    "UplinkFigures",
]
