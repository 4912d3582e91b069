"""The telemetry journal: samples stay on this disk until the hub has committed them.

It is the writer's log of the telemetry stream (`protocols.streams`), one SQLite file. What holds:

1. One row is one batch: samples of one device and one class, or one gap. One row, one offset.
2. Offsets are 0, 1, 2 … without gaps. From `first_kept` to `next` each offset is either a row or
   inside exactly one tombstone; below `first_kept` there is nothing.
3. `append` returns after the row is on disk: WAL, `synchronous=FULL`, one commit for all that came
   within `commit_ms`. What was acknowledged survives `kill -9` and a power cut.
4. The epoch is drawn when the file is created, and anew when the hub has more of it than the file
   ever held. Another file is another epoch, never merged.
5. Each row has a checksum. A row that does not match, or is missing, becomes a tombstone when it is
   read; so do the last commits if the write-ahead log does not give them back. No row is ever read
   as another than the one that was written.
6. Committed rows are let go oldest first, after `retain_committed_h`. Above the quota, committed
   rows go first, then the lowest class, oldest first; what was not committed leaves a tombstone, as
   does what grows older than `max_age_h`. Neighbouring tombstones of one cause are one; where there
   are very many, all neighbours are.
7. When little disk is free the journal grows no more: damaged files go, then it evicts as much as
   comes in. The last `reserve_mb` are for calls and events: there, or when SQLite cannot write at
   all, appends wait (the source feels it), and a gap says so afterwards.
8. A file that SQLite cannot read is set aside under another name and a new one is begun, with a
   gap that says so. The agent starts whatever the file holds.
9. The last source time of each tag survives restarts without a write per sample: it is stored
   every few seconds and before rows go, and rows after that are read again on opening.
10. Memory holds the tags and what is on its way in, never the rows: it is the same after an hour
   and after a year without the hub.

Layout of the file: `schema.sql`; of a row's body: `body.py`.
"""

from edge.journal.errors import DirectoryInUseError, JournalClosedError, JournalError
from edge.journal.journal import TelemetryJournal
from edge.journal.lock import DirectoryLock
from edge.journal.records import Gap, Lost, Origin, SampleBatch, SampleClass, Stored, Tag
from edge.journal.settings import JournalSettings

__all__ = [
    "DirectoryInUseError",
    "DirectoryLock",
    "Gap",
    "JournalClosedError",
    "JournalError",
    "JournalSettings",
    "Lost",
    "Origin",
    "SampleBatch",
    "SampleClass",
    "Stored",
    "Tag",
    "TelemetryJournal",
]
