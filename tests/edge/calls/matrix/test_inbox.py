"""Rows of the exception matrix as the gateway's file meets them: what comes twice, late, in another
order or with another content, and a clock that is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calls import CallStore
from edge.calls.demand import ahead
from protocols.jis.messages import (
    Call,
    CallChange,
    Delivery,
    Demand,
    Event,
    Instruction,
    InstructionKind,
    LineState,
    Preview,
)
from protocols.streams import State
from tests.edge.calls.test_store import NAME, ROUTES, accepted
from tests.edge.plant import LINE, PLANT, calls

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
FIRST, SECOND, THIRD = calls(1, 3)
KEY = str(FIRST.key)


class Inbox:
    """A store and the stream that fills it."""

    def __init__(self, path: Path) -> None:
        self.store = CallStore.open(path)
        self.store.read_state(State(5, 0, 10_000))
        self._next = 0
        self.repeated = 0

    def take(self, *records: Any) -> list[str]:
        """Let records come; gives the reasons of those in quarantine."""
        plain = [r if isinstance(r, dict) else r.model_dump(mode="json") for r in records]
        received = self.store.receive(5, self._next, plain, ROUTES)
        self._next += len(plain)
        self.repeated += received.repeated
        return list(received.quarantined)

    def accept(self, *accepted_calls: Call) -> None:
        for call in accepted_calls:
            self.store.decide(accepted(call))

    def happens(self, kind: str, call: Call = FIRST, **fields: Any) -> None:
        """The line reports it."""
        from edge.calls.store import TakenResult

        no = (self.store.last_result(NAME) or 0) + 1
        event = Event(kind=kind, key=call.key, at=AT, **fields)
        self.store.take_results(NAME, [TakenResult(no, b"", event, "", "{}")])

    def told(self, *kinds: str) -> list[tuple[str, int | None, str | None]]:
        """Kind, revision and reason of the events, of these kinds if any are named."""
        return [
            (e["kind"], e["revision"], e["reason"])
            for e in self.store.events(0, 10_000)
            if not kinds or e["kind"] in kinds
        ]

    def work(self) -> tuple[str, str, int] | None:
        """What the PLC is told next: key, command and revision."""
        work = self.store.next_work(NAME)
        return None if work is None else (str(work.call.key), work.command, work.revision)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    made = Inbox(tmp_path / "calls.sqlite")
    yield made
    made.store.close()


def change(call: Call, revision: int, *, confirm: bool = False, **fields: Any) -> CallChange:
    changed = call.model_copy(update={"revision": revision, **fields})
    return CallChange(call=changed, changed=list(fields), reason="new option", confirm=confirm)


def instruct(
    kind: InstructionKind, revision: int, call: Call = FIRST, *, confirm: bool = False
) -> Instruction:
    return Instruction(
        kind=kind, key=call.key, revision=revision, at=AT, reason="body shop", confirm=confirm
    )


def test_duplicate_call(inbox: Inbox) -> None:
    inbox.take(FIRST, FIRST)
    assert inbox.work() == (KEY, "build", 1)
    inbox.accept(FIRST)
    inbox.take(FIRST, change(FIRST, 1, part_no="OTHER"))
    assert inbox.work() is None
    assert inbox.store.counts().quarantined == 0
    assert [kind for kind, _, _ in inbox.told()] == ["accepted"]
    assert inbox.repeated == 3, "by what they say"
    again = inbox.store.receive(5, 0, [FIRST.model_dump(mode="json")], ROUTES)
    assert (again.repeated, again.answer.watermark) == (1, 4), "by its place, and answered again"


def test_duplicate_change_is_answered_once(inbox: Inbox) -> None:
    asked = change(FIRST, 2, colour="red", confirm=True)
    inbox.take(FIRST, asked, asked)
    assert inbox.told() == [("confirmed_change", 2, None)]


def test_changed_content_before_the_line_has_it(inbox: Inbox) -> None:
    inbox.take(FIRST, change(FIRST, 2, part_no="B1", slot=9))
    work = inbox.store.next_work(NAME)
    assert work is not None
    assert (work.call.part_no, work.call.slot, work.revision) == ("B1", 9, 2)
    assert inbox.told() == []


def test_changed_content_after_hand_over_waits_for_the_plc(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(change(FIRST, 2, part_no="B1"), change(FIRST, 3, part_no="C1"))
    work = inbox.store.next_work(NAME)
    assert work is not None
    assert (work.command, work.revision, work.call.part_no) == ("replace", 3, "C1")
    assert Call.model_validate_json(inbox.store.call(KEY)["body"]).part_no == "A1"
    inbox.store.offer(work)
    inbox.take(change(FIRST, 4, part_no="D1"))
    assert inbox.work() == (KEY, "replace", 3), "what the PLC may have seen is settled first"
    inbox.store.settle(work, accepted=True, reason="", at=AT)
    assert inbox.work() == (KEY, "replace", 4)
    work = inbox.store.next_work(NAME)
    assert work is not None
    inbox.store.settle(work, accepted=False, reason="being built", at=AT)
    assert inbox.work() is None
    assert Call.model_validate_json(inbox.store.call(KEY)["body"]).part_no == "C1"
    assert inbox.told("confirmed_change", "refused_change") == [
        ("confirmed_change", 3, None),
        ("refused_change", 4, "being built"),
    ]


@pytest.mark.parametrize("shown", [True, False])
def test_a_change_that_is_taken_back_before_the_line_has_it(inbox: Inbox, shown: bool) -> None:
    """Two cars change places and change back: the line ends at what the plant said last."""
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(change(FIRST, 2, rack="R7"))
    first = inbox.store.next_work(NAME)
    assert first is not None
    if shown:
        inbox.store.offer(first)
    inbox.take(change(FIRST, 3, rack=FIRST.rack))
    if shown:
        assert inbox.work() == (KEY, "replace", 2), "what the PLC may have seen is settled first"
        inbox.store.settle(first, accepted=True, reason="", at=AT)
    assert inbox.work() == (KEY, "replace", 3)
    back = inbox.store.next_work(NAME)
    assert back is not None
    inbox.store.settle(back, accepted=True, reason="", at=AT)
    held = Call.model_validate_json(inbox.store.call(KEY)["body"])
    assert (held.rack, held.revision, inbox.work()) == (FIRST.rack, 3, None)


def test_new_times_alone_need_no_word_of_the_plc(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    later = FIRST.required_at + timedelta(minutes=9)
    inbox.take(change(FIRST, 2, required_at=later))
    assert inbox.work() is None
    held = Call.model_validate_json(inbox.store.call(KEY)["body"])
    assert (held.required_at, held.revision) == (later, 2)


def test_change_and_cancel_after_the_part_has_left(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.happens("produced", serial="S1")
    inbox.happens("inspected", serial="S1", verdict="ok")
    inbox.happens("packed", serial="S1", rack="R0", slot=1)
    inbox.happens("shipped", serial="S1", rack="R0", slot=1)
    inbox.take(change(FIRST, 2, part_no="B1", confirm=True), instruct("cancel", 3, confirm=True))
    assert inbox.work() is None
    assert inbox.told("refused_change") == [
        ("refused_change", 2, "too late: its part is shipped"),
        ("refused_change", 3, "too late: its part is shipped"),
    ]


def test_what_is_asked_and_open_is_answered_when_the_part_leaves(inbox: Inbox) -> None:
    inbox.store.decided_by_people = frozenset({NAME})
    inbox.take(FIRST)
    inbox.happens("produced", serial="S1")
    inbox.take(change(FIRST, 2, part_no="B1", confirm=True), instruct("cancel", 3, confirm=True))
    assert inbox.work() is None, "a person is asked first"
    inbox.happens("packed", serial="S1", rack="R0", slot=1)
    inbox.happens("shipped", serial="S1", rack="R0", slot=1)
    assert [told[:2] for told in inbox.told("refused_change")] == [
        ("refused_change", 2),
        ("refused_change", 3),
    ]


def test_car_pulled_out_is_not_handed_over_and_comes_back(inbox: Inbox) -> None:
    inbox.take(FIRST, SECOND, instruct("hold", 2))
    assert inbox.work() == (str(SECOND.key), "build", 1)
    inbox.take(instruct("resume", 3))
    assert inbox.work() == (KEY, "build", 1)


def test_car_pulled_out_after_hand_over_and_back(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(instruct("hold", 2))
    assert inbox.work() == (KEY, "hold", 2)
    inbox.take(instruct("resume", 3))
    assert inbox.work() == (KEY, "resume", 3)


def test_car_cancelled_before_hand_over(inbox: Inbox) -> None:
    inbox.take(FIRST, instruct("cancel", 2), instruct("cancel", 2), FIRST)
    assert inbox.work() is None
    assert inbox.told() == [("dropped", 2, None)]


def test_car_cancelled_between_hand_over_and_echo(inbox: Inbox) -> None:
    inbox.take(FIRST)
    work = inbox.store.next_work(NAME)
    assert work is not None
    inbox.store.offer(work)
    inbox.take(instruct("cancel", 2))
    assert inbox.work() == (KEY, "build", 1), "first what became of it"
    inbox.accept(FIRST)
    assert inbox.work() == (KEY, "cancel", 2)


def test_reorder_call_goes_before_all_others(inbox: Inbox) -> None:
    key = FIRST.key.model_copy(update={"reorder_index": 1})
    reorder = FIRST.model_copy(update={"key": key, "call_no": 99, "priority": "express"})
    inbox.take(FIRST, SECOND, reorder)
    assert inbox.work() == (str(reorder.key), "build", 1)


def test_out_of_order_instruction_before_its_call(inbox: Inbox) -> None:
    inbox.take(instruct("cancel", 3), instruct("hold", 2))
    assert inbox.work() is None
    inbox.take(FIRST)
    assert inbox.told() == [("dropped", 3, None)]


NEWEST = change(FIRST, 6, colour="red")
RECORDS = [
    FIRST,
    change(FIRST, 2, part_no="B1"),
    instruct("hold", 3),
    change(FIRST, 4, part_no="C1", slot=2),
    instruct("resume", 5),
    NEWEST,
]


@given(
    order=st.permutations(range(len(RECORDS))),
    again=st.lists(st.integers(0, len(RECORDS) - 1), max_size=6),
    accepted_after=st.integers(0, 12),
)
@settings(max_examples=40, deadline=None)
def test_out_of_order_and_duplicate_records_end_alike(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    again: list[int],
    accepted_after: int,
) -> None:
    inbox = Inbox(tmp_path_factory.mktemp("inbox") / "calls.sqlite")
    chance = random.Random(repr((order, again)))
    coming = [*order, *again]
    chance.shuffle(coming)
    coming += [n for n in range(len(RECORDS)) if n not in coming]
    for number, index in enumerate(coming):
        inbox.take(RECORDS[index])
        if number == accepted_after:
            inbox.accept(FIRST)
    row = inbox.store.call(KEY)
    newest = Call.model_validate_json(row["change_body"] or row["body"])
    assert newest == NEWEST.call
    assert (row["wish"], row["wish_revision"], row["seen"]) == ("build", 5, 6)
    assert inbox.store.counts().quarantined == 0
    inbox.store.close()


def test_clock_skew_orders_nothing(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock jumps back by years between the records."""
    instants = iter(range(2_000_000_000_000_000, 0, -(10**13)))
    monkeypatch.setattr("edge.calls.store._now_us", lambda: next(instants))
    inbox.take(FIRST)
    inbox.take(SECOND)
    inbox.take(change(SECOND, 2, part_no="B2"))
    inbox.take(instruct("hold", 2))
    inbox.take(THIRD)
    inbox.take(instruct("resume", 3))
    handed = []
    while (work := inbox.store.next_work(NAME)) is not None:
        handed.append((work.call.call_no, work.call.part_no))
        inbox.accept(work.call)
    assert handed == [(1, "A1"), (2, "B2"), (3, "A3")]
    assert [e["key"]["production_no"] for e in inbox.store.events(0, 9)] == [
        call.key.production_no for call in (FIRST, SECOND, THIRD)
    ]


