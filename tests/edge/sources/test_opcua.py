"""The OPC UA source against a real server: what comes into the journal, and what becomes a gap."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import shutil
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua

from deploy.local.ports import free_port
from edge.journal import Gap, SampleBatch
from edge.sources.opcua.connect import node_id
from edge.sources.opcua.publishing import PublishPump
from protocols.sparkplug import DataType
from tests.edge.journal.test_journal import small_files
from tests.edge.sources.plc import START, URI, run_plc, us
from tests.edge.sources.reading import reading, run, settings_for, until

BAD_SENSOR = ua.StatusCodes.BadSensorFailure
UNCERTAIN = ua.StatusCodes.UncertainLastUsableValue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_every_type_comes_into_the_journal_as_it_travels(path: Path) -> None:
    at = datetime(2026, 5, 4, 3, 2, 1, 999000, tzinfo=UTC)
    guid = uuid.UUID("72962b91-fa75-4ae6-8d28-b404dc7daf63")
    v = ua.VariantType
    cases: dict[str, tuple[Any, ua.VariantType, DataType, Any]] = {
        "bool": (True, v.Boolean, DataType.Boolean, 1.0),
        "byte": (200, v.Byte, DataType.Int32, 200.0),
        "int16": (-5, v.Int16, DataType.Int32, -5.0),
        "uint32": (2**32 - 1, v.UInt32, DataType.Int64, 2.0**32 - 1),
        "int64": (2**53, v.Int64, DataType.Int64, 2.0**53),
        "int64_big": (-(2**63), v.Int64, DataType.Int64, -(2**63)),
        "uint64_big": (2**64 - 1, v.UInt64, DataType.UInt64, 2**64 - 1),
        "float": (0.5, v.Float, DataType.Double, 0.5),
        "double": (0.1, v.Double, DataType.Double, 0.1),
        "text": ("00123 é 中", v.String, DataType.String, "00123 é 中"),
        "instant": (at, v.DateTime, DataType.DateTime, 1_777_863_721_999.0),
        "no_instant": (datetime(1601, 1, 1, tzinfo=UTC), v.DateTime, DataType.DateTime, None),
        "array": ([1.5, -0.25], v.Double, DataType.DoubleArray, [1.5, -0.25]),
        "floats": ([0.5, math.inf], v.Float, DataType.FloatArray, [0.5, math.inf]),
        "bools": ([True, False], v.Boolean, DataType.BooleanArray, [True, False]),
        "shorts": ([1, -2], v.Int16, DataType.Int16Array, [1, -2]),
        "longs": ([2**64 - 1], v.UInt64, DataType.UInt64Array, [2**64 - 1]),
        "octets": ([0, 255], v.Byte, DataType.UInt8Array, [0, 255]),
        "empty": ([], v.Int32, DataType.Int32Array, []),
        "texts": (["0042", "中"], v.String, DataType.String, '["0042","中"]'),
        "instants": ([at], v.DateTime, DataType.String, '["2026-05-04T03:02:01.999000+00:00"]'),
        "bytes": (b"\x01\x02", v.ByteString, DataType.String, "AQI="),
        "blobs": ([b"\x01", b""], v.ByteString, DataType.String, '["AQ==",""]'),
        "guid": (guid, v.Guid, DataType.UUID, str(guid)),
        "local": (ua.LocalizedText("Hallo"), v.LocalizedText, DataType.String, "Hallo"),
        "named": (ua.QualifiedName("Speed", 2), v.QualifiedName, DataType.String, "2:Speed"),
        "node": (ua.NodeId.from_string("ns=2;s=x"), v.NodeId, DataType.String, "ns=2;s=x"),
        "status": (
            ua.StatusCode(ua.UInt32(0x80310000)),
            v.StatusCode,
            DataType.String,
            "BadNoCommunication",
        ),
        "range": (
            ua.Range(Low=-1.0, High=2.5),
            v.ExtensionObject,
            DataType.String,
            '{"Low":-1.0,"High":2.5}',
        ),
    }

    async def work() -> None:
        async with run_plc() as plc:
            for name, (value, variant, _, _) in cases.items():
                await plc.add(name, value, variant)
            async with reading(path, settings_for(plc.endpoint, *cases)) as got:
                await until(lambda: all(got.samples(name) for name in cases))
                types = {t.name: t.datatype for t in got.journal.tags()}
                said = {t.name: dict(t.properties)["opcuaType"] for t in got.journal.tags()}
                for name, (sent, variant, datatype, expected) in cases.items():
                    ((time_us, value, quality),) = got.samples(name)
                    assert (name, value, types[name]) == (name, expected, datatype)
                    array = "[]" if isinstance(sent, list) else ""
                    assert said[name] == f"{variant.name}{array}"
                    assert (time_us, quality) == (us(0), 192)

    run(work)


def test_changes_come_in_order_with_quality_unit_and_class(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=0.0, Counter=0) as plc:
            force = {"name": "Force", "node": f"nsu={URI};s=Force", "unit": "kN", "class": "high"}
            async with reading(
                path, settings_for(plc.endpoint, force, "Counter", queue_size=1000)
            ) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for n in range(1, 100):
                    await plc.set("Force", n / 2, at_ms=n)
                await plc.set("Force", 7.0, at_ms=100, status=UNCERTAIN)
                await plc.set("Force", None, ua.VariantType.Null, at_ms=101, status=BAD_SENSOR)
                await plc.set("Counter", 1, at_ms=1)
                await until(lambda: got.values("Counter") == [0.0, 1.0])
                expected: list[tuple[int, Any, int]] = [(us(n), n / 2, 192) for n in range(100)]
                expected += [(us(100), 7.0, 64), (us(101), None, 0)]
                assert got.samples("Force") == expected
                assert not got.gaps
                assert {t.name: t.unit for t in got.journal.tags()} == {
                    "Force": "kN",
                    "Counter": "",
                }
                classes = {
                    tag: record.sample_class.name
                    for record in got.records
                    if isinstance(record, SampleBatch)
                    for tag in record.tags
                }
                assert sorted(classes.values()) == ["HIGH", "NORMAL"]

    run(work)


def test_online_is_said_once_the_first_values_are_in_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when something else is, as what the server's clock says."""
    run_pump = PublishPump.run

    async def work() -> None:
        asked = asyncio.Event()

        async def held(pump: PublishPump) -> None:
            await asked.wait()
            await run_pump(pump)

        monkeypatch.setattr(PublishPump, "run", held)
        async with run_plc(Force=1.0) as plc:
            settings = settings_for(plc.endpoint, "Force")
            async with reading(path, settings) as got:
                await until(lambda: "press/clock" in got.journal.bookmarks)
                await asyncio.sleep(0.1)
                assert got.devices.heard == []
                asked.set()
                await until(lambda: got.devices.heard == ["press online"])
                assert got.values("Force") == [1.0]
            await plc.end_subscriptions()
            # What it tells first is what the journal has: nothing is written, and it is online.
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                assert got.values("Force") == [1.0]

    run(work)


