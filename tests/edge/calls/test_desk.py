"""The door to the call store: damage while in use, and a disk that is full."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from edge.calls import CallStore, Desk
from edge.calls.store import CallsLostError
from protocols.streams import Answer, State
from tests.edge.calls.test_store import NAME, ROUTES, accepted, records
from tests.edge.plant import calls
from tests.edge.small_disk import needs_mount, small_disk


def test_damage_while_in_use_begins_a_new_file_and_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "calls.sqlite"
        desk = Desk(CallStore.open(path), [NAME])
        lost: list[str] = []
        nudged: list[None] = []
        desk.on_lost = lost.append
        desk.on_event = lambda: nudged.append(None)
        store, run = desk.store, desk.run
        await run(store.read_state, State(5, 0, 40))
        await run(store.receive, 5, 0, records(1, 40), ROUTES)
        await run(store.decide, accepted(calls(1, 1)[0]))
        epoch = store.event_state().epoch
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            for page in range(2, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        store._db.execute("PRAGMA shrink_memory")
        with pytest.raises(CallsLostError, match="a new one is begun"):  # noqa: PT012 - whichever meets it
            for _ in range(3):
                await run(store.next_work, NAME)
                await run(store.receive, 5, 0, records(1, 40), ROUTES)
        await asyncio.sleep(0)
        assert await run(store.position) == Answer(None), "the hub is asked for all open calls"
        assert (await run(store.event_state)).epoch != epoch
        assert (await run(store.counts)).set_aside == 1
        assert len(lost) == len(nudged) == 1
        await run(store.read_state, State(6, 0, 2))
        await run(store.receive, 6, 0, records(1, 2), ROUTES)
        assert (await run(store.counts)).calls_open == 2
        await asyncio.to_thread(desk.close)

    asyncio.run(work())


@needs_mount
def test_calls_go_on_in_the_reserve_of_a_full_disk() -> None:
    async def work(directory: Path) -> None:
        desk = Desk(CallStore.open(directory / "calls.sqlite"), [NAME])
        store, run = desk.store, desk.run
        reserve = directory / "calls.reserve"
        await run(store.read_state, State(5, 0, 10**6))
        assert reserve.exists()
        filler = directory / "filler"
        fill_up(filler)
        offset = 0
        while reserve.exists():
            await run(store.receive, 5, offset, records(1 + offset, 20), ROUTES)
            offset += 20
            assert offset < 20_000
        assert (await run(store.position)).watermark == offset
        with pytest.raises(sqlite3.OperationalError):  # noqa: PT012 - at some call
            while True:
                await run(store.receive, 5, offset, records(1 + offset, 200), ROUTES)
                offset += 200
        assert (await run(store.position)).watermark == offset, "all or nothing"
        filler.unlink()
        store._kept_up_us = 0
        await run(store.receive, 5, offset, records(1 + offset, 1), ROUTES)
        assert reserve.exists(), "there is room again"
        await asyncio.to_thread(desk.close)

    with small_disk(32) as directory:
        asyncio.run(work(directory))


def fill_up(path: Path) -> None:
    """Take all that is left of the disk."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    if not file.write(b"x" * size):
                        break
                except OSError:
                    break
