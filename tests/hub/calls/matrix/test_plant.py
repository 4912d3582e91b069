"""Rows of the exception matrix that the plant begins: what its cars and orders do after all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.calls import commands, content, reorders, resequenced, retime
from hub.calls.answers import note_unanswered
from hub.calls.by_phone import answer_by_phone
from hub.calls.effectivity import change_part, check_index
from hub.calls.history import find_call
from hub.calls.parts import PartChange
from hub.calls.previews import refresh_demand
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.release import release
from hub.orders.calendar_entry import WorkEntry
from protocols.jis.messages import Call, CallChange, CallKey, Instruction, LineState
from tests.hub.calls.plant import agree, answer, by, call, claims, places, told
from tests.hub.calls.supply import Supply, key, seat
from tests.hub.calls.world import OWNER, PLANT, POINT, passed_at, put_in_sequence

ONE, TWO, THREE = (f"{number:07d}" for number in (1, 2, 3))


def cars(supply: Supply, line: str = "SEAT1") -> list[int]:
    """The cars in the order of the line's places."""
    return [car for car, _, _ in places(supply.connection, line)]


def changes(supply: Supply, line: str = "SEAT1") -> list[CallChange]:
    return [record for record in told(supply.connection, line) if isinstance(record, CallChange)]


def instructions(supply: Supply, line: str = "SEAT1") -> list[tuple[str, str, bool]]:
    """(kind, part group, whether the supplier is asked what comes of it)"""
    return [
        (record.kind, record.key.part_group, record.confirm)
        for record in told(supply.connection, line)
        if isinstance(record, Instruction)
    ]


# Duplicate call


def test_a_pass_or_a_command_given_twice_counts_once(supply: Supply) -> None:
    supply.pass_cars(1, 1)
    command = by()
    done = commands.pull_out(supply.connection, OWNER, PLANT, ONE, command)
    before = told(supply.connection)
    again = commands.pull_out(supply.connection, OWNER, PLANT, ONE, command)
    assert (done.repeated, again.repeated) == (False, True)
    assert told(supply.connection) == before
    assert [r.kind for r in before] == ["call", "call", "hold", "hold"]
    reorder = by()
    first = reorders.reorder(supply.connection, OWNER, _rejected(supply), reorder)
    second = reorders.reorder(supply.connection, OWNER, key(1), reorder)
    assert first == (key(1).model_copy(update={"reorder_index": 1}), False)
    assert second == (first[0], True)


def _rejected(supply: Supply) -> CallKey:
    supply.pack(key(1))
    for kind in ("shipped", "arrived", "rejected"):
        supply.say(key(1), kind, "dock" if kind != "shipped" else "supplier")
    return key(1)


# Same key, changed content


def test_changed_content_of_a_part_not_begun_is_told_at_once(supply: Supply) -> None:
    supply.pass_cars(1)
    agree(supply.connection, delivery="delta")
    done = content.change_call(supply.connection, OWNER, seat(1), by(), {"part_no": "SF-LEATHER"})
    assert (done.calls, done.asked) == ([seat(1)], [])
    (change,) = changes(supply)
    assert (change.call.part_no, change.call.revision) == ("SF-LEATHER", 2)
    assert (change.changed, change.confirm) == (["part_no"], False)
    history = supply.connection.execute(
        "SELECT body->'changed' FROM call_event WHERE kind = 'change'"
    ).fetchone()
    assert history == ({"part_no": {"from": "SF-BASE", "to": "SF-LEATHER"}},)


def test_a_line_that_is_told_whole_changes_takes_no_part_of_one(supply: Supply) -> None:
    supply.pass_cars(1)
    with pytest.raises(RefusedError, match="give quantity, colour too"):
        content.change_call(supply.connection, OWNER, seat(1), by(), {"part_no": "SF-LEATHER"})
    whole = {"part_no": "SF-LEATHER", "quantity": 1, "colour": "RED"}
    content.change_call(supply.connection, OWNER, seat(1), by(), whole)
    assert call(supply.connection, seat(1)).part_no == "SF-LEATHER"
    with pytest.raises(RefusedError, match="that content already"):
        content.change_call(supply.connection, OWNER, seat(1), by(), whole)


