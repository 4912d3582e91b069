"""What happens to a sample between its source and the journal: scale, deadband, heartbeat.

A filter belongs to one tag and remembers only the last sample it let through, so that after a
restart the first sample of each tag passes.
"""

from edge.filters.filter import DROPPED, Filter, make_filter
from edge.filters.settings import FilterSettings

__all__ = ["DROPPED", "Filter", "FilterSettings", "make_filter"]
