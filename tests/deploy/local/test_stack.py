"""The local stack on its own, before the demo makes anything of it."""

from __future__ import annotations

import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.processes import Process
from deploy.local.stack import LocalStack, StackSettings, wait_for
from deploy.local.world import SUPPLIERS
from firmware_sim.line.process import PROCESS_TAGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
SEAT, TRIM = SUPPLIERS


class HeldStack(LocalStack):
    """One gateway is stopped as soon as it is begun: it has read nothing, however quick it is."""

    def _run(self, process: Process) -> None:
        super()._run(process)
        if process.name == TRIM.node:
            process.signal(signal.SIGSTOP)


def test_no_car_passes_before_each_gateway_reads_its_line() -> None:
    """A line that is called before it is read works on, and what its tags were at first is gone."""

    def stored(line: str) -> int:
        with stack.database() as database:
            (tags,) = database.execute(
                "SELECT count(DISTINCT t.name) FROM lineside.sample s"
                " JOIN lineside.tag t ON t.id = s.tag_id JOIN lineside.device d ON d.id = t.device"
                " WHERE d.name = %s",
                [line],
            ).fetchone() or (0,)
        return int(tags)

    with (
        # pytest's directories are closed to the user that PostgreSQL runs as for root
        tempfile.TemporaryDirectory(prefix="lineside-stack-") as directory,
        HeldStack(StackSettings(Path(directory), cars=5, takt_s=1), lambda _: None) as stack,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            starting = pool.submit(stack.start_plant)
            assert wait_for(lambda: stored(SEAT.line) == len(PROCESS_TAGS), 120)
            assert not starting.done()
            assert stack.plant is None
        finally:
            stack.gateways[TRIM.node].signal(signal.SIGCONT)
        starting.result(180)
        assert stack.plant is not None
        # a device is born once its first values are in the journal; the hub has them a little later
        assert wait_for(lambda: stored(TRIM.line) == len(PROCESS_TAGS), 120)
