from __future__ import annotations

from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from protocols.jis.envelope import Lost, Records, StateMessage, dump
from protocols.streams import Answer, draw_epoch
from tests.hub.calls.conftest import CallLane
from tests.hub.calls.world import PASSED_AT, Supplier, eventually

BUILT: list[dict[str, Any]] = [
    {"kind": "accepted"},
    {"kind": "produced", "serial": "S-1"},
    {"kind": "inspected", "verdict": "nok", "serial": "S-1"},
    {"kind": "produced", "serial": "S-2"},
    {"kind": "inspected", "verdict": "ok", "serial": "S-2"},
    {"kind": "packed", "rack": "SEAT1-00001", "slot": 1},
    {"kind": "shipped"},
]


def event(number: int, part: dict[str, Any], group: str = "SEAT-FRONT") -> dict[str, Any]:
    """An event as a gateway writes it."""
    key = {
        "plant": "P1",
        "line": "TRIM1" if group == "DOOR-TRIM" else "SEAT1",
        "production_no": f"{number:07d}",
        "part_group": group,
        "reorder_index": 0,
    }
    return {"key": key, "at": PASSED_AT.isoformat(), **part}


def committed(lane: CallLane, count: int) -> None:
    """Wait until the hub's cursor stands there."""
    query = "SELECT watermark FROM stream_cursor WHERE stream = 'events' AND NOT closed"
    eventually(lambda: lane.rows(query) == [(count,)], f"watermark {count}")


def told(supplier: Supplier, count: int) -> None:
    """Wait until the hub has said so, behind whatever it said before; all that is passed over."""
    wanted = Answer(supplier.writer.epoch, count)
    eventually(lambda: supplier.answers[-1:] == [wanted], f"{wanted}")
    supplier.answers.clear()


def status(lane: CallLane, group: str = "SEAT-FRONT") -> Any:
    return lane.one(f"SELECT status FROM jis_call WHERE part_group = '{group}'")


def test_a_part_is_followed_from_accepted_to_shipped(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(*(event(1, part) for part in BUILT))
        committed(lane, len(BUILT))
    assert status(lane) == "shipped"
    history = lane.rows(
        "SELECT kind, serial, record_offset FROM call_event WHERE source = 'supplier' ORDER BY id"
    )
    assert history == [
        (part["kind"], part.get("serial"), offset) for offset, part in enumerate(BUILT)
    ]


def test_every_receipt_is_answered_a_duplicate_too(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(event(1, BUILT[0]))
        committed(lane, 1)
        again = dump(Records(epoch=supplier.writer.epoch, first=0, records=supplier.events))
        for _ in range(3):
            told(supplier, 1)
            supplier.publish("events", again)
            eventually(lambda: supplier.answers, "an answer")
            assert supplier.answers[-1].watermark == 1
    assert lane.one("SELECT count(*) FROM call_event WHERE source = 'supplier'") == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "an object"),
        ("text", "an object"),
        ({"kind": "sold"}, "kind"),
        (event(999, BUILT[0]), "no such call"),
        (event(1, BUILT[0], "DOOR-TRIM"), "another gateway"),
        (event(1, {"kind": "produced", "serial": "a\0b"}), "NUL"),
        (event(1, {"kind": "produced", "at": "2026-03-02T06:00:00"}), "at"),
    ],
    ids=["null", "text", "kind", "unknown call", "another's call", "NUL", "no time zone"],
)
def test_one_bad_record_goes_aside_and_stops_nothing(lane: CallLane, bad: Any, reason: str) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(event(1, BUILT[0]), bad, event(1, BUILT[1]))
        committed(lane, 3)
    assert status(lane) == "produced"
    rows = lane.rows("SELECT record_offset, reason FROM quarantine")
    assert [offset for offset, _ in rows] == [1]
    assert reason in rows[0][1]


