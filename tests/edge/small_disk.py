"""A file system of a few megabytes, which really is full when it is full."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A tmpfs of its own. Raises `OSError` if this process may not mount one."""
    with tempfile.TemporaryDirectory(prefix="small-disk-") as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", directory]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            raise PermissionError("this process may not mount a file system")
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)


@cache
def _may_mount() -> bool:
    try:
        with small_disk(1):
            return True
    except OSError:
        return False


needs_mount = pytest.mark.skipif(not _may_mount(), reason="no right to mount a small file system")
