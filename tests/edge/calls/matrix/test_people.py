"""What people press at the line: each its events in one transaction, once, and never against the
status net."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.calls.actions import (
    Action,
    ActionError,
    Answer,
    CloseRack,
    Depart,
    Late,
    Missing,
    Nok,
    Supplied,
    Unclear,
)
from protocols.jis.messages import Call, Event, Shipment
from tests.edge.calls.matrix.test_inbox import AT, FIRST, KEY, SECOND, Inbox, change, instruct
from tests.edge.calls.test_store import NAME

BY = "Li Na"


class People(Inbox):
    """An inbox, and people who press."""

    def press(self, action: Action) -> str:
        return self.store.act(action, AT)

    def refused(self, action: Action) -> str:
        before = self.store.events(0, 999)
        with pytest.raises(ActionError) as refusal:
            self.press(action)
        assert self.store.events(0, 999) == before
        return refusal.value.code

    def version(self) -> int:
        return int(self.store.call(KEY)["version"])

    def said_by_people(self) -> list[str]:
        return [
            e["kind"] if e["kind"] != "inspected" else f"inspected_{e['verdict']}"
            for e in self.store.events(0, 999)
            if e.get("by") == BY
        ]

    def build(self, call: Call, *, rack: str = "R0", slot: int | None = None) -> None:
        serial = f"S{call.call_no}"
        self.happens("produced", call, serial=serial)
        self.happens("inspected", call, serial=serial, verdict="ok")
        if slot is not None:
            self.happens("packed", call, serial=serial, rack=rack, slot=slot)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    made = People(tmp_path / "calls.sqlite")
    made.take(FIRST, SECOND)
    made.accept(FIRST, SECOND)
    made.store.know_commands(NAME, commands=True)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("then", "told", "command"),
    [
        ("rebuild", ["unpacked", "inspected_nok"], "rework"),
        ("scrap", ["unpacked", "inspected_nok", "scrapped"], "scrap"),
        ("stock", ["unpacked", "stocked"], "scrap"),
    ],
)
def test_nok_at_supplier(people: People, then: str, told: list[str], command: str) -> None:
    people.build(FIRST, slot=1)
    nok = Nok.model_validate({"by": BY, "line": NAME, "key": KEY, "serial": "S1", "then": then})
    assert people.press(nok) == people.press(nok) == then
    assert people.said_by_people() == told
    assert people.store.view(NAME).slots[0].state != "filled"
    work = people.store.next_work(NAME)
    assert work is not None
    assert (work.command, work.serial) == (command, "S1")
    people.store.settle(work, accepted=True, reason="", at=AT)
    assert people.work() is None


def test_nok_of_another_part_or_of_a_line_that_takes_no_commands(people: People) -> None:
    people.build(FIRST)
    common = {"by": BY, "line": NAME, "key": KEY}
    assert people.refused(Nok(**common, serial="S0", then="scrap")) == "other_part"
    people.store.know_commands(NAME, commands=False)
    assert people.refused(Nok(**common, serial="S1", then="rebuild")) == "no_commands"
    assert people.press(Nok(**common, serial="S1", then="scrap")) == "scrap"
    assert people.work() is None


def test_missing_part_and_its_arrival(people: People) -> None:
    eta = AT + timedelta(minutes=30)
    missing = Missing(by=BY, line=NAME, key=KEY, version=people.version(), eta=eta)
    assert people.press(missing) == people.press(missing) == "missing"
    assert people.store.call(KEY)["eta"] == eta.isoformat()
    people.press(Supplied(by=BY, line=NAME, key=KEY, version=people.version()))
    assert people.said_by_people() == ["missing", "supplied"]
    assert people.store.call(KEY)["part"] == "accepted"
    far = Missing(by=BY, line=NAME, key=KEY, version=people.version(), eta=AT + timedelta(days=90))
    assert people.refused(far) == "far_eta"


@pytest.mark.parametrize("commands", [True, False])
def test_a_person_confirms_a_change(people: People, commands: bool) -> None:
    people.store.decided_by_people = frozenset({NAME})
    people.store.know_commands(NAME, commands=commands)
    people.take(change(FIRST, 2, part_no="B1", confirm=True))
    yes = Answer(by=BY, line=NAME, key=KEY, revision=2, yes=True)
    assert people.press(yes) == people.press(yes) == "confirmed"
    if commands:
        work = people.store.next_work(NAME)
        assert work is not None
        assert work.command == "replace"
        people.store.settle(work, accepted=True, reason="", at=AT)
    assert people.said_by_people() == ["confirmed_change"]
    assert Call.model_validate_json(people.store.call(KEY)["body"]).part_no == "B1"
    assert people.refused(Answer(by="Wu", line=NAME, key=KEY, revision=3, yes=True)) == "not_asked"


def test_a_person_refuses_a_cancel(people: People) -> None:
    people.store.decided_by_people = frozenset({NAME})
    people.take(instruct("cancel", 2, confirm=True))
    people.press(Answer(by=BY, line=NAME, key=KEY, revision=2, yes=False, reason="built"))
    assert people.told("refused_change") == [("refused_change", 2, "built")]
    assert people.work() is None


@pytest.mark.parametrize(("taken", "work"), [(True, None), (False, (KEY, "build", 1))])
def test_an_unclear_hand_over_is_decided_by_a_person(
    tmp_path: Path, taken: bool, work: object
) -> None:
    people = People(tmp_path / "calls.sqlite")
    people.take(FIRST)
    people.store.decide(Event(kind="unclear", key=FIRST.key, at=AT, reason="another key"))
    assert people.work() is None, "never by itself"
    people.press(Unclear(by=BY, line=NAME, key=KEY, version=people.version(), taken=taken))
    assert people.work() == work
    assert people.said_by_people() == (["accepted"] if taken else [])
    people.store.close()


def test_wrong_part_in_slot_keeps_the_rack_open(people: People) -> None:
    people.build(FIRST, slot=1)
    people.build(SECOND)
    rack = {"by": BY, "line": NAME, "rack": "R0"}
    assert people.refused(CloseRack(**rack, scans={1: "S1"})) == "rack_incomplete"
    assert people.refused(CloseRack(**rack, scans={1: "S2", 2: "S1"})) == "wrong_part"
    assert people.refused(CloseRack(**rack, scans={1: "S1", 2: "S2", 3: "S3"})) == "wrong_part"
    assert people.press(CloseRack(**rack, scans={1: "S1", 2: "S2"})) == "closed"
    assert people.said_by_people() == ["packed"], "the line had told of the first"
    people.happens("packed", FIRST, serial="S1", rack="R0", slot=2)


def test_a_truck_leaves_and_will_be_late(people: People) -> None:
    people.store.rack_slots = {NAME: 3}
    people.build(FIRST, slot=1)
    people.build(SECOND, slot=2)
    content = people.store.view(NAME).content
    assert people.refused(Depart(by=BY, line=NAME, racks=["R0"], content=content)) == "not_closed"
    people.press(CloseRack(by=BY, line=NAME, rack="R0", scans={1: "S1", 2: "S2"}))
    content = people.store.view(NAME).content
    gone = Depart(by=BY, line=NAME, racks=["R0"], content=content, vehicle="沪A·1")
    shipment = people.press(gone)
    assert people.press(gone) == shipment, "a second click is no second truck"
    *_, advice = people.store.events(0, 999)
    told = Shipment.model_validate(advice)
    assert (told.shipment, told.vehicle) == (shipment, "沪A·1")
    slots = [(slot.slot, slot.serial) for slot in told.racks[0].slots]
    assert slots == [(1, "S1"), (2, "S2"), (3, None)]
    assert people.store.call(KEY)["part"] == "shipped"
    late = Late(by=BY, line=NAME, shipment=shipment, eta=AT + timedelta(hours=2))
    assert people.press(late) == people.press(late) == "late"
    assert [e["kind"] for e in people.store.events(0, 999)].count("delay") == 1