def test_events_come_in_order_or_not_at_all(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(event(1, BUILT[0]))
        committed(lane, 1)
        early = Records(epoch=supplier.writer.epoch, first=5, records=[event(1, BUILT[1])])
        told(supplier, 1)
        supplier.publish("events", dump(early))
        eventually(lambda: supplier.answers, "an answer")
        assert supplier.answers[-1].watermark == 1
    assert status(lane) == "accepted"


def test_records_of_an_epoch_that_was_not_stated_are_not_read(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        committed(lane, 0)
        ours = supplier.writer.epoch
        told(supplier, 0)
        other = Records(epoch=draw_epoch(), first=0, records=[event(1, BUILT[0])])
        supplier.publish("events", dump(other))
        eventually(lambda: supplier.answers, "an answer")
        assert supplier.answers[-1].epoch == ours
    assert status(lane) != "accepted"


def test_a_new_epoch_ends_the_old_one_for_good_and_names_what_is_lost(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        committed(lane, 0)
        old, new = supplier.writer.epoch, draw_epoch()
        supplier.publish("events", dump(StateMessage(epoch=new, first_kept=2, next=2)))
        committed(lane, 2)
        supplier.publish("events", dump(StateMessage(epoch=old, first_kept=0, next=0)))
        record = Records(epoch=new, first=2, records=[event(1, BUILT[0])])
        supplier.publish("events", dump(record))
        committed(lane, 3)
        lost = Lost(epoch=new, first=3, next=7, cause="evicted")
        supplier.publish("events", dump(lost))
        committed(lane, 7)
    gaps = lane.rows("SELECT epoch, first_offset, next_offset, cause FROM gap ORDER BY id")
    assert gaps == [
        (old, 0, None, "the epoch ended"),
        (new, 0, 2, "the gateway no longer has them"),
        (new, 3, 7, "evicted"),
    ]


def test_what_was_told_under_an_earlier_epoch_counts_once(lane: CallLane) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(*(event(1, part) for part in BUILT[:4]))
        committed(lane, 4)
    # Another PC in its place hands the open call over again and reads what the PLC still holds.
    later = {**event(1, BUILT[0]), "at": "2026-03-02T07:00:00+00:00"}
    another = {**event(1, BUILT[3]), "at": "2026-03-02T07:00:01+00:00"}
    with Supplier(lane.broker).running() as replaced:
        replaced.report(later, event(1, BUILT[2]), event(1, BUILT[3]), another)
        replaced.report(event(1, BUILT[4]))
        committed(lane, 5)
    kinds = lane.rows("SELECT kind, serial FROM call_event WHERE source = 'supplier' ORDER BY id")
    assert kinds == [
        *((part["kind"], part.get("serial")) for part in BUILT[:4]),
        ("produced", "S-2"),
        ("inspected", "S-2"),
    ]
    query = "SELECT watermark, repeated FROM stream_cursor WHERE stream = 'events' AND NOT closed"
    assert lane.rows(query) == [(5, 3)]


def test_events_survive_a_broker_that_forgets_all(lane: CallLane, broker: LocalBroker) -> None:
    lane.pass_car(1)
    with Supplier(lane.broker).running() as supplier:
        supplier.report(event(1, BUILT[0]))
        committed(lane, 1)
        broker.kill()
        supplier.report(*(event(1, part) for part in BUILT[1:]))
        broker.forget()
        committed(lane, len(BUILT))
    assert status(lane) == "shipped"
    assert lane.one("SELECT count(*) FROM call_event WHERE source = 'supplier'") == len(BUILT)


def test_a_stranger_is_not_heard(lane: CallLane) -> None:
    lane.pass_car(1)
    with (
        Supplier(lane.broker, "seatworks2", "gw-x").running() as stranger,
        Supplier(lane.broker).running() as supplier,
    ):
        stranger.report(event(1, BUILT[6]))
        supplier.report(event(1, BUILT[0]))
        committed(lane, 1)
        assert stranger.answers == []
    assert status(lane) == "accepted"
