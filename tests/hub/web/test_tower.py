"""The control tower in a real browser: live, both languages, and a click away from the history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.local.ports import free_port
from firmware_sim.camera.frames import Frames
from hub.api.settings import ApiSettings
from hub.calls import commands
from hub.calls.decisions import decide
from hub.calls.release import release
from hub.calls.watch import look
from hub.store import Database
from hub.web.stories import steps
from hub.web.words import language_of, words
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.plant import by
from tests.hub.calls.supply import TIMES, Supply, key, serial
from tests.hub.calls.world import OWNER, PLANT, passed_at, put_in_sequence

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
    from playwright.sync_api import expect

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
    expect(page).to_have_title(re.compile("^truck will be too late", re.I), timeout=60_000)
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


def test_the_pearl_chain_shows_where_cars_are_and_which_are_out(
    page: Page, url: str, supply: Supply
) -> None:
    """By control point, live, each a click from its car."""

    def pearls(point: str, look: str) -> list[str]:
        chain = page.locator(".point", has_text=point)
        return chain.locator(f"li.{look} b").all_inner_texts()

    put_in_sequence(supply.connection, 1, 2, 3, 4, 5)
    for car in (1, 2, 3):
        release(supply.connection, OWNER, PLANT, "BODY", f"{car:07d}", passed_at(car))
    supply.pass_cars(1)
    errors = open_tower(page, url)
    assert (pearls("BODY", "head"), pearls("TRIM-IN", "head")) == (["0003"], ["0001"])
    assert pearls("TRIM-IN", "coming") == ["0002", "0003", "0004", "0005"]
    commands.block(supply.connection, OWNER, PLANT, "0000004", by())
    supply.pass_cars(2)
    page.locator(".point", has_text="TRIM-IN").locator("li.head b >> text=0002").wait_for()
    for point in ("BODY", "TRIM-IN", "LINE-OFF"):
        assert pearls(point, "blocked") == ["0004"]
    commands.pull_out(supply.connection, OWNER, PLANT, "0000002", by())
    page.wait_for_selector(".outside >> text=0000002")
    assert pearls("TRIM-IN", "out") == ["0002"]
    page.click(".point li.blocked a >> nth=0")
    page.wait_for_selector("h1 >> text=Car 0000004")
    page.wait_for_selector(".flag.bad >> text=blocked")
    assert errors == []


def test_the_way_of_a_cancelled_car_is_done_only_as_far_as_it_came() -> None:
    way = {step.id: step.state for step in steps("car", "cancelled", {"start", "released"})}
    assert (way["released"], way["fitted"], way["cancelled"]) == ("done", "ahead", "side")


def test_the_light_of_a_line_is_what_its_next_call_can_still_lose(
    page: Page, url: str, supply: Supply
) -> None:
    """And red while its gateway is not heard, or was never, whatever is left."""
    supply.set_profile(**TIMES, late_yellow_s=1800, late_red_s=600)
    supply.pass_cars(1)

    def light(minutes: int, colour: str) -> None:
        supply.connection.execute(
            "UPDATE jis_call SET required_at = now() + %s * interval '1 min'", (minutes,)
        )
        supply.say(key(1), "accepted")
        page.wait_for_selector(f"[data-line=TRIM1].line.{colour}")
        page.wait_for_selector(f"[data-line=TRIM1] .spare b.{colour}")

    errors = open_tower(page, url)
    page.wait_for_selector("[data-line=TRIM1].line.red .blind >> text=not heard yet")
    supply.connection.execute(
        "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
        " VALUES (2, 'trimworks', 'carmaker', true, now())"
    )
    light(240, "green")
    light(23, "yellow")
    light(5, "red")
    light(240, "green")
    supply.connection.execute("UPDATE gateway_status SET online = false WHERE gateway = 2")
    supply.say(key(1), "started")
    page.wait_for_selector("[data-line=TRIM1].line.red .blind >> text=not heard since")
    assert errors == []


def test_racks_and_trucks_under_way_move_by_themselves(
    page: Page, url: str, supply: Supply
) -> None:
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 8))
    supply.connection.execute(
        "UPDATE jis_call SET required_at = now() + interval '2 h' + call_no * interval '1 min'"
    )
    supply.pack(*[key(n) for n in range(1, 7)])
    errors = open_tower(page, url)
    page.wait_for_selector(f"[data-line=TRIM1] .mini.closed[title={RACK}] >> text=6/6")
    now = datetime.now(UTC)
    supply.ship("T1", [RACK], at=now, eta=now + timedelta(minutes=30))
    page.wait_for_selector("[data-line=TRIM1] .truck:not(.late) >> text=T1")
    page.wait_for_selector(f"[data-line=TRIM1] .mini.shipped[title={RACK}]")
    supply.connection.execute("UPDATE shipment SET eta = now() + interval '121 min'")
    page.wait_for_selector("[data-line=TRIM1] .truck.late >> text=Cars")
    supply.arrive("T1")
    page.wait_for_selector("[data-line=TRIM1] .truck.here >> text=at the dock")
    page.click("[data-line=TRIM1] .truck")
    page.wait_for_selector("h1 >> text=T1")
    page.click(f"table >> text={RACK} >> nth=0")
    page.wait_for_selector(f"h1 >> text={RACK}")
    assert page.locator(".rack-picture .slot.full").count() == 6
    assert errors == []


def test_what_presses_most_stands_first_and_what_is_decided_last(
    page: Page, url: str, supply: Supply
) -> None:
    supply.pass_cars(1, 2, 3)
    commands.pull_out(supply.connection, OWNER, PLANT, "0000003", by())
    supply.inspect(key(2))
    supply.say(key(2), "inspected_nok", verdict="nok")
    supply.say(key(1), "missing")
    open_tower(page, url)
    page.wait_for_selector(".exceptions .critical")

    def rows() -> list[str]:
        return page.locator(".exceptions > li .what b").all_inner_texts()

    pressing = ["material is missing", "not in order at the supplier, built again"]
    assert rows()[:2] == pressing
    assert set(rows()[2:]) == {"car pulled out after its call"}
    row = supply.connection.execute("SELECT id FROM exception WHERE kind = 'missing_part'")
    (number,) = row.fetchone() or (0,)
    decide(supply.connection, OWNER, number, "wait", passed_at(5), "planner")
    page.wait_for_selector(".exceptions > li:last-child.decided >> text=material is missing")
    assert rows()[0] == pressing[1]


def test_a_hub_that_is_away_is_said_and_comes_back(
    page: Page, world: Database, supply: Supply
) -> None:
    port = free_port()
    with serving(world, ApiSettings(), port) as url:
        open_tower(page, url)
    page.wait_for_selector("#outage >> text=What you see is old")
    supply.pass_cars(1)
    with serving(world, ApiSettings(), port):
        page.wait_for_selector("[data-connection=live]")
        page.wait_for_selector("[data-line=TRIM1] .seq >> text=0001")
        page.wait_for_selector("#outage", state="hidden")
        page.goto("about:blank")


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
        bare = httpx.get(f"{url}/tower", timeout=60)
        assert bare.status_code == 200
        assert "P1" not in bare.text
        assert httpx.get(f"{url}/tower", headers={"X-Part": "1"}, timeout=60).status_code == 401
        page.goto(f"{url}/tower?lang=en")
        page.wait_for_selector("#ask[open] >> text=asks for its token")
        assert page.locator("#unknown").is_hidden()
        page.fill("#token", "another")
        page.click("dialog button")
        page.wait_for_selector("#unknown:visible")
        page.fill("#token", TOKEN)
        page.click("dialog button")
        page.wait_for_selector("[data-line=TRIM1]")
        page.evaluate("sessionStorage.clear()")


def test_pictures_of_a_part_are_fetched_and_shown(
    page: Page, world: Database, supply: Supply
) -> None:
    """By the token, which a page's own requests would lack."""
    supply.pass_cars(1)
    supply.inspect(key(1))
    picture = Frames(320, 240).next()
    ask = supply.connection.execute
    ask(
        """
        WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
            SELECT owner, partner, id, 'eye', true, now() FROM gateway WHERE owner = 'trimworks'
            RETURNING id, owner, partner),
        t AS (INSERT INTO tag (owner, partner, device, name, datatype)
            SELECT owner, partner, id, 'Inspection/Picture', 12 FROM d RETURNING *),
        p AS (INSERT INTO inspection_picture (owner, partner, tag, key, event, found_by, found_key,
                what, serial, happened_at, state, reason, media_type, size, sha256, fetch_state,
                asked_at, here)
            SELECT t.owner, t.partner, t.id, v.key, 'nok', 'tester', v.key, v.key, %(serial)s,
                now(), v.state, v.reason, v.type, length(%(data)s), sha256(%(data)s), v.fetched,
                now(), 0
            FROM t, (VALUES ('Leak', 'kept', '', 'image/jpeg', NULL),
                ('Gap', 'kept', '', 'video/x-msvideo', 'there'),
                ('Noise', 'missed', 'camera off', NULL, NULL)
            ) AS v (key, state, reason, type, fetched) RETURNING *)
        INSERT INTO picture_part (picture, at, owner, partner, data)
        SELECT id, 0, owner, partner, %(data)s FROM p WHERE fetch_state = 'there'
        """,
        {"serial": serial(key(1)), "data": picture},
    )
    with serving(world, ApiSettings(token=TOKEN)) as url:
        page.goto(f"{url}/tower/calls/TRIM1/0000001/DOOR-TRIM/0?lang=en")
        page.fill("#token", TOKEN)
        page.click("dialog button")
        page.wait_for_selector("text=none was taken: camera off")
        with page.expect_download() as saving:
            page.click("text=Save the clip")
        assert saving.value.path().read_bytes() == picture
        page.click("button >> text=Fetch from its gateway")
        page.wait_for_selector("text=asked for")
        # It comes, though nothing tells the page of it.
        ask(
            "WITH p AS (UPDATE inspection_picture SET fetch_state = 'there', here = size,"
            " there_at = now() WHERE key = 'Leak' RETURNING *)"
            " INSERT INTO picture_part (picture, at, owner, partner, data)"
            " SELECT id, 0, owner, partner, %s FROM p",
            (picture,),
        )
        image = page.locator(".pictures img[src]")
        assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") == 320
        page.evaluate("sessionStorage.clear()")


def test_what_is_not_there_is_said(url: str) -> None:
    for path in (
        "cars/9", "calls/x/1/g/0", "calls/x/1", "racks/TRIM1/x", "shipments/TRIM1/x",
        "exceptions/9", "lines/x", "figures/x", "x",
    ):  # fmt: skip
        answer = httpx.get(f"{url}/tower/{path}", params={"lang": "en"}, timeout=60)
        assert answer.status_code == 404, path
        assert "Nothing is known of this" in answer.text


def test_a_hub_without_a_plant_says_so_on_a_page(database: Database) -> None:
    with serving(database, ApiSettings()) as url:
        answer = httpx.get(f"{url}/tower", params={"lang": "en"}, timeout=60)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "This hub is not set up yet" in answer.text
    assert "lineside-hub plant load" in answer.text


def test_names_from_outside_are_text_never_markup(url: str, supply: Supply) -> None:
    supply.pass_cars(1)
    supply.say(key(1), "missing", reason="<script>alert(1)</script>")
    text = httpx.get(f"{url}/tower/calls/TRIM1/0000001/DOOR-TRIM/0", timeout=60).text
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
        "/figures/adherence", "/gateways",
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
