"""The control tower in a real browser: live, both languages, and a click away from the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.calls.watch import look
from hub.store import Database
from hub.web.words import language_of, words
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.supply import TIMES, Supply, key, serial
from tests.hub.calls.world import passed_at

if TYPE_CHECKING:
    from playwright.sync_api import Page

RACK = "TRIM1-00001"


@pytest.fixture
def supply(world: Database) -> Iterator[Supply]:
    with world.connect("ingest", autocommit=True) as connection:
        yield Supply(connection)


def open_tower(page: Page, url: str, path: str = "/tower", lang: str = "en") -> list[str]:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}{path}?lang={lang}")
    page.wait_for_selector("[data-connection=live]")
    return errors


def test_a_pass_and_its_calls_appear_by_themselves(page: Page, url: str, supply: Supply) -> None:
    errors = open_tower(page, url)
    page.wait_for_selector("[data-line=TRIM1] >> text=nothing to build")
    assert page.locator(".point").count() == 3
    supply.pass_cars(1)
    page.wait_for_selector(".point .head >> text=0001")
    page.wait_for_selector("[data-line=TRIM1] .seq >> text=0001")
    supply.pack(key(1))
    page.wait_for_selector("[data-line=TRIM1] >> text=nothing to build")
    page.wait_for_selector(f"[data-line=TRIM1] .mini[title={RACK}] .full", state="attached")
    assert errors == []


def test_an_exception_appears_and_is_decided(page: Page, url: str, supply: Supply) -> None:
    errors = open_tower(page, url)
    page.wait_for_selector("text=Nothing wants attention")
    supply.set_profile(**TIMES, emergency_stock=3)
    supply.pass_cars(*range(1, 7))
    supply.pack(*[key(n) for n in range(1, 7)])
    supply.ship("T1", [RACK])
    supply.connection.execute("UPDATE jis_call SET acknowledged_at = now()")
    look(supply.connection, passed_at(12))
    page.click(".exceptions .critical >> text=truck will be too late")
    page.wait_for_selector("h1 >> text=truck will be too late")
    page.fill("input[name=note]", "van ordered")
    page.click("button >> text=send a second truck")
    page.wait_for_selector(".decision >> text=van ordered")
    page.click("button >> text=go over to the emergency stock")
    page.wait_for_selector(".decision >> text=emergency stock")
    page.click("nav a")
    page.wait_for_selector("[data-line=TRIM1] .mode >> text=emergency stock")
    page.wait_for_selector(".exceptions .decided >> text=truck will be too late")
    assert errors == []


def test_a_click_leads_to_the_history(page: Page, url: str, supply: Supply) -> None:
    supply.pass_cars(1)
    supply.inspect(key(1))
    errors = open_tower(page, url)
    page.click("[data-line=TRIM1] .next")
    page.wait_for_selector("h1 >> text=DT-RED")
    assert page.locator(".axis .here").count() == 2
    kinds = page.locator("tr[data-event]").evaluate_all("rows => rows.map(r => r.dataset.event)")
    assert kinds == ["inspected", "produced", "accepted", "release"]
    supply.say(key(1), "packed", serial=serial(key(1)), rack=RACK, slot=1)
    page.wait_for_selector("[data-event=packed]")  # live here too, with the rack it was put in
    page.click(f"text={RACK} № 1")
    page.wait_for_selector("[data-slot='1'].full >> text=S-0000001-DOOR-TRIM")
    page.go_back()
    page.click("text=Car 0000001")
    page.wait_for_selector("h1 >> text=Car 0000001")
    page.wait_for_selector("text=TRIM-IN")
    assert errors == []


def test_a_rule_broken_is_said_where_it_was_broken(page: Page, url: str, supply: Supply) -> None:
    open_tower(page, url, "/tower/lines/SEAT1")
    page.fill("input[name=reason]", "drill")
    page.click("button >> text=emergency stock")
    page.wait_for_selector("#refusal >> text=has no emergency stock")
    page.check("input[name=anyway]")
    page.click("button >> text=emergency stock")
    page.wait_for_selector("td >> text=anyway: line SEAT1")


def test_it_speaks_chinese(page: Page, url: str, supply: Supply) -> None:
    open_tower(page, url, lang="zh")
    page.wait_for_selector("text=无待处理异常")
    page.click(".language")
    page.wait_for_selector("text=Nothing wants attention")
    page.goto(f"{url}/tower")  # the choice is kept
    page.wait_for_selector("text=Nothing wants attention")


def test_chinese_pages_say_in_chinese_where_a_call_stands(
    page: Page, url: str, supply: Supply
) -> None:
    """What a pair of statuses means, what happened and who said so, all from the net itself."""
    supply.pass_cars(1)
    supply.inspect(key(1))
    supply.say(key(1), "inspected_nok", verdict="nok", reason="scratch")
    open_tower(page, url, "/tower/calls/TRIM1/0000001/DOOR-TRIM/0", "zh")
    assert page.inner_text("header .flag") == "重新生产"
    rows = page.locator("tr[data-event]").all_inner_texts()
    assert [row.split("\t")[2:4] for row in rows] == [
        ["供应商", "检验不合格"],
        ["供应商", "检验合格"],
        ["供应商", "完工"],
        ["供应商", "产线接单"],
        ["整车厂", "发布要货"],
    ]
    assert "原因: scratch" in rows[0]
    page.click(".exceptions a")
    page.wait_for_selector("dt >> text=含义")
    page.wait_for_selector("dd >> text=重新生产")


def test_a_hub_with_a_token_shows_nothing_without_it(page: Page, world: Database) -> None:
    with serving(world, ApiSettings(token=TOKEN)) as url:
        bare = httpx.get(f"{url}/tower")
        assert bare.status_code == 200
        assert "P1" not in bare.text
        assert httpx.get(f"{url}/tower", headers={"X-Part": "1"}).status_code == 401
        page.goto(f"{url}/tower?lang=en")
        page.fill("#token", TOKEN)
        page.click("dialog button")
        page.wait_for_selector("[data-line=TRIM1]")
        page.evaluate("sessionStorage.clear()")


def test_what_is_not_there_is_said(url: str) -> None:
    for path in (
        "cars/9", "calls/x/1/g/0", "calls/x/1", "racks/TRIM1/x", "shipments/TRIM1/x",
        "exceptions/9", "lines/x", "figures/x", "x",
    ):  # fmt: skip
        answer = httpx.get(f"{url}/tower/{path}", params={"lang": "en"})
        assert answer.status_code == 404, path
        assert "Nothing is known of this" in answer.text


def test_names_from_outside_are_text_never_markup(url: str, supply: Supply) -> None:
    supply.pass_cars(1)
    supply.say(key(1), "missing", reason="<script>alert(1)</script>")
    text = httpx.get(f"{url}/tower/calls/TRIM1/0000001/DOOR-TRIM/0").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("size", [(1920, 1080), (1024, 768)])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_page_fits(
    page: Page, url: str, supply: Supply, size: tuple[int, int], lang: str
) -> None:
    width, height = size
    supply.pass_cars(*range(1, 9))
    supply.pack(*[key(n) for n in range(1, 8)])
    supply.ship("T1", [RACK])
    look(supply.connection, datetime.now(UTC))
    page.set_viewport_size({"width": width, "height": height})
    for path in (
        "", "/cars/0000001", "/calls/TRIM1/0000001/DOOR-TRIM/0", f"/racks/TRIM1/{RACK}",
        "/shipments/TRIM1/T1", "/exceptions/1", "/lines/TRIM1", "/figures", "/figures/first_time",
    ):  # fmt: skip
        page.goto(f"{url}/tower{path}?lang={lang}")
        page.wait_for_selector("#content > *")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_both_languages_have_every_word() -> None:
    assert words("en").keys() == words("zh").keys()
    assert all(words("zh").values())
    assert [language_of(None, a) for a in ("", "zh-CN,en;q=0.8", "de, en;q=0.5", "*")] == [
        *("en", "zh", "en", "en"),
    ]
    assert language_of("zh", "en") == "zh"
