"""What the stations found, written down by themselves: the truth a verifier compares results with.

One append-only JSONL file; each line is one `Finding`. It is written before anybody is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TextIO


@dataclass(frozen=True, slots=True)
class Finding:
    """One characteristic of one part. `value` is None where it was only looked at."""

    station: str
    serial: str
    characteristic: str
    value: float | None
    verdict: Literal["ok", "nok"]


def note(file: TextIO, finding: Finding) -> None:
    """Append one; `file` is buffered by lines."""
    file.write(json.dumps(asdict(finding)) + "\n")


def read_findings(path: Path) -> Iterator[Finding]:
    """Those so far; a last line not yet ended is left out. None if there is no file yet."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield Finding(**json.loads(line))
