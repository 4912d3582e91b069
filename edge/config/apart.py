"""Reads a configuration in a process of its own.

Parsing YAML with its line numbers takes seconds and tens of megabytes for some thousand tags. The
memory would stay with the agent for as long as it runs, and a reload would stop its event loop.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from edge.apart import command, run_apart
from edge.config.load import ConfigError, Problem
from edge.config.model import EdgeConfig


class Reading:
    """A configuration that is being read, from the moment this is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a path as one word
            command("edge.config", path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )

    def result(self) -> EdgeConfig:
        """Wait for it. Raises `ConfigError` as `load` does."""
        answer, _ = self._process.communicate()
        return _taken(self._path, answer)


async def load_apart(path: Path) -> EdgeConfig:
    """`load`, without holding up the event loop. Raises `ConfigError`."""
    return _taken(path, await run_apart("edge.config", path))


def _taken(path: Path, answer: bytes) -> EdgeConfig:
    try:
        told: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise ConfigError(path, [Problem(0, "", "the process that reads it failed")]) from None
    if "problems" in told:
        raise ConfigError(path, [Problem(**problem) for problem in told["problems"]])
    return EdgeConfig.model_validate(told["plain"])
