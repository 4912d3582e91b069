"""Atlas Copco Open Protocol, release 2.8: frames, the data of messages, tightenings.

After "Open Protocol Specification", release 2.8.0 (9836 4415 01). Messages in several parts (header
positions 19 and 20) are read one by one, not put together: none that is used here is that long.
"""

from protocols.open_protocol.errors import in_words
from protocols.open_protocol.fields import DataError, Value
from protocols.open_protocol.frames import FrameError, Message, Splitter, next_sequence
from protocols.open_protocol.layouts import make, newest, programmes, read
from protocols.open_protocol.spindles import make_spindles, read_spindles, read_together
from protocols.open_protocol.tightening import (
    LAST_ID,
    TIGHTENING,
    TORQUE_UNITS,
    Measured,
    Tightening,
    ahead,
    is_after,
    read_tightening,
    step,
)

__all__ = [
    "LAST_ID",
    "TIGHTENING",
    "TORQUE_UNITS",
    "DataError",
    "FrameError",
    "Measured",
    "Message",
    "Splitter",
    "Tightening",
    "Value",
    "ahead",
    "in_words",
    "is_after",
    "make",
    "make_spindles",
    "newest",
    "next_sequence",
    "programmes",
    "read",
    "read_spindles",
    "read_tightening",
    "read_together",
    "step",
]
