"""What the agent knows of itself: figures for the health metrics, and logging on change only."""

from edge.status.condition import Condition
from edge.status.figures import Figures

__all__ = ["Condition", "Figures"]
