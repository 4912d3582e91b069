"""What is lost is filled in from the history of asyncua's own server, which ends its answers
without a word when they are as long as asked for, and says how to go on when they are as long as it
gives them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from math import nan
from pathlib import Path
from typing import Any

import pytest

from edge.journal import SampleBatch
from edge.journal.records import Origin
from tests.edge.sources.plc import START, Plc, run_plc, us
from tests.edge.sources.reading import reading, settings_for, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def kept(*names: str) -> AsyncIterator[Plc]:
    """A server that keeps the history of these variables, each 0 at first."""
    async with run_plc() as plc:
        for name in names:
            await plc.add(name, 0.0)
            period = timedelta(days=10_000)  # the values are of a day long past
            await plc.server.historize_node_data_change(plc.nodes[name], period)
        yield plc


@asynccontextmanager
async def unheard(plc: Plc) -> AsyncIterator[None]:
    """The source's subscription is lost, and meanwhile it gets no other one."""
    service = plc.server.iserver.subscription_service
    own = plc.server.iserver.isession.session_id
    create, may_create = service.create_subscription, asyncio.Event()

    async def create_later(*asked: Any, **more: Any) -> Any:
        await may_create.wait()
        return await create(*asked, **more)

    service.create_subscription = create_later  # type: ignore[method-assign]
    try:
        lost = [n for n, of in service.subscriptions.items() if of.session_id != own]
        await service.delete_subscriptions(lost)
        yield
    finally:
        service.create_subscription = create  # type: ignore[method-assign]
        may_create.set()


async def test_a_lost_subscription_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.opcua.history.VALUES_PER_NODE", 7)
    monkeypatch.setattr("edge.sources.opcua.source._SILENCE_S", 1.0)
    async with kept("Force", "Torque") as plc:
        settings = settings_for(plc.endpoint, "Force", "Torque", timeout_s=30)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.values("Torque") == [0.0])
            async with unheard(plc):
                for n in range(1, 60):
                    await plc.set("Force", float(n), at_ms=1000 * n)
                    if n % 10 == 0:
                        await plc.set("Torque", float(n), at_ms=1000 * n)
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


@pytest.mark.parametrize("tells", [False, True], ids=["cut off", "continued"])
async def test_values_of_one_instant_in_two_answers_are_each_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    monkeypatch.setattr("edge.sources.opcua.source._SILENCE_S", 1.0)
    async with kept("Force") as plc:
        if tells:
            plc.server.iserver.history_manager.storage.max_history_data_response_size = 7
        else:
            monkeypatch.setattr("edge.sources.opcua.history.VALUES_PER_NODE", 7)
        settings = settings_for(plc.endpoint, "Force", timeout_s=30)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.values("Force") == [0.0])
            async with unheard(plc):
                for n in range(1, 30):
                    # The last of each answer, with which the next one begins, and one more.
                    await plc.set("Force", float(n), at_ms=1000 * (n - (n > 1 and n % 6 == 1)))
            await until(lambda: len(got.devices.heard) == 3)
            await plc.set("Force", 30.0, at_ms=30_000)
            await until(lambda: 30.0 in got.values("Force") and len(got.values("Force")) >= 31)
            assert sorted(got.values("Force")) == [float(n) for n in range(31)]
            assert not got.gaps


@pytest.mark.parametrize("stamps", [False, True], ids=["NaN", "stamped anew"])
async def test_a_value_that_two_answers_have_comes_once_though_it_is_not_equal_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamps: bool
) -> None:
    monkeypatch.setattr("edge.sources.opcua.history.VALUES_PER_NODE", 7)
    monkeypatch.setattr("edge.sources.opcua.source._SILENCE_S", 1.0)
    async with kept("Force") as plc:
        storage = plc.server.iserver.history_manager.storage
        read, answers = storage.read_node_history, itertools.count(1)

        async def stamped(*asked: Any) -> Any:
            values, more = await read(*asked)
            at: Any = START + timedelta(seconds=next(answers))
            return [replace(value, ServerTimestamp=at) for value in values], more

        if stamps:
            monkeypatch.setattr(storage, "read_node_history", stamped)
        settings = settings_for(plc.endpoint, "Force", timeout_s=30)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.values("Force") == [0.0])
            async with unheard(plc):
                for n in range(1, 30):
                    await plc.set("Force", float(n) if stamps else nan, at_ms=1000 * n)
            await until(lambda: len(got.devices.heard) == 3)
            await plc.set("Force", 30.0, at_ms=30_000)
            await until(lambda: 30.0 in got.values("Force") and len(got.values("Force")) >= 31)
            times_us = sorted(time_us for time_us, _, _ in got.samples("Force"))
            assert times_us == [us(1000 * n) for n in range(31)]
            assert not got.gaps
