"""The edge node over a real broker, read by a hub that is a true reader of the stream."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import shutil
import time
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge import supervise
from edge.journal import Gap, JournalSettings, SampleBatch, SampleClass, TelemetryJournal
from edge.link import Link, LinkError, Message
from edge.status import Figures, SourceFigures
from edge.supervise import keep_running
from edge.uplink import BirthDeathSequence, EdgeNode, node
from edge.uplink.settings import UplinkSettings
from protocols.mqtt.broker import BrokerSettings
from protocols.sparkplug import DataType, Payload
from protocols.streams import Cursor, Drain
from tests.edge.hub import Hub
from tests.edge.waiting import until

GROUP, NODE, DEVICE = "seatworks", "gw-seat", "press"
pytestmark = pytest.mark.anyio

DAY_US = 1_700_000_000_000_000
REBIRTH_EVERY_S = 0.2
PATIENT_S = 60.0
"""Where births are counted: none is said again because an answer takes its time."""


class Gateway:
    """A journal with an uplink, as the agent wires them."""

    def __init__(
        self,
        directory: Path,
        *ports: int,
        brokers: Sequence[BrokerSettings] = (),
        resend_after_s: float = 0.5,
        **settings: Any,
    ) -> None:
        """Over plain brokers at these ports, or over these; `settings` are those of the uplink."""
        plain = [
            BrokerSettings(host="127.0.0.1", port=port, tls=False, keepalive_s=5) for port in ports
        ]
        self.journal = TelemetryJournal.open(
            directory / "journal.sqlite", JournalSettings(commit_ms=5, keep_free_mb=0)
        )
        self.figures = Figures()
        self.node = EdgeNode(
            self.journal,
            [*plain, *brokers],
            GROUP,
            NODE,
            "lineside-hub",
            BirthDeathSequence(directory / "bdseq"),
            self.figures,
            [DEVICE],
            UplinkSettings(host_wait_s=1, **settings),
            resend_after_s=resend_after_s,
            rebirth_every_s=REBIRTH_EVERY_S,
        )
        self.node.set_device(DEVICE, online=True)
        self.tag = self.journal.tag_id(DEVICE, "Force", DataType.Double, "kN")
        self.count = itertools.count()

    async def append(self, samples: int = 1) -> list[float]:
        """One batch of samples whose values are 0, 1, 2 … over the life of this object."""
        values = [float(next(self.count)) for _ in range(samples)]
        times = [DAY_US + int(value) * 1000 for value in values]
        tags = array("I", [self.tag] * samples)
        batch = SampleBatch(DEVICE, SampleClass.NORMAL, tags, array("q", times), array("d", values))
        await self.journal.append(batch)
        return values


@asynccontextmanager
async def gateway(directory: Path, *ports: int, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway whose uplink runs, over the brokers at these ports."""
    async with running(Gateway(directory, *ports, **settings)) as made:
        yield made


@asynccontextmanager
async def running(made: Gateway) -> AsyncIterator[Gateway]:
    """Run a gateway's uplink."""
    uplink = asyncio.create_task(
        keep_running(
            "uplink", made.node.serve, expected=(LinkError,), hint_when_short_lived="a twin?"
        )
    )
    try:
        yield made
    finally:
        uplink.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await uplink
        await made.journal.close()


def values_of(hub: Hub) -> list[float]:
    return [sample.value for sample in hub.samples]


