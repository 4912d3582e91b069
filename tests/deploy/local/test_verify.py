"""The verifier can fail: each loss, double and falsehood planted here is named, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local.report import figures, render
from deploy.local.verify import Gap, Judge, LineTruth, verify
from firmware_sim.line.ledger import CallDecision, Entry, Ledger, Result, ResultKind, Sample
from hub.calls.release import release
from hub.store import Database
from tests.fixtures.postgres import DatabaseServer
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
CARS = 3
NODE = "Line.Station20.Torque"
STEPS: tuple[ResultKind, ...] = ("produced", "inspected", "packed", "shipped")
EVENTS_PER_CALL = 1 + len(STEPS)
Connection = psycopg.Connection[Any]


def micros(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


class World:
    """Three cars, all their parts built and reported, and a PLC's ledger that says the same."""

    def __init__(self, connection: Connection, directory: Path) -> None:
        self.connection = connection
        self.truths = []
        for line, group, node in (
            ("SEAT1", "seatworks", "gw-seat"),
            ("TRIM1", "trimworks", "gw-trim"),
        ):
            ledger = directory / f"{line}.jsonl"
            self.truths.append(LineTruth(line, group, node, line, ledger, {NODE: "Torque"}))
            entries = self._build(line, node)
            writer = Ledger(ledger)
            for entry in entries:
                writer.add(entry)
            writer.close()

    def problems(self) -> list[str]:
        return verify(self.connection, self.truths).problems

    def add_to_ledger(self, line: str, *entries: Entry) -> None:
        (truth,) = (truth for truth in self.truths if truth.line == line)
        writer = Ledger(truth.ledger)
        for entry in entries:
            writer.add(entry)
        writer.close()

    def execute(self, statement: str) -> None:
        assert self.connection.execute(statement.encode()).rowcount > 0

    def _build(self, line: str, node: str) -> list[Entry]:
        calls = self.connection.execute(
            """SELECT id, concat_ws('/', plant, line, production_no, part_group, reorder_index)
               FROM jis_call WHERE line = %s ORDER BY call_no""",
            [line],
        ).fetchall()
        entries: list[Entry] = []
        for n, (call, key) in enumerate(calls):
            entries.append(CallDecision(key, True, False, "", micros(START)))
            first = n * EVENTS_PER_CALL
            self._store_event(node, call, first, "accepted", "", "", "", 0, START)
            for step, kind in enumerate(STEPS, start=1):
                at = START + timedelta(seconds=n, milliseconds=step)
                verdict = "ok" if kind == "inspected" else ""
                rack, slot = ("R1", n + 1) if kind in ("packed", "shipped") else ("", 0)
                no, serial = n * len(STEPS) + step, f"S{n}"
                entries.append(Result(no, kind, key, serial, verdict, rack, slot, micros(at)))
                self._store_event(node, call, first + step, kind, serial, verdict, rack, slot, at)
        self.connection.execute(
            """INSERT INTO stream_cursor (gateway, stream, epoch, owner, watermark)
               SELECT id, 'events', 1, owner, %s FROM gateway WHERE node_id = %s""",
            (len(calls) * EVENTS_PER_CALL, node),
        )
        self.connection.execute(
            """UPDATE jis_call SET status = 'shipped',
                   acknowledged_at = released_at + interval '20 ms'
               WHERE line = %s""",
            [line],
        )
        return entries + self._measure(line, node)

    def _measure(self, line: str, node: str) -> list[Entry]:
        self.connection.execute(
            """WITH d AS (INSERT INTO device (owner, gateway, name, online, since)
                   SELECT owner, id, %s, true, now() FROM gateway WHERE node_id = %s
                   RETURNING id, owner)
               INSERT INTO tag (owner, device, name, datatype)
               SELECT owner, id, 'Torque', 10 FROM d""",
            (line, node),
        )
        entries: list[Entry] = []
        for n in range(10):
            at = START + timedelta(seconds=n)
            entries.append(Sample(NODE, micros(at), "Double", n / 4))
            self.connection.execute(
                """INSERT INTO sample (tag_id, time, value)
                   SELECT t.id, %s, %s FROM tag t JOIN device d ON d.id = t.device
                   WHERE d.name = %s""",
                (at, n / 4, line),
            )
        return entries

    def _store_event(self, node: str, call: int, offset: int, kind: str, *body: Any) -> None:
        serial, verdict, rack, slot, at = body
        self.connection.execute(
            """INSERT INTO call_event
                   (owner, partner, gateway, epoch, record_offset, call, kind, serial, body,
                    source_at)
               SELECT 'carmaker', owner, id, 1, %s, %s, %s, %s,
                   jsonb_strip_nulls(jsonb_build_object(
                       'verdict', nullif(%s, ''), 'rack', nullif(%s, ''), 'slot', nullif(%s, 0))),
                   %s
               FROM gateway WHERE node_id = %s""",
            (offset, call, kind, serial or None, verdict, rack, slot, at, node),
        )


