"""A stepped clock moves the time of day of one process, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.clock import SteppedClock, build

_ASK = """
import sys, time
from datetime import UTC, datetime
for _ in sys.stdin:
    print(time.time(), datetime.now(UTC).timestamp(), time.monotonic(), flush=True)
"""


def test_a_step_is_seen_at_once_by_all_ways_to_ask_the_time_and_not_by_the_monotonic_clock(
    tmp_path: Path,
) -> None:
    clock = SteppedClock(build(tmp_path), tmp_path / "offset")
    child = subprocess.Popen(
        [sys.executable, "-c", _ASK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **clock.environment},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    for offset_s in (0.0, 3600.0, -86_400.25):
        clock.set(offset_s)
        before, monotonic_before = time.time(), time.monotonic()
        child.stdin.write("\n")
        child.stdin.flush()
        of_time, of_datetime, monotonic = map(float, child.stdout.readline().split())
        after, monotonic_after = time.time(), time.monotonic()
        # A microsecond for the rounding of a double.
        assert before - 1e-6 <= of_time - offset_s <= after + 1e-6
        assert before - 1e-5 <= of_datetime - offset_s <= after + 1e-5
        assert monotonic_before <= monotonic <= monotonic_after
        assert clock.offset_s == offset_s
    child.communicate()
