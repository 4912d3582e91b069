"""A small disk for a gateway's data, which can be filled up and freed."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

DISK_MB = 96
_CLONE_NEWNS = 0x0002_0000


def own_mounts() -> bool:
    """Give this process, and all that it starts, mounts of their own, which go when the last of
    them ends, however that is. False where that is not allowed. Call it before starting threads."""
    if os.geteuid() != 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return False
    private = ["mount", "--make-rprivate", "/"]
    return subprocess.run(private, check=False, capture_output=True).returncode == 0


class MountedDisk:
    """A file system in memory, `DISK_MB` large, mounted at `path`. A context manager."""

    kind = "tmpfs"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        options = f"size={DISK_MB}m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "lineside", self.path], check=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=False)

    def fill(self) -> None:
        """Leave not a byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                block = bytes(size)
                try:
                    while True:
                        file.write(block)
                except OSError:
                    continue

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class LimitedDisk:
    """Where nothing may be mounted: a process whose files may grow no more (`RLIMIT_FSIZE`). SQLite
    takes the refusal for a full disk. A process started anew is limited again by `fill`."""

    kind = "file size limit"

    def __init__(self, path: Path, pid: Callable[[], int | None]) -> None:
        self.path = path
        self._pid = pid

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.free()

    def fill(self) -> None:
        self._limit(1)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, soft: int) -> None:
        pid = self._pid()
        if pid is not None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


Disk = MountedDisk | LimitedDisk
