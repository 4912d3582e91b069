"""What the compiled and the plain row builder share: the frame of COPY BINARY, and what can fail.

A row is 16-bit number of fields, then per field a 32-bit length (-1 for null) and the value, all in
network byte order: int4 tag_id, timestamptz time (int64 microseconds since 2000-01-01 UTC),
float8 value, text text, int2 quality, bool historical, timestamptz server_time, bool from_history.
"""

from __future__ import annotations

from typing import Final

COLUMNS: Final = "tag_id, time, value, text, quality, historical, server_time, from_history"
"""Of table `sample`, in the order of a row."""

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

NOT_STORED: Final = 0
"""Tag id of a metric that a birth names and that is no sample: it is passed over."""


class UnknownAliasError(LookupError):
    """A metric by an alias, or by a name, that no birth has named."""

    def __init__(self, metric: int | str) -> None:
        what = f"name {metric!r}" if isinstance(metric, str) else f"alias {metric}"
        super().__init__(f"no birth names the {what}")
