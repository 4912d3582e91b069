"""Fixtures `run` and `refused`: `lineside-hub sequence …` as a planner types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app

Command = Callable[..., str]


def _typed(words: tuple[object, ...]) -> list[str]:
    return ["sequence", *map(str, words)]


@pytest.fixture
def run() -> Command:
    """Runs a command that must end well; what it printed."""

    def command(*words: object) -> str:
        result = CliRunner().invoke(app, _typed(words))
        assert result.exit_code == 0, result.output
        return result.stdout

    return command


@pytest.fixture
def refused() -> Command:
    """Runs a command that must be refused with a sentence; what it said."""

    def command(*words: object) -> str:
        result = CliRunner().invoke(app, _typed(words))
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert result.stdout == ""
        return result.stderr

    return command


CSPLIB_TEXT = """\
20 2 3
1 2
2 3
0 8 0 0
1 8 0 1
2 4 1 1
"""


@pytest.fixture
def csplib(tmp_path: Path) -> Path:
    """A small CSPLib file that has a sequence without violations."""
    path = tmp_path / "small.txt"
    path.write_text(CSPLIB_TEXT)
    return path
