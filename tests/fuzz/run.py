"""Runs a target in a child with bounds, and sees how it ends: well, with errors, dead, hanging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.mutate import input_at
from tests.fuzz.target import load

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 512 * 1024 * 1024
"""Bytes of address space of a child: what asks for more gets a MemoryError, which is a finding."""
HANG_S = 10.0
"""CPU seconds for one input, which takes far less than a hundredth of it."""
_WAITS = 20
"""So many times as long it may take by the clock: whoever waits for something uses no CPU."""
_NOT_BEGUN = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong, and the input that it takes."""

    what: str
    number: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a target. Figures are 0 if its process did not come to its end."""

    inputs: int
    """That it was fed with."""
    findings: tuple[Finding, ...]
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest_at: int = 0
    """Number of the input that took longest."""
    peak_mib: float = 0.0


def run_target(
    path: str, seed: int, count: int, *, memory: int = MEMORY, hang_s: float = HANG_S
) -> Outcome:
    """Feed a target with `count` inputs."""
    with TemporaryDirectory(prefix="lineside-fuzz-") as name:
        folder = Path(name)
        (folder / "at").write_bytes(_NOT_BEGUN.to_bytes(8))
        asked = [path, str(seed), str(count), str(memory), str(folder)]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", *asked], cwd=ROOT
        ) as child:
            hung = not _ends(child, folder / "at", hang_s)
            if hung:
                child.kill()
        at = _number(folder / "at")
        if at == _NOT_BEGUN:
            raise RuntimeError(f"{path} cannot be fed: its process ended with {child.returncode}")
        if not hung and child.returncode == 0:
            told = json.loads((folder / "result.json").read_text())
            found = [(each["what"], each["number"]) for each in told.pop("findings")]
        else:
            end = f"hung for {hang_s:g} s" if hung else f"its process ended with {child.returncode}"
            told, found, count = {}, [(end, at)], at + 1
    target = load(path)
    findings = (Finding(what, n, input_at(target, seed, n)) for what, n in found)
    return Outcome(count, tuple(findings), **told)


def _ends(child: subprocess.Popen[bytes], at: Path, hang_s: float) -> bool:
    """Wait for its end; False if it stays at one input for so long."""
    last, since, spent = _NOT_BEGUN, 0.0, 0.0
    while True:
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            now = _number(at)
            if now != last or now == _NOT_BEGUN:
                last, since, spent = now, time.monotonic(), _cpu_s(child.pid)
            elif time.monotonic() - since > _WAITS * hang_s or _cpu_s(child.pid) - spent > hang_s:
                return False
        else:
            return True


def _cpu_s(pid: int) -> float:
    """CPU time of a process that was started here and not waited for yet."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _number(at: Path) -> int:
    return int.from_bytes(at.read_bytes(), sys.byteorder)
