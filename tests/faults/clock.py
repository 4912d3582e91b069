"""Clocks of single processes that can be stepped while they run: never the machine's."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_OFFSET = struct.Struct("=q")


def build(directory: Path) -> Path:
    """Compile the library that moves a clock. Raises `OSError` or `subprocess.CalledProcessError`
    without a C compiler, which building Lineside asks for too."""
    directory.mkdir(parents=True, exist_ok=True)
    library = directory / "clock.so"
    compiler = os.environ.get("CC", "cc")
    command: list[str | Path] = [
        compiler,
        "-shared",
        "-fPIC",
        "-O2",
        "-Wall",
        "-o",
        library,
        _SOURCE,
        "-ldl",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return library


class SteppedClock:
    """The wall clock of those processes that are started with `environment`."""

    def __init__(self, library: Path, path: Path) -> None:
        """`path` takes the offset; the processes look there at each reading."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _OFFSET.size)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library.resolve()),
            "LINESIDE_CLOCK": str(path.resolve()),
        }

    @property
    def offset_s(self) -> float:
        """How far it is ahead of the machine's."""
        return float(_OFFSET.unpack(self._map[:])[0]) / 1e9

    def set(self, offset_s: float) -> None:
        """Step it; what runs on it sees the new time at once."""
        self._map[:] = _OFFSET.pack(round(offset_s * 1e9))