def test_changed_content_of_a_part_begun_is_for_the_supplier_to_decide(supply: Supply) -> None:
    supply.pass_cars(1)
    agree(supply.connection, delivery="delta")
    supply.inspect(seat(1))
    leather = {"part_no": "SF-LEATHER"}
    assert content.change_call(supply.connection, OWNER, seat(1), by(), leather).asked == [seat(1)]
    assert changes(supply)[0].confirm
    assert call(supply.connection, seat(1)).part_no == "SF-BASE"
    with pytest.raises(RefusedError, match="asked for change and has not answered"):
        content.change_call(supply.connection, OWNER, seat(1), by(), leather)
    answer(supply, seat(1), "confirmed_change")
    now = call(supply.connection, seat(1))
    assert (now.part_no, now.asked, now.confirmed_revision) == ("SF-LEATHER", None, 2)
    assert claims(supply.connection) == [("changed_late", "plant")]


def test_a_refused_change_leaves_the_call_and_asks_the_plant(supply: Supply) -> None:
    supply.pass_cars(1)
    agree(supply.connection, delivery="delta", frozen_s=3600)
    asked = content.change_call(supply.connection, OWNER, seat(1), by(), {"part_no": "SF-X"}).asked
    assert asked == [seat(1)], "required within the frozen horizon"
    answer(supply, seat(1), "refused_change", "all are painted")
    now = call(supply.connection, seat(1))
    assert (now.part_no, now.asked) == ("SF-BASE", None)
    assert supply.open()["change_refused"]["reason"] == "all are painted"


def test_an_answer_to_an_older_question_says_nothing(supply: Supply) -> None:
    supply.pass_cars(1)
    agree(supply.connection, delivery="delta", frozen_s=3600)
    content.change_call(supply.connection, OWNER, seat(1), by(), {"part_no": "SF-X"})
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    answer(supply, seat(1), "confirmed_change")
    assert call(supply.connection, seat(1)).part_no == "SF-BASE"


def test_who_does_not_answer_in_time_is_named(supply: Supply) -> None:
    supply.pass_cars(1)
    agree(supply.connection, delivery="delta", frozen_s=3600, answer_s=60)
    content.change_call(supply.connection, OWNER, seat(1), by(passed_at(2)), {"part_no": "SF-X"})
    assert note_unanswered(supply.connection, passed_at(3)) == 0
    assert note_unanswered(supply.connection, passed_at(4)) == 1
    assert note_unanswered(supply.connection, passed_at(5)) == 0
    assert supply.open()["change_unanswered"] == {"asked": "change", "revision": 2}
    answer(supply, seat(1), "confirmed_change")
    assert supply.open() == {}


def test_who_has_no_gateway_answers_by_phone(supply: Supply) -> None:
    """A partner by EDI, or a line that works by hand."""
    supply.pass_cars(1, 2)
    agree(supply.connection, delivery="delta", frozen_s=3600)
    for n, part in ((1, "SF-X"), (2, "SF-Y")):
        content.change_call(supply.connection, OWNER, seat(n), by(), {"part_no": part})
    yes = by()
    with pytest.raises(RefusedError, match="line SEAT1 answers by its gateway"):
        answer_by_phone(supply.connection, OWNER, seat(1), yes, confirmed=True)
    supply.connection.execute("UPDATE gateway SET transport = 'edi' WHERE node_id = 'gw-seat'")
    assert answer_by_phone(supply.connection, OWNER, seat(1), yes, confirmed=True).calls
    assert answer_by_phone(supply.connection, OWNER, seat(1), yes, confirmed=True).repeated
    answer_by_phone(supply.connection, OWNER, seat(2), by(), confirmed=False)
    now = [call(supply.connection, seat(n)) for n in (1, 2)]
    assert [(each.part_no, each.asked) for each in now] == [("SF-X", None), ("SF-BASE", None)]
    assert supply.open()["change_refused"]["by"] == "planner"
    with pytest.raises(RefusedError, match="nothing is asked of call"):
        answer_by_phone(supply.connection, OWNER, seat(2), by(), confirmed=True)


