"""Several servers with the same tags: which one is read while their service levels change."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import ua

from edge.sources.opcua import redundancy
from tests.edge.sources.plc import Plc, run_plc
from tests.edge.sources.reading import reading, settings_for, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def say(plc: Plc, level: int) -> None:
    """Let a server say how well it is."""
    node = plc.server.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServiceLevel)))
    await node.write_value(ua.Variant(level, ua.VariantType.Byte))


async def test_the_server_in_use_is_left_when_it_has_no_data_or_another_is_healthier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redundancy, "LOOK_S", 0.02)
    monkeypatch.setattr(redundancy, "LOOK_ELSEWHERE_S", 0.1)
    async with run_plc(Force=1.0) as first, run_plc(Force=2.0, at_ms=1) as second:
        settings = settings_for(first.endpoint, "Force", more_endpoints=[second.endpoint])
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.values("Force") == [1.0])
            await say(first, 0)
            await until(lambda: got.values("Force") == [1.0, 2.0] and bool(got.gaps))
            assert got.figures.endpoint == second.endpoint
            assert "has no data (service level 0)" in got.gaps[0].cause

            # Both degraded: it stays, though the other is less so. It goes once that is healthy.
            await say(second, 100)
            await say(first, 199)
            await second.set("Force", 3.0, at_ms=2)
            await until(lambda: got.values("Force")[-1] == 3.0)
            assert got.devices.heard == ["press online", "press offline", "press online"]
            await first.set("Force", 4.0, at_ms=3)
            await say(first, 200)
            await until(lambda: got.values("Force")[-1] == 4.0)
            assert got.figures.endpoint == first.endpoint
            assert "another server is healthy (service level 100 here)" in got.gaps[-1].cause
