"""`make fuzz`: inputs for every decoder, and what came of them: time, memory, findings.

python -m tests.fuzz --inputs 10000000 --seed 1
python -m tests.fuzz --only edifact --seed 1 --number 4711    one input again, in this process
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.report import AtLeast, AtMost, NoLessThan, NoMoreThan, Row, report
from tests.fuzz.mutate import input_at
from tests.fuzz.run import MEMORY, Outcome, run_target
from tests.fuzz.target import SHARES, load, name_of

_MIB = 1024 * 1024


def main() -> int:
    """0 if nothing was found."""
    known = {name_of(path): path for path in SHARES}
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", choices=known, help="this target alone")
    parser.add_argument("--number", type=int, help="this input alone, shown; needs --only")
    parser.add_argument("--at-once", type=int, default=2, help="targets fed at the same time")
    asked = parser.parse_args()
    seed = int(time.time()) if asked.seed is None else asked.seed
    chosen = [known[asked.only]] if asked.only else list(SHARES)
    if asked.number is not None:
        if not asked.only:
            parser.error("--number needs --only")
        return _again(chosen[0], seed, asked.number)
    print(f"seed {seed}", flush=True)
    whole = sum(SHARES[path] for path in chosen)
    with ThreadPoolExecutor(asked.at_once) as pool:
        running = {
            path: pool.submit(run_target, path, seed, -(-asked.inputs * SHARES[path] // whole))
            for path in chosen
        }
        outcomes = {path: each.result() for path, each in running.items()}
    for path, outcome in outcomes.items():
        for finding in outcome.findings:
            print(f"\n{name_of(path)}, input {finding.number}: {finding.what}")
            print(f"  {finding.data.hex()}")
            print(
                f"  again: python -m tests.fuzz --only {name_of(path)} --seed {seed} "
                f"--number {finding.number}"
            )
    return 0 if _reported(outcomes, seed, asked.inputs) else 1


def _again(path: str, seed: int, number: int) -> int:
    target = load(path)
    data = input_at(target, seed, number)
    print(data.hex())
    try:
        print(repr(target.run(data))[:2000])
    except target.refusals as error:
        print(f"refused: {error!r}")
    return 0


def _reported(outcomes: dict[str, Outcome], seed: int, wanted: int) -> bool:
    rows = [
        Row("inputs", sum(o.inputs for o in outcomes.values()), None, "", f"seed {seed}"),
        Row("findings", sum(len(o.findings) for o in outcomes.values()), None, ""),
        Row("peak memory", max(o.peak_mib for o in outcomes.values()), None, "MiB"),
    ]
    goals: dict[str, AtLeast | AtMost | NoLessThan | NoMoreThan] = {
        "inputs": NoLessThan(wanted),
        "findings": NoMoreThan(0),
        "peak memory": NoMoreThan(MEMORY / _MIB),
    }
    for path, o in outcomes.items():
        note = (
            f"{o.seconds:.1f} s, {o.refused / o.inputs:.0%} refused, {o.peak_mib:.0f} MiB at most, "
            f"slowest {1000 * o.slowest_s:.1f} ms (input {o.slowest_at}), "
            f"{len(o.findings)} findings"
        )
        rows.append(Row(name_of(path), o.inputs, None, "inputs", note))
    return report("fuzz", rows, goals)


if __name__ == "__main__":
    sys.exit(main())
