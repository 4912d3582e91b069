"""Pictures of a search and of the sequence it found, for a planner who looks rather than reads."""

from hub.sequencing.plot.page import draw_search, draw_sequence

__all__ = ["draw_search", "draw_sequence"]
