"""The page of a station that is entered by hand: in a real browser before a real gateway, and what
it answers to those who are not at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.local.ports import free_port, wait_listening
from edge.config import EdgeConfig
from protocols.inspection import Result
from tests.edge.board.world import sign_in
from tests.edge.plant import Child, agent
from tests.edge.sources.manual.test_station import stored

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Gateway:
    """An agent with one station and no broker that answers."""

    def __init__(self, directory: Path, *stations: str) -> None:
        self.port, self.data = free_port(), directory / "data"
        gap = {"name": "Gap", "unit": "mm", "lower": 0.4, "upper": 0.9}
        checked = {"name": "Surface", "check": True}
        config = EdgeConfig.model_validate(
            {
                "version": 1,
                "gateway": {"group": "g", "node": "n"},
                "data_dir": self.data,
                "broker": {"host": "127.0.0.1", "port": free_port()},
                "status": {"port": 0},
                "board": {"port": self.port},
                "sources": [
                    {
                        "kind": "manual",
                        "device": station,
                        "characteristics": [gap, checked],
                        "reasons": ["tool worn"],
                    }
                    for station in stations
                ],
            }
        )
        self.process: Child = agent(config, directory)
        self.url = f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def running(self) -> Iterator[Gateway]:
        with self.process:
            self.process.start()
            wait_listening(self.port, lambda: True, 60)
            yield self


def kept(gateway: Gateway) -> list[Result]:
    """What its journal holds. In a thread: the browser's fixture has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(stored, gateway.data).result()


def expect_focus(page: Page) -> None:
    """What is typed next goes into the first field: the page's script has put the focus there."""
    page.wait_for_selector("input[name=serial]:focus")


def test_a_part_is_entered_by_keyboard_and_kept_before_it_is_said(
    tmp_path: Path, page: Page
) -> None:
    page.set_default_timeout(60_000)
    with Gateway(tmp_path, "Hand station 3").running() as gateway:
        page.goto(f"{gateway.url}?lang=en")
        sign_in(page, "Li Na")
        expect_focus(page)
        assert "0.4 … 0.9 mm" in page.inner_text("#entry")

        # A scanner's Enter leads to the next field, and the last one records.
        page.keyboard.type("S-1\n0,5\n")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_selector("#outcome.ok >> text=Recorded: OK. S-1")
        expect_focus(page)
        assert page.input_value("input[name=serial]") == ""

        # Out of limits: hinted while it is typed, and the reason is asked for.
        page.keyboard.type("S-2\n1.2")
        page.wait_for_selector("label.field.out")
        page.click("#entry fieldset >> text=NOK")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#toast >> text=Not ok: Gap, Surface. Give the reason")
        page.click("#why >> text=tool worn")
        # Sent, and the answer lost: the same press again counts once.
        page.route("**/record", lambda route: (route.fetch(), route.abort()))
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#toast.bad >> text=TypeError")
        page.unroute("**/record")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#outcome.nok >> text=It was recorded before, and counts once")

        page.click("text=中文")
        page.wait_for_selector("button >> text=记录")
        assert "S-2 · 不合格 · Gap, Surface" in page.inner_text("#recent")
        expect_focus(page)
        page.keyboard.type("S-3\n0.5\n")
        page.click("#entry fieldset >> text=/^合格$/")
        page.dblclick("#entry > button.good")
        page.wait_for_selector("#outcome >> text=S-3")
        gateway.process.kill()
    found = [(r.serial, r.characteristic, r.verdict, r.reason) for r in kept(gateway)]
    assert found == [
        ("S-1", "Gap", "ok", None), ("S-1", "Surface", "ok", None),
        ("S-2", "Gap", "nok", "tool worn"), ("S-2", "Surface", "nok", "tool worn"),
        ("S-3", "Gap", "ok", None), ("S-3", "Surface", "ok", None),
    ]  # fmt: skip


def test_who_is_not_signed_in_or_comes_from_elsewhere_records_nothing(tmp_path: Path) -> None:
    with (
        Gateway(tmp_path, "a", "b c").running() as gateway,
        httpx.Client(
            base_url=gateway.url, headers={"Origin": gateway.url[:-1]}, timeout=30
        ) as client,
    ):
        assert 'href="/entry/b%20c"' in client.get("/").text
        for wrong in ("/entry/", "/entry/x", "/entry"):
            assert client.get(wrong).status_code == 404
        form = {"station": "b c", "ticket": "t" * 20, "serial": "S", "value-0": "0.5"}
        form["value-1"] = "ok"
        assert client.post("/record", data=form).status_code == 401
        client.post("/sign-in", data={"name": "<Li>"})
        page = client.get("/entry/b%20c").text
        assert "&lt;Li&gt;" in page
        form["token"] = page.partition('data-token="')[2].partition('"')[0]
        elsewhere = {"Origin": "http://evil.example"}
        assert client.post("/record", data=form, headers=elsewhere).status_code == 403
        assert client.post("/record", data=form | {"token": "x"}).status_code == 401
        assert client.post("/record", data=form | {"station": "x"}).status_code == 404
        bad = client.post("/record", data=form | {"value-1": "", "value-²": "1"})
        assert (bad.status_code, bad.json()["field"]) == (422, "value-1")
        assert client.post("/record", data=form).json()["verdict"] == "ok"
        other = client.post("/record", data=form | {"value-0": "0.6"})
        assert (other.status_code, other.json()["code"]) == (409, "no.sent")
        assert other.json()["ticket"] != form["ticket"]
    assert [(r.serial, r.operator) for r in kept(gateway)] == [("S", "<Li>")] * 2
