"""Feeds one target, in a process of its own: python -m tests.fuzz.child, started by `run`."""

from __future__ import annotations

import json
import logging
import mmap
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

from tests.fuzz.mutate import inputs
from tests.fuzz.target import load

MOST_FINDINGS = 10


def main(path: str, seed: int, count: int, memory: int, folder: Path) -> None:
    """Feed it; `folder` has the file `at` (8 bytes) and gets `result.json`."""
    logging.disable()
    warnings.simplefilter("ignore")
    target = load(path)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    found: dict[str, dict[str, object]] = {}
    refused, slowest, slowest_at = 0, 0.0, 0
    run, refusals, clock = target.run, target.refusals, time.perf_counter
    with (folder / "at").open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        at = memoryview(shared).cast("Q")
        started = clock()
        for number, data in enumerate(inputs(target, seed, 0, count)):
            at[0] = number
            before = clock()
            try:
                run(data)
            except refusals:
                refused += 1
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
                if what not in found and len(found) < MOST_FINDINGS:
                    found[what] = {"what": f"{what}: {error}"[:500], "number": number}
            if (taken := clock() - before) > slowest:
                slowest, slowest_at = taken, number
        seconds = clock() - started
        at.release()
    result = {
        "refused": refused,
        "seconds": seconds,
        "slowest_s": slowest,
        "slowest_at": slowest_at,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "findings": list(found.values()),
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