@pytest.fixture
def world(database_server: DatabaseServer, database: Database, tmp_path: Path) -> Iterator[World]:
    make_world(database, CARS)
    with database.connect("ingest") as connection:
        for number in range(1, CARS + 1):
            release(connection, OWNER, PLANT, POINT, f"{number:07d}", passed_at(number))
    # No role of the hub may do what the harm below does.
    name = str(conninfo_to_dict(database.conninfo)["dbname"])
    # Nor do the triggers that guard the histories stand in its way.
    superuser = make_conninfo(
        database_server.embedded.dsn(name),
        options="-c search_path=lineside -c session_replication_role=replica",
    )
    with psycopg.connect(superuser, autocommit=True) as connection:
        yield World(connection, tmp_path)


def test_answers_and_trucks_are_compared_too(world: World) -> None:
    key, at = "P1/SEAT1/0000001/SEAT-FRONT/0", micros(START)
    loaded = "P1/SEAT1/0000002/SEAT-FRONT/0"
    (last,) = world.connection.execute(
        "SELECT count(*) FROM call_event e JOIN jis_call c ON c.id = e.call"
        " WHERE c.line = 'SEAT1' AND e.kind <> 'accepted'"
    ).fetchone() or (0,)
    truck = ("T1", at + 1, "")
    world.add_to_ledger(
        "SEAT1",
        CallDecision(key, True, False, "", at, "replace", 2),
        CallDecision(key, False, False, "it has left", at, "cancel", 3),
        Result(last + 1, "shipped", loaded, "S7", "", "R9", 2, at, "T1"),
        Result(last + 2, "departed", "", "", "", "", 0, at, *truck),
        Result(last + 3, "delayed", "", "", "", "", 0, at, *truck),
    )
    said = f"2 answers of the PLC of SEAT1 that the hub never heard: ('{key}', 2, "
    assert any(problem.startswith(said) for problem in world.problems())
    assert "2 trucks of SEAT1 that the hub never heard of: shipment T1; delay T1" in (
        world.problems()
    )
    world.execute(
        """INSERT INTO line_event (owner, partner, plant, line, gateway, epoch, record_offset, kind,
               body, source_at)
           SELECT 'carmaker', owner, 'P1', 'SEAT1', id, 1, 900, 'shipment',
               '{"shipment": "T1", "racks": [{"rack": "R9", "slots": [{"slot": 1, "key": null}]}]}',
               now()
           FROM gateway WHERE node_id = 'gw-seat'"""
    )
    wrong = f"1 parts that the advice of T1 and its truck do not share: {loaded} (serial S7)"
    assert wrong in world.problems()


SEAT_CALL = "line = 'SEAT1' AND call_no = 2"
SEAT_SAMPLE = """ctid IN (SELECT s.ctid FROM sample s JOIN tag t ON t.id = s.tag_id
    JOIN device d ON d.id = t.device WHERE d.name = 'SEAT1' AND s.value = 0.5)"""


