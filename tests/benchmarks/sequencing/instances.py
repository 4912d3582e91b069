"""The public instances, where they are at hand (`tests/fixtures/instances.py` says where that is),
and the judges that stand beside them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.fixtures import instances

KNOWN_BEST = {"6-76": 6, "10-93": 3, "19-71": 2, "21-90": 2, "36-92": 2}
"""Fewest violations known of the classics that cannot be satisfied (CSPLib prob001, result1.md)."""


def roadef_folders(only: Iterable[str] = ()) -> list[Path]:
    """Instance folders of sets A and B; those whose path holds one of the words of `only`."""
    words = tuple(only)
    return [
        folder
        for folder in instances.roadef_folders()
        if not words or any(word in f"{folder.parent.name}/{folder.name}" for word in words)
    ]


def bounds() -> dict[str, int]:
    """The mark to beat, by instance."""
    with (instances.ROADEF / "bounds.csv").open(newline="") as file:
        return {row["instance"]: int(row["mark"]) for row in csv.DictReader(file)}


def judged_mark(folder: Path, production_numbers: Iterable[str]) -> int | None:
    """The mark that the independent scorer gives; None where it is not at hand.

    Raises `subprocess.CalledProcessError` if it refuses the sequence, `ValueError` if it finds a
    paint batch too long.
    """
    answer = _judge("score_roadef.py", folder, production_numbers, "--json")
    if answer is None:
        return None
    found = json.loads(answer)
    if not found["feasible"]:
        raise ValueError(f"{folder.name}: the judge finds a paint batch too long")
    return int(found["mark"])


def judged_excess(file: Path, classes: Iterable[int]) -> int | None:
    """The excess that the independent scorer of CSPLib gives; None where it is not at hand."""
    answer = _judge("score_csplib.py", file, map(str, classes))
    return None if answer is None else int(answer.split()[1])


def _judge(tool: str, instance: Path, lines: Iterable[str], *flags: str) -> str | None:
    if not (instances.TOOLS / tool).exists():
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        run = subprocess.run(
            [sys.executable, str(instances.TOOLS / tool), str(instance), file.name, *flags],
            capture_output=True,
            text=True,
            check=True,
        )
    return run.stdout