async def test_birth_then_live_samples(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port) as gw:
            await until(lambda: ("DBIRTH", DEVICE) in hub.messages, "births")
            await gw.append(3)
            await until(lambda: len(hub.samples) == 3, "samples")
            await until(lambda: gw.journal.depth == 0, "the cursor")
        await until(lambda: hub.deaths, "the death of a gateway that was stopped")
    assert hub.messages[:2] == [("NBIRTH", ""), ("DBIRTH", DEVICE)]
    birth = {metric.name: metric for metric in hub.births[0].metrics}
    assert hub.births[0].seq == 0
    assert birth["Node Control/Rebirth"].value is False
    assert birth["Stream/Cursor"].value is None
    assert hub.deaths[-1] == birth["bdSeq"].value
    assert [(s.tag, s.value, s.time_ms, s.historical) for s in hub.samples] == [
        ("Force", float(n), DAY_US // 1000 + n, False) for n in range(3)
    ]


async def test_nothing_is_born_before_the_host_is_online(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        hub.say_state(online=False)
        async with gateway(tmp_path, broker.port) as gw:
            await gw.append()
            await asyncio.sleep(0.5)
            assert hub.messages == []
            hub.say_state(online=True)
            await until(lambda: hub.samples, "the sample")
            hub.say_state(online=False)
            await until(lambda: hub.deaths, "the death of the session")
            await gw.append()
            hub.say_state(online=True)
            await until(lambda: len(hub.samples) == 2, "the sample kept meanwhile")
    assert [sample.historical for sample in hub.samples] == [True, True]


async def test_live_goes_ahead_of_backlog(tmp_path: Path, broker: LocalBroker) -> None:
    alone = Gateway(tmp_path, broker.port)
    backlog = [value for _ in range(200) for value in await alone.append(5)]
    await alone.journal.close()
    with Hub(broker.port, GROUP, NODE) as hub:
        hub.swallow = lambda: bool(hub.samples)  # the window stays full until there is live data
        async with gateway(tmp_path, broker.port) as gw:
            gw.count = itertools.count(10_000)
            await until(lambda: hub.samples, "the first of the backlog")
            live = [value for _ in range(5) for value in await gw.append()]
            hub.swallow = lambda: False
            await until(lambda: gw.journal.depth == 0, "an empty backlog")
    arrived = values_of(hub)
    assert sorted(arrived) == sorted(backlog + live)
    assert [v for v in arrived if v < 10_000] == backlog
    assert [v for v in arrived if v >= 10_000] == live
    assert arrived.index(live[0]) < len(backlog)
    assert all(s.historical for s in hub.samples if s.value < 10_000)


async def test_each_record_once_whatever_answers_are_lost(
    tmp_path: Path, broker: LocalBroker
) -> None:
    dice = random.Random(7)
    with Hub(broker.port, GROUP, NODE) as hub:
        hub.swallow = lambda: dice.random() < 0.5
        async with gateway(tmp_path, broker.port) as gw:
            sent = []
            for _ in range(60):
                sent += await gw.append(2)
            hub.swallow = lambda: False
            await until(lambda: gw.journal.depth == 0, "the cursor")
    assert sorted(values_of(hub)) == sent


async def test_broker_that_forgets_everything(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port) as gw:
            sent = await gw.append(2)
            await until(lambda: len(hub.samples) == 2, "the first samples")
            first_bd_seq = hub.node_metrics["bdSeq"]
            broker.kill()
            sent += await gw.append(2)
            broker.forget()
            sent += await gw.append(2)
            await until(lambda: gw.journal.depth == 0, "the cursor")
    assert sorted(values_of(hub)) == sent
    assert hub.node_metrics["bdSeq"] == first_bd_seq + 1


async def test_gaps_travel_in_their_place(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port) as gw:
            await gw.append()
            await gw.journal.append(Gap(DEVICE, DAY_US, None, "queue overflow"))
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
    assert [(gap["device"], gap["to"], gap["cause"]) for gap in hub.gaps] == [
        (DEVICE, None, "queue overflow")
    ]
    assert hub.gaps[0]["from"].startswith("2023-11-14T22:13:20")
    assert len(hub.samples) == 2


async def test_rebirth_on_command_and_for_a_new_tag(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, resend_after_s=PATIENT_S) as gw:
            await gw.append()
            await until(lambda: hub.samples, "the sample")
            asked_at = time.monotonic()
            for _ in range(20):
                hub.ask_rebirth()
            await until(lambda: len(hub.births) >= 2, "the rebirth")
            new_tag = gw.journal.tag_id(DEVICE, "Count", DataType.Int64)
            batch = SampleBatch(
                DEVICE,
                SampleClass.NORMAL,
                array("I", [new_tag] * 3),
                array("q", [DAY_US] * 3),
                array("d", [1, 0, 0]),
                {1: 2**60 + 1, 2: None},
                {2: 0},
            )
            await gw.journal.append(batch)
            await until(lambda: len(hub.samples) == 4, "the new tag's samples")
            passed_s = time.monotonic() - asked_at
    assert [s.value for s in hub.samples if s.tag == "Count"] == [1, 2**60 + 1, None]
    most = 2 + passed_s / REBIRTH_EVERY_S
    assert len(hub.births) <= most, "rebirths asked for all at once are not all given"
    bd_seqs = {m.value for birth in hub.births for m in birth.metrics if m.name == "bdSeq"}
    assert len(bd_seqs) == 1, "a rebirth keeps the session's bdSeq"


async def test_a_device_that_goes_and_comes(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, resend_after_s=PATIENT_S) as gw:
            await until(lambda: ("DBIRTH", DEVICE) in hub.messages, "the birth")
            gw.node.set_device(DEVICE, online=False)
            await until(lambda: ("DDEATH", DEVICE) in hub.messages, "the death")
            gw.node.set_device(DEVICE, online=True)
            await until(lambda: hub.messages.count(("DBIRTH", DEVICE)) == 2, "the birth again")
    assert [kind for kind, of in hub.messages if of] == ["DBIRTH", "DDEATH", "DBIRTH"]
    assert hub.messages.count(("NBIRTH", "")) == 1


async def test_hub_restored_from_a_backup_asks_again(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port) as gw:
            await gw.append()
            await until(lambda: hub.samples, "the first sample")
            backup = hub.telemetry.cursor
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
            hub.telemetry.cursor = backup
            del hub.samples[1:]
            await gw.append()
            await until(lambda: len(hub.samples) == 3, "what the backup did not have")
    assert sorted(values_of(hub)) == [0, 1, 2]


async def test_a_restored_hub_gets_tags_no_longer_in_use_in_their_order(
    tmp_path: Path, broker: LocalBroker
) -> None:
    gone = Gateway(tmp_path, broker.port)
    old_tag = gone.journal.tag_id(DEVICE, "Old", DataType.Double)
    with Hub(broker.port, GROUP, NODE) as hub:
        async with running(gone):
            for tag in (gone.tag, old_tag, gone.tag, gone.tag):
                at = next(gone.count)
                times, numbers = array("q", [DAY_US + at * 1000]), array("d", [at])
                batch = SampleBatch(DEVICE, SampleClass.NORMAL, array("I", [tag]), times, numbers)
                await gone.journal.append(batch)
            await until(lambda: gone.journal.depth == 0, "the cursor")
        assert hub.telemetry.cursor is not None
        hub.telemetry.cursor = Cursor(hub.telemetry.cursor.epoch)
        hub.samples.clear()
        async with gateway(tmp_path, broker.port):
            await until(lambda: len(hub.samples) == 4, "what the backup did not have")
    assert values_of(hub) == [0, 1, 2, 3]


async def test_after_a_rebirth_backlog_that_was_refused_goes_again_in_order(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        backlog = Gateway(tmp_path, broker.port)
        for _ in range(300):
            await backlog.append()
        take = hub._on_samples

        def refuse_until_reborn(device: str, payload: Payload) -> None:
            if len(hub.births) == 1 and len(hub.samples) >= 20:
                hub.ask_rebirth()
            else:
                take(device, payload)

        hub._on_samples = refuse_until_reborn  # type: ignore[method-assign]
        async with running(backlog):
            await until(lambda: len(hub.samples) == 300, "all")
    assert values_of(hub) == list(range(300))


@pytest.mark.parametrize(("offline", "restarts"), [(1, 0), (8, 0), (8, 2)])
async def test_disk_restored_from_an_old_copy(
    tmp_path: Path,
    broker: LocalBroker,
    caplog: pytest.LogCaptureFixture,
    offline: int,
    restarts: int,
) -> None:
    """`offline`: records appended before the hub is heard, fewer or more than it has beyond."""
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path / "new", broker.port) as gw:
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
        shutil.copytree(tmp_path / "new", tmp_path / "old")
        async with gateway(tmp_path / "new", broker.port) as gw:
            gw.count = itertools.count(10)
            for _ in range(5):
                await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
        old = Gateway(tmp_path / "old", broker.port)
        old.count = itertools.count(20)
        for _ in range(offline):
            await old.append()
        for _ in range(restarts):
            await old.journal.close()
            old = Gateway(tmp_path / "old", broker.port)
            old.count = itertools.count(20 + offline)
        before = old.journal.epoch
        async with running(old):
            await until(lambda: old.journal.epoch != before, "a new epoch")
            await old.append()
            await until(lambda: len(hub.samples) == 7 + offline, "what was appended since")
            await until(lambda: old.journal.depth == 0, "the cursor")
    assert sorted(values_of(hub)[:6]) == [0, 10, 11, 12, 13, 14]
    assert sorted(values_of(hub)[6:]) == list(range(20, 21 + offline))
    assert caplog.text.count("this disk is an old copy") == 1


async def test_an_old_copy_is_noticed_though_it_was_started_before_the_hub_answered(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path / "new", broker.port) as gw:
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
        shutil.copytree(tmp_path / "new", tmp_path / "old")
        async with gateway(tmp_path / "new", broker.port) as gw:
            gw.count = itertools.count(10)
            for _ in range(5):
                await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
        first = Gateway(tmp_path / "old", broker.port)
        first.count = itertools.count(20)
        for _ in range(8):
            await first.append()
        await first.journal.close()
        async with gateway(tmp_path / "old", broker.port) as second:
            await until(lambda: len(hub.samples) == 14, "what was appended since")
            await until(lambda: second.journal.depth == 0, "the cursor")
    assert values_of(hub)[6:] == list(range(20, 28))
    born = {metric.name: metric.value for metric in hub.births[-1].metrics}
    assert born["Stream/Repeats From"] == 0
    assert born["Stream/Backlog Order"] == "oldest_first"


async def test_two_gateways_with_one_identity(
    tmp_path: Path,
    broker: LocalBroker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise, "STABLE_S", 30.0)  # who stands still meanwhile is not well
    caplog.set_level(logging.INFO)
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path / "a", broker.port) as first:
            await first.append()
            await until(lambda: hub.samples, "the first gateway's sample")
            async with gateway(tmp_path / "b", broker.port) as second:
                second.count = itertools.count(100)
                await first.append()
                await second.append()
                await until(lambda: caplog.text.count("a twin?") >= 2, "a word of each")
                await until(lambda: second.journal.depth == 0, "the one the hub goes with")
            await asyncio.sleep(1.0)
            assert hub.telemetry.cursor is not None
            assert hub.telemetry.cursor.epoch == second.journal.epoch
            kept = first.journal.read(0, 9)
    again = caplog.messages.count("uplink: well again")  # one may get its way for a while
    assert caplog.text.count("a twin?") <= 2 + again, "said once by each"
    arrived = values_of(hub)
    assert len(set(arrived)) == len(arrived), "nothing doubled"
    held = [v for stored in kept for v in stored.record.numbers]  # type: ignore[union-attr]
    assert {0.0, 1.0, 100.0} <= {*arrived, *held}, "nothing lost"


@pytest.fixture
def second(broker: LocalBroker, tmp_path: Path) -> Iterator[LocalBroker]:
    """Another broker of the same make."""
    with type(broker)(tmp_path / "second") as running:
        yield running


async def test_goes_on_to_the_next_server_and_stays_there(
    tmp_path: Path, broker: LocalBroker, second: LocalBroker
) -> None:
    with Hub(second.port, GROUP, NODE) as there, Hub(broker.port, GROUP, NODE) as here:
        async with gateway(tmp_path, broker.port, second.port, resend_after_s=PATIENT_S) as gw:
            sent = await gw.append()
            await until(lambda: gw.journal.depth == 0, "the first sample")
            assert gw.figures.uplink.server == f"127.0.0.1:{broker.port}"
            there.telemetry.cursor = here.telemetry.cursor
            here.say_state(online=False)
            await until(lambda: there.births, "a birth on the next server")
            await until(lambda: here.deaths, "its death here")
            assert len(here.deaths) == 1
            here.say_state(online=True)
            sent += await gw.append()
            await until(lambda: gw.journal.depth == 0, "the second sample")
            assert gw.figures.uplink.server == f"127.0.0.1:{second.port}"
            assert len(here.births) == 1, "it stays where the hub is"
            here.telemetry.cursor = there.telemetry.cursor
            second.kill()
            await until(lambda: len(here.births) == 2, "a birth on the first server again")
            sent += await gw.append()
            await until(lambda: gw.journal.depth == 0, "the third sample")
    assert sorted(values_of(here) + values_of(there)) == sent


async def test_a_server_that_refuses_or_has_no_hub_is_passed_over(
    tmp_path: Path, broker: LocalBroker, second: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connects = itertools.count()
    connect = Link.connect

    async def counted(link: Link) -> None:
        await connect(link)
        next(connects)

    monkeypatch.setattr(Link, "connect", counted)
    with Hub(second.port, GROUP, NODE) as hub:
        ports = free_port(), broker.port, second.port
        async with gateway(tmp_path, *ports, resend_after_s=PATIENT_S) as gw:
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the sample")
            assert gw.figures.uplink.host_online
            made = next(connects)
    assert [birth.seq for birth in hub.births] == [0]
    (bd_seq,) = [m.value for m in hub.births[0].metrics if m.name == "bdSeq"]
    assert made >= 2, "one CONNECT on the broker without a hub"
    assert bd_seq == made - 1, "and none where nobody listens"


async def test_a_server_is_not_left_for_a_state_that_is_old(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, resend_after_s=PATIENT_S) as gw:
            await gw.append()
            await until(lambda: hub.samples, "the sample")
            hub.say_state(online=False, at_ms=1000)
            await gw.append()
            await until(lambda: len(hub.samples) == 2, "the next sample")
            assert not hub.deaths
            hub.say_state(online=False)
            await until(lambda: hub.deaths, "the death")
            hub.say_state(online=True, at_ms=2000)
            await asyncio.sleep(1.0)
            assert len(hub.births) == 1
            hub.say_state(online=True)
            await until(lambda: len(hub.births) == 2, "the birth")


async def test_a_record_the_broker_would_not_take_is_given_up_by_name(
    tmp_path: Path, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, max_message_kb=16) as gw:
            await gw.append()
            await gw.append(2000)
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the cursor")
        await until(lambda: hub.deaths, "the death of a gateway that was stopped")
    assert sorted(values_of(hub)) == [0.0, 2001.0]
    ((first, after, cause),) = [(gap["first"], gap["next"], gap["cause"]) for gap in hub.gaps]
    assert (first, after, cause) == (1, 2, "larger than the broker takes")
    assert set(hub.deaths) == {0}, "the broker ended no connection over it"


async def test_no_data_between_the_request_of_a_rebirth_and_the_birth(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "HEALTH_EVERY_S", 0.01)
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port) as gw:
            gw.node._rebirth_every_s = 60.0  # the birth will not come in this test's time
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the sample")
            hub.ask_rebirth()
            session = gw.node._session
            assert session is not None
            await until(lambda: session._birth_wanted, "the request to be heard")
            for _ in range(3):  # after the first, the broker has passed on all that it was given
                hub.say_state(online=True)
            crossed = len(hub.messages)
            for _ in range(10):
                await gw.append()
                gw.node.set_device(DEVICE, online=False)
                gw.node.set_device(DEVICE, online=True)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            assert len(hub.births) == 1
            assert hub.messages[crossed:] == []


async def test_the_offset_of_each_server_s_clock_is_told_once_a_birth_has_named_it(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "HEALTH_EVERY_S", 0.01)
    name, other = (f"Device/{device}/Clock Offset ms" for device in (DEVICE, "oven"))
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, resend_after_s=PATIENT_S) as gw:
            press = gw.figures.sources[DEVICE] = SourceFigures(DEVICE)
            await until(lambda: hub.node_metrics.get(name, "") is None, "a birth without an offset")
            press.clock_offset_ms = -2480.4
            await until(lambda: hub.node_metrics[name] == -2480, "the offset")
            # A reload brings another device: unknown to the hub until the next birth.
            gw.figures.sources["oven"] = SourceFigures("oven", clock_offset_ms=7.0)
            await asyncio.sleep(0.1)
            assert other not in hub.node_metrics
            gw.node.set_device("oven", online=True)
            await until(lambda: hub.node_metrics.get(other) == 7, "the birth that names it")


