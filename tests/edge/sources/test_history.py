"""What is lost is filled in from the history of asyncua's own server, which ends its answers
without a word when they are as long as asked for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.journal import SampleBatch
from edge.journal.records import Origin
from tests.edge.sources.plc import run_plc
from tests.edge.sources.reading import reading, settings_for, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_lost_subscription_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.opcua.history.VALUES_PER_NODE", 7)
    monkeypatch.setattr("edge.sources.opcua.source._SILENCE_S", 1.0)
    async with run_plc(Force=0.0, Torque=0.0) as plc:
        for name in ("Force", "Torque"):
            period = timedelta(days=10_000)  # the values are of a day long past
            await plc.server.historize_node_data_change(plc.nodes[name], period)
        service = plc.server.iserver.subscription_service
        historians = set(service.subscriptions)
        settings = settings_for(plc.endpoint, "Force", "Torque", timeout_s=30)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.values("Torque") == [0.0])
            create, all_set = service.create_subscription, asyncio.Event()

            async def create_later(*asked: Any, **more: Any) -> Any:
                await all_set.wait()
                return await create(*asked, **more)

            service.create_subscription = create_later  # type: ignore[method-assign]
            await service.delete_subscriptions([*service.subscriptions.keys() - historians])
            for n in range(1, 60):
                await plc.set("Force", float(n), at_ms=1000 * n)
                if n % 10 == 0:
                    await plc.set("Torque", float(n), at_ms=1000 * n)
            all_set.set()
            await until(lambda: len(got.devices.heard) == 3)
            for name in ("Force", "Torque"):
                await plc.set(name, 60.0, at_ms=60_000)
            await until(lambda: len(got.values("Force")) == 61 and len(got.values("Torque")) == 7)
            assert sorted(got.values("Force")) == [float(n) for n in range(61)]
            assert sorted(got.values("Torque")) == [float(n) for n in range(0, 61, 10)]
            old = [r for r in got.records if isinstance(r, SampleBatch) and len(r)]
            filled = [r for r in old if r.origin is Origin.HISTORY]
            assert sum(map(len, filled)) == got.figures.backfilled > 40
            assert not got.gaps
