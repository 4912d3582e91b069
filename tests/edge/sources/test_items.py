"""What a server is asked of a tag, and what is left of it where it refuses."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from edge.journal import JournalSettings, TelemetryJournal
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.items import Items
from edge.sources.opcua.tags import TagSettings
from firmware_sim.line.subscriptions import PlcMonitoredItems
from tests.edge.sources.plc import run_plc, us
from tests.edge.sources.reading import reading, run, settings_for, until

NODE = ua.NodeId.from_string("ns=2;s=Force")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def asked(request: ua.MonitoredItemCreateRequest) -> tuple[Any, ...] | None:
    """(trigger, kind of deadband, its figure) of a request; None without a filter."""
    wanted = request.RequestedParameters.Filter
    if wanted is None:
        return None
    return wanted.Trigger.name, ua.DeadbandType(wanted.DeadbandType).name, wanted.DeadbandValue


STEPS: list[tuple[dict[str, Any], float | None, list[tuple[Any, ...] | None]]] = [
    ({}, None, [None]),
    ({"deadband": 0.5}, None, [None]),
    (
        {"deadband": 0.5, "scale": -0.1, "deadband_at": "server"},
        None,
        [("StatusValue", "Absolute", 5.0), None],
    ),
    ({"deadband": 0, "deadband_at": "server"}, None, [None]),
    ({"deadband": 1, "deadband_at": "server", "heartbeat_s": 5}, None, [None]),
    (
        {"deadband_percent": 2, "deadband_at": "server"},
        50.0,
        [("StatusValue", "Percent", 2.0), ("StatusValue", "Absolute", 1.0), None],
    ),
    (
        {"deadband_percent": 2, "deadband_at": "server"},
        None,
        [("StatusValue", "Percent", 2.0), None],
    ),
    ({"deadband_percent": 2}, 50.0, [None]),
    ({"trigger": "status"}, None, [("Status", "None_", 0.0), None]),
    (
        {"trigger": "status_value_timestamp"},
        None,
        [("StatusValueTimestamp", "None_", 0.0), None],
    ),
]


@pytest.mark.parametrize(("tag", "width", "steps"), STEPS)
def test_each_refusal_asks_for_less_until_nothing_is_left(
    path: Path,
    caplog: pytest.LogCaptureFixture,
    tag: dict[str, Any],
    width: float | None,
    steps: list[tuple[Any, ...] | None],
) -> None:
    async def work() -> None:
        settings = settings_for("opc.tcp://x:1", {"name": "Force", "node": "ns=2;s=Force", **tag})
        journal = TelemetryJournal.open(path, JournalSettings(keep_free_mb=0))
        items = Items(settings, Intake(settings, journal))
        if width is not None:
            items._ranges[0] = width
        refusal = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadFilterNotAllowed))
        for step, expected in enumerate(steps):
            assert asked(items.request(0, NODE)) == expected
            assert items.fallback(0, refusal) == (step < len(steps) - 1)
        other = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown))
        assert not items.fallback(0, other)
        await journal.close()

    with caplog.at_level(logging.INFO, logger="edge"):
        run(work)
    said = [r.getMessage() for r in caplog.records if "refuses" in r.getMessage()]
    assert len(said) == len(steps) - 1


def test_a_refusal_of_the_node_is_not_one_of_its_filter(path: Path) -> None:
    async def work() -> None:
        settings = settings_for(
            "opc.tcp://x:1",
            {"name": "F", "node": "ns=2;s=F", "deadband": 1, "deadband_at": "server"},
        )
        journal = TelemetryJournal.open(path, JournalSettings(keep_free_mb=0))
        items = Items(settings, Intake(settings, journal))
        unknown = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown))
        assert not items.fallback(0, unknown)
        assert asked(items.request(0, NODE)) == ("StatusValue", "Absolute", 1.0)
        await journal.close()

    run(work)


def test_intervals_and_queues_are_the_tags_or_the_sources(path: Path) -> None:
    async def work() -> None:
        settings = settings_for(
            "opc.tcp://x:1",
            "A",
            {"name": "B", "node": "ns=2;s=B", "sampling_ms": 7, "queue_size": 9},
            queue_size=50,
            sampling_ms=40,
        )
        journal = TelemetryJournal.open(path, JournalSettings(keep_free_mb=0))
        items = Items(settings, Intake(settings, journal))
        wanted = [items.request(p, NODE).RequestedParameters for p in range(2)]
        assert [(p.SamplingInterval, p.QueueSize) for p in wanted] == [(40, 50), (7, 9)]
        assert [p.ClientHandle for p in wanted] == [0, 1]
        await journal.close()

    run(work)


@pytest.mark.parametrize("refuses", [(), ("Percent",), ("Percent", "Absolute")])
def test_a_deadband_in_percent_holds_whatever_the_server_can(
    path: Path, monkeypatch: pytest.MonkeyPatch, refuses: tuple[str, ...]
) -> None:
    """The range is -50 … 150, so 5 % are 10; only what differs by more from the last sample is one,
    slow drift too."""
    kinds: list[str] = []
    create = PlcMonitoredItems._create_data_change_monitored_item

    async def judged(self: PlcMonitoredItems, params: ua.MonitoredItemCreateRequest) -> Any:
        wanted = getattr(params.RequestedParameters.Filter, "DeadbandType", None)
        kinds.append("none" if wanted is None else ua.DeadbandType(wanted).name)
        if kinds[-1] in refuses:
            refusal = ua.StatusCodes.BadMonitoredItemFilterUnsupported
            return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(refusal)))
        return await create(self, params)

    monkeypatch.setattr(PlcMonitoredItems, "_create_data_change_monitored_item", judged)

    async def work() -> None:
        async with run_plc(Force=0.0, Done=0) as plc:
            await plc.nodes["Force"].add_property(0, "EURange", ua.Range(Low=-50, High=150))
            force = {
                "name": "Force", "node": "ns=2;s=Force", "deadband_percent": 5,
                "deadband_at": "server",
            }  # fmt: skip
            async with reading(path, settings_for(plc.endpoint, force, "Done")) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for at_ms, raw in enumerate([4, 8, 10, 10.5, 14, 18, 21, 0], start=1):
                    await plc.set("Force", float(raw), at_ms=at_ms)
                await plc.set("Done", 1, at_ms=1)
                await until(lambda: got.values("Done") == [0.0, 1.0])
                assert got.samples("Force") == [
                    (us(0), 0.0, 192),
                    (us(4), 10.5, 192),
                    (us(7), 21.0, 192),
                    (us(8), 0.0, 192),
                ]
                assert not got.gaps

    run(work)
    steps = ["Percent", "Absolute", "none"]
    assert kinds == ["Percent", "none", *steps[1 : len(refuses) + 1]], "the second is that of Done"


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ({"deadband": 1, "deadband_percent": 1}, "deadband_percent or deadband"),
        ({"swinging_door": 1, "deadband_percent": 1}, "deadband_percent or swinging_door"),
        ({"deadband": 1, "trigger": "status"}, "contradict"),
        ({"deadband_percent": 101}, "less than or equal to 100"),
    ],
)
def test_contradictions_are_refused(tag: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        TagSettings.model_validate({"name": "A", "node": "ns=2;s=A", **tag})


def test_a_heartbeat_goes_with_a_deadband_in_percent() -> None:
    tag = {"name": "A", "node": "ns=2;s=A", "deadband_percent": 1, "heartbeat_s": 5}
    assert TagSettings.model_validate(tag).reports_changes
