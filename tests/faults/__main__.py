"""`python -m tests.faults`: faults by seed on the whole of Lineside, and what came of them.

Exit codes: 0 nothing is lost without a gap, doubled or out of order; 1 something is, or a part
failed; 2 a wrong option. What was run stays below its directory only if something was wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local.processes import ProcessError, end_in_order
from tests.faults.disk import own_mounts
from tests.faults.faults import KINDS
from tests.faults.report import as_json, render
from tests.faults.run import ROUND_FAULTS, Run
from tests.faults.stand import Stand, StandSettings

TAKT_S = 4.0
SPARE_S = 600.0
"""Cars are ordered for so much longer than the faults last: calms and the start take their time."""


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=_positive, default=10.0, help="how long faults are made")
    parser.add_argument("--faults", type=int, default=0, help="however long so many faults take")
    parser.add_argument("--seed", type=int, help="same seed, same faults; else drawn and said")
    parser.add_argument("--rate", type=_positive, default=0.6, help="faults per second in a round")
    parser.add_argument("--round", type=int, default=ROUND_FAULTS, help="faults per round")
    parser.add_argument("--gateways", type=int, choices=(1, 2), default=2)
    parser.add_argument(
        "--only", action="append", choices=sorted(KINDS), metavar="KIND", help="these kinds alone"
    )
    parser.add_argument("--directory", type=Path, help="default: .lineside/faults-<time>")
    parser.add_argument("--report", type=Path, help="write the report here, as JSON")
    parser.add_argument("--keep", action="store_true", help="keep all files of a good run too")
    return parser.parse_args(arguments)


def most_s(chosen: argparse.Namespace) -> float:
    """About how long the faults may take, in seconds: a slow machine makes 12 a minute."""
    return max(60.0 * float(chosen.minutes), 5.0 * float(chosen.faults))


def main() -> int:
    chosen = options()
    seed = chosen.seed if chosen.seed is not None else time.time_ns() % 1_000_000
    # Before any thread: mounts of our own go with the last of our processes, however we end.
    mounts = own_mounts()
    end_in_order()
    directory = chosen.directory or Path(".lineside") / f"faults-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    directory = directory.absolute()
    directory.mkdir(parents=True)
    settings = StandSettings(
        directory=directory,
        seed=seed,
        gateways=chosen.gateways,
        takt_s=TAKT_S,
        cars=int((most_s(chosen) * 2 + SPARE_S) / TAKT_S),
        mounts=mounts,
    )
    say = _teller(directory / "run.log")
    asked = {
        "seed": seed,
        "minutes": chosen.minutes,
        "faults": chosen.faults,
        "rate_per_s": chosen.rate,
        "round": chosen.round,
        "gateways": chosen.gateways,
        "only": chosen.only or [],
    }
    say(f"seed {seed}; data and logs in {directory}")
    report = _run(settings, asked, say)
    if report is None:
        return 1
    print(f"\n{render(report)}", flush=True)
    for path in filter(None, (directory / "report.json", chosen.report)):
        path.write_text(json.dumps(report, indent=2) + "\n")
    if report["good"] and not chosen.keep:
        shutil.rmtree(directory)
    else:
        same = f"--minutes {chosen.minutes:g} --faults {chosen.faults}"
        same += f" --rate {chosen.rate:g} --round {chosen.round}"
        only = "".join(f" --only {kind!r}" for kind in chosen.only or ())
        gateways = f"--gateways {chosen.gateways}"
        say(f"again: python -m tests.faults --seed {seed} {same} {gateways}{only}")
    return 0 if report["good"] else 1


def _run(
    settings: StandSettings, asked: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any] | None:
    try:
        with Stand(settings, say) as stand:
            asked |= {
                "broker": stand.broker.kind,
                "disk": stand.cells[0].disk.kind,
            }
            outcome = Run(stand, settings.seed, asked["rate_per_s"], say).run(
                seconds=asked["minutes"] * 60,
                faults=asked["faults"],
                round_faults=asked["round"],
                kinds={n: k for n, k in KINDS.items() if not asked["only"] or n in asked["only"]},
            )
            return as_json(outcome, asked)
    except ProcessError as error:
        say(f"FAILED: {error}")
    except KeyboardInterrupt:
        say("ended; nothing is left running")
    return None


def _teller(path: Path) -> Callable[[str], None]:
    """Says a line on the screen and in a file."""
    began = time.monotonic()
    file = path.open("a", buffering=1)

    def say(text: str) -> None:
        line = f"[{time.monotonic() - began:7.1f} s] {text}"
        print(line, flush=True)
        file.write(f"{datetime.now(UTC):%H:%M:%S.%f} {line}\n")

    return say


def _positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("more than 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
