"""The page in a real browser: what changes at the plant appears by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.local.ports import free_port
from hub.api.settings import ApiSettings
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page


def pass_car(url: str, number: int) -> None:
    httpx.post(
        f"{url}/v1/plants/P1/control-points/TRIM-IN/passes",
        json={"production_no": f"{number:07d}", "passed_at": datetime.now(UTC).isoformat()},
        timeout=60,
    ).raise_for_status()


def test_a_pass_appears_by_itself(page: Page, url: str) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector("[data-connection=live]")
    page.wait_for_selector("text=No call yet.")
    assert page.locator("#pearls li").count() == 20
    pass_car(url, 1)
    page.wait_for_selector("[data-key='P1/SEAT1/0000001/SEAT-FRONT/0'] >> text=released")
    page.wait_for_selector("#pearls .head >> text=0000001")
    page.wait_for_selector(".rack .released >> text=2")
    assert errors == []


def test_a_hub_without_a_plant_says_so(page: Page, database: Database) -> None:
    with serving(database, ApiSettings()) as url:
        page.goto(url)
        page.wait_for_selector("#outage >> text=lineside-hub plant load")
        assert page.locator("#connection b").inner_text() == "Nothing to show yet"


def test_a_status_and_a_gateway_s_health_appear_by_themselves(
    page: Page, url: str, world: Database
) -> None:
    page.goto(url)
    pass_car(url, 1)
    page.wait_for_selector("[data-key='P1/TRIM1/0000001/DOOR-TRIM/0']")
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gateway_status (gateway, owner, partner, online, since, metrics) VALUES"
            " (1, 'seatworks', 'carmaker', true, now(), '{\"Gateway/Journal Records\": 4711,"
            ' "Device/SEAT1/Clock Offset ms": -2480, "Device/SEAT2/Clock Offset ms": null}\')'
        )
    page.wait_for_selector(".gateway.online >> text=4\u202f711 records")
    page.wait_for_selector(".gateway.online >> text=clock of SEAT1 \u22122.5 s")


def test_a_tag_is_drawn_and_its_gap_named(page: Page, url: str, world: Database) -> None:
    now = datetime.now(UTC)
    with world.connect("ingest") as connection:
        connection.execute(
            """
            WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
                VALUES ('seatworks', 'carmaker', 1, 'SEAT1', true, now()) RETURNING id)
            INSERT INTO tag (owner, partner, device, name, datatype, unit)
            SELECT 'seatworks', 'carmaker', id, 'Force', 10, 'kN' FROM d
            """
        )
        connection.execute(
            "INSERT INTO gap (owner, partner, gateway, device, stream, from_time, to_time, cause)"
            " VALUES ('seatworks', 'carmaker', 1, 'SEAT1', 'telemetry', %s, %s, 'PLC away')",
            (now - timedelta(seconds=50), now - timedelta(seconds=40)),
        )
        for second in range(30):
            connection.execute(
                "INSERT INTO sample (tag_id, time, value) SELECT id, %s, %s FROM tag",
                (now - timedelta(seconds=second), second / 2),
            )
    page.goto(url)
    page.wait_for_selector("#chart .curve[d*=L]", state="attached")
    assert page.locator("#chart .gap").count() == 1
    page.wait_for_selector("text=PLC away")
    with world.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO sample (tag_id, time, value) SELECT id, now(), 99.5 FROM tag"
        )
    page.wait_for_selector("#reading >> text=99.5")
    with world.connect("ingest") as connection:
        connection.execute("INSERT INTO sample (tag_id, time) SELECT id, now() FROM tag")
    page.wait_for_selector("#reading >> text=–")
    assert page.get_attribute("body", "data-connection") == "live"


def test_a_lost_hub_cannot_be_overlooked_and_is_found_again(page: Page, world: Database) -> None:
    port = free_port()
    with serving(world, ApiSettings(), port) as url:
        page.goto(url)
        page.wait_for_selector("[data-connection=live]")
    page.wait_for_selector("[data-connection=lost]")
    page.wait_for_selector("#outage:visible >> text=What you see is old")
    with serving(world, ApiSettings(), port) as again:
        page.wait_for_selector("[data-connection=live]")
        page.wait_for_selector("#outage", state="hidden")
        # What happens from now on appears by itself again.
        pass_car(again, 1)
        page.wait_for_selector("[data-key='P1/SEAT1/0000001/SEAT-FRONT/0'] >> text=released")


def test_a_hub_with_a_token_asks_for_it(page: Page, world: Database) -> None:
    settings = ApiSettings(token=TOKEN)
    with serving(world, settings) as url:
        page.goto(url)
        page.fill("#token", "another")
        page.click("dialog button")
        page.wait_for_selector("#unknown:visible")
        page.fill("#token", TOKEN)
        page.click("dialog button")
        page.wait_for_selector("[data-connection=live]")
        page.wait_for_selector("text=No call yet.")


@pytest.mark.parametrize("width", [1280, 1920])
def test_nothing_sticks_out_at_the_usual_widths(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(url)
    for number in range(1, 8):
        pass_car(url, number)
    page.wait_for_selector("text=SEAT1-00002")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    apart = page.evaluate(
        """() => {
          const numbers = [...document.querySelectorAll(".pearls b")];
          numbers.forEach((each) => { each.textContent = "WX0123456789"; });
          const boxes = numbers.map((each) => each.getBoundingClientRect());
          return boxes.slice(1).map((box, at) => box.left - boxes[at].right);
        }"""
    )
    assert apart
    assert min(apart) > 0, "long production numbers run into each other"


def test_no_file_of_the_page_asks_anyone_else() -> None:
    import hub.web

    for file in Path(hub.web.__path__[0]).rglob("*.*"):
        if file.suffix in {".js", ".css", ".html"}:
            text = file.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "://" not in text, file
