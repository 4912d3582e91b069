"""What a value or a result costs, against the bare library, or socket, reading the same device.

    python -m tests.benchmarks.bench_sources [--seconds 8] [--tags 1000] [--kind s7]

A simulated device in a process of its own holds so many floating-point numbers. In turns the bare
library (python-snap7, pymodbus: read, decode, drop) and a source with its journal on disk poll all
of them ten times a second, first while each number changes between two polls, then while none
does; then both as fast as they can: a source polls a hundred times a second at most, so there are
ten times as many numbers, more than it can read so often, which change ten times as seldom. CPU is
that of the process under test alone, from its own /proc entry.

A tightening controller tells its results one by one, each after the acknowledgement of the one
before: twenty a second, then as fast as it is answered. The bare side reads the frames from a
socket and answers at once; a source has made the result durable before, so its rate is that of
commits, and its cost mostly theirs: there is no goal for it. The same holds of a person at the
page of a station, who sends each form after the answer to the one before: the bare side reads the
forms from a socket. A vision system tells its results as events, whoever listens, twenty a second
and then as fast as the simulated one can: the bare side is asyncua, which decodes all but their
structures and drops them.

Files (Q-DAS, and CSV of a drop folder) are another thing: a folder of them is taken, each with its
results onto the disk and into the archive, and beside it the same files are read as a script would
that knows them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import free_port
from tests.benchmarks.files_child import CHARACTERISTICS
from tests.benchmarks.gateway import cpu_s, rss_mib
from tests.benchmarks.report import AtLeast, AtMost, Goal, Row, report
from tests.benchmarks.typist import entering
from tests.edge.plant import Child

POLLED = ("s7", "modbus")
FILED = ("qdas", "drop")
TOLD = {"open_protocol": "open-protocol", "machine_vision": "vision", "manual": None}
"""What tells its results by itself, and how it is simulated."""
KINDS = (*POLLED, *TOLD, *FILED)
SIDES = ("bare", "ours")
FILES, LINES = 20, 100
POLL_S = 0.1
MORE = 10
"""So many times the tags are read as fast as it goes."""
WARM_UP_S = 2.0

GOALS: dict[str, Goal] = {
    **{f"{kind}: CPU per value that changed": AtMost(3) for kind in POLLED},
    **{f"{kind}: CPU per value as before": AtMost(2) for kind in POLLED},
    **{f"{kind}: as fast as it goes": AtLeast(0.5) for kind in POLLED},
    "machine_vision: CPU per result": AtMost(3),
    "machine_vision: CPU per result, as fast as it tells": AtMost(3),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn: values read, samples kept, CPU seconds, wall seconds, resident memory."""

    values: int
    samples: int
    cpu_s: float
    wall_s: float
    rss_mib: float

    @property
    def us_per_value(self) -> float:
        return self.cpu_s / max(1, self.values) * 1e6

    @property
    def per_s(self) -> float:
        return self.values / self.wall_s


@contextmanager
def device(directory: Path, kind: str, *options: str) -> Iterator[int]:
    """A simulated device; gives its port."""
    command = [sys.executable, "-c", "from firmware_sim.cli import main; main()", kind]
    with Child([*command, *options], directory / "device.log") as process:
        address = process.start().split()[1]
        yield int(address.rstrip("/").rpartition(":")[2])


def measured(
    directory: Path, side: str, kind: str, port: int, tags: int, poll_s: float, seconds: float
) -> Measured:
    """One turn of one side."""
    directory.mkdir(exist_ok=True)
    child = Child(
        [sys.executable, "-m", "tests.benchmarks.source_child", side, kind, str(port), str(tags),
         str(poll_s), str(directory)],
        directory / f"{side}.log",
    )  # fmt: skip
    with child:
        child.begin()
        _until_values(child)
        time.sleep(WARM_UP_S)
        first, began, cpu = _last(child), time.monotonic(), cpu_s(child.pid)
        time.sleep(seconds)
        last, wall_s, used_s = _last(child), time.monotonic() - began, cpu_s(child.pid) - cpu
        return Measured(last[0] - first[0], last[1] - first[1], used_s, wall_s, rss_mib(child.pid))


def _until_values(child: Child) -> None:
    deadline = time.monotonic() + 60
    while not _last(child)[0]:
        if time.monotonic() > deadline:
            raise SystemExit(f"no values came\n{child.output}")
        time.sleep(0.1)


def _last(child: Child) -> tuple[int, int]:
    """What it said last: values and samples."""
    lines = [line for line in child.output.split("\n")[:-1] if line[:1].isdigit()]
    values, samples = lines[-1].split() if lines else ("0", "0")
    return int(values), int(samples)