def test_a_filter_drops_what_is_not_worth_a_sample(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=0, Done=0) as plc:
            force = {"name": "Force", "node": "ns=2;s=Force", "scale": 0.1, "deadband": 0.45}
            async with reading(path, settings_for(plc.endpoint, force, "Done")) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for at_ms, raw in enumerate([2, 4, 5, 6, 9, 10, 0], start=1):
                    await plc.set("Force", raw, at_ms=at_ms)
                await plc.set("Done", 1, at_ms=1)
                await until(lambda: got.values("Done") == [0.0, 1.0])
                assert got.values("Force") == [0.0, 0.5, 1.0, 0.0]
                types = {t.name: t.datatype for t in got.journal.tags()}
                assert types == {"Force": DataType.Double, "Done": DataType.Int64}

    run(work)


def test_a_refusal_during_which_the_clock_was_set_back_is_of_the_times_given_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backwards = SimpleNamespace(time_ns=itertools.count(10**18, -(10**9)).__next__)
    monkeypatch.setattr("edge.sources.opcua.subscription.time", backwards)

    async def work() -> None:
        async with (
            run_plc() as plc,
            reading(path, settings_for(plc.endpoint, "Late")) as got,
        ):
            await until(lambda: len(got.gaps) == 1)
            await plc.add("Late", 5.0)
            await until(lambda: len(got.gaps) == 2)
            refused, healed = got.gaps
            assert healed.cause == refused.cause
            assert refused.from_us is not None
            assert healed.from_us is not None
            assert healed.from_us < refused.from_us
            assert healed.to_us == refused.from_us

    run(work)


