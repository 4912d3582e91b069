"""Who may read the board and press its buttons, and what a press from elsewhere gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from deploy.local.ports import free_port
from edge.board.endpoint import BoardEndpoint
from edge.board.settings import BoardSettings
from edge.board.words import _WORDS, word
from edge.calls import CallStore, Desk
from edge.calls.store import TakenResult
from edge.status import Figures
from protocols.jis.messages import Event
from protocols.streams import State
from tests.edge.calls.test_store import NAME, ROUTES, accepted, records
from tests.edge.plant import calls
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio
KEY = str(calls(1, 1)[0].key)
PIN = "424242"


@asynccontextmanager
async def board(
    path: Path, wrong: Callable[[str, str, str], None] | None = None, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, CallStore]]:
    """A board with one accepted call, and a browser of a kind; `wrong` hears of wrong parts."""
    store = CallStore.open(path / "calls.sqlite")
    store.read_state(State(5, 0, 9))
    store.receive(5, 0, records(1, 1), ROUTES)
    store.decide(accepted(calls(1, 1)[0]))
    desk = Desk(store, [NAME])
    desk.on_wrong_part = wrong or desk.on_wrong_part
    chosen = BoardSettings(port=free_port(), **settings)
    endpoint = BoardEndpoint(desk, Figures(), lambda: [NAME], chosen)
    serving = asyncio.create_task(endpoint.serve())
    origin = f"http://127.0.0.1:{chosen.port}"
    async with httpx.AsyncClient(base_url=origin, headers={"Origin": origin}, timeout=30) as client:

        async def up() -> bool:
            try:
                return (await client.get("/")).status_code == 200
            except httpx.ConnectError:
                return False

        for _ in range(1000):
            if await up():
                break
            await asyncio.sleep(0.05)
        yield client, store
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await asyncio.to_thread(desk.close)


async def sign_in(client: httpx.AsyncClient, name: str = "Li Na", pin: str = "") -> str:
    """Sign in and read the page's token; empty if it was refused."""
    answer = await client.post("/sign-in", data={"name": name, "pin": pin})
    if answer.status_code != 200:
        return ""
    page = (await client.get("/")).text
    return page.partition('data-token="')[2].partition('"')[0]


def missing(token: str, version: int, **fields: str) -> dict[str, str]:
    press = {"verb": "missing", "key": KEY, "line": NAME, "version": str(version)}
    return {**press, "minutes": "30", "token": token, **fields}


async def test_a_press_counts_once_and_carries_the_name(tmp_path: Path) -> None:
    async with board(tmp_path) as (client, store):
        token = await sign_in(client)
        version = store.call(KEY)["version"]
        press = missing(token, version)
        answers = await asyncio.gather(*(client.post("/act", data=press) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {200}
        told = [e for e in store.events(0, 9) if e["kind"] == "missing"]
        assert [event["by"] for event in told] == ["Li Na"]
        later = await client.post("/act", data=missing(token, version, minutes="60"))
        assert later.status_code == 200, "the same press, by its view of the call"
        stale = await client.post("/act", data=missing(token, version + 7))
        assert (stale.status_code, stale.json()["code"]) == (409, "no.changed")


async def test_a_wrong_part_in_a_rack_is_told_to_the_cameras(tmp_path: Path) -> None:
    heard: list[tuple[str, str, str]] = []
    async with board(tmp_path, lambda *what: heard.append(what)) as (client, store):
        call = calls(1, 1)[0]
        at = datetime.now(UTC)
        for no, kind in enumerate(("produced", "inspected", "packed"), 1):
            more = {"verdict": "ok"} if kind == "inspected" else {}
            place = {"rack": call.rack, "slot": call.slot} if kind == "packed" else {}
            event = Event(kind=kind, key=call.key, at=at, serial="S1", **more, **place)
            store.take_results(NAME, [TakenResult(no, b"", event, "", "{}")])
        rack = {"verb": "close_rack", "line": NAME, "rack": call.rack}
        press = {**rack, "token": await sign_in(client)}
        answer = await client.post("/act", data={**press, f"scan-{call.slot}": "S9"})
        assert (answer.status_code, answer.json()["code"]) == (409, "no.wrong_part")
        answer = await client.post("/act", data={**press, f"scan-{call.slot}": "S1"})
        assert answer.status_code == 200
    assert heard == [(NAME, f"{NAME}/{call.rack}", f"{call.slot}: S9 ≠ S1")]


async def test_who_is_not_signed_in_or_comes_from_elsewhere_presses_nothing(tmp_path: Path) -> None:
    async with board(tmp_path) as (client, store):
        before = store.event_state()
        assert (await client.post("/act", data=missing("", 1))).status_code == 401
        token = await sign_in(client)
        assert token
        elsewhere = {"Origin": "http://evil.example"}
        press = missing(token, store.call(KEY)["version"])
        assert (await client.post("/act", data=press, headers=elsewhere)).status_code == 403
        del client.headers["Origin"]
        assert (await client.post("/act", data=press)).status_code == 403
        client.headers["Origin"] = str(client.base_url).rstrip("/")
        assert (await client.post("/act", data=missing("x", 1))).status_code == 401
        assert (await client.post("/act", json=press)).status_code == 415
        assert (await client.post("/act", content="x=" + "y" * 20_000)).status_code == 413
        assert (await client.get("/", headers={"Host": "evil.example"})).status_code == 421
        bad = await client.post("/act", data=missing(token, 1, minutes="9999999"))
        assert (bad.status_code, bad.json()["code"]) == (422, "no.bad")
        assert store.event_state() == before
        answer = await client.get("/")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        cookie = (await client.post("/sign-in", data={"name": "W"})).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


async def test_a_pin_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    async with board(tmp_path, pin=PIN) as (client, _store):
        assert await sign_in(client, pin=PIN)
        for _ in range(5):
            assert await sign_in(client, pin="000000") == ""
        locked = await client.post("/sign-in", data={"name": "Li", "pin": PIN})
        assert locked.status_code == 429


async def test_the_live_stream_sends_what_changes_and_a_beat(tmp_path: Path) -> None:
    async with board(tmp_path) as (client, store):
        heard: list[str] = []

        async def listen() -> None:
            async with client.stream("GET", f"/live/{NAME}?lang=zh") as stream:
                async for text in stream.aiter_lines():
                    heard.append(text)

        listening = asyncio.create_task(listen())
        await until(lambda: "event: beat" in heard, "the first beat")
        assert any("待生产" in text or "已接单" in text for text in heard)
        store.receive(5, 1, records(2, 1), ROUTES)
        await until(lambda: any("A2" in text for text in heard), "the new call")
        listening.cancel()


def test_an_address_that_others_reach_needs_a_pin() -> None:
    with pytest.raises(ValidationError, match="without a pin anybody there could press"):
        BoardSettings(host="0.0.0.0")
    with pytest.raises(ValidationError, match="fewer than 6"):
        BoardSettings(host="0.0.0.0", pin="1234")
    assert BoardSettings(host="0.0.0.0", pin=PIN).pin is not None


@pytest.mark.parametrize("key", sorted(_WORDS))
def test_each_word_has_both_languages(key: str) -> None:
    english, chinese = word(key, "en"), word(key, "zh")
    assert english.count("{}") == chinese.count("{}")
    assert english
    assert chinese
