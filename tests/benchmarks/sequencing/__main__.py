"""Measures the sequencing engine.

    python -m tests.benchmarks.sequencing [--only roadef csplib …] [--seconds 60] [--jobs 2]

roadef: marks of sets A and B beside their bounds. speed: moves a second. csplib: violations left.
cpsat: marks beside OR-Tools CP-SAT. repair: a blocked car, resequenced. explode: a call plan beside
its plain twin. All takes about three quarters of an hour on two cores; JSON in bench-results/.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from tests.benchmarks.sequencing import csplib, explode, repair, roadef, speed


def main() -> None:
    """Measure and report; exits with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    marks: dict[str, float] = {}
    """Reached in this run, so that CP-SAT's need no second search beside them."""
    parts: dict[str, Callable[[argparse.Namespace], bool]] = {
        "roadef": lambda g: roadef.measure(g.seconds, g.seed, g.jobs, g.instances, marks),
        "speed": lambda g: speed.measure(g.seed, g.instances),
        "csplib": lambda g: csplib.measure(g.seconds, g.seed),
        "cpsat": lambda g: _beside_cpsat(g, marks),
        "repair": lambda g: repair.measure(g.seed),
        "explode": lambda _: explode.measure(),
    }
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each search")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="searches at a time")
    parser.add_argument("--instances", nargs="+", default=[], help="parts of their names")
    given = parser.parse_args()
    met = [parts[part](given) for part in given.only]
    if not all(met):
        sys.exit(1)


def _beside_cpsat(given: argparse.Namespace, marks: Mapping[str, float]) -> bool:
    # Imported where it is asked for: the other parts do without the solver.
    from tests.benchmarks.sequencing import cpsat

    return cpsat.measure(given.seconds, given.seed, given.instances, marks)


if __name__ == "__main__":
    main()
