"""Measures the sequencing engine.

    python -m tests.benchmarks.sequencing [--only roadef csplib …] [--seconds 60] [--jobs 2]

roadef: marks of sets A and B beside their bounds. csplib: violations left. cpsat: marks beside
OR-Tools CP-SAT. repair: a blocked car, resequenced. explode: a call plan beside its plain twin.
All of it takes about three quarters of an hour on two cores; JSON in bench-results/.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable


def main() -> None:
    """Measure and report; exits with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("roadef", "csplib", "cpsat", "repair", "explode")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each search")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="searches at a time")
    parser.add_argument("--instances", nargs="+", default=[], help="parts of their names")
    given = parser.parse_args()
    met = [_measure(part, given)() for part in given.only]
    if not all(met):
        sys.exit(1)


def _measure(part: str, given: argparse.Namespace) -> Callable[[], bool]:
    """Imported where it is asked for: CP-SAT is not installed for the other parts."""
    if part == "roadef":
        from tests.benchmarks.sequencing import roadef

        return lambda: roadef.measure(given.seconds, given.seed, given.jobs, given.instances)
    if part == "csplib":
        from tests.benchmarks.sequencing import csplib

        return lambda: csplib.measure(given.seconds, given.seed)
    if part == "cpsat":
        from tests.benchmarks.sequencing import cpsat

        return lambda: cpsat.measure(given.seconds, given.seed, given.instances)
    if part == "repair":
        from tests.benchmarks.sequencing import repair

        return lambda: repair.measure(given.seed)
    from tests.benchmarks.sequencing import explode

    return explode.measure


if __name__ == "__main__":
    main()
