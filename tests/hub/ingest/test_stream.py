"""Our own gateways: each record once, whatever the way does."""

from __future__ import annotations

import json

import psycopg

from hub.store import Database
from protocols.sparkplug import DataType, Metric
from protocols.sparkplug.server_times import pack_offsets
from tests.hub.ingest.conftest import eventually, rows
from tests.hub.ingest.node import BASE_MS, LONG_NAME, Node

EPOCH = 4711


def torques(hub: psycopg.Connection) -> list[float]:
    found = rows(
        hub, "SELECT value FROM sample JOIN tag ON id = tag_id WHERE name = 'torque' ORDER BY 1"
    )
    return [value for (value,) in found]


def counts(hub: psycopg.Connection) -> dict[str, int]:
    cursor = hub.execute("SELECT * FROM gateway_traffic")
    names = [column.name for column in cursor.description or ()]
    row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def test_record_becomes_rows_and_an_answer(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    node.record(0, [1.5, 2.5])
    node.answered(EPOCH, 1)
    assert rows(
        hub,
        "SELECT name, extract(epoch FROM time) * 1000, value, text, quality, historical"
        " FROM sample JOIN tag ON id = tag_id ORDER BY time",
    ) == [
        ("torque", BASE_MS, 1.5, None, 192, False),
        ("torque", BASE_MS + 1, 2.5, None, 192, False),
    ]
    assert rows(hub, "SELECT owner, partner, name, unit FROM tag ORDER BY name") == [
        ("seatworks", "carmaker", "count", None),
        ("seatworks", "carmaker", "note", None),
        ("seatworks", "carmaker", "torque", None),
    ]


def test_record_says_when_the_server_had_its_samples_and_where_they_come_from(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH)
    node.record(0, [1.0])
    node.record(1, [2.0, 3.0], server_times=pack_offsets([40, 0]))
    node.record(2, [4.0], origin="history")
    node.record(3, [5.0], server_times=pack_offsets([-7_200_000]), origin="history")
    node.record(4, [6.0], origin="a word of a later release")
    node.answered(EPOCH, 5)
    assert rows(
        hub,
        "SELECT value, (extract(epoch FROM server_time - time) * 1000)::integer, from_history"
        " FROM sample ORDER BY value",
    ) == [
        (1.0, None, False),
        (2.0, 40, False),
        (3.0, None, False),
        (4.0, None, True),
        (5.0, -7_200_000, True),
        (6.0, None, False),
    ]


def test_record_with_too_few_server_times_is_kept_raw(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.record(0, [1.0, 2.0], server_times=pack_offsets([40]))
    node.record(1, [3.0])
    node.answered(EPOCH, 2)
    assert torques(hub) == [3.0]
    reasons = rows(hub, "SELECT reason FROM quarantine")
    assert "Stream/ServerTimes: 2 bytes are no column of 2 offsets" in reasons[0][0]


def test_duplicates_are_answered_and_not_stored(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    for _ in range(3):
        node.record(0)
        node.answered(EPOCH, 1)
    assert torques(hub) == [1.0]
    assert counts(hub)["duplicates"] == 2


def test_any_order_ends_with_each_once(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, after=6)
    for offset in (4, 5, 1, 4, 0, 2, 3, 1):
        node.record(offset, [float(offset)])
    node.answered(EPOCH, 6)
    assert torques(hub) == [0, 1, 2, 3, 4, 5]


def test_ranges_ahead_are_in_the_answer(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, after=8)
    node.record(3)
    node.record(4)
    node.record(6)
    node.answered(EPOCH, 0, ((3, 5), (6, 7)))
    ahead = rows(hub, "SELECT watermark, ahead::text FROM stream_cursor")
    assert ahead == [(0, "{[3,5),[6,7)}")]


def test_offset_beyond_the_cursor_s_room_is_left_to_the_gateway(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH, after=500)
    for offset in range(1, 450, 2):  # 225 separate ranges; 200 fit
        node.record(offset)
    node.answered(EPOCH, 0, tuple((offset, offset + 1) for offset in range(1, 401, 2)))
    for offset in range(450):
        node.record(offset)
    node.answered(EPOCH, 450)
    assert len(torques(hub)) == 450


def test_lost_answer_is_given_again_at_the_next_birth(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.record(0)
    node.answered(EPOCH, 1)
    node.birth(EPOCH, after=1)
    node.answered(EPOCH, 1)


def test_record_without_birth_asks_for_it(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, devices=["line"])
    node.answered(EPOCH, 0)
    node.forget_rebirths()
    node._devices.append("press")
    node.record(0, device="press")
    node.asked_for_rebirth()
    assert torques(hub) == []
    node.birth(EPOCH, after=1, devices=["line", "press"])
    node.record(0, device="press")
    node.answered(EPOCH, 1)
    assert torques(hub) == [1.0]


def test_alias_that_no_birth_named_is_not_committed(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    node.forget_rebirths()
    node.record(0, alias=77)
    node.record(1)
    node.asked_for_rebirth()
    node.answered(EPOCH, 0, ((1, 2),))
    node.device_birth(
        "line", [*node.usual_tags("line"), Metric("angle", 77, datatype=DataType.Double)]
    )
    node.record(0, alias=77)
    node.answered(EPOCH, 2)
    assert rows(hub, "SELECT name FROM sample JOIN tag ON id = tag_id ORDER BY name") == [
        ("angle",),
        ("torque",),
    ]


def test_garbage_is_counted_and_stops_nobody(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.publish("DDATA", b"\xff" * 50, "line")
    node.publish("NDATA", b"\x0a\xff", None)
    node.publish("DBIRTH", b"no birth", "press")
    node.record(0)
    node.answered(EPOCH, 1)
    eventually(lambda: counts(hub).get("refused") == 3, "three messages refused")


def test_record_the_database_refuses_goes_to_quarantine(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH)
    for offset in range(20):
        if offset == 7:
            node.record(7, [0.0], alias=12, others={0: "torn\0text"})
        elif offset == 13:
            node.record(13, [0.0], at_ms=10**16)
        else:
            node.record(offset, [float(offset)])
    node.answered(EPOCH, 20)
    assert torques(hub) == [float(n) for n in range(20) if n not in (7, 13)]
    kept = rows(hub, "SELECT record_offset, epoch, length(raw) > 0 FROM quarantine ORDER BY 1")
    assert kept == [(7, EPOCH, True), (13, EPOCH, True)]
    assert counts(hub)["quarantined"] == 2
    node.record(7, [0.0], alias=12, others={0: "torn\0text"})
    node.answered(EPOCH, 20)
    assert len(rows(hub, "SELECT FROM quarantine")) == 2


def test_gap_record_and_tombstone_become_gaps(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, after=10)
    gap = {"device": "line", "from": "2026-11-22T06:00:00Z", "to": None, "cause": "queue overflow"}
    node.gap(0, json.dumps(gap))
    node.lost(1, 5)
    node.record(5)
    node.answered(EPOCH, 6)
    node.lost(1, 8)
    node.answered(EPOCH, 8)
    assert rows(hub, "SELECT device, first_offset, next_offset, cause FROM gap ORDER BY id") == [
        ("line", None, None, "queue overflow"),
        (None, 1, 5, "journal quota"),
        (None, 6, 8, "journal quota"),
    ]


def test_unreadable_gap_record_is_kept_raw(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.gap(0, '{"device": "line"}')
    node.gap(1, "not JSON")
    node.gap(2, json.dumps({"device": LONG_NAME, "cause": "cut"}))
    node.gap(3, json.dumps({"from": "0001-01-01T00:00:00+14:00", "cause": "cut"}))
    node.answered(EPOCH, 4)
    assert [reason for (reason,) in rows(hub, "SELECT reason FROM quarantine ORDER BY id")] == [
        "Stream/Gap: cause: Field required",
        "Stream/Gap: text: Invalid JSON: expected ident at line 1 column 2",
        "Stream/Gap: device: String should have at most 500 characters",
        "Stream/Gap: from: Input should be greater than or equal to 1970-01-01T00:00:00Z",
    ]


def test_a_gap_the_database_refuses_goes_to_quarantine_alone(
    database: Database, hub: psycopg.Connection, node: Node
) -> None:
    """Whatever of it we did not think of: ingest would stand still for all."""
    with database.connect("owner") as owner:
        owner.execute("ALTER TABLE gap ADD CHECK (cause <> 'odd')")
    node.birth(EPOCH)
    for offset, cause in enumerate(("cut", "odd", "full")):
        node.gap(offset, json.dumps({"device": "line", "cause": cause}))
    node.record(3)
    node.answered(EPOCH, 4)
    assert rows(hub, "SELECT cause FROM gap ORDER BY id") == [("cut",), ("full",)]
    ((reason, raw),) = rows(hub, "SELECT reason, raw FROM quarantine")
    assert "gap_cause_check" in reason
    assert b"cause='odd'" in raw
    assert counts(hub)["quarantined"] == 1


def test_what_the_gateway_no_longer_keeps_is_a_gap(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, first_kept=5, after=9)
    node.answered(EPOCH, 5)
    assert rows(hub, "SELECT first_offset, next_offset, cause FROM gap") == [
        (0, 5, "the gateway no longer keeps these records")
    ]


def test_records_of_an_epoch_that_is_not_open_are_left_alone(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH)
    node.record(0, epoch=9999)
    eventually(lambda: counts(hub).get("refused") == 1, "one message refused")
    node.answered(EPOCH, 0)
    assert torques(hub) == []


def test_new_epoch_closes_the_old_one_and_names_what_may_be_missing(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH)
    node.record(0)
    node.answered(EPOCH, 1)
    node.birth(EPOCH + 1)
    node.answered(EPOCH + 1, 0)
    node.record(0, [2.0], at_ms=BASE_MS + 1)
    node.answered(EPOCH + 1, 1)
    assert torques(hub) == [1.0, 2.0]
    assert rows(hub, "SELECT epoch, watermark, closed FROM stream_cursor ORDER BY epoch") == [
        (EPOCH, 1, True),
        (EPOCH + 1, 1, False),
    ]
    assert rows(hub, "SELECT epoch, first_offset, next_offset FROM gap ORDER BY epoch") == [
        (EPOCH, 1, None),
        (EPOCH + 1, None, None),
    ]


def test_health_is_in_the_status(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    node.node_data([Metric("Gateway/Journal Records", datatype=DataType.Int64, value=12)])
    eventually(
        lambda: (
            rows(hub, "SELECT metrics FROM gateway_status")
            == [({"Gateway/Version": "0.1", "Gateway/Journal Records": 12},)]
        ),
        "the journal's depth in the status",
    )
    assert rows(hub, "SELECT online, delivery, conflict FROM gateway_status") == [
        (True, "stream", None)
    ]


def test_backlog_that_is_sent_oldest_first_is_taken_in_order_alone(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH, backlog_order="oldest_first", after=5)
    node.record(0, late=True)
    node.record(2, late=True)  # the one before it got lost
    node.answered(EPOCH, 1)
    node.record(5)
    node.answered(EPOCH, 1, ((5, 6),))
    node.record(1, late=True)
    node.record(2, late=True)
    node.answered(EPOCH, 3, ((5, 6),))


def test_backlog_that_is_sent_newest_first_is_taken_as_it_comes(
    hub: psycopg.Connection, node: Node
) -> None:
    node.birth(EPOCH, backlog_order="newest_first", after=5)
    node.record(3, late=True)
    node.answered(EPOCH, 0, ((3, 4),))
