"""A gateway begins a new log: what the hub has of it counts once, and gaps name the rest."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest
from hub.ingest.new_logs import CAUSE
from hub.store import Database
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import BASE_MS, Node, broker_settings

OLD, NEW = 7001, 7002
COUNT, NOTE = 11, 12
"""Aliases of tags."""


def stored(hub: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(tag, milliseconds after the base, value) of each sample, in the order in which it came."""
    return rows(
        hub,
        "SELECT t.name, (extract(epoch FROM s.time) * 1000)::bigint - %s, s.value"
        " FROM sample s JOIN tag t ON t.id = s.tag_id ORDER BY s.xmin::text::bigint, s.ctid",
        BASE_MS,
    )


def gaps(hub: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(device, from, to) of the gaps that a new log begins with, in milliseconds after the base."""
    return rows(
        hub,
        "SELECT device, (extract(epoch FROM from_time) * 1000)::bigint - %s,"
        " (extract(epoch FROM to_time) * 1000)::bigint - %s FROM gap WHERE cause = %s ORDER BY id",
        BASE_MS,
        BASE_MS,
        CAUSE,
    )


@pytest.fixture
def replaced(node: Node) -> Node:
    """A gateway that has told torque at 0, 5 and 10 s and count at 1 s, and begins a new log."""
    node.birth(OLD)
    for offset, seconds in enumerate((0, 5, 10)):
        node.record(offset, [float(seconds)], at_ms=BASE_MS + seconds * 1000)
    node.record(3, [1.0], alias=COUNT, at_ms=BASE_MS + 1000)
    node.answered(OLD, 4)
    node.birth(NEW)
    node.answered(NEW, 0)
    return node


def test_a_value_that_is_stored_is_passed_over_and_nothing_is_missing_before_it(
    hub: psycopg.Connection, replaced: Node
) -> None:
    before = stored(hub)
    replaced.record(0, [10.0], at_ms=BASE_MS + 10_000)
    replaced.record(1, [1.0], alias=COUNT, at_ms=BASE_MS + 1000)
    replaced.answered(NEW, 2)
    assert stored(hub) == before
    replaced.record(2, [11.0], at_ms=BASE_MS + 60_000)
    replaced.answered(NEW, 3)
    assert stored(hub) == [*before, ("torque", 60_000, 11.0)]
    assert gaps(hub) == []
    assert rows(hub, "SELECT samples, records FROM gateway_traffic") == [(5, 7)]
    assert rows(hub, "SELECT FROM sample_first") == []


def test_before_a_value_that_is_new_lies_a_gap_from_where_the_device_stood(
    hub: psycopg.Connection, replaced: Node
) -> None:
    before = stored(hub)
    replaced.record(0, [12.0, 13.0], at_ms=BASE_MS + 300_000)
    replaced.record(1, [1.0], alias=COUNT, at_ms=BASE_MS + 1000)
    replaced.answered(NEW, 2)
    fresh = [("torque", 300_000, 12.0), ("torque", 300_001, 13.0)]
    assert stored(hub) == [*before, *fresh]
    assert gaps(hub) == [("line", 10_000, 300_000)]


def test_a_tag_that_stood_still_for_long_makes_no_gap_longer_than_its_device_was_away(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(OLD)
    node.record(0, [1.0], alias=COUNT, at_ms=BASE_MS + 1000)
    node.record(1, [5.0], at_ms=BASE_MS + 300_000)
    node.answered(OLD, 2)
    node.birth(NEW)
    node.record(0, [2.0], alias=COUNT, at_ms=BASE_MS + 600_000)
    node.answered(NEW, 1)
    assert gaps(hub) == [("line", 180_000, 600_000)]


def test_a_tag_that_came_later_than_its_device_has_all_of_that_in_the_gap(
    hub: psycopg.Connection, replaced: Node
) -> None:
    replaced.record(0, [2.0], alias=COUNT, at_ms=BASE_MS + 300_000)
    replaced.answered(NEW, 1)
    assert gaps(hub) == [("line", 1_000, 300_000)]


def test_a_clock_set_back_meanwhile_widens_the_gap_by_how_long_nothing_came(
    hub: psycopg.Connection, replaced: Node
) -> None:
    hub.execute("UPDATE sample_awaited SET since = since - interval '4 s'")
    replaced.record(0, [14.0], at_ms=BASE_MS + 7_000)
    replaced.answered(NEW, 1)
    ((device, start, end),) = gaps(hub)
    assert device == "line"
    assert start <= 3_000
    assert end >= 14_000
    assert ("torque", 7_000, 14.0) in stored(hub)


def test_a_clock_set_back_meanwhile_that_has_caught_up_again_is_known_by_ours(
    hub: psycopg.Connection, replaced: Node
) -> None:
    """For 30 s nothing came, and the device's clock went on by 20 s: it may have been at 40 s
    before it was set back, or set back to 0 s."""
    hub.execute("UPDATE sample_awaited SET since = now() - interval '30 s'")
    replaced.record(0, [14.0], at_ms=BASE_MS + 30_000)
    replaced.answered(NEW, 1)
    ((device, start, end),) = gaps(hub)
    assert device == "line"
    assert start <= 0
    assert end >= 40_000


def test_changes_that_waited_long_widen_the_gap_by_ten_minutes_at_most(
    hub: psycopg.Connection, replaced: Node
) -> None:
    hub.execute("UPDATE sample_awaited SET since = now() - interval '2 days'")
    replaced.record(0, [14.0], at_ms=BASE_MS + 30_000)
    replaced.answered(NEW, 1)
    assert gaps(hub) == [("line", 10_000 - 600_000, 30_000 + 600_000)]


def test_what_comes_ahead_of_the_watermark_is_not_the_first(
    hub: psycopg.Connection, replaced: Node
) -> None:
    before = stored(hub)
    replaced.record(1, [15.0], at_ms=BASE_MS + 50_000)
    replaced.answered(NEW, 0, ((1, 2),))
    replaced.record(0, [10.0], at_ms=BASE_MS + 10_000)
    replaced.answered(NEW, 2)
    assert stored(hub) == [*before, ("torque", 50_000, 15.0)]
    assert gaps(hub) == []


def test_another_worker_goes_on_where_the_first_one_was(
    hub: psycopg.Connection, database: Database, broker: LocalBroker
) -> None:
    with Ingest(database, broker_settings(broker), FAST), Node(broker) as node:
        node.asked_for_rebirth()
        node.birth(OLD)
        node.record(0, [1.0, 2.0])
        node.answered(OLD, 1)
        node.birth(NEW)
        node.answered(NEW, 0)
    before = stored(hub)
    with Ingest(database, broker_settings(broker), FAST), Node(broker) as node:
        node.asked_for_rebirth()
        node.birth(NEW)
        node.record(0, [2.0, 3.0], at_ms=BASE_MS + 1)
        node.answered(NEW, 1)
        node.record(1, [3.0], at_ms=BASE_MS + 2)
        node.answered(NEW, 2)
    # Once the tag has come, what comes is taken as it is.
    assert stored(hub) == [*before, ("torque", 2, 3.0), ("torque", 2, 3.0)]
    eventually(lambda: rows(hub, "SELECT FROM sample_awaited") == [], "no tag is awaited")


def test_a_first_value_that_the_database_refuses_goes_aside_alone(
    hub: psycopg.Connection, replaced: Node
) -> None:
    before = stored(hub)
    replaced.record(0, [10.0], at_ms=BASE_MS + 10_000)
    replaced.record(1, [0.0], alias=NOTE, others={0: "a\0b"}, at_ms=BASE_MS + 20_000)
    replaced.record(2, [16.0], at_ms=BASE_MS + 21_000)
    replaced.answered(NEW, 3)
    assert stored(hub) == [*before, ("torque", 21_000, 16.0)]
    assert rows(hub, "SELECT record_offset FROM quarantine") == [(1,)]
    assert gaps(hub) == []


@pytest.fixture
def damaged(node: Node) -> Node:
    """A gateway that has told torque at 0, 1, 2 and 3 s, all of which its disk has lost but the
    first; its next record is the tenth."""
    node.birth(OLD)
    for offset in range(4):
        node.record(offset, [float(offset)])
    node.answered(OLD, 4)
    node.birth(OLD, after=10, repeats_from=10)
    return node


def test_after_a_log_has_lost_its_end_what_is_stored_is_passed_over_till_something_new_comes(
    hub: psycopg.Connection, damaged: Node
) -> None:
    before = stored(hub)
    # Live goes ahead of the tombstone, which is backlog.
    damaged.record(10, [2.0], at_ms=BASE_MS + 2000)
    damaged.answered(OLD, 4, ((10, 11),))
    damaged.lost(1, 10)
    damaged.record(11, [3.0], at_ms=BASE_MS + 3000)
    damaged.answered(OLD, 12)
    assert stored(hub) == before
    damaged.record(12, [4.0], at_ms=BASE_MS + 4000)
    damaged.answered(OLD, 13)
    assert stored(hub) == [*before, ("torque", 4000, 4.0)]
    assert rows(hub, "SELECT FROM sample_awaited") == []
    assert rows(hub, "SELECT first_offset, next_offset FROM gap") == [(4, 10)]


def test_a_repeat_that_was_lost_on_the_way_the_first_time_does_not_end_the_looking(
    hub: psycopg.Connection, damaged: Node
) -> None:
    before = stored(hub)
    damaged.record(10, [2.5], at_ms=BASE_MS + 2500)
    damaged.record(11, [3.0], at_ms=BASE_MS + 3000)
    damaged.answered(OLD, 4, ((10, 12),))
    assert stored(hub) == [*before, ("torque", 2500, 2.5)]


def test_what_is_live_does_not_end_the_looking_while_there_is_backlog(
    hub: psycopg.Connection, damaged: Node
) -> None:
    """The source repeated before the uplink was there: what it repeated comes after what is new."""
    before = stored(hub)
    damaged.record(12, [5.0], at_ms=BASE_MS + 5000)
    damaged.answered(OLD, 4, ((12, 13),))
    damaged.lost(1, 10)
    damaged.record(10, [3.0], at_ms=BASE_MS + 3000, late=True)
    damaged.record(11, [4.0], at_ms=BASE_MS + 4000, late=True)
    damaged.answered(OLD, 13)
    assert stored(hub) == [*before, ("torque", 5000, 5.0), ("torque", 4000, 4.0)]
    assert rows(hub, "SELECT FROM sample_awaited") == []


def test_a_loss_that_is_told_already_is_expected_to_repeat_nothing(
    hub: psycopg.Connection, damaged: Node
) -> None:
    damaged.lost(1, 10)
    damaged.record(10, [4.0])
    damaged.answered(OLD, 11)
    damaged.birth(OLD, after=11, repeats_from=10)
    damaged.answered(OLD, 11)
    assert rows(hub, "SELECT FROM sample_awaited") == []


def test_an_old_copy_of_a_log_repeats_more_than_the_first_of_each_tag(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(OLD)
    for offset in range(4):
        node.record(offset, [float(offset)])
    node.answered(OLD, 4)
    before = stored(hub)
    node.birth(NEW, repeats_from=0)
    for offset in range(4):
        node.record(offset, [2.0 + offset], at_ms=BASE_MS + 2000 + 1000 * offset, late=True)
    node.answered(NEW, 4)
    assert stored(hub) == [*before, ("torque", 4000, 4.0), ("torque", 5000, 5.0)]
    assert gaps(hub) == []
