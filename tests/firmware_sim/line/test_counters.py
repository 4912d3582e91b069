"""What a PLC counts goes on whoever listens, and over a kill at any moment."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from asyncua import ua

from firmware_sim.line.counters import RUN, RetainedNumbers
from firmware_sim.line.ledger import CallDecision, Entry, Ledger, Result, Sample, read_ledger
from firmware_sim.line.plc import run_line
from firmware_sim.line.recount import uncounted
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import Echo, LineState
from tests.firmware_sim.line.gateway import gateway, until_true

KEY = "P1/SEAT1/0000001/SEAT-FRONT/0"


def counted(ledger: Path) -> dict[str, list[int]]:
    """The values of each counter, in order."""
    found: dict[str, list[int]] = {}
    for entry in read_ledger(ledger):
        if isinstance(entry, Sample) and entry.node.startswith("Line.Counters."):
            found.setdefault(entry.node, []).append(int(entry.value))
    return found


def test_counters_count_on_over_two_lives_with_nobody_listening(tmp_path: Path) -> None:
    settings = LineSettings(
        counters=3, counter_hz=500, ledger=tmp_path / "ledger", state=tmp_path / "state.json"
    )

    async def live(values: int) -> None:
        async with run_line(settings):
            await until_true(
                lambda: all(len(v) >= values for v in counted(tmp_path / "ledger").values())
            )

    asyncio.run(live(20))
    before = counted(tmp_path / "ledger")
    asyncio.run(live(len(before["Line.Counters.Count00"]) + 20))
    after = counted(tmp_path / "ledger")
    assert sorted(after) == [f"Line.Counters.Count{n:02d}" for n in range(3)]
    for node, values in after.items():
        assert values == list(range(1, len(values) + 1))
        assert len(values) >= len(before[node]) + 20


_COUNT_FOR_EVER = """
import sys
from pathlib import Path
from firmware_sim.line.counters import RUN, RetainedNumbers
with RetainedNumbers(Path(sys.argv[1]), 2) as numbers:
    while True:
        numbers[1] += 1
        print(numbers[1], flush=True)
"""


def test_a_retained_number_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    child = subprocess.Popen(
        [sys.executable, "-c", _COUNT_FOR_EVER, path], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(1000)]
    os.kill(child.pid, signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait()
    child.stdout.close()
    with RetainedNumbers(path, 2) as numbers:
        assert numbers[0] == 0
        assert numbers[1] >= said[-1]


def result(no: int) -> Result:
    return Result(no, "produced", KEY, f"S{no}", "", "", 0, 7)


@pytest.mark.parametrize(
    ("counted_before", "missing"),
    [
        ([], [CallDecision, Result, Result]),
        ([CallDecision(KEY, True, False, "", 5)], [Result, Result]),
        ([CallDecision(KEY, True, False, "", 5), result(4)], [Result]),
        ([CallDecision(KEY, True, False, "", 5), result(4), result(5)], []),
    ],
)
def test_what_a_kill_kept_out_of_the_ledger_is_counted_at_the_next_start(
    counted_before: list[Entry], missing: list[type[Entry]], tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for entry in counted_before:
        ledger.add(entry)
    ledger.close()
    state = LineState(echo=Echo(key=KEY, accepted=True, strobe=1), results=[result(4), result(5)])
    assert [type(entry) for entry in uncounted(tmp_path / "ledger", state)] == missing


def test_a_clock_set_back_shows_in_the_source_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LineSettings(counters=1, counter_hz=500, ledger=tmp_path / "ledger")
    now_ns = [1_000_000_000_000_000_000]

    async def live() -> None:
        monkeypatch.setattr("firmware_sim.line.tags.time.time_ns", lambda: now_ns[0])
        async with run_line(settings):
            await until_true(lambda: len(times()) > 5)
            now_ns[0] -= 3_600_000_000_000
            seen = len(times())
            await until_true(lambda: len(times()) > seen + 5)

    def times() -> list[int]:
        return [
            entry.at
            for entry in read_ledger(tmp_path / "ledger")
            if isinstance(entry, Sample) and entry.node == "Line.Counters.Count00"
        ]

    asyncio.run(live())
    steps = [after - before for before, after in zip(times(), times()[1:], strict=False)]
    assert sum(step < 0 for step in steps) == 1
    assert min(steps) < -3_000_000_000  # a counted millisecond each may be ahead
    assert all(step >= 1000 for step in steps if step > 0)


def test_counters_stand_while_they_are_told_to(tmp_path: Path) -> None:
    settings = LineSettings(counters=2, counter_hz=500, ledger=tmp_path / "ledger")

    async def live() -> None:
        async with run_line(settings) as line, gateway(line.endpoint) as gw:
            await until_true(lambda: len(counted(tmp_path / "ledger")) == 2)
            await gw.write(RUN, False, ua.VariantType.Boolean)
            stood = counted(tmp_path / "ledger")
            await asyncio.sleep(0.05)
            assert counted(tmp_path / "ledger") == stood
            await gw.write(RUN, True, ua.VariantType.Boolean)
            await until_true(lambda: counted(tmp_path / "ledger") != stood)

    asyncio.run(live())
