"""What the board shows of a line that is at work, in a real browser and before a real gateway: what
comes later, how long is left, what has changed, what is missing, the rack, and who is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.local.broker import LocalBroker
from protocols.jis.messages import (
    Call,
    CallChange,
    Demand,
    Instruction,
    LineState,
    Preview,
)
from tests.edge.board.world import World, kinds_of, sign_in, until
from tests.edge.hub import Hub
from tests.edge.plant import GROUP, LINE, NODE, PLANT, calls
from tests.fixtures.broker import BROKERS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]
FAR = timedelta(hours=5)


@pytest.fixture
def world(tmp_path: Path, broker: LocalBroker, page: Page) -> Iterator[World]:
    """A line that takes so long that nothing is built while somebody looks."""
    page.set_default_timeout(60_000)
    with World(tmp_path, broker.port, cycle_s=3600).running() as made:
        yield made


def say(hub: Hub, *records: Any) -> None:
    hub.call_raw(*(record.model_dump(mode="json") for record in records))


def due_in(call: Call, left: timedelta) -> Call:
    return call.model_copy(update={"required_at": datetime.now(UTC) + left})


def demand(number: int, part_no: str, **fields: Any) -> Demand:
    return Demand(
        production_no=f"{number:07}", part_group="SEAT-FRONT", part_no=part_no, colour="red",
        **fields,
    )  # fmt: skip


def test_what_comes_later_is_shown_until_it_is_called(
    world: World, broker: LocalBroker, page: Page
) -> None:
    """Previews reach the gateway over the wire, whole and as what differs."""

    def foreseen() -> list[str]:
        return page.locator("#next .foreseen .part > b").all_inner_texts()

    soon = datetime.now(UTC) + FAR
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(f"{world.url}?lang=en")
        say(
            hub,
            Preview(
                plant=PLANT, line=LINE, version=1,
                demands=[
                    demand(9, "LATER"),
                    demand(1, "A1", place=1, required_at=soon),
                    demand(2, "A2", place=2, required_at=soon + timedelta(minutes=1)),
                    demand(3, "OUT", blocked=True),
                ],
            ),
        )  # fmt: skip
        until(lambda: foreseen() == ["A1", "A2", "OUT", "LATER"], "the preview is shown")
        page.wait_for_selector("#now >> text=4 parts foreseen")
        first = page.locator("#next .foreseen").first.inner_text()
        assert f"{soon.astimezone():%H:%M}" in first
        assert "place 1" in first
        page.wait_for_selector("#next .foreseen[data-car='0000003'] >> text=blocked")
        hub.call(*calls(1, 1))
        page.wait_for_selector("#now .part >> text=A1")
        until(lambda: foreseen() == ["A2", "OUT", "LATER"], "what is called is not foreseen")
        say(
            hub,
            Preview(
                plant=PLANT, line=LINE, version=2, based_on=1,
                demands=[demand(2, "A2-NEW", place=1, required_at=soon)],
                withdrawn=[("0000003", "SEAT-FRONT")],
            ),
        )  # fmt: skip
        until(lambda: foreseen() == ["A2-NEW", "LATER"], "what differs is shown")
        page.goto(f"{world.url}?lang=zh")
        page.wait_for_selector("#next .foreseen .badge >> text=预告")
    assert page.locator("#next .foreseen").count() == 2


def test_how_long_is_left_counts_down_and_turns(
    world: World, broker: LocalBroker, page: Page
) -> None:
    first, second, third = calls(1, 3)
    late = due_in(first, timedelta(minutes=-3))
    soon = due_in(second, timedelta(minutes=14))
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(f"{world.url}?lang=en")
        hub.call(late, soon, due_in(third, FAR))
        page.wait_for_selector("#now .due.late >> text=late by")
        page.wait_for_selector("#next .due.soon b >> nth=0")
        assert page.locator("#next .due").last.get_attribute("class") == "due"
        shown = page.locator("#next .due.soon")
        at_ms = int(shown.get_attribute("data-at") or 0)
        assert at_ms == int(soon.required_at.timestamp() * 1000)
        before = shown.locator("b").inner_text()
        page.wait_for_selector(f'#next .due.soon b:not(:text-is("{before}"))')
        # A line stop: the plant tells it, and with it another time.
        again = due_in(late, FAR).model_copy(update={"revision": 2})
        say(
            hub,
            LineState(
                plant=PLANT, line=LINE, mode="late_redelivery", since=datetime.now(UTC),
                takt_s=60, stopped=True,
            ),
            CallChange(call=again, changed=["required_at"], reason="line stop"),
        )  # fmt: skip
        page.wait_for_selector("text=PLANT LINE STANDS")
        page.wait_for_selector(".pill >> text=Late re-delivery")
        page.wait_for_selector("#now .due:not(.late)")


def test_a_missing_part_is_told_with_when_it_comes_and_that_it_is_there(
    world: World, broker: LocalBroker, page: Page
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(f"{world.url}?lang=en")
        hub.call(*calls(1, 2))
        page.wait_for_selector("#now .part-started")
        sign_in(page, "Li Na")
        page.click("#now >> text=Part missing")
        page.click("#missing label >> text=60 min")
        page.fill("#missing input[name=reason]", "no foam")
        page.click("#missing >> text=Send")
        until(lambda: ("missing", None, "Li Na") in kinds_of(hub, 1), "the plant is told")
        (missing,) = [event for event in hub.events if event.kind == "missing"]
        assert missing.eta is not None
        assert (missing.eta.second, missing.eta.microsecond) == (0, 0), "to the minute"
        assert timedelta(minutes=58) < missing.eta - missing.at <= timedelta(minutes=60)
        assert missing.reason == "no foam"
        page.wait_for_selector(f"#now .part-missing >> text={missing.eta.astimezone():%H:%M}")
        page.wait_for_selector("#now .note >> text=no foam")
        page.click("#now >> text=It is there")
        until(lambda: ("supplied", None, "Li Na") in kinds_of(hub, 1), "it is there")
        page.wait_for_selector("#now .part-accepted, #now .part-started")


def test_what_changed_is_marked_and_what_is_asked_is_answered(
    world: World, broker: LocalBroker, page: Page
) -> None:
    """And the rack is a picture of what is to stand where."""

    def slots() -> dict[str, str]:
        found = page.locator("#rack li").evaluate_all(
            "all => all.map(li => [li.dataset.slot, li.className])"
        )
        return dict(found)

    in_one_rack = [
        call.model_copy(update={"rack": "R1", "slot": n, "part_no": f"A{n}"})
        for n, call in enumerate(calls(1, 4), 1)
    ]
    _first, second, third, fourth = in_one_rack
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(f"{world.url}?lang=en")
        hub.call(*in_one_rack)
        page.wait_for_selector("#now .part-started")
        until(
            lambda: slots() == {"1": "next", "2": "open", "3": "open", "4": "open"},
            "all slots are to be filled",
        )
        sign_in(page, "Li Na")
        other = second.model_copy(update={"revision": 2, "part_no": "B2", "colour": "GREEN"})
        say(
            hub,
            CallChange(
                call=other, changed=["part_no", "colour"], reason="new option", confirm=True
            ),
            Instruction(
                kind="hold", key=third.key, revision=2, at=datetime.now(UTC), reason="repaint",
                confirm=True,
            ),
        )  # fmt: skip
        asked = page.locator(f"#ask li[data-key='{second.key}']")
        asked.wait_for()
        assert "A2 → B2" in asked.inner_text()
        assert "new option" in asked.inner_text()
        asked.locator("button >> text=Refuse").click()
        until(lambda: ("refused_change", None, "Li Na") in kinds_of(hub, 2), "refused")
        asked.wait_for(state="detached")
        page.wait_for_selector(f"#next li[data-key='{second.key}'] .part >> text=A2")

        page.click(f"#ask li[data-key='{third.key}'] button >> text=Confirm")
        until(lambda: slots()["3"] == "held", "its slot stays empty")
        page.wait_for_selector(f"#next li.halted[data-key='{third.key}'] >> text=HOLD")

        moved = fourth.model_copy(update={"revision": 2, "slot": 5})
        say(hub, CallChange(call=moved, changed=["slot"], reason="swap", confirm=True))
        page.click(f"#ask li[data-key='{fourth.key}'] button >> text=Confirm")
        until(lambda: slots().get("5") == "open", "it has moved")
        assert slots()["4"] == "empty"
        page.wait_for_selector(f"#next li[data-key='{fourth.key}'] >> text=changed")


def test_who_is_away_cannot_be_overlooked_and_comes_back(
    world: World, broker: LocalBroker, page: Page
) -> None:
    """In both languages; the alarm is as wide as the board."""
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(f"{world.url}?lang=en")
        hub.call(*calls(1, 1))
        page.wait_for_selector("#now .part-started")
        page.wait_for_selector(".alarm", state="detached")
        world.plc.kill()
        page.wait_for_selector(".alarm[data-kind=plc] >> text=NO CONNECTION TO THE PLC")
        box = page.locator(".alarm[data-kind=plc]").bounding_box()
        assert box is not None
        assert box["width"] > 0.9 * page.evaluate("innerWidth")
        page.click("text=中文")
        page.wait_for_selector(".alarm[data-kind=plc] >> text=与 PLC 断开")
        page.wait_for_selector("#now .group >> text=SEAT-FRONT")
        world.plc.start()
        page.wait_for_selector(".alarm[data-kind=plc]", state="detached")
        broker.kill()
        page.wait_for_selector(".alarm[data-kind=hub] >> text=与中心断开")
        page.wait_for_selector("#now .part >> text=A1")
        broker.start()
        page.wait_for_selector(".alarm[data-kind=hub]", state="detached")