def test_finds_nothing_wrong_where_nothing_is(world: World) -> None:
    verdict = verify(world.connection, world.truths)
    assert verdict.problems == []
    assert (verdict.samples_produced, verdict.samples_committed) == (20, 20)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (
            f"""WITH c AS (SELECT id FROM jis_call WHERE {SEAT_CALL}),
                o AS (DELETE FROM call_outbox WHERE call IN (SELECT id FROM c)),
                e AS (DELETE FROM call_event WHERE call IN (SELECT id FROM c))
                DELETE FROM jis_call WHERE id IN (SELECT id FROM c)""",
            [
                "1 calls missing: P1/SEAT1/0000001/SEAT-REAR/0",
                "1 call numbers missing at SEAT1: 2",
                "1 event streams with holes: gw-seat epoch 1: 25 of 30 stored",
                "1 parts the PLC of SEAT1 was not called for: P1/SEAT1/0000001/SEAT-REAR/0",
                "1 'accepted' events missing at SEAT1: P1/SEAT1/0000001/SEAT-REAR/0",
                "4 PLC results without their event at SEAT1: ",
            ],
        ),
        (
            f"UPDATE jis_call SET acknowledged_at = NULL WHERE {SEAT_CALL}",
            ["1 calls not acknowledged: P1/SEAT1/0000001/SEAT-REAR/0"],
        ),
        (
            f"UPDATE jis_call SET status = 'packed' WHERE {SEAT_CALL}",
            ["1 calls not shipped: P1/SEAT1/0000001/SEAT-REAR/0 is packed"],
        ),
        (
            "DELETE FROM call_event WHERE record_offset = 1 AND gateway = 1",
            [
                "1 event streams with holes: gw-seat epoch 1: 29 of 30 stored",
                "1 PLC results without their event at SEAT1: produced P1/SEAT1/0000001/SEAT-FRONT",
            ],
        ),
        (
            """INSERT INTO call_event (owner, partner, gateway, epoch, record_offset, call, kind,
                   serial, body, source_at)
               SELECT owner, partner, gateway, epoch, 1000, call, kind, serial, body, source_at
               FROM call_event WHERE record_offset = 4 AND gateway = 1""",
            ["1 events doubled at SEAT1: shipped P1/SEAT1/0000001/SEAT-FRONT/0"],
        ),
        (
            "UPDATE call_event SET serial = 'X' WHERE record_offset = 1 AND gateway = 1",
            [
                "1 PLC results without their event at SEAT1: produced",
                "1 events the PLC of SEAT1 never reported: produced P1/SEAT1/0000001/SEAT-FRONT/0 "
                "(serial X)",
            ],
        ),
        (
            f"DELETE FROM sample WHERE {SEAT_SAMPLE}",
            ["1 samples of SEAT1 lost outside any named gap: Torque at 2026-03-02T06:00:02.000"],
        ),
        (
            f"INSERT INTO sample SELECT * FROM sample WHERE {SEAT_SAMPLE}",
            ["1 samples of SEAT1 committed twice: Torque at 2026-03-02T06:00:02.000"],
        ),
        (
            f"UPDATE sample SET value = 7 WHERE {SEAT_SAMPLE}",
            [
                "1 samples of SEAT1 lost outside any named gap: Torque at 2026-03-02T06:00:02.000",
                "1 samples the PLC of SEAT1 never had: Torque at 2026-03-02T06:00:02.000+00:00 is "
                "7.0, but it was 0.5",
            ],
        ),
        (
            f"""INSERT INTO sample (tag_id, time, value)
                SELECT tag_id, time + interval '1 ms', value FROM sample WHERE {SEAT_SAMPLE}""",
            ["1 samples the PLC of SEAT1 never had: Torque at 2026-03-02T06:00:02.001"],
        ),
        (
            """INSERT INTO quarantine (owner, gateway, stream, epoch, record_offset, reason, raw)
               VALUES ('seatworks', 1, 'events', 1, 7, 'not JSON', '\\x00')""",
            ["1 records in quarantine: events 7: not JSON"],
        ),
    ],
)
def test_names_what_is_missing_or_doubled(world: World, harm: str, named: list[str]) -> None:
    world.execute(harm)
    found = world.problems()
    assert len(found) == len(named), found
    for problem, beginning in zip(found, named, strict=True):
        assert problem.startswith(beginning)


def test_names_what_the_plc_took_twice_or_never(world: World) -> None:
    key = "P1/SEAT1/0000001/SEAT-FRONT/0"
    world.add_to_ledger("SEAT1", CallDecision(key, True, False, "", 0))
    assert world.problems() == [
        f"1 calls taken twice by the PLC of SEAT1: {key}",
        f"1 'accepted' events missing at SEAT1: {key}",
    ]


def test_a_call_handed_over_again_is_not_doubled(world: World) -> None:
    repeated = CallDecision("P1/SEAT1/0000001/SEAT-FRONT/0", True, True, "", 0)
    world.add_to_ledger("SEAT1", repeated)
    assert world.problems() == []


@pytest.mark.parametrize(
    ("device", "start_s", "end_s", "excused"),
    [
        ("'SEAT1'", 1, 3, True),
        ("NULL", 2, 2, True),
        ("'SEAT1'", 3, 9, False),
        ("'OTHER'", 1, 3, False),
    ],
)
def test_a_gap_excuses_what_lies_within_it(
    world: World, device: str, start_s: int, end_s: int, excused: bool
) -> None:
    world.execute(f"DELETE FROM sample WHERE {SEAT_SAMPLE}")
    world.execute(
        f"""INSERT INTO gap (owner, gateway, device, stream, from_time, to_time, cause)
            SELECT owner, id, {device}, 'telemetry',
                timestamptz '2026-03-02T06:00Z' + interval '{start_s} s',
                timestamptz '2026-03-02T06:00Z' + interval '{end_s} s', 'test'
            FROM gateway WHERE node_id = 'gw-seat'"""
    )
    assert (world.problems() == []) is excused