def test_an_order_that_changes_changes_its_calls(supply: Supply) -> None:
    """Sport seats in front, none behind, another colour; then the rear seat after all."""
    supply.pass_cars(1)
    done = content.change_order(
        *(supply.connection, OWNER, PLANT, ONE, by()),
        {"options": ["SPORT", "TWO-SEATER"], "colour": "BLUE"},
    )
    assert sorted(str(k) for k in done.calls) == [
        "P1/SEAT1/0000001/SEAT-FRONT/0",
        "P1/SEAT1/0000001/SEAT-REAR/0",
        "P1/TRIM1/0000001/DOOR-TRIM/0",
    ]
    assert call(supply.connection, seat(1)).part_no == "SF-SPORT"
    assert call(supply.connection, key(1)).part_no == "DT-BLUE"
    assert call(supply.connection, seat(1, "SEAT-REAR")).car == "cancelled"


# Late call


def test_a_late_call_is_accepted_and_flagged_with_the_earliest_arrival(supply: Supply) -> None:
    agree(supply.connection, produce_s=400, transport_s=300)
    supply.pass_cars(1)
    assert [r.kind for r in told(supply.connection)] == ["call", "call"]
    late = supply.connection.execute(
        "SELECT subject, severity, told, detail FROM exception WHERE kind = 'late_call' ORDER BY id"
    ).fetchall()
    assert [row[:3] for row in late] == [
        (f"P1/SEAT1/{ONE}/{group}/0", "critical", ["carmaker", "seatworks"])
        for group in ("SEAT-FRONT", "SEAT-REAR")
    ]
    assert late[0][3]["earliest_at"] == (passed_at(1) + timedelta(seconds=700)).isoformat()
    assert late[0][3]["late_s"] == 100
    commands.fit(supply.connection, OWNER, PLANT, ONE, by())
    assert "late_call" not in {kind for kind, _, _ in _open(supply)}


def _open(supply: Supply) -> list[tuple[str, str, int]]:
    return supply.connection.execute(
        "SELECT kind, subject, id FROM exception WHERE closed_at IS NULL"
    ).fetchall()


def test_a_call_whose_pass_is_heard_of_late_is_late(supply: Supply) -> None:
    release(supply.connection, OWNER, PLANT, POINT, ONE, passed_at(1), now=passed_at(12))
    kinds = supply.connection.execute("SELECT count(*) FROM exception WHERE kind = 'late_call'")
    assert kinds.fetchone() == (3,)


# Sequence reset or wrap


def test_sequence_numbers_wrap_and_places_do_not(supply: Supply) -> None:
    """Numbers end at 9: the car with sequence numbers 9 and 1 stands before that with 2 and 3."""
    agree(supply.connection, slot_policy="compress")
    supply.pass_cars(*range(1, 8))
    assert [call(supply.connection, seat(n)).sequence_no for n in (4, 5, 6)] == [7, 9, 2]
    commands.pull_out(supply.connection, OWNER, PLANT, f"{4:07d}", by())
    assert cars(supply) == [1, 1, 2, 2, 3, 3, 5, 5, 6, 6, 7, 7]
    assert [call(supply.connection, seat(n)).sequence_no for n in (5, 6, 7)] == [7, 9, 2]


# Car blocked before its call


def test_what_leaves_the_frozen_preview_of_who_builds_by_it_is_noted_and_claimed(
    supply: Supply,
) -> None:
    """Cars 1 and 2 are required within the frozen horizon, so their parts are built; 3 is not."""
    put_in_sequence(supply.connection, 1, 2, 3)
    agree(
        *(supply.connection, "TRIM1"),
        preview_days=1, order_to_build="preview", frozen_s=11 * 60 + 30,
    )  # fmt: skip
    refresh_demand(supply.connection, PLANT, passed_at(0))
    for _ in range(2):
        commands.block(supply.connection, OWNER, PLANT, ONE, by(passed_at(0)))
        commands.unblock(supply.connection, OWNER, PLANT, ONE, by(passed_at(0)))
    content.change_order(supply.connection, OWNER, PLANT, TWO, by(passed_at(0)), {"colour": "BLUE"})
    commands.cancel(supply.connection, OWNER, PLANT, THREE, by(passed_at(0)))
    noted = supply.connection.execute(
        "SELECT subject, told, detail ->> 'instead' FROM exception"
        " WHERE kind = 'preview_broken' ORDER BY id"
    ).fetchall()
    both = ["carmaker", "trimworks"]
    assert noted == [
        (f"P1/TRIM1/{ONE}/DOOR-TRIM", both, "DT-RED"),
        (f"P1/TRIM1/{TWO}/DOOR-TRIM", both, "DT-BLUE"),
    ]
    claimed = supply.connection.execute(
        "SELECT kind, by_whom, part_no, quantity, reason FROM claim ORDER BY id"
    ).fetchall()
    assert claimed == [
        ("preview_broken", "plant", "DT-RED", 1,
         f"car {car}, DOOR-TRIM: built by a preview that no longer holds")
        for car in (ONE, TWO)
    ]  # fmt: skip


