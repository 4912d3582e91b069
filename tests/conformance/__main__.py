"""Play the scenario and print the table: python -m tests.conformance. Exits with 1 if something
fails, or was not seen."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conformance.report import table, verdicts
from tests.conformance.scenario import record
from tests.conformance.verdict import Outcome
from tests.fixtures.postgres import temporary_server


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="lineside-conformance-") as folder,
        temporary_server() as server,
    ):
        recording = asyncio.run(record(Path(folder), server.create("conformance")))
    found = verdicts(recording)
    print(table(found))
    bad = {Outcome.FAIL, Outcome.NOT_SEEN}
    return 1 if any(verdict.outcome in bad for verdict in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
