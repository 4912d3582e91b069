"""Pictures on the disk: whole or said to be missing, never more than the quota."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.pictures import Noted, PictureSettings, PictureStore
from edge.pictures.store import STOPPED
from protocols.inspection import Picture

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
TAKEN = {"state": "kept", "reason": "", "media_type": "image/jpeg", "frames": 1,
         "taken_from": AT, "taken_to": AT}  # fmt: skip


def noted_in(store: PictureStore, number: int, at_us: int = 1_000_000) -> Noted:
    picture = Picture(
        key=f"{number:032x}",
        event="nok",
        found_by="tester",
        found_key=str(number),
        happened_at=AT,
        state="missed",
        reason=STOPPED,
    )
    return store.note("camera-1", picture, at_us)


def put_in(store: PictureStore, number: int, data: bytes, at_us: int = 1_000_000) -> Noted:
    noted = noted_in(store, number, at_us)
    return store.put(noted, noted.picture.model_copy(update=TAKEN), data)


def opened(path: Path) -> PictureStore:
    return PictureStore(path, PictureSettings(keep_free_mb=0))


def files(path: Path) -> list[str]:
    return sorted(file.suffix for file in path.iterdir())


def test_a_picture_is_found_again_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    noted = put_in(store, 1, b"picture")
    store.told(noted)
    again = opened(tmp_path)
    found = again.find(noted.key)
    assert found is not None
    assert found.picture.sha256 == hashlib.sha256(b"picture").hexdigest()
    assert (again.read(found, 0, 3), again.read(found, 3, 99)) == (b"pic", b"ture")
    assert (again.size, again.count, again.left("camera-1")) == (7, 1, [])


def test_what_a_stop_cut_off_is_told_at_the_next_start(tmp_path: Path) -> None:
    store = opened(tmp_path)
    noted_in(store, 1)  # killed before anything was taken
    (tmp_path / f"{1_000_002:016d}-{2:032x}.part").write_bytes(b"half")  # or while it was written
    unfinished = put_in(store, 3, b"not there")  # or just before it got its name
    (tmp_path / unfinished.file).rename(tmp_path / f"{unfinished.name}.part")
    put_in(store, 4, b"whole")  # or before the journal had it
    store.told(put_in(store, 5, b"told"))
    (tmp_path / "notes.txt").write_text("not ours")
    again = opened(tmp_path)
    left = {noted.picture.found_key: noted.picture for noted in again.left("camera-1")}
    assert {key: (p.state, p.reason) for key, p in left.items()} == {
        "1": ("missed", STOPPED), "3": ("missed", STOPPED), "4": ("kept", ""),
    }  # fmt: skip
    assert left["3"].sha256 is None
    assert again.left("camera-2") == []
    for noted in again.left("camera-1"):
        again.told(noted)
    assert files(tmp_path) == [".jpg", ".jpg", ".kept", ".kept", ".txt"]


def test_a_picture_whose_file_was_lost_is_said_to_be_gone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    noted = put_in(store, 1, b"picture")
    store.told(noted)
    (tmp_path / noted.file).write_bytes(b"pic")
    again = opened(tmp_path)
    (left,) = again.left("camera-1")
    assert (left.picture.state, again.find(noted.key), again.size) == ("dropped", None, 0)
    again.told(left)
    assert opened(tmp_path).left("camera-1") == []


def test_a_note_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.told(put_in(store, 1, b"picture"))
    for file in tmp_path.glob("*.kept"):
        file.write_bytes(b"\0\xff")
    assert opened(tmp_path).count == 0
    assert files(tmp_path) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5), st.booleans()), max_size=12))
@example([(30, 5, False), (30, 0, False), (30, 0, True)])  # the clock was set back
def test_the_oldest_go_and_the_quota_holds(pictures: list[tuple[int, int, bool]]) -> None:
    """Of each picture its size, what the clock says then, and whether the gateway began anew before
    it."""
    one = 16 * 1024
    quota = PictureSettings.model_construct(
        quota_mb=1, keep_free_mb=0
    )  # less than a file may say: quicker
    with tempfile.TemporaryDirectory() as name:
        store = PictureStore(Path(name), quota)
        kept: list[int] = []
        for number, (size, now_us, began_anew) in enumerate(pictures):
            if began_anew:
                store = PictureStore(Path(name), quota)
            going = store.over_quota(size * one)
            assert [noted.key for noted in going] == [f"{n:032x}" for n in kept[: len(going)]]
            room = store.size
            for noted in going:
                assert room + size * one > 64 * one, "it had to go"
                room -= noted.picture.size or 0
                store.drop(noted)
            kept = [*kept[len(going) :], number]
            put_in(store, number, bytes(size * one), now_us)
            assert store.size <= 64 * one
        again = PictureStore(Path(name), quota)
        assert (again.size, again.count) == (store.size, len(kept))


def test_pictures_leave_room_to_the_rest(tmp_path: Path) -> None:
    megabyte = 1024 * 1024
    free = 12 * megabyte
    store = PictureStore(tmp_path, PictureSettings(keep_free_mb=10), free=lambda _: free)
    first = put_in(store, 1, bytes(megabyte))
    second = put_in(store, 2, bytes(megabyte))
    free = 10 * megabyte
    assert store.over_quota(megabyte) == [first]
    assert store.over_quota(2 * megabyte) == [first, second]
    free = 7 * megabyte  # others have filled the disk: to let all go would not be enough
    assert store.over_quota(megabyte) == []
    with pytest.raises(OSError, match="No space"):
        put_in(store, 3, bytes(megabyte))
    assert not list(tmp_path.glob("*.part"))
    assert store.count == 2