async def test_a_hub_without_an_answer_is_waited_for_at_rest(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = itertools.count()
    receive = Link.receive

    async def counted(link: Link, timeout_s: float | None) -> Message | None:
        next(turns)
        return await receive(link, timeout_s)

    monkeypatch.setattr(Link, "receive", counted)
    with Hub(broker.port, GROUP, NODE) as hub:
        hub.swallow = lambda: True
        async with gateway(tmp_path, broker.port):
            await until(lambda: len(hub.births) >= 4, "births that become rarer")
    assert next(turns) < 1000


async def test_the_backlog_leaves_at_its_rate_and_from_the_end_that_is_wished(
    tmp_path: Path, broker: LocalBroker
) -> None:
    alone = Gateway(tmp_path, broker.port)
    backlog = [value for _ in range(40) for value in await alone.append()]
    await alone.journal.close()
    bounds = {"drain_per_s": 1, "drain_burst": 8, "backlog_order": "newest_first"}
    with Hub(broker.port, GROUP, NODE) as hub:
        async with gateway(tmp_path, broker.port, resend_after_s=PATIENT_S, **bounds) as gw:
            gw.count = itertools.count(1000)
            await until(lambda: hub.samples, "the first of the backlog")
            live = [value for _ in range(3) for value in await gw.append()]
            await until(lambda: set(live) <= set(values_of(hub)), "what is live")
            assert gw.journal.depth > 0, "live waits for no backlog"
            session = gw.node._session
            assert session is not None
            session._writer._drain = Drain(20, 8, newest_first=True)
            session.link.nudge()
            await until(lambda: gw.journal.depth == 0, "an empty backlog")
    arrived = values_of(hub)
    assert sorted(arrived) == sorted(backlog + live)
    assert arrived[0] == 32.0, "the newest run that the burst allows"
    figures = gw.figures.uplink
    assert (figures.sent, figures.drained, figures.resent) == (3, 40, 0)


async def test_a_host_whose_clock_was_set_back_is_believed_in_the_end(
    tmp_path: Path, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "OLD_WORD_S", 0.5)
    monkeypatch.setattr(node, "RESEND_AFTER_S", 0.1)
    with Hub(broker.port, GROUP, NODE) as hub:
        hub.say_state(online=True, at_ms=9_000_000_000_000)
        async with gateway(tmp_path, broker.port) as gw:
            await until(lambda: hub.births, "the birth")
            hub.say_state(online=False, at_ms=9_000_000_000_001)
            await until(lambda: hub.deaths, "the death")
            hub.say_state(online=True)
            await gw.append()
            await until(lambda: gw.journal.depth == 0, "the sample")
