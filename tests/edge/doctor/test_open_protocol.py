"""What the doctor says of a tightening controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge.doctor import open_protocol
from edge.doctor.finding import Finding
from edge.sources.open_protocol import OpenProtocolSettings
from firmware_sim.device.faults import MisbehaveCommand
from firmware_sim.open_protocol import ControllerSettings, run_controller

pytestmark = pytest.mark.anyio
BY_COMMAND = ControllerSettings(cycle_s=0, name="Station 4711")


async def all_of(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


def settings_for(port: int, **more: Any) -> OpenProtocolSettings:
    return OpenProtocolSettings.model_validate(
        {"kind": "open_protocol", "device": "nut", "host": "127.0.0.1", "port": port} | more
    )


async def test_a_controller_says_what_it_has() -> None:
    async with run_controller(BY_COMMAND) as running:
        found = await all_of(
            open_protocol.look(settings_for(running.port, time_zone="Asia/Tokyo"), running=False)
        )
        assert [f.verdict for f in found] == ["ok", "warning", "ok"]
        assert "Station 4711, Open Protocol 2.8.0, start revision 6" in found[0].what
        assert "link acknowledgements yes" in found[0].what
        assert "set_time: true" in found[1].remedy
        assert "no result yet" in found[2].what
        running.controller.tighten(ok=True)
        found = await all_of(open_protocol.look(settings_for(running.port), running=False))
        assert [f.verdict for f in found] == ["ok", "ok", "ok"]
        assert "revision 7; the newest is 1" in found[2].what
        (left,) = await all_of(open_protocol.look(settings_for(running.port), running=True))
        assert (left.verdict, "running agent" in left.what) == ("warning", True)
    (gone,) = await all_of(open_protocol.look(settings_for(running.port), running=False))
    assert (gone.verdict, "cannot connect" in gone.what) == ("failed", True)


@pytest.mark.parametrize(("spindles", "verdict"), [(3, "ok"), (1, "failed")])
async def test_results_of_several_spindles_are_told_by_their_master(
    spindles: int, verdict: str
) -> None:
    async with run_controller(BY_COMMAND.model_copy(update={"spindles": spindles})) as running:
        settings = settings_for(running.port, multi_spindle=True)
        *_, last = await all_of(open_protocol.look(settings, running=False))
        assert (last.verdict, "several spindles" in last.what) == (verdict, True)


async def test_an_old_controller_and_one_that_speaks_something_else() -> None:
    settings = BY_COMMAND.model_copy(update={"revision": 1})
    async with run_controller(settings) as running:
        running.controller.tighten(ok=True)
        found = await all_of(open_protocol.look(settings_for(running.port), running=False))
        assert "start revision 1, link acknowledgements no" in found[0].what
        assert "revision 1; the newest is 1" in found[2].what
        running.manners.make(MisbehaveCommand(answer="garbage"))
        (odd,) = await all_of(open_protocol.look(settings_for(running.port), running=False))
        assert (odd.verdict, "no Open Protocol" in odd.what) == ("failed", True)
