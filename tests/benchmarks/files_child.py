"""One side of the rows of files in `bench_sources`: a source with its journal, or a bare read.

    python -m tests.benchmarks.files_child ours|bare qdas|drop FOLDER DIRECTORY

Takes all files of FOLDER and prints how many values they hold, the CPU seconds of this process and
the wall seconds from the first look to the last value, on the disk or, bare, in a list.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import sys
import time
from pathlib import Path

from edge.journal import JournalSettings, TelemetryJournal
from edge.sources import make_source
from edge.sources.drop import DropSettings
from edge.sources.qdas import QdasSettings
from edge.status import SourceFigures
from tests.benchmarks.source_child import Deaf

CHARACTERISTICS = 10
"""Of each part."""


def settings_of(kind: str, folder: Path) -> QdasSettings | DropSettings:
    """How the source is set up."""
    if kind == "qdas":
        return QdasSettings(kind="qdas", device="room", watch_dir=folder, scan_s=0.05, settle_s=0)
    return DropSettings.model_validate(
        {
            "kind": "drop",
            "device": "room",
            "watch_dir": folder,
            "scan_s": 0.05,
            "settle_s": 0,
            "columns": {"serial": "Serial", "time": "Time"},
            "measured": [
                {"name": f"C{c}", "column": f"C{c}", "lower": 1.0, "upper": 3.0}
                for c in range(1, CHARACTERISTICS + 1)
            ],
        }
    )


async def ours(kind: str, folder: Path, directory: Path) -> int:
    """The source, with a durable journal; every file is archived."""
    journal = TelemetryJournal.open(directory / "journal.sqlite", JournalSettings(keep_free_mb=0))
    figures = SourceFigures("room")
    settings = settings_of(kind, folder)
    running = asyncio.create_task(make_source(settings, journal, Deaf(), figures).run())
    while _waiting(folder):  # noqa: ASYNC110 - looks at a folder
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await journal.close()
    return figures.samples


def _waiting(folder: Path) -> bool:
    return any(path.is_file() for path in folder.iterdir())


def bare(kind: str, folder: Path) -> int:
    """Lines split and turned into numbers, as a script would that knows the files."""
    values: list[float] = []
    for path in folder.iterdir():
        with path.open(encoding="cp1252", newline="") as file:
            if kind == "drop":
                for row in csv.DictReader(file, delimiter=";"):
                    values += [float(row[f"C{c}"]) for c in range(1, CHARACTERISTICS + 1)]
            else:
                for line in file.read().split("\n"):
                    if line and line[0] != "K":
                        values += [float(part.split("\x14")[0]) for part in line.split("\x0f")]
    return len(values)


def main() -> None:
    """Take all of it, once."""
    side, kind, folder, directory = *sys.argv[1:3], Path(sys.argv[3]), Path(sys.argv[4])
    logging.getLogger("edge").setLevel(logging.ERROR)
    began, cpu = time.perf_counter(), time.process_time()
    values = asyncio.run(ours(kind, folder, directory)) if side == "ours" else bare(kind, folder)
    print(values, time.process_time() - cpu, time.perf_counter() - began)


if __name__ == "__main__":
    main()
