"""`python -m deploy.local`: the demo. Exit codes: 0 all arrived once, 1 not so, or a part failed,
2 a wrong option, 130 ended by Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.broker import EmbeddedBroker
from deploy.local.demo import Screen, exit_code, run
from deploy.local.full_line import FullLineStack
from deploy.local.processes import end_in_order
from deploy.local.stack import BROKERS, LocalStack, StackSettings

DEFAULT_CARS = 60
DEFAULT_TAKT_S = 1.4
STACKS = {"plain": LocalStack, "full": FullLineStack}


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="One plant, two suppliers, every call and every sample, on this machine.",
    )
    parser.add_argument("--cars", type=_positive_int, default=DEFAULT_CARS, help="cars to build")
    parser.add_argument("--takt", type=_takt, default=DEFAULT_TAKT_S, help="seconds per car")
    parser.add_argument(
        "--orders", type=Path, help="ROADEF 2005 instance folder or CSV file; generated if absent"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the generated orders")
    parser.add_argument(
        "--line",
        choices=sorted(STACKS),
        default="plain",
        help="full: the first supplier's line has thirteen stations, one of each kind",
    )
    parser.add_argument("--broker", choices=sorted(BROKERS), default=EmbeddedBroker.kind)
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument(
        "--directory", type=Path, help="where data and logs go; default .lineside/demo-<time>"
    )
    found = parser.parse_args(arguments)
    if found.orders is not None and not found.orders.exists():
        parser.error(f"--orders: there is no {found.orders}")
    return found


def main() -> int:
    chosen = options()
    # The parts' own logs go to files; here only what the demo cannot go on with.
    logging.basicConfig(level=logging.ERROR)
    end_in_order()
    directory = chosen.directory or _fresh_directory()
    screen = Screen()
    screen.say(f"data and logs in {directory}")
    settings = StackSettings(
        directory=directory,
        cars=chosen.cars,
        takt_s=chosen.takt,
        orders=chosen.orders,
        broker=chosen.broker,
        seed=chosen.seed,
    )
    stack = STACKS[chosen.line](settings, screen.say)
    return exit_code(lambda: run(stack, keep=chosen.keep, screen=screen), screen)


def _fresh_directory() -> Path:
    return Path(".lineside") / f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _takt(text: str) -> float:
    seconds = float(text)
    if not 0.05 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("from 0.05 to 3600 seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
