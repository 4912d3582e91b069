"""What happens to a value between its source and the journal.

`scale` and `shift`, then report by exception (`exception.py`), then one of those that hold a sample
back until it is known whether it is needed (`swinging_door.py`, `rate_limit.py`).

A filter belongs to one tag and remembers no more than what it let through last and, if it holds
back, one sample. After a restart the first sample of each tag passes; what was held is with whoever
uses the filter, which is why it can be asked for it.
"""

from edge.filters.filter import Filter, make_filter
from edge.filters.sample import Sample, Value
from edge.filters.settings import FilterSettings

__all__ = ["Filter", "FilterSettings", "Sample", "Value", "make_filter"]
