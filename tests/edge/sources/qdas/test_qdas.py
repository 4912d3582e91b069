"""The Q-DAS source: what comes of the files of a folder, and what becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.sources.qdas import QdasSettings
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.reading import Reading, reading, run, until
from tests.protocols.aqdef.test_results import GOLDEN

HEAD = "K0100 1\nK1001 P\nK2002/1 A\nK2110/1 1\nK2111/1 3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def settings_for(folder: Path, **more: Any) -> QdasSettings:
    quick = {"scan_s": 0.05, "settle_s": 0, "timeout_s": 20}
    device = {"kind": "qdas", "device": "room", "watch_dir": folder}
    return QdasSettings.model_validate({**device, **quick, **more})


def put(folder: Path, name: str, text: str) -> None:
    """As a program does that renames what is complete."""
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").rename(folder / name)


def dfq(*values: int) -> str:
    return HEAD + "".join(f"{n % 5}\x140\x141.11.2026/10:{n:02}:00\nK0014/1 S{n}\n" for n in values)


def found(got: Reading) -> list[Result]:
    return [parse_result(str(text)) for text in got.values(RESULT)]


def serials(got: Reading) -> list[str | None]:
    return [result.serial for result in found(got)]


def lying(folder: Path) -> list[str]:
    """What lies in a folder and those in it, days left out."""
    names = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted("/".join(p for p in name.parts if not p.startswith("20")) for name in names)


def all_archived(folder: Path, count: int) -> bool:
    names = lying(folder)
    return len(names) == count and all(name.startswith("archive/") for name in names)


def rename(one: Path, other: Path) -> None:
    one.rename(other)


async def looked_at(got: Reading, times: int = 3) -> None:
    """Until the folder was looked at so often again."""
    for _ in range(times):
        heard = got.figures.last_heard_us
        await until(lambda heard=heard: got.figures.last_heard_us != heard)  # type: ignore[misc]


def test_a_file_is_taken_once_and_archived(folder: Path, path: Path) -> None:
    async def main() -> None:
        async with reading(path, settings_for(folder)) as got:
            put(folder, "a.DFQ", dfq(1, 2))
            await until(lambda: lying(folder) == ["archive/a.DFQ"])
            assert [(r.serial, r.verdict) for r in found(got)] == [("S1", "ok"), ("S2", "ok")]
            assert (got.figures.samples, got.figures.state) == (2, "online")
            put(folder, "copy of a.dfq", dfq(1, 2))
            put(folder, "a.DFQ", dfq(3, 4))
            await until(lambda: all_archived(folder, 3))
            assert serials(got) == ["S1", "S2", "S3", "S4"]
        put(folder, "later.dfq", dfq(1, 2))
        async with reading(path, settings_for(folder)) as got:
            await until(lambda: "archive/later.dfq" in lying(folder))
            assert serials(got) == ["S1", "S2", "S3", "S4"]

    run(main)


def test_a_description_and_its_values_wait_for_each_other(folder: Path, path: Path) -> None:
    async def main() -> None:
        settings = settings_for(folder, time_zone="Europe/Berlin", serial_fields=["K0014", "K1014"])
        async with reading(path, settings) as got:
            (folder / "room.dfd").write_bytes((GOLDEN / "room.dfd").read_bytes())
            (folder / "other.dfx").write_text("1\n")
            await looked_at(got)
            assert lying(folder) == ["other.dfx", "room.dfd"]
            (folder / "ROOM.DFX").write_bytes((GOLDEN / "room.dfx").read_bytes())
            expected = ["archive/ROOM.DFX", "archive/room.dfd", "other.dfx"]
            await until(lambda: lying(folder) == expected)
            assert [(r.serial, r.value) for r in found(got)] == [
                ("S-4711", 52.01), ("S-4711", 41.2), ("S-4711", 52.61), ("S-4711", 46.0),
            ]  # fmt: skip

    run(main)


def test_a_bad_file_is_set_aside_with_the_reason_and_stops_no_other(
    folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {
        "garbage.dfq": os.urandom(300) + b"\n\x81\n",
        "half.dfq": HEAD.encode() + b"2\x140\x1432.13.2026/10:00:00\n",
        "overflow.dfq": HEAD.encode() + b"1e999\n",
        "kind.dfq": HEAD.encode() + b"true\n",
        "large.dfq": b"K0100 1\n" + b" " * (1 << 20),
        os.fsdecode(b"name \xff\x01.dfq"): b"?",
    }

    async def main() -> None:
        for name, data in bad.items():
            (folder / name).write_bytes(data)
            os.utime(folder / name, (1e9, 1e9))
        (folder / "empty.dfq").touch()
        put(folder, "good.dfq", dfq(1))
        async with reading(path, settings_for(folder, max_file_mb=1)) as got:
            await until(lambda: "archive/good.dfq" in lying(folder))
            assert serials(got) == ["S1"]
            await until(lambda: len(lying(folder)) == 2 * len(bad) + 2)
            assert {gap.from_us for gap in got.gaps} == {10**15}
            assert got.figures.gaps == len(bad)
            causes = "\n".join(gap.cause for gap in got.gaps)
            assert "file half.dfq set aside: half.dfq:6: '32.13.2026/10:00:00' is no date" in causes
            assert "larger than max_file_mb (1)" in causes
            reason = (folder / "rejected" / "overflow.dfq.reason.txt").read_text()
            assert "overflow.dfq:6: '1e999' is too large for a number" in reason
            # Somebody mends it and puts it back.
            (folder / "rejected" / "half.dfq").unlink()
            put(folder, "half.dfq", dfq(7))
            await until(lambda: "archive/half.dfq" in lying(folder))
            assert serials(got) == ["S1", "S7"]

    with caplog.at_level("INFO"):
        run(main)
    said = [r.getMessage() for r in caplog.records if "cannot be used" in r.getMessage()]
    assert len(said) == 2  # once that it is so, and once that it is over


def test_what_cannot_be_archived_stays_and_is_not_taken_twice(
    folder: Path, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")

    async def main() -> None:
        put(folder, "a.dfq", dfq(1))
        async with reading(path, settings_for(folder, archive_dir=tmp_path / "file")) as got:
            await until(lambda: "cannot be put away" in caplog.text)
            await looked_at(got)
            put(folder, "b.dfq", dfq(2))
            await until(lambda: serials(got) == ["S1", "S2"])
        async with reading(path, settings_for(folder)) as got:
            await until(lambda: lying(folder) == ["archive/a.dfq", "archive/b.dfq"])
            assert serials(got) == ["S1", "S2"]

    run(main)
    assert caplog.text.count("cannot be put away") == 1


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from edge.sources.folder import files
from tests.edge.sources.qdas.test_qdas import settings_for
from tests.edge.sources.reading import reading
files.archive = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
async def main():
    async with reading(Path(sys.argv[1]), settings_for(Path(sys.argv[2]))):
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_killed_between_journal_and_archive_it_is_only_archived(folder: Path, path: Path) -> None:
    put(folder, "a.dfq", dfq(1, 2))
    command = [sys.executable, "-c", KILLED, str(path), str(folder)]
    died = subprocess.run(command, check=False, timeout=90)
    assert died.returncode == -9
    assert lying(folder) == ["a.dfq"]

    async def main() -> None:
        async with reading(path, settings_for(folder)) as got:
            await until(lambda: lying(folder) == ["archive/a.dfq"])
            assert serials(got) == ["S1", "S2"]

    run(main)


def test_a_folder_that_is_gone_is_said_once_and_taken_up_again(
    folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with reading(path, settings_for(folder)) as got:
            await until(lambda: got.figures.state == "online")
            rename(folder, folder.with_name("elsewhere"))
            await until(lambda: got.figures.state == "offline")
            assert "No such file" in got.figures.reason
            rename(folder.with_name("elsewhere"), folder)
            put(folder, "a.dfq", dfq(1))
            await until(lambda: serials(got) == ["S1"])
            assert got.devices.heard[:3] == ["room online", "room offline", "room online"]

    with caplog.at_level("INFO"):
        run(main)
    assert caplog.text.count("No such file") == 1


def test_codes_of_parts_go_by_the_forms_of_customers(folder: Path, path: Path) -> None:
    forms = [{"form": "us", "pattern": r"S(?P<serial>\d+)"}]

    async def main() -> None:
        put(folder, "a.dfq", dfq(1) + "2\nK0014/1 X1\n")
        async with reading(path, settings_for(folder, serial=forms)) as got:
            await until(lambda: lying(folder) == ["archive/a.dfq"])
            assert [(r.serial, r.code and r.code.form) for r in found(got)] == [
                ("1", "us"), ("X1", None),
            ]  # fmt: skip
            assert got.figures.unread_codes == 1

    run(main)
