"""The board in a real browser, served by a real gateway before a real line: what is pressed there
becomes events, once, and it goes on without a hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.local.broker import LocalBroker
from protocols.jis.messages import CallChange
from tests.edge.board.world import World, kinds_of, sign_in, until
from tests.edge.hub import Hub
from tests.edge.plant import DEVICE, GROUP, NODE, calls
from tests.fixtures.broker import BROKERS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]


@pytest.fixture
def world(tmp_path: Path, broker: LocalBroker) -> Iterator[World]:
    with World(tmp_path, broker.port).running() as made:
        yield made


def test_a_press_becomes_events_once_and_a_cut_hub_stops_nobody(
    world: World, broker: LocalBroker, page: Page
) -> None:
    page.set_default_timeout(60_000)
    first, second, third = calls(1, 3)
    with Hub(broker.port, GROUP, NODE) as hub:
        page.goto(world.url)
        page.wait_for_selector("text=Nothing to build")
        hub.call(first, second)
        page.wait_for_selector("#rack li.filled[data-slot='1']")  # live: nobody has reloaded
        until(lambda: ("packed", None, None) in kinds_of(hub, 1), "the first part is packed")
        page.wait_for_selector(".alarm", state="detached")

        sign_in(page, "Li Na")

        # NOK: the part leaves the rack, and the same call is built again.
        page.click("#rack li.filled[data-slot='1']")
        page.click("#nok >> text=Build it again")
        until(lambda: kinds_of(hub, 1).count(("packed", None, None)) == 2, "it is rebuilt")
        story = kinds_of(hub, 1)
        told = story.index(("inspected", "nok", "Li Na"))
        assert story[told - 1] == ("unpacked", None, "Li Na")
        assert [kind for kind, _, _ in story[told + 1 :]] == [
            *("started", "produced", "inspected", "packed")
        ]
        serials = {e.serial for e in hub.events if e.key == first.key and e.kind == "produced"}
        assert len(serials) == 2

        # A change of a part that stands in its rack: a person is asked, then the line obeys.
        moved = second.model_copy(update={"revision": 2, "slot": 9})
        asked = CallChange(call=moved, changed=["slot"], reason="swap", confirm=True)
        hub.call_raw(asked.model_dump(mode="json"))
        page.wait_for_selector("#ask >> text=The plant changes this call")
        page.dblclick("#ask >> text=Confirm")
        until(lambda: ("confirmed_change", None, "Li Na") in kinds_of(hub, 2), "confirmed")
        page.wait_for_selector("#rack li.filled[data-slot='9']")
        assert kinds_of(hub, 2).count(("confirmed_change", None, "Li Na")) == 1

    # The hub is gone, and the broker with it.
    broker.kill()
    page.wait_for_selector("text=NO CONNECTION TO THE HUB")
    page.click("#rack li.filled[data-slot='9']")
    page.click("#nok >> text=Scrap it")
    page.wait_for_selector("#rack li.filled[data-slot='9']", state="detached")
    page.wait_for_selector("body:not(.dead)")  # the gateway is there
    broker.forget()
    with Hub(broker.port, GROUP, NODE) as again:
        again.events_in.cursor = hub.events_in.cursor
        again.call(third)
        page.wait_for_selector("text=NO CONNECTION TO THE HUB", state="detached")
        until(lambda: ("scrapped", None, "Li Na") in kinds_of(again, 2), "what was kept is told")
        assert kinds_of(again, 2).count(("scrapped", None, "Li Na")) == 1
        until(lambda: ("packed", None, None) in kinds_of(again, 3), "the next call is built")

    # The PLC is gone.
    world.plc.kill()
    page.wait_for_selector("text=NO CONNECTION TO THE PLC")
    # So is the gateway: the board says so itself.
    world.agent.kill()
    page.wait_for_selector("#dead:not([hidden])")
    assert DEVICE in world.agent.output