def test_a_blocked_car_leaves_the_preview_and_all_behind_it_are_timed_anew(supply: Supply) -> None:
    put_in_sequence(supply.connection, 1, 2, 3)
    agree(supply.connection, "TRIM1", preview_days=1)
    command = by(passed_at(0))
    commands.block(supply.connection, OWNER, PLANT, TWO, command)
    assert commands.block(supply.connection, OWNER, PLANT, TWO, command).repeated
    ahead = "SELECT production_no, car, place, required_at FROM demand ORDER BY 1"
    assert supply.connection.execute(ahead).fetchall() == [
        (ONE, "planned", 1, passed_at(10)),
        (TWO, "blocked", None, None),
        (THREE, "planned", 2, passed_at(11)),
    ]
    assert list(supply.open()) == ["blocked"]
    commands.unblock(supply.connection, OWNER, PLANT, TWO, by(passed_at(0)))
    rows = supply.connection.execute(ahead).fetchall()
    assert [(row[1], row[2]) for row in rows] == [("planned", n) for n in (1, 2, 3)]
    assert supply.open() == {}
    with pytest.raises(RefusedError, match="is not blocked"):
        commands.unblock(supply.connection, OWNER, PLANT, TWO, by())


def test_a_blocked_car_that_passes_all_the_same_is_called_and_said_to_be(supply: Supply) -> None:
    commands.block(supply.connection, OWNER, PLANT, ONE, by(passed_at(0)))
    supply.pass_cars(1)
    assert len(told(supply.connection)) == 2
    assert list(supply.open()) == ["blocked_passed"]
    with pytest.raises(RefusedError, match="pull it out instead"):
        commands.block(supply.connection, OWNER, PLANT, ONE, by())


# Car pulled out after its call


