"""What inspection stations find: one model of a result for stations of any kind, how it travels.

A result travels as a value of the String metric `RESULT` of the device that measured it, as JSON:
to the gateway's journal and the telemetry stream it is a sample, which is kept, sent again and
committed as all others are. What a camera took of an event travels in the same way (`PICTURE`).
"""

from protocols.inspection.picture import (
    LARGEST_PICTURE,
    PICTURE,
    MediaType,
    Picture,
    PictureEvent,
    PictureState,
    parse_picture,
)
from protocols.inspection.result import (
    MAX_TEXT,
    MOST_PARTS,
    RESULT,
    Code,
    Result,
    Verdict,
    judged,
    parse_result,
)

__all__ = [
    "LARGEST_PICTURE",
    "MAX_TEXT",
    "MOST_PARTS",
    "PICTURE",
    "RESULT",
    "Code",
    "MediaType",
    "Picture",
    "PictureEvent",
    "PictureState",
    "Result",
    "Verdict",
    "judged",
    "parse_picture",
    "parse_result",
]
