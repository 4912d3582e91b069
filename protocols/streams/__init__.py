"""Streams that are committed end to end: the one idea of Lineside, as logic without I/O.

A stream is an ordered log with an epoch and offsets 0, 1, 2 … without gaps. The writer keeps each
record until the reader has committed it to durable storage; whatever carries the messages may lose,
double, delay and reorder them. What holds then:

1. The reader stores its cursor in the transaction of the records: each counts exactly once.
2. Every receipt is answered with the whole cursor, and every connect begins with the writer's
   state, so that no lost message, of either kind, can stall a stream.
3. Only a state opens an epoch, and an epoch that has ended is never opened again.
4. What the writer can no longer give is named (`lost`), and the cursor passes over it.
5. Windows bound what is in flight, `max_ahead` bounds the cursor: memory is flat. The writer sends
   so that a reader with the ranges it counts on (`LEAST_AHEAD`) need not leave a record alone.
6. A backlog leaves at a bounded rate beside what is live, and live never waits for it. Sent oldest
   first, it is taken in that order, whatever gets lost.
"""

from protocols.streams.position import LEAST_AHEAD, Answer, State, draw_epoch
from protocols.streams.ranges import Range, Ranges, contains, count, merged, without
from protocols.streams.reader import Acceptance, Cursor, Opening, read_state
from protocols.streams.writer import Drain, Outcome, Sending, Writer

__all__ = [
    "LEAST_AHEAD",
    "Acceptance",
    "Answer",
    "Cursor",
    "Drain",
    "Opening",
    "Outcome",
    "Range",
    "Ranges",
    "Sending",
    "State",
    "Writer",
    "contains",
    "count",
    "draw_epoch",
    "merged",
    "read_state",
    "without",
]
