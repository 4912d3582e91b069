"""What is done in a folder: files complete, read whole, archived, set aside, let go of."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import date
from pathlib import Path

import pytest

from edge.sources.folder import files
from edge.sources.folder.blocking import in_thread
from edge.sources.folder.files import ChangedError, Entry, digest, look, read
from edge.sources.folder.memory import MOST, Memory
from edge.sources.folder.settling import Settling
from tests.edge.small_disk import needs_mount, small_disk

TODAY = date(2026, 11, 29)


def everything(_name: str) -> bool:
    return True


def test_a_look_passes_over_what_is_no_file_of_ours(tmp_path: Path) -> None:
    for name in ("a.dfq", ".hidden.dfq", "~lock.dfq", "b.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.dfq").mkdir()
    (tmp_path / "link.dfq").symlink_to(tmp_path / "a.dfq")
    os.mkfifo(tmp_path / "pipe.dfq")
    assert [e.name for e in look(tmp_path, lambda name: name.endswith(".dfq"))] == ["a.dfq"]
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "gone", everything)


def test_a_file_is_complete_once_it_does_not_change_any_more() -> None:
    settling = Settling(3)
    empty, half, whole = Entry("a", 0, 1, 1), Entry("a", 5, 1, 1), Entry("a", 9, 2, 1)
    other = Entry("b", 1, 0, 2)
    looks = [(0.0, [empty]), (10.0, [empty]), (20.0, [half, other]), (22.9, [half, other]),
             (23.0, [whole, other]), (25.9, [whole]), (26.0, [whole])]  # fmt: skip
    ready = [settling.complete(entries, now) for now, entries in looks]
    assert ready == [[], [], [], [], [other], [], [whole]]
    assert Settling(0).complete([whole], 0) == []  # one look is not enough to know


def test_a_file_that_changes_while_it_is_read_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"half")
    (entry,) = look(tmp_path, everything)
    path.write_bytes(b"all of it")
    with pytest.raises(ChangedError):
        read(tmp_path, [entry], 100)
    (entry,) = look(tmp_path, everything)
    (taken,) = read(tmp_path, [entry], 100)
    assert (taken.name, taken.data) == ("a", b"all of it")
    assert len(read(tmp_path, [entry], 4)[0].data) == 5
    assert digest([taken]) == digest(read(tmp_path, [entry], 100))


def test_a_name_that_is_used_again_does_not_replace_what_is_archived(tmp_path: Path) -> None:
    for content in ("1", "2", "2"):
        pair = [tmp_path / "a.dfx", tmp_path / "a.dfd"]
        for path in pair:
            path.write_text(content)
        files.archive(pair, tmp_path / "archive", TODAY, content * 64)
    day = tmp_path / "archive" / "2026-11-29"
    assert sorted((p.name, p.read_text()) for p in day.iterdir()) == [
        ("a.222222222222.dfd", "2"), ("a.222222222222.dfx", "2"), ("a.dfd", "1"), ("a.dfx", "1"),
    ]  # fmt: skip


def test_the_reason_lies_beside_what_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.dfq").write_text("?")
    files.set_aside([tmp_path / "a.dfq"], tmp_path / "rejected", "a.dfq:1: what", "0" * 64)
    assert (tmp_path / "rejected" / "a.dfq").read_text() == "?"
    assert (tmp_path / "rejected" / "a.dfq.reason.txt").read_text() == "a.dfq:1: what"


def test_what_is_made_can_be_read_by_those_who_can_read_what_is_around(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    folder.chmod(0o775)
    (folder / "a.dfq").write_text("?")
    (folder / "a.dfq").chmod(0o664)
    before = os.umask(0o077)
    try:
        files.set_aside([folder / "a.dfq"], folder / "rejected", "why", "0" * 64)
    finally:
        os.umask(before)
    made = [folder / "rejected", *sorted((folder / "rejected").iterdir())]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o775, 0o664, 0o664]


def test_the_archive_is_let_go_of_by_the_day_and_one_day_at_a_time(tmp_path: Path) -> None:
    for day in ("2026-08-30", "2026-08-31", "2026-09-01", "0000-00-00", "mine"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "a.dfq").write_text("x")
    assert files.expire(tmp_path, 90, TODAY)
    assert not files.expire(tmp_path, 90, TODAY)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "0000-00-00", "2026-08-31", "2026-09-01", "mine",
    ]  # fmt: skip
    assert not files.expire(tmp_path / "gone", 90, TODAY)


@needs_mount
def test_onto_another_disk_a_file_is_copied_whole_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.dfq"
    path.write_bytes(bytes(1_500_000))
    with small_disk(1) as disk:
        with pytest.raises(OSError, match="No space"):
            files.archive([path], disk, TODAY, "0" * 64)
        assert path.exists()
        path.write_bytes(b"small")
        files.archive([path], disk, TODAY, "0" * 64)
        assert (disk / "2026-11-29" / "a.dfq").read_bytes() == b"small"
    assert not path.exists()


def test_a_memory_knows_the_latest_over_restarts() -> None:
    memory = Memory("")
    for n in range(MOST + 1):
        memory.note(f"{n:064}"[::-1], taken=n != MOST)
    again = Memory(memory.text())
    assert not again.taken("0" * 64)  # the oldest
    assert again.taken("1".ljust(64, "0"))
    last = f"{MOST:064}"[::-1]
    assert (again.taken(last), again.refused(last)) == (False, True)
    again.note(last, taken=True)
    assert (again.taken(last), again.refused(last)) == (True, False)


def _named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_a_share_that_hangs_holds_up_nothing_and_gets_no_second_thread() -> None:
    answer = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError, match="does not answer"):
            await in_thread("share", answer.wait, 0.05)
        threads = _named("folder share")
        with pytest.raises(TimeoutError, match="does not answer"):
            await in_thread("share", answer.wait, 0.05)
        assert _named("folder share") == threads
        assert await in_thread("other", lambda: 1, 20) == 1
        answer.set()
        assert await in_thread("share", lambda: 2, 20) == 2
        with pytest.raises(FileNotFoundError):
            await in_thread("share", lambda: look(Path("/nowhere"), everything), 20)

    asyncio.run(main())