def measure(directory: Path, kind: str, tags: int, seconds: float) -> list[Row]:
    """All rows of one kind."""
    rows = []
    for name, numbers, hz, poll_s in (
        ("CPU per value that changed", tags, 1 / POLL_S, POLL_S),
        ("CPU per value as before", tags, 0.0001, POLL_S),
        ("as fast as it goes", MORE * tags, 1 / POLL_S / MORE, 0.0),
    ):
        options = ("--extra", str(numbers), "--extra-hz", str(hz), "--cycle-s", "1000")
        with device(directory, kind, *options) as port:
            place = directory / name.replace(" ", "-")
            theirs = measured(place, "bare", kind, port, numbers, poll_s, seconds)
            mine = measured(place, "ours", kind, port, numbers, poll_s, seconds)
        what = (
            f"{numbers} tags; ours {mine.per_s:,.0f} values/s, {mine.samples / mine.wall_s:,.0f} "
            f"samples/s on disk, {mine.rss_mib:.0f} MiB; bare {theirs.per_s:,.0f} values/s, "
            f"{theirs.rss_mib:.0f} MiB"
        )
        if poll_s:
            row = Row(f"{kind}: {name}", mine.us_per_value, theirs.us_per_value, "µs", what)
        else:
            row = Row(f"{kind}: {name}", mine.per_s, theirs.per_s, "values/s", what)
        rows.append(row)
    return rows


def measure_results(directory: Path, kind: str, seconds: float) -> list[Row]:
    """The rows of what tells its results by itself."""
    rows = []
    for name, cycle_s in (("CPU per result", 0.05), ("as fast as it goes", 0.001)):
        place = directory / name.replace(" ", "-")
        theirs, mine = (
            _told_results(directory, side, kind, place, cycle_s, seconds) for side in SIDES
        )
        what = (
            f"ours {mine.per_s:,.0f} results/s, {mine.samples / mine.wall_s:,.0f} samples/s on "
            f"disk, {mine.rss_mib:.0f} MiB; bare {theirs.per_s:,.0f} results/s"
        )
        if cycle_s > 0.01:
            row = Row(f"{kind}: {name}", mine.us_per_value, theirs.us_per_value, "µs", what)
        elif kind == "machine_vision":  # it does not wait for whoever listens
            costs = mine.us_per_value, theirs.us_per_value
            row = Row(f"{kind}: CPU per result, as fast as it tells", *costs, "µs", what)
        else:
            row = Row(f"{kind}: {name}", mine.per_s, theirs.per_s, "results/s", what)
        rows.append(row)
    return rows


def _told_results(
    directory: Path, side: str, kind: str, place: Path, cycle_s: float, seconds: float
) -> Measured:
    simulated = TOLD[kind]
    if simulated is None:
        port = free_port()
        with entering(port, cycle_s):
            return measured(place, side, kind, port, 1, 0.0, seconds)
    with device(directory, simulated, "--cycle-s", str(cycle_s)) as port:
        return measured(place, side, kind, port, 1, 0.0, seconds)


def measure_files(directory: Path, kind: str) -> list[Row]:
    """What a result costs that comes in a file."""
    told: dict[str, tuple[int, float, float]] = {}
    for side in ("bare", "ours"):
        folder = directory / side
        folder.mkdir()
        for n in range(FILES):
            name, text = (f"{n}.dfq", _dfq(n)) if kind == "qdas" else (f"{n}.csv", _csv(n))
            (folder / name).write_text(text)
        child = ["-m", "tests.benchmarks.files_child", side, kind, folder, directory]
        command = [sys.executable, *child]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        told[side] = int(said[0]), float(said[1]), float(said[2])
    (count, cpu, wall), (read, bare_cpu, bare_wall) = told["ours"], told["bare"]
    what = (
        f"{FILES} files of {count // FILES} results; ours {count / wall:,.0f} results/s on disk "
        f"and archived; bare {read / bare_wall:,.0f} values/s in memory"
    )
    return [Row(f"{kind}: CPU per result", cpu / count * 1e6, bare_cpu / read * 1e6, "µs", what)]


def _dfq(n: int) -> str:
    described = "".join(
        f"K2002/{c} C{c}\nK2110/{c} 1\nK2111/{c} 3\n" for c in range(1, CHARACTERISTICS + 1)
    )
    lines = "".join(
        "\x0f".join(f"{2 + i % 7 / 10}\x140\x1429.11.2026/{n % 24:02}:{i // 60:02}:{i % 60:02}"
                    for _ in range(CHARACTERISTICS)) + f"\nK0014/0 S{n}-{i}\n"
        for i in range(LINES)
    )  # fmt: skip
    return f"K0100 {CHARACTERISTICS}\nK1001 P\n{described}{lines}"


def _csv(n: int) -> str:
    names = ";".join(f"C{c}" for c in range(1, CHARACTERISTICS + 1))
    rows = "".join(
        f"S{n}-{i};2026-11-29T{n % 24:02}:{i // 60:02}:{i % 60:02}"
        + f";{2 + i % 7 / 10}" * CHARACTERISTICS + "\n"
        for i in range(LINES)
    )  # fmt: skip
    return f"Serial;Time;{names}\n{rows}"


def main() -> int:
    """Measure and report; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--kind", choices=KINDS)
    options = parser.parse_args()
    rows = []
    for kind in [options.kind] if options.kind else KINDS:
        with tempfile.TemporaryDirectory(prefix="bench-sources-") as scratch:
            if kind in POLLED:
                rows += measure(Path(scratch), kind, options.tags, options.seconds)
            elif kind in FILED:
                rows += measure_files(Path(scratch), kind)
            else:
                rows += measure_results(Path(scratch), kind, options.seconds)
    return 0 if report("sources", rows, GOALS) else 1


if __name__ == "__main__":
    sys.exit(main())
