"""`python -m deploy.local.screenshot`: the README's picture of the live page, from a real run."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.demo import Screen
from deploy.local.stack import LocalStack, StackSettings, wait_for

DEFAULT_PICTURE = Path(__file__).parents[1] / "page.png"
CARS = 60
CARS_SHOWN = 20
TAKT_S = 2.0
SIZE = (1400, 1420)
LOAD_MS = 8000


def take(picture: Path, chromium: str) -> None:
    """Run the stack until enough is to be seen, and photograph its page."""
    with tempfile.TemporaryDirectory(prefix="lineside-page-") as folder:
        settings = StackSettings(Path(folder), cars=CARS, takt_s=TAKT_S)
        with LocalStack(settings, Screen().say) as stack:
            stack.start_plant()
            wait_for(lambda: cars_passed(stack) >= CARS_SHOWN, timeout_s=120)
            width, height = SIZE
            subprocess.run(
                [
                    *(chromium, "--headless", "--hide-scrollbars", "--disable-gpu"),
                    *(["--no-sandbox"] if os.getuid() == 0 else []),
                    f"--user-data-dir={folder}/chromium",
                    f"--window-size={width},{height}",
                    f"--virtual-time-budget={LOAD_MS}",
                    f"--screenshot={picture.resolve()}",
                    f"{stack.url}#{shown_tag(stack)}",
                ],
                check=True,
                stderr=subprocess.DEVNULL,
            )


def shown_tag(stack: LocalStack) -> int:
    """The tag whose trend is shown: the torque of a tightening station."""
    with stack.database() as database:
        row = database.execute(
            "SELECT id FROM lineside.tag WHERE name = 'Station20/Torque' ORDER BY id"
        ).fetchone()
    return int(row[0]) if row is not None else 1


def cars_passed(stack: LocalStack) -> int:
    """How many cars have passed the control point."""
    stack.check_alive()
    with stack.database() as database:
        row = database.execute("SELECT count(*) FROM lineside.control_point_pass").fetchone()
    return int(row[0]) if row is not None else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Photograph the live page of a running demo.")
    parser.add_argument("--out", type=Path, default=DEFAULT_PICTURE, help="PNG to write")
    chosen = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium", file=sys.stderr)
        return 1
    take(chosen.out, chromium)
    print(f"{chosen.out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