def test_an_unknown_node_stops_nobody_and_heals(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0) as plc:
            strange = {"name": "Strange", "node": "nsu=urn:nobody;s=x"}
            settings = settings_for(plc.endpoint, "Force", "Late", strange)
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0])
                await plc.set("Force", 2.0, at_ms=1)
                await until(lambda: got.values("Force") == [1.0, 2.0])
                await asyncio.sleep(0.5)  # several tries
                assert [(g.device, g.to_us, g.cause) for g in got.gaps] == [
                    ("press", None, f"tag {name}: node {node} refused: {why}")
                    for name, node, why in (
                        ("Strange", "nsu=urn:nobody;s=x", "the server has no namespace urn:nobody"),
                        ("Late", "ns=2;s=Late", "BadNodeIdUnknown"),
                    )
                ]
                await plc.add("Late", 5.0)
                await until(lambda: set(got.values("Late")) == {5.0})
                await until(lambda: len(got.gaps) > 2)
                healed = got.gaps[2]
                assert healed.cause == got.gaps[1].cause
                assert healed.from_us == got.gaps[1].from_us
                assert healed.to_us is not None

    with caplog.at_level(logging.INFO, logger="edge"):
        run(work)
    said = [r.getMessage() for r in caplog.records if r.name == "edge.sources.opcua.subscription"]
    assert len(said) == 3
    assert "BadNodeIdUnknown; it is tried again every 0.1 s, the other tags go on" in said[1]
    assert said[2].endswith("well again")


def test_a_plc_that_goes_and_comes_back_leaves_one_gap(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    async def work() -> None:
        settings = settings_for(f"opc.tcp://127.0.0.1:{port}/", "Force")
        async with reading(path, settings) as got:
            await asyncio.sleep(1.0)  # several tries
            assert not got.devices.heard
            async with run_plc(port=port, Force=1.0):
                await until(lambda: got.values("Force") == [1.0])
                await until(lambda: got.devices.heard == ["press online"])
            await until(lambda: got.devices.heard == ["press online", "press offline"])
            async with run_plc(port=port, at_ms=60_000, Force=9.0):
                await until(lambda: got.values("Force") == [1.0, 9.0])
                await until(lambda: len(got.devices.heard) == 3)
            (gap,) = got.gaps
            assert (gap.device, gap.from_us, gap.to_us) == ("press", us(0), us(60_000))
            assert gap.cause.startswith("connection lost: ")

    with caplog.at_level(logging.WARNING, logger="edge"):
        run(work)
    failures = [r.getMessage() for r in caplog.records if r.name == "edge.supervise"]
    assert 1 <= len(failures) <= 2
    assert f"opc.tcp://127.0.0.1:{port}/" in failures[0]


def test_a_restarted_agent_goes_on_with_its_subscription(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0, Still=0.0) as plc:
            settings = settings_for(plc.endpoint, "Force", "Still")
            async with reading(path, settings) as got:
                await until(lambda: bool(got.values("Force") and got.values("Still")))
            async with reading(path, settings) as got:  # nothing has changed: no gap
                await until(lambda: got.devices.heard == ["press online"])
                await plc.set("Force", 2.0, at_ms=5)
                await until(lambda: got.values("Force") == [1.0, 2.0])
                assert not got.gaps
            await plc.set("Force", 3.0, at_ms=7000)
            await plc.set("Force", 4.0, at_ms=8000)
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0, 2.0, 3.0, 4.0])
                assert got.values("Still") == [0.0]
                assert not got.gaps

    run(work)


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_filter_dropped_before_a_restart_was_not_missed(path: Path, killed: bool) -> None:
    """Killed: what the agent would have written when it was stopped is not there."""

    async def work() -> None:
        async with run_plc(Force=0.0) as plc:
            force = {"name": "Force", "node": "ns=2;s=Force", "deadband": 1.0}
            settings = settings_for(plc.endpoint, force)
            then = path
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for at_ms in (1, 2, 3):
                    heard_us = got.figures.last_heard_us
                    await plc.set("Force", at_ms / 10, at_ms=at_ms)
                    await until(lambda was=heard_us: got.figures.last_heard_us != was)  # type: ignore[misc]
                if killed:
                    then = path.with_name("then.sqlite")
                    for part in ("", "-wal"):
                        shutil.copy(f"{path}{part}", f"{then}{part}")
            async with reading(then, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                await plc.set("Force", 5.0, at_ms=5)
                await until(lambda: got.values("Force")[-1:] == [5.0])
                assert not got.gaps
                assert got.figures.missed_messages == 0

    run(work)


def test_the_number_of_what_a_filter_dropped_is_kept_after_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.opcua.source._PASSED_S", 0.0)

    async def work() -> None:
        async with run_plc(Force=0.0) as plc:
            force = {"name": "Force", "node": "ns=2;s=Force", "deadband": 1.0}
            async with reading(path, settings_for(plc.endpoint, force)) as got:
                await until(lambda: got.devices.heard == ["press online"])

                def taken() -> int:
                    return int(got.journal.bookmarks["press"].split()[0])

                before = taken()
                await plc.set("Force", 0.1, at_ms=1)
                await until(lambda: taken() > before)
                assert got.values("Force") == [0.0]

    run(work)


def test_a_restarted_agent_whose_subscription_is_gone_names_what_it_missed(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0, Still=0.0) as plc:
            settings = settings_for(plc.endpoint, "Force", "Still")
            async with reading(path, settings) as got:
                await until(lambda: bool(got.values("Force") and got.values("Still")))
            await plc.end_subscriptions()
            async with reading(path, settings) as got:  # nothing has changed: no gap
                await until(lambda: got.devices.heard == ["press online"])
                await plc.set("Force", 2.0, at_ms=5)
                await until(lambda: got.values("Force") == [1.0, 2.0])
                assert not got.gaps
            await plc.end_subscriptions()
            await plc.set("Force", 3.0, at_ms=7000)
            await plc.set("Force", 4.0, at_ms=8000)
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0, 2.0, 4.0])
                assert got.values("Still") == [0.0]
                assert got.gaps == [Gap("press", us(5), us(8000), "agent stopped")]

    run(work)