def test_names_a_sample_that_came_after_a_later_one_of_its_kind(world: World) -> None:
    again = f"""WITH moved AS (DELETE FROM sample WHERE {SEAT_SAMPLE} RETURNING *)
        INSERT INTO sample (tag_id, time, value, historical)
        SELECT tag_id, time, value, %s FROM moved"""
    world.execute(again % "true")
    assert world.problems() == []
    world.execute(again % "false")
    assert world.problems() == [
        "1 samples of SEAT1 out of order: Torque at 2026-03-02T06:00:02.000+00:00"
    ]


@pytest.mark.parametrize(("between", "told"), [(0, True), (300, False)])
def test_a_later_value_on_an_older_page_of_the_same_transaction_is_well(
    world: World, between: int, told: bool
) -> None:
    """A COPY may fill the room of an older page after its newest, so that only on one page the
    places tell the order. `between` is how many rows, of another line, push them apart."""

    def produced(n: int) -> Sample:
        return Sample(NODE, micros(START + timedelta(seconds=n)), "Double", n / 4)

    world.add_to_ledger("SEAT1", produced(10), produced(11))
    world.add_to_ledger("TRIM1", *(produced(n) for n in range(10, 10 + between)))
    world.execute(
        f"""INSERT INTO sample (tag_id, time, value)
            SELECT t.id, timestamptz '{START}' + n * interval '1 s', n / 4.0
            FROM (SELECT 1 AS row, 'SEAT1' AS line, 11 AS n
                  UNION ALL SELECT n, 'TRIM1', n FROM generate_series(10, {9 + between}) n
                  UNION ALL SELECT 1000, 'SEAT1', 10) came
            JOIN device d ON d.name = came.line
            JOIN tag t ON t.device = d.id
            ORDER BY came.row"""
    )
    wrong = "1 samples of SEAT1 out of order: Torque at 2026-03-02T06:00:10.000+00:00"
    assert world.problems() == ([wrong] if told else [])


def test_a_judge_says_what_may_be_missing(world: World) -> None:
    world.execute(f"DELETE FROM sample WHERE {SEAT_SAMPLE}")
    world.execute(
        """INSERT INTO gap (owner, gateway, stream, cause)
           SELECT owner, id, 'telemetry', 'boredom' FROM gateway WHERE node_id = 'gw-seat'"""
    )
    world.execute("DELETE FROM call_event WHERE record_offset = 29 AND gateway = 1")
    world.execute("UPDATE stream_cursor SET watermark = 29 WHERE gateway = 1")
    world.execute(f"UPDATE jis_call SET status = 'unclear' WHERE {SEAT_CALL}")
    assert len(world.problems()) == 2
    asked = []

    def refuse(line: LineTruth, index: int, gaps: Sequence[Gap]) -> bool:
        asked.append((line.line, index, [gap.cause for gap in gaps]))
        return False

    strict = Judge(value_may_be_missing=refuse)
    assert (
        "1 samples of SEAT1 in a gap that no fault explains: "
        "Torque at 2026-03-02T06:00:02.000+00:00 (boredom)"
    ) in verify(world.connection, world.truths, strict).problems
    assert [(line, causes) for line, _, causes in asked] == [("SEAT1", ["boredom"])]
    mild = Judge(event_may_be_missing=lambda *_: True, call_may_stay=lambda *_: True)
    verdict = verify(world.connection, world.truths, mild)
    assert verdict.problems == []
    assert (verdict.events_in_gaps, verdict.undecided, verdict.samples_in_gaps) == (1, 1, 1)


def test_cars_that_passed_against_the_plan_are_not_in_order(world: World) -> None:
    world.execute(
        """WITH made AS (INSERT INTO production_sequence (plant, owner, method)
               SELECT id, owner, 'given' FROM plant RETURNING id)
           INSERT INTO sequence_position (sequence, position, plant, owner, production_no)
           SELECT made.id, 100 - pass_no, plant, owner, production_no
           FROM control_point_pass, made"""
    )
    assert figures(world.connection, disturbed=[]).cars_in_order == pytest.approx(1 / CARS)


def test_the_table_counts_what_was_built(world: World) -> None:
    found = figures(world.connection, disturbed=[])
    assert found.cars == CARS
    assert [(f.line, f.calls, f.acknowledged, f.built, f.nok, f.shipped) for f in found.lines] == [
        ("SEAT1", 6, 6, 6, 0, 6),
        ("TRIM1", 3, 3, 3, 0, 3),
    ]
    assert found.latency_ms == pytest.approx((20, 20))
    assert (found.cars_in_order, found.parts_in_order) == (None, 1)
    assert "20 / 20 ms" in render(found, verify(world.connection, world.truths))
