"""The results that a journal holds, as a file for a measuring room's software: Q-DAS DFQ."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from edge.journal.looking import JournalFile
from edge.journal.records import SampleBatch
from protocols.aqdef import write
from protocols.aqdef.contents import results_as_content
from protocols.inspection import RESULT, Result, parse_result


def write_dfq(
    journal: JournalFile,
    path: Path,
    first: int,
    after: int,
    *,
    device: str | None = None,
    zone: tzinfo | None = None,
    encoding: str = "utf-8-sig",
) -> int:
    """Write the results in offsets first … after - 1, of one device or all, never over another
    file; `zone` None: that of this machine. Returns how many. Raises `OSError`, `LookError`,
    `UnicodeEncodeError`."""
    found = list(results_in(journal, first, after, device))
    data = write(results_as_content(found, zone)).encode(encoding)
    if str(path) == "-":
        sys.stdout.buffer.write(data)
    else:
        with path.open("xb") as file:
            file.write(data)
    return len(found)


def results_in(
    journal: JournalFile, first: int, after: int, device: str | None
) -> Iterator[Result]:
    """The results in offsets first … after - 1, those that a later release wrote otherwise left
    out. Raises `LookError`."""
    tags = {i for i, tag in journal.tags().items() if tag.name == RESULT}
    for stored in journal.read(first, after):
        record = stored.record
        if not isinstance(record, SampleBatch) or device not in (None, record.device):
            continue
        for position, text in record.others.items():
            if record.tags[position] in tags and isinstance(text, str):
                try:
                    yield parse_result(text)
                except ValueError:
                    continue
