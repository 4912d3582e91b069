"""`python -m deploy.local.board_pictures`: the pictures in `edge/board/README.md`, of real boards.

A gateway's file of calls is filled as a stream and a line would, and its own board photographed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.local.ports import free_port
from edge.board.endpoint import BoardEndpoint
from edge.board.settings import BoardSettings
from edge.calls import CallStore, Desk
from edge.calls.store import TakenResult
from edge.status import Figures
from edge.status.figures import LineFigures
from protocols.jis.messages import (
    Call,
    CallChange,
    CallKey,
    Demand,
    Event,
    Instruction,
    LineState,
    Preview,
)
from protocols.streams import State

LINE = "P1/SEAT1"
FOLDER = Path(__file__).parents[2] / "edge" / "board"
CALLS = 16
SLOTS = 12
_COLOURS = ("BLACK", "RED", "SILVER", "BLUE", "WHITE", "BEIGE")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    language: str
    size: tuple[int, int]
    asks: bool = False
    hub_away: bool = False


SHOTS = (
    Shot("board-en.png", "en", (1920, 1080)),
    Shot("board-zh.png", "zh", (1920, 1080), asks=True),
    Shot("tablet-en.png", "en", (1024, 768), asks=True),
    Shot("tablet-zh.png", "zh", (1024, 768), hub_away=True),
)


def calls(now: datetime) -> list[Call]:
    """The calls of the scene, from number 1."""
    return [
        Call(
            key=CallKey(
                plant="P1", line="SEAT1", production_no=f"{4700 + n:07}", part_group="SEAT-FRONT"
            ),
            call_no=n,
            sequence_no=1200 + n,
            part_no=f"SF-{'SPORT' if n % 3 else 'BASE'}-{n % 7:02}",
            colour=_COLOURS[n % len(_COLOURS)],
            unloading_point="DOCK-2",
            rack=f"SEAT1-R{1 + (n - 1) // SLOTS:04}",
            slot=(n - 1) % SLOTS + 1,
            control_point="TRIM-IN",
            called_at=now,
            required_at=now + timedelta(minutes=6 + 2 * n, seconds=20),
            priority="express" if n == CALLS else "normal",
        )
        for n in range(1, CALLS + 1)
    ]


def fill(store: CallStore, *, asks: bool) -> None:
    """Let the calls come and the line build some."""
    now = datetime.now(UTC)
    called = calls(now)
    store.read_state(State(1, 0, 1000))
    records: list[Any] = [*called, _state(now), _preview(now)]
    routes = {LINE: frozenset({"SEAT-FRONT"})}
    store.receive(1, 0, [record.model_dump(mode="json") for record in records], routes)
    no = 0

    def happens(call: Call, *kinds: str) -> None:
        nonlocal no
        for kind in kinds:
            no += 1
            event = {"kind": kind, "key": call.key, "at": now}
            event["serial"] = f"SEAT1-K7QF-{call.call_no:06}"
            event |= {"verdict": "ok"} if kind == "inspected" else {}
            event |= {"rack": call.rack, "slot": call.slot} if kind == "packed" else {}
            store.take_results(LINE, [TakenResult(no, b"", Event.model_validate(event), "", "{}")])

    for call in called[:5]:
        happens(call, "started", "produced", "inspected", "packed")
    happens(called[5], "started", "produced")
    changed = called[7].model_copy(update={"revision": 2, "colour": "GREEN", "part_no": "SF-LUX-1"})
    hold = Instruction(
        kind="hold", key=called[8].key, revision=2, at=now, reason="paint rework", confirm=False
    )
    more: list[Any] = [
        CallChange(call=changed, changed=["colour"], reason="", confirm=False),
        hold,
    ]
    if asks:
        store.decided_by_people = frozenset({LINE})
        other = called[5].model_copy(
            update={"revision": 2, "part_no": "SF-SPORT-11", "colour": "WHITE"}
        )
        more.append(
            CallChange(
                call=other, changed=["part_no", "colour"], reason="order changed", confirm=True
            )
        )
    plain = [record.model_dump(mode="json") for record in more]
    store.receive(1, len(records), plain, routes)


def _preview(now: datetime) -> Preview:
    """What comes behind the calls."""
    return Preview(
        plant="P1",
        line="SEAT1",
        version=1,
        demands=[
            Demand(
                production_no=f"{4700 + n:07}",
                part_group="SEAT-FRONT",
                part_no=f"SF-{'SPORT' if n % 3 else 'BASE'}-{n % 7:02}",
                colour=_COLOURS[n % len(_COLOURS)],
                place=n,
                required_at=now + timedelta(minutes=6 + 2 * n),
            )
            for n in range(CALLS + 1, CALLS + 41)
        ],
    )


def _state(now: datetime) -> LineState:
    return LineState(plant="P1", line="SEAT1", mode="buffer", since=now, takt_s=60)


async def take(shot: Shot, folder: Path, chromium: str) -> None:
    """Serve the scene and photograph it."""
    with tempfile.TemporaryDirectory(prefix="lineside-board-") as scratch:
        desk = Desk(CallStore.open(Path(scratch) / "calls.sqlite"), [LINE])
        desk.store.rack_slots = {LINE: SLOTS}
        await desk.run(fill, desk.store, asks=shot.asks)
        figures = Figures()
        figures.lines[LINE] = LineFigures(connected=True)
        figures.calls.connected = figures.uplink.connected = True
        figures.uplink.host_online = not shot.hub_away
        settings = BoardSettings(port=free_port())
        board = BoardEndpoint(desk, figures, lambda: [LINE], settings)
        serving = asyncio.create_task(board.serve())
        try:
            await asyncio.sleep(0.5)
            width, height = shot.size
            browser = await asyncio.create_subprocess_exec(
                *(chromium, "--headless", "--hide-scrollbars", "--disable-gpu"),
                *(["--no-sandbox"] if os.getuid() == 0 else []),
                f"--user-data-dir={scratch}/chromium",
                f"--window-size={width},{height}",
                "--timeout=4000",
                f"--screenshot={(folder / shot.name).resolve()}",
                f"http://127.0.0.1:{settings.port}/?lang={shot.language}",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            async with asyncio.timeout(120):
                await browser.wait()
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await asyncio.to_thread(desk.close)


def main() -> int:
    parser = argparse.ArgumentParser(description="Photograph the supplier board.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    chosen = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium", file=sys.stderr)
        return 1
    for shot in SHOTS:
        asyncio.run(take(shot, chosen.out, chromium))
        print(f"{chosen.out / shot.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