def test_an_overflowing_queue_is_a_gap(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=0.0) as plc:
            settings = settings_for(plc.endpoint, "Force", queue_size=3, publishing_ms=300)
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for n in range(1, 21):
                    await plc.set("Force", float(n), at_ms=n)
                await until(lambda: bool(got.values("Force")[-1] == 20.0))
                held = [value for value in got.values("Force") if value]
                assert len(held) < 20
                lost = set(map(float, range(1, 21))) - set(held)
                assert all("OPC UA queue overflow: Force" in gap.cause for gap in got.gaps)
                for value in lost:
                    assert any(
                        g.from_us is not None
                        and g.to_us is not None
                        and g.from_us <= us(int(value)) <= g.to_us
                        for g in got.gaps
                    )

    run(work)


def test_a_full_disk_is_felt_by_the_plc_and_loses_nothing(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Text="") as plc:
            settings = settings_for(plc.endpoint, "Text")
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                texts = [f"{n:03}" + "x" * 5000 for n in range(60)]
                with small_files(150_000):
                    for n, text in enumerate(texts):
                        await plc.set("Text", text, at_ms=n + 1)
                        await asyncio.sleep(0.02)
                    await until(lambda: got.journal.full)
                    assert len(got.values("Text")) < 60
                await until(lambda: got.values("Text") == ["", *texts])
                assert {g.cause for g in got.gaps} == {"gateway disk full"}

    run(work)


def test_a_disk_that_is_full_from_the_start_is_not_the_plcs_silence(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.sources.opcua.source._SILENCE_S", 0.1)
    text = "x" * 200_000

    async def work() -> None:
        async with run_plc(Text=text) as plc, AsyncExitStack() as stack:
            with small_files(90_000):
                settings = settings_for(plc.endpoint, "Text")
                got = await stack.enter_async_context(reading(path, settings))
                await until(lambda: got.journal.full)
                await asyncio.sleep(0.5)
                assert got.devices.heard == []
            await until(lambda: got.devices.heard == ["press online"])
            assert got.values("Text") == [text]
        assert "said nothing" not in caplog.text

    run(work)


def test_a_source_without_tags_is_online_for_its_hand_over(path: Path) -> None:
    async def work() -> None:
        async with run_plc() as plc, reading(path, settings_for(plc.endpoint)) as got:
            await until(lambda: got.devices.heard == ["press online"])
            assert got.journal.state.next == 0

    run(work)


def test_node_ids() -> None:
    namespaces = ["http://opcfoundation.org/UA/", "urn:gateway", URI]
    assert node_id(f"nsu={URI};s=a;b", namespaces) == node_id("ns=2;s=a;b", namespaces)
    assert node_id("i=2258", namespaces) == ua.NodeId.from_string("i=2258")
    with pytest.raises(ValueError, match="no namespace urn:other"):
        node_id("nsu=urn:other;i=1", namespaces)
    assert START.tzinfo is UTC
