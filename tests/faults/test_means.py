"""The means of breaking things break what they say, and no more."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.processes import Process
from tests.faults.damage import FLIPS, flip_bits, tear
from tests.faults.disk import LimitedDisk
from tests.faults.services import Service, ServiceManager


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 2**31))
def test_flips_change_bits_in_place_and_tears_keep_the_beginning(data: bytes, seed: int) -> None:
    path = Path(f"/proc/self/fd/{os.memfd_create('file')}")
    try:
        path.write_bytes(data)
        flip_bits(path, random.Random(seed))
        flipped = path.read_bytes()
        changed = sum((a ^ b).bit_count() for a, b in zip(data, flipped, strict=True))
        assert changed in range(FLIPS + 1)
        assert changed % 2 == FLIPS % 2  # the same bit twice is none
        tear(path, random.Random(seed))
        assert len(path.read_bytes()) < len(flipped)
        assert flipped.startswith(path.read_bytes())
    finally:
        os.close(int(path.name))


def test_an_absent_file_stays_absent(tmp_path: Path) -> None:
    for harm in (flip_bits, tear):
        assert "nothing there" in harm(tmp_path / "none", random.Random(1))
    assert list(tmp_path.iterdir()) == []


@contextmanager
def manager() -> Iterator[ServiceManager]:
    with ThreadPoolExecutor() as pool, ServiceManager(pool) as running:
        yield running


def program(directory: Path, text: str) -> Process:
    return Process("program", [sys.executable, "-c", text], directory / "log")


def test_a_service_that_ends_by_itself_is_started_again_and_a_killed_one_is_not(
    tmp_path: Path,
) -> None:
    with manager() as services:
        failing = services.add(Service(program(tmp_path, "print('began'); raise SystemExit(3)")))
        killed = services.add(Service(program(tmp_path, "import time; time.sleep(600)")))
        killed.kill()
        eventually(lambda: len(failing.ended) >= 2, "two ends of the failing service")
        assert set(failing.ended) == {3}
        assert (tmp_path / "log").read_text().count("began") >= 2
        assert not killed.process.running
        assert killed.ended == []
        killed.start()
        assert killed.process.running
    assert not killed.process.running


def test_a_service_that_has_done_its_work_is_left_alone(tmp_path: Path) -> None:
    with manager() as services:
        done = services.add(Service(program(tmp_path, "pass"), ends=True))
        eventually(lambda: done.process.exit_code == 0, "its end")
        time.sleep(0.5)
        assert done.ended == []


def test_a_limited_disk_refuses_to_grow_until_it_is_freed(tmp_path: Path) -> None:
    """The limit is another process's: this one's files grow on."""
    write = (
        "import sys\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        f"        with open({str(tmp_path / 'data')!r}, 'ab', buffering=0) as file:\n"
        "            file.write(b'x' * 10)\n"
        "        print(0, flush=True)\n"
        "    except OSError as error:\n"
        "        print(error.errno, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", write], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def ask() -> int:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("\n")
        child.stdin.flush()
        return int(child.stdout.readline())

    with LimitedDisk(tmp_path / "disk", lambda: child.pid) as disk:
        assert ask() == 0
        disk.fill()
        assert ask() == errno.EFBIG
        (tmp_path / "ours").write_bytes(b"x" * 100)
        disk.free()
        assert ask() == 0
    child.communicate()


_FILL = """
import sys
from pathlib import Path
from tests.faults.disk import MountedDisk, own_mounts
if not own_mounts():
    raise SystemExit(77)
with MountedDisk(Path(sys.argv[1])) as disk:
    disk.fill()
    try:
        (disk.path / "more").write_bytes(b"x")
        raise SystemExit(1)
    except OSError:
        pass
    disk.free()
    (disk.path / "more").write_bytes(b"x")
    assert disk.path.is_mount()
"""


def test_a_mounted_disk_is_full_until_it_is_freed_and_nobody_else_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    done = subprocess.run(
        [sys.executable, "-c", _FILL, path], check=False, cwd=Path(__file__).parents[2]
    )
    if done.returncode == 77:
        pytest.skip("nothing may be mounted here")
    assert done.returncode == 0
    assert not path.is_mount()
    assert list(path.iterdir()) == []