def test_a_car_pulled_out_after_its_call_leaves_its_slots_empty(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    supply.pack(seat(2))
    done = commands.pull_out(supply.connection, OWNER, PLANT, TWO, by())
    assert len(done.calls) == 3
    assert cars(supply) == [1, 1, 3, 3]
    assert changes(supply) == []
    assert instructions(supply) == [("hold", "SEAT-FRONT", False), ("hold", "SEAT-REAR", False)]
    assert supply.found(seat(2)).pair == ("pulled_out", "packed")
    supply.say(seat(2), "parked")
    assert supply.found(seat(2)).pair == ("pulled_out", "parked")
    kinds = supply.connection.execute(
        "SELECT count(*) FROM exception WHERE kind = 'pulled_out' AND closed_at IS NULL"
    )
    assert kinds.fetchone() == (3,)


def test_with_compress_those_behind_move_up_as_far_as_they_are_not_packed(supply: Supply) -> None:
    agree(supply.connection, slot_policy="compress")
    supply.pass_cars(1, 2, 3, 4)
    supply.pack(seat(4, "SEAT-REAR"))
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    assert places(supply.connection) == [
        *((2, 1, 1), (2, 2, 2), (3, 3, 3), (3, 4, 4)),
        *((4, 5, 1), (4, 8, 4)),
    ]
    moved = {name for change in changes(supply) for name in change.changed}
    assert (len(changes(supply)), moved) == (5, {"rack", "sequence_no", "slot"})
    supply.pass_cars(5)
    assert places(supply.connection)[-2:] == [(5, 9, 1), (5, 10, 2)]


def test_a_place_given_free_at_the_end_is_taken_by_the_next_car(supply: Supply) -> None:
    agree(supply.connection, slot_policy="compress")
    supply.pass_cars(1, 2)
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    supply.pass_cars(3)
    assert places(supply.connection) == [(2, 1, 1), (2, 2, 2), (3, 3, 3), (3, 4, 4)]
    assert call(supply.connection, seat(3)).call_no == 5


def test_a_part_that_has_left_keeps_its_place(supply: Supply) -> None:
    supply.pass_cars(*range(1, 7))
    supply.pack(*[key(n) for n in range(1, 7)])
    supply.ship("T1", ["TRIM1-00001"])
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    assert cars(supply, "TRIM1") == [1, 2, 3, 4, 5, 6]
    assert supply.found(key(1)).pair == ("pulled_out", "shipped")


# Car re-inserted


def test_a_car_comes_back_behind_all_that_are_called(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    commands.reinsert(supply.connection, OWNER, PLANT, ONE, by(passed_at(5)))
    assert cars(supply) == [2, 2, 3, 3, 1, 1]
    back = call(supply.connection, seat(1))
    assert (back.car, back.call_no, back.place, back.rack) == ("released", 1, 7, "SEAT1-00002")
    assert back.required_at == passed_at(15)
    kinds = [r.kind for r in told(supply.connection) if r.kind not in ("call", "line_state")]
    assert kinds == ["hold", "hold", "change", "resume", "change", "resume"]
    revisions = [r.revision for r in told(supply.connection) if isinstance(r, Instruction)]
    assert revisions == [2, 2, 4, 4]
    supply.pass_cars(4)
    assert cars(supply)[-2:] == [4, 4]


def test_a_car_comes_back_before_another_and_those_behind_make_room(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    commands.reinsert(supply.connection, OWNER, PLANT, ONE, by(), before=THREE)
    assert cars(supply) == [2, 2, 1, 1, 3, 3]
    assert call(supply.connection, seat(1)).required_at == passed_at(13)
    with pytest.raises(RefusedError, match=r"reinsert is not possible; possible: .*pull_out"):
        commands.reinsert(supply.connection, OWNER, PLANT, ONE, by())


def test_no_car_comes_back_before_one_whose_part_is_packed(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    supply.pack(seat(3))
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    before = told(supply.connection)
    with pytest.raises(RefusedError, match=r"SEAT-FRONT/0: .* packed .* make room for car 0000001"):
        commands.reinsert(supply.connection, OWNER, PLANT, ONE, by(), before=THREE)
    assert told(supply.connection) == before
    assert supply.found(seat(1)).car == "pulled_out"


# Car cancelled


def test_a_cancelled_car_ends_what_is_not_begun_and_claims_what_is(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.inspect(seat(1))
    done = commands.cancel(supply.connection, OWNER, PLANT, ONE, by())
    assert done.asked == [seat(1)]
    assert instructions(supply) == [("cancel", "SEAT-FRONT", True), ("cancel", "SEAT-REAR", False)]
    assert claims(supply.connection) == [("obsolete", "plant")]
    kinds = supply.connection.execute(
        "SELECT kind FROM exception WHERE closed_at IS NULL AND line = 'SEAT1' ORDER BY kind"
    ).fetchall()
    assert kinds == [("cancelled",), ("obsolete",)]
    supply.say(seat(1), "scrapped")
    supply.say(seat(1, "SEAT-REAR"), "dropped")
    supply.say(key(1), "dropped")
    assert supply.open() == {}
    with pytest.raises(RefusedError, match="cancelled already"):
        commands.cancel(supply.connection, OWNER, PLANT, ONE, by())


def test_a_cancelled_car_that_passes_all_the_same_is_not_called(supply: Supply) -> None:
    commands.cancel(supply.connection, OWNER, PLANT, ONE, by(passed_at(0)))
    supply.pass_cars(1)
    assert told(supply.connection) == []
    assert list(supply.open()) == ["cancelled_passed"]


# Engineering change at a break point


def test_an_engineering_change_breaks_at_a_production_number(supply: Supply) -> None:
    """Cars 1 to 3 are called, 2 is begun; from 2 on the new index counts."""
    supply.pass_cars(1, 2, 3)
    agree(supply.connection, delivery="delta")
    supply.inspect(seat(2))
    change = PartChange("SEAT-FRONT", "SF-BASE", "SF-BASE-B", from_production_no=TWO)
    affected = change_part(supply.connection, OWNER, PLANT, change, by())
    assert affected.calls == [seat(2), seat(3)]
    assert (affected.asked, affected.before, affected.run_out) == ([seat(2)], [seat(1)], 1)
    supply.pass_cars(4)
    parts = [call(supply.connection, seat(n)).part_no for n in (1, 2, 3, 4)]
    assert parts == ["SF-BASE", "SF-BASE", "SF-BASE-B", "SF-BASE-B"]
    with pytest.raises(RefusedError, match="SF-BASE of SEAT-FRONT is replaced by SF-BASE-B"):
        content.change_call(supply.connection, OWNER, seat(4), by(), {"part_no": "SF-BASE"})
    with pytest.raises(RefusedError, match="set the next change on its successor"):
        change_part(supply.connection, OWNER, PLANT, change, by())
    wrong = PartChange("SEAT-FRNT", "A", "B", from_production_no=TWO)
    with pytest.raises(UnknownError, match="did you mean SEAT-FRONT"):
        change_part(supply.connection, OWNER, PLANT, wrong, by())
    built = find_call(supply.connection, seat(2))
    assert built is not None
    check_index(supply.connection, built, passed_at(5))
    assert supply.open()["old_index"] == {"built": "SF-BASE", "counts": "SF-BASE-B"}


def test_an_engineering_change_breaks_at_a_place_in_the_sequence(supply: Supply) -> None:
    put_in_sequence(supply.connection, 3, 1, 2)
    change = PartChange("SEAT-FRONT", "SF-BASE", "SF-BASE-B", from_position=2)
    change_part(supply.connection, OWNER, PLANT, change, by())
    supply.pass_cars(3, 1, 4)
    parts = [call(supply.connection, seat(n)).part_no for n in (3, 1, 4)]
    assert parts == ["SF-BASE", "SF-BASE-B", "SF-BASE"]


def test_an_engineering_change_breaks_at_an_instant(supply: Supply) -> None:
    for old, new, minute in (("SF-BASE", "SF-B", 2), ("SF-B", "SF-C", 3)):
        change = PartChange("SEAT-FRONT", old, new, from_at=passed_at(minute))
        change_part(supply.connection, OWNER, PLANT, change, by())
    supply.pass_cars(1, 2, 3)
    parts = [call(supply.connection, seat(n)).part_no for n in (1, 2, 3)]
    assert parts == ["SF-BASE", "SF-B", "SF-C"]


# NOK at the line


def test_nok_at_the_line_is_reordered_outside_the_sequence(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.pack(key(1))
    for kind, source in (("shipped", "supplier"), ("arrived", "dock"), ("rejected", "dock")):
        supply.say(key(1), kind, source)
    assert list(supply.open()) == ["nok_at_line"]
    new, repeated = reorders.reorder(supply.connection, OWNER, key(1), by(passed_at(5)))
    assert not repeated
    record = told(supply.connection, "TRIM1")[-1]
    assert isinstance(record, Call)
    assert (record.key, record.priority, record.call_no) == (new, "express", 3)
    assert (record.rack, record.slot) == ("TRIM1-E0001", 1)
    assert record.required_at == passed_at(11)
    assert supply.found(key(1)).pair == ("replaced", "rejected")
    assert call(supply.connection, new).place is None
    assert supply.open() == {}
    assert claims(supply.connection) == [("nok_at_line", "supplier")]
    with pytest.raises(RefusedError, match="reorder is not possible"):
        reorders.reorder(supply.connection, OWNER, key(1), by())
    supply.pass_cars(3)
    assert call(supply.connection, key(3)).call_no == 4
    assert cars(supply, "TRIM1") == [1, 2, 3]


def test_a_lost_part_is_reordered_for_a_car_that_is_out(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.pack(key(1))
    supply.say(key(1), "scrapped")
    commands.pull_out(supply.connection, OWNER, PLANT, ONE, by())
    new, _ = reorders.reorder(supply.connection, OWNER, key(1), by())
    assert supply.found(new).pair == ("pulled_out", "released")
    assert instructions(supply, "TRIM1")[-1][0] == "hold"
    commands.reinsert(supply.connection, OWNER, PLANT, ONE, by())
    assert supply.found(new).pair == ("released", "released")


# Line stop, takt change, overtime


def test_a_line_stop_times_all_behind_it_anew_in_their_order(supply: Supply) -> None:
    agree(supply.connection, retime_tolerance_s=120)
    supply.pass_cars(1, 2, 3)
    stop = by(passed_at(5))
    retime.begin_stop(supply.connection, OWNER, PLANT, stop, "robot", line="SEAT1")
    state = told(supply.connection)[-1]
    assert isinstance(state, LineState)
    assert state.stopped
    assert changes(supply) == []
    done = retime.end_stop(supply.connection, OWNER, PLANT, by(passed_at(8)), stop.message_id)
    assert len(done.told) == 9
    times = [call(supply.connection, seat(n)).required_at for n in (1, 2, 3)]
    assert times == [passed_at(14), passed_at(15), passed_at(16)]
    assert {tuple(change.changed) for change in changes(supply)} == {("required_at",)}
    assert not told(supply.connection)[-1].stopped  # type: ignore[union-attr]
    again = retime.end_stop(supply.connection, OWNER, PLANT, by(passed_at(8)), stop.message_id)
    assert again.repeated
    with pytest.raises(UnknownError, match="no stop robot"):
        retime.end_stop(supply.connection, OWNER, PLANT, by(), "robot")


def test_a_stop_that_moves_less_than_the_tolerance_is_not_told(supply: Supply) -> None:
    agree(supply.connection, retime_tolerance_s=120)
    supply.pass_cars(1)
    stop = by(passed_at(5))
    expected = passed_at(7)
    done = retime.begin_stop(
        supply.connection, OWNER, PLANT, stop, "robot", expected_end_at=expected
    )
    assert [str(told_key) for told_key in done.told] == [f"P1/TRIM1/{ONE}/DOOR-TRIM/0"]
    assert call(supply.connection, seat(1)).required_at == passed_at(11)
    assert call(supply.connection, key(1)).required_at == passed_at(13)


def test_another_takt_times_the_places_that_are_left(supply: Supply) -> None:
    supply.pass_cars(1)
    takt = by(passed_at(2))
    retime.set_takt(supply.connection, OWNER, PLANT, takt, 120, passed_at(6))
    assert call(supply.connection, key(1)).required_at == passed_at(16)
    assert retime.set_takt(supply.connection, OWNER, PLANT, takt, 120, passed_at(6)).repeated
    with pytest.raises(RefusedError, match="another takt holds"):
        retime.set_takt(supply.connection, OWNER, PLANT, by(), 90, passed_at(6))
    supply.pass_cars(7)
    assert call(supply.connection, key(7)).required_at == passed_at(27)


def test_overtime_times_all_behind_it_anew(supply: Supply) -> None:
    """Five minutes of work a day: what is ten minutes away is required on Wednesday. Then all work
    on until seven."""

    def shift(end: str) -> WorkEntry:
        days = ["mon", "tue", "wed", "thu", "fri"]
        early = {"name": "early", "start": "06:00", "end": end, "weekdays": days}
        return WorkEntry.model_validate(
            {"zone": "UTC", "first": "2026-03-02", "last": "2026-03-06", "shifts": [early]}
        )

    supply.pass_cars(1, 2)
    early = by(passed_at(3))
    retime.set_calendar(supply.connection, OWNER, PLANT, early, shift("06:05"))
    times = [call(supply.connection, key(n)).required_at for n in (1, 2)]
    assert times == [passed_at(2 * 24 * 60 + n) for n in (1, 2)]
    overtime = by(passed_at(4))
    done = retime.set_calendar(supply.connection, OWNER, PLANT, overtime, shift("07:00"))
    assert key(1) in done.told
    times = [call(supply.connection, key(n)).required_at for n in (1, 2)]
    assert times == [passed_at(11), passed_at(12)]


# Sequence swap after the freeze


def test_a_swap_of_two_cars_swaps_their_calls(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    resequenced.swap(supply.connection, OWNER, PLANT, ONE, THREE, by())
    assert cars(supply) == [3, 3, 2, 2, 1, 1]
    assert call(supply.connection, seat(3)).required_at == passed_at(11)
    assert call(supply.connection, seat(1)).required_at == passed_at(13)
    assert sorted(change.call.key.production_no for change in changes(supply)) == [
        *(ONE, ONE),
        *(THREE, THREE),
    ]


def test_a_swap_after_packing_is_made_when_both_are_confirmed(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.pack(key(1), key(2))
    done = resequenced.swap(supply.connection, OWNER, PLANT, ONE, TWO, by())
    assert done.asked == [key(1), key(2)]
    answer(supply, key(1), "confirmed_change")
    assert cars(supply, "TRIM1") == [1, 2]
    answer(supply, key(2), "confirmed_change")
    assert cars(supply, "TRIM1") == [2, 1]
    assert call(supply.connection, key(1)).asked is None


def test_a_swap_that_one_refuses_is_taken_back_from_the_other(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.pack(key(1), key(2))
    resequenced.swap(supply.connection, OWNER, PLANT, ONE, TWO, by())
    answer(supply, key(1), "confirmed_change")
    answer(supply, key(2), "refused_change", "the rack is strapped")
    assert cars(supply, "TRIM1") == [1, 2]
    back = changes(supply, "TRIM1")[-1]
    assert (back.call.key, back.call.slot, back.call.revision) == (key(1), 1, 3)
    assert call(supply.connection, key(1)).asked is None


def test_no_swap_after_loading(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.pack(key(1))
    supply.say(key(1), "loaded")
    with pytest.raises(RefusedError, match=r"loaded .* swap is not possible"):
        resequenced.swap(supply.connection, OWNER, PLANT, ONE, TWO, by())


def test_a_sequence_that_is_repaired_changes_only_the_calls_that_differ(supply: Supply) -> None:
    """Cars came as 2 1 3 4 5, were planned as 1 to 5; now 3 is out, and 4 goes before 2, behind 1,
    where it stands by then. Later 3 is back behind 1, and 5 passes 4: 2 and 1 stay as they came."""
    supply.pass_cars(2, 1, 3, 4, 5)
    before = [f"{n:07d}" for n in range(1, 6)]
    after = [f"{n:07d}" for n in (1, 4, 2, 5)]
    done = resequenced.follow_sequence(supply.connection, OWNER, PLANT, before, after, by())
    assert cars(supply) == [2, 2, 1, 1, 4, 4, 5, 5]
    assert supply.found(seat(3)).car == "pulled_out"
    assert len(done.calls) == 3
    assert changes(supply) == []
    back = [f"{n:07d}" for n in (1, 3, 5, 4, 2)]
    resequenced.follow_sequence(supply.connection, OWNER, PLANT, after, back, by())
    assert cars(supply) == [2, 2, 1, 1, 3, 3, 5, 5, 4, 4]


# Pre-series vehicle


def test_a_pre_series_car_is_flagged_in_its_calls(supply: Supply) -> None:
    supply.connection.execute("UPDATE vehicle_order SET pre_series = true WHERE given_rank = 1")
    supply.pass_cars(1, 2)
    flags = [
        (record.key.production_no, record.pre_series)
        for record in told(supply.connection, "TRIM1")
        if isinstance(record, Call)
    ]
    assert flags == [(ONE, True), (TWO, False)]


# Fitting


def test_fitting_is_confirmed_by_part_group(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.pack(key(1))
    commands.fit(supply.connection, OWNER, PLANT, ONE, by(), ["DOOR-TRIM"])
    assert supply.found(key(1)).car == "fitted"
    assert list(supply.open()) == ["no_shipment"]
    assert supply.found(seat(1)).car == "released"
    with pytest.raises(UnknownError, match="did you mean DOOR-TRIM"):
        commands.fit(supply.connection, OWNER, PLANT, ONE, by(), ["DOR-TRIM"])