def test_delivery_mismatch_moves_the_part(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.happens("produced", serial="S1")
    inbox.take(
        Delivery(key=FIRST.key, what="mismatched", at=AT, reason="serial"),
        Delivery(key=THIRD.key, what="arrived", at=AT),
    )
    assert inbox.store.call(KEY)["part"] == "mismatched"


def demand(number: int, part_no: str = "A") -> Demand:
    return Demand(
        production_no=f"{number:07}", part_group="SEAT-FRONT", part_no=part_no, colour="black"
    )


def preview(version: int, *numbers: int, **fields: Any) -> Preview:
    demands = [demand(number, f"A{version}") for number in numbers]
    return Preview(plant=PLANT, line=LINE, version=version, demands=demands, **fields)


def known_demand(store: CallStore) -> list[tuple[str, str]]:
    found = store._db.execute(
        "SELECT production_no, json_extract(body, '$.part_no') FROM demand ORDER BY production_no"
    )
    return list(found)


def test_preview_replaced_and_by_delta(inbox: Inbox) -> None:
    inbox.take(preview(2, 2, part=2, parts=2))
    assert known_demand(inbox.store) == [], "a version counts once it is whole"
    inbox.take(preview(2, 1, part=1, parts=2), preview(1, 7), preview(2, 1, part=1, parts=2))
    assert known_demand(inbox.store) == [("0000001", "A2"), ("0000002", "A2")]
    delta = preview(3, 3, based_on=2, withdrawn=[("0000001", "SEAT-FRONT")])
    assert inbox.take(delta, delta) == []
    assert known_demand(inbox.store) == [("0000002", "A2"), ("0000003", "A3")]
    (reason,) = inbox.take(preview(9, 9, based_on=8))
    assert "differs from version 8, and here is 3: send a whole version" in reason


def test_what_is_called_is_no_longer_ahead(inbox: Inbox) -> None:
    inbox.take(preview(1, 1, 2, 3), FIRST)
    assert known_demand(inbox.store) == [("0000002", "A1"), ("0000003", "A1")]
    inbox.take(preview(2, based_on=1, withdrawn=[("0000003", "SEAT-FRONT")]), SECOND)
    assert known_demand(inbox.store) == []


def test_what_is_ahead_is_in_the_order_it_is_needed(inbox: Inbox) -> None:
    """By time whatever its zone, then by day, then what nobody knows a day of."""
    shanghai = timezone(timedelta(hours=8))
    inbox.take(
        Preview(
            plant=PLANT,
            line=LINE,
            version=1,
            demands=[
                demand(1),
                demand(2).model_copy(update={"day": date(2026, 3, 5)}),
                demand(3).model_copy(update={"required_at": AT, "place": 2}),
                demand(4).model_copy(update={"required_at": AT + timedelta(minutes=1)}),
                demand(5).model_copy(
                    update={"required_at": (AT - timedelta(minutes=1)).astimezone(shanghai)}
                ),
            ],
        )
    )
    found, count = ahead(inbox.store._db, NAME, 4)
    assert [int(each.production_no) for each in found] == [5, 3, 4, 2]
    assert count == 5


def test_line_state_that_holds_since_later_counts(inbox: Inbox) -> None:
    def state(mode: Any, minute: int) -> LineState:
        since = AT + timedelta(minutes=minute)
        return LineState(plant=PLANT, line=LINE, mode=mode, since=since, takt_s=60)

    inbox.take(state("buffer", 1), state("manual", 5), state("late_redelivery", 3))
    (mode,) = inbox.store._db.execute("SELECT json_extract(state, '$.mode') FROM line").fetchone()
    assert mode == "manual"


def test_records_of_other_lines_and_kinds_lie_in_quarantine(inbox: Inbox) -> None:
    (stranger,) = calls(1, 1, line="SEAT9")
    reasons = inbox.take(
        instruct("hold", 2, stranger),
        LineState(plant=PLANT, line="SEAT9", mode="normal", since=AT, takt_s=60),
        {"kind": "of a later release"},
        FIRST,
    )
    assert [reason.partition(": ")[2] for reason in reasons[:2]] == [
        "this gateway serves no line P1/SEAT9"
    ] * 2
    assert len(reasons) == 3
    assert inbox.work() == (KEY, "build", 1)


def test_what_the_plc_has_before_it_as_its_part_leaves_is_answered_once(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(instruct("hold", 2))
    work = inbox.store.next_work(NAME)
    assert work is not None
    inbox.store.offer(work)
    for kind in ("produced", "inspected", "packed", "shipped"):
        inbox.happens(kind, verdict="ok" if kind == "inspected" else None)
    assert inbox.told("refused_change", "confirmed_change") == []
    inbox.store.settle(work, accepted=False, reason="its part has left", at=AT)
    assert inbox.told("refused_change", "confirmed_change") == [
        ("refused_change", 2, "its part has left")
    ]
    assert inbox.work() is None


@pytest.mark.parametrize("commands", [True, False])
def test_what_was_answered_between_asking_for_work_and_showing_it_is_not_shown(
    inbox: Inbox, commands: bool
) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(change(FIRST, 2, part_no="B1"))
    work = inbox.store.next_work(NAME)
    assert work is not None
    for kind in ("produced", "inspected", "packed", "shipped"):
        inbox.happens(kind, verdict="ok" if kind == "inspected" else None)
    if commands:
        assert not inbox.store.offer(work)
    else:
        inbox.store.settle(work, accepted=False, reason="it takes no commands", at=AT)
    assert inbox.told("refused_change") == [("refused_change", 2, "too late: its part is shipped")]
    assert inbox.work() is None


def test_a_call_that_is_cancelled_between_asking_for_work_and_showing_it_is_not_built(
    inbox: Inbox,
) -> None:
    inbox.take(FIRST)
    work = inbox.store.next_work(NAME)
    assert work is not None
    inbox.take(instruct("cancel", 2))
    assert not inbox.store.offer(work)
    assert inbox.told() == [("dropped", 2, None)]


def test_nobody_is_asked_about_a_part_that_has_left(inbox: Inbox) -> None:
    inbox.take(FIRST)
    inbox.accept(FIRST)
    inbox.take(change(FIRST, 2, part_no="B1"))
    work = inbox.store.next_work(NAME)
    assert work is not None
    inbox.store.offer(work)
    for kind in ("produced", "inspected", "packed", "shipped"):
        inbox.happens(kind, verdict="ok" if kind == "inspected" else None)
    inbox.store.ask_person(work, "the PLC answered with another key")
    assert inbox.told("refused_change") == [("refused_change", 2, "too late: its part is shipped")]
    assert inbox.store.call(KEY)["change_due"] == 0
