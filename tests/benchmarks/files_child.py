"""One side of the Q-DAS rows of `bench_sources`: a source with its journal, or a bare read.

    python -m tests.benchmarks.files_child ours|bare FOLDER DIRECTORY

Takes all files of FOLDER and prints how many values they hold, the CPU seconds of this process and
the wall seconds from the first look to the last value, on the disk or, bare, in a list.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

from edge.journal import JournalSettings, TelemetryJournal
from edge.sources import make_source
from edge.sources.qdas import QdasSettings
from edge.status import SourceFigures
from tests.benchmarks.source_child import Deaf


async def ours(folder: Path, directory: Path) -> int:
    """The source, with a durable journal; every file is archived."""
    journal = TelemetryJournal.open(directory / "journal.sqlite", JournalSettings(keep_free_mb=0))
    figures = SourceFigures("room")
    settings = QdasSettings(kind="qdas", device="room", watch_dir=folder, scan_s=0.05, settle_s=0)
    running = asyncio.create_task(make_source(settings, journal, Deaf(), figures).run())
    while not _empty(folder):  # noqa: ASYNC110 - looks at a folder
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await journal.close()
    return figures.samples


def _empty(folder: Path) -> bool:
    return not any(folder.glob("*.dfq"))


def bare(folder: Path) -> int:
    """Value lines split and turned into numbers, as a script would that knows the files."""
    values = []
    for path in folder.glob("*.dfq"):
        for line in path.read_text(encoding="cp1252").split("\n"):
            if line and line[0] != "K":
                values += [float(portion.split("\x14")[0]) for portion in line.split("\x0f")]
    return len(values)


def main() -> None:
    """Take all of it, once."""
    side, folder, directory = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    logging.getLogger("edge").setLevel(logging.ERROR)
    began, cpu = time.perf_counter(), time.process_time()
    values = asyncio.run(ours(folder, directory)) if side == "ours" else bare(folder)
    print(values, time.process_time() - cpu, time.perf_counter() - began)


if __name__ == "__main__":
    main()
