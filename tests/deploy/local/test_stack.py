"""The local stack on its own, before the demo makes anything of it."""

from __future__ import annotations

import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack, StackSettings, wait_for
from deploy.local.world import SUPPLIERS
from firmware_sim.line.process import PROCESS_TAGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_no_car_passes_before_each_gateway_reads_its_line() -> None:
    """A line that is called before it is read works on, and what its tags were at first is gone."""
    seat, trim = SUPPLIERS

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
        LocalStack(StackSettings(Path(directory), cars=5, takt_s=1), lambda _: None) as stack,
        ThreadPoolExecutor(1) as pool,
    ):
        gateway = stack.gateways[trim.node].pid
        assert gateway is not None
        os.kill(gateway, signal.SIGSTOP)
        try:
            starting = pool.submit(stack.start_plant)
            assert wait_for(lambda: stored(seat.line) == len(PROCESS_TAGS), 60)
            assert not starting.done()
            assert stack.plant is None
        finally:
            os.kill(gateway, signal.SIGCONT)
        starting.result(60)
        assert stack.plant is not None
        # a device is born once its first values are in the journal; the hub has them a little later
        assert wait_for(lambda: stored(trim.line) == len(PROCESS_TAGS), 60)
