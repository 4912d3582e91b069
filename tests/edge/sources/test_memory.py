"""What a source keeps of its subscription and of its debts, over restarts, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.journal import Gap, JournalSettings, TelemetryJournal
from edge.sources.opcua.gaps import DEBT_TAGS, Debt, GapWatch
from edge.sources.opcua.history import Ledger, written
from edge.sources.opcua.recovery import Memory
from tests.edge.sources.reading import settings_for

pytestmark = pytest.mark.anyio
SETTINGS = settings_for("opc.tcp://x:1", "Force", "Torque")
OTHERS = settings_for("opc.tcp://x:1", "Torque", "Force")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def kept() -> Memory:
    memory = Memory.load({}, SETTINGS)
    memory.items = {0: 11, 1: 12}
    memory.begin("opc.tcp://x:1 2026", 78, 2.0)
    memory.refused = {1: (5, "tag Torque: refused")}
    memory.receipts.taken = 41
    memory.changed()
    return memory


def test_a_subscription_is_known_again() -> None:
    memory = Memory.load(kept().marks("press"), SETTINGS)
    assert (memory.receipts.subscription_id, memory.receipts.taken) == (78, 41)
    assert (memory.server, memory.keepalive_s) == ("opc.tcp://x:1 2026", 2.0)
    assert (memory.refused, memory.former) == ({1: (5, "tag Torque: refused")}, [])
    assert memory.items == {0: 11, 1: 12}
    assert memory.loaded
    assert not memory.outdated


def test_only_what_has_changed_is_written_each_time() -> None:
    memory = kept()
    assert set(memory.marks("press")) == {"press", "press/items"}
    memory.receipts.taken = 42
    marks = memory.marks("press")
    assert set(marks) == {"press"}
    assert marks["press"].startswith("42 ")


def test_a_subscription_of_other_settings_is_outdated() -> None:
    memory = Memory.load(kept().marks("press"), OTHERS)
    assert (memory.receipts.subscription_id, memory.outdated) == (0, 78)
    assert (memory.refused, memory.former) == ({}, [(5, "tag Torque: refused")])


def test_a_subscription_whose_items_are_in_doubt_is_outdated() -> None:
    memory = kept()
    memory.mending = True
    memory.changed()
    assert Memory.load(memory.marks("press"), SETTINGS).outdated == 78
    memory.doubt()
    assert (memory.receipts.subscription_id, memory.outdated) == (0, 78)
    assert not memory.mending


async def test_debts_outlive_a_restart_until_they_are_settled(tmp_path: Path) -> None:
    debt = Debt("connection lost", 5, {"Force": (10, 20), "Torque": (11, 21)}, {"Speed": (1, 2)})
    other = Debt("agent stopped", 30, {"Force": (40, 50)})

    def opened() -> TelemetryJournal:
        return TelemetryJournal.open(
            tmp_path / "journal.sqlite", JournalSettings(commit_ms=1, keep_free_mb=0)
        )

    journal = opened()
    ledger = Ledger("press", journal)
    assert not ledger.more.is_set()
    await journal.submit(bookmarks=ledger.add([debt]))
    await journal.submit(bookmarks=ledger.add([other]))
    await journal.close()

    journal = opened()
    ledger = Ledger("press", journal)
    assert ledger.more.is_set()
    assert list(ledger.debts.values()) == [debt, other]
    assert list(Ledger("oven", journal).debts) == []
    first, second = ledger.debts
    debt.tags["Force"] = (15, 20)
    await journal.submit(bookmarks={first: written(debt)})
    assert next(iter(Ledger("press", journal).debts.values())) == debt
    await journal.submit(bookmarks=ledger.settle(first))
    (third,) = ledger.add([debt])
    assert third not in (first, second)
    await journal.close()

    journal = opened()
    assert list(Ledger("press", journal).debts.values()) == [other]
    await journal.close()


def test_what_history_keeps_is_owed_and_the_rest_a_gap() -> None:
    watch = GapWatch("press", 100, 1_000_000_000)
    watch.kept = {"Force", "Back"}
    watch.interrupted("connection lost")
    watch.resumed("Force", 999_999_000, 1_000_100_000)
    watch.resumed("Torque", 999_000_000, 1_000_200_000)
    assert watch.take_out(1_000_200_000, 0) == [
        Gap("press", 999_000_000, 1_000_200_000, "connection lost")
    ]
    (debt,) = watch.debts
    assert debt.tags == {"Force": (999_999_000, 1_000_100_000)}
    watch.debts.clear()
    # Times that were set back cannot be asked for.
    watch.overflowed("Back", 2_000, 1_000)
    assert watch.take_out(None, 0) == [Gap("press", 1_000, 2_000, "OPC UA queue overflow: Back")]
    assert not watch.debts


def test_debts_are_small_each() -> None:
    watch = GapWatch("press", 100, 50)
    watch.kept = {f"T{n}" for n in range(2 * DEBT_TAGS + 1)}
    for name in watch.kept:
        watch.resumed(name, 40, 60)
    assert watch.take_out(60, 0) == []
    assert [len(debt.tags) for debt in watch.debts] == [DEBT_TAGS, DEBT_TAGS, 1]


def test_what_was_missed_while_the_plc_s_clock_was_set_back_is_of_the_times_given_twice() -> None:
    watch = GapWatch("press", 100, 1_000_000_000)
    watch.missed("messages 4 to 6 missed")
    (gap,) = watch.take_out(5_000, 0)
    assert gap.from_us == 5_000
    assert gap.to_us is not None
    assert 5_000 < gap.to_us <= 1_000_000_000
