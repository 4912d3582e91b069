"""The gateway's command line, without network."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.journal import DirectoryLock
from tests.edge.cli.invoke import invoke


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edge.yaml"


def test_init_then_check(file: Path) -> None:
    code, output = invoke("init", "--config", file)
    assert (code, "written. Next" in output) == (0, True)
    code, output = invoke("check", "--config", file)
    assert code == 0
    assert "gateway my-company/gateway-1, 1 sources, 2 tags, 0 lines" in output


def test_init_never_overwrites(file: Path) -> None:
    file.write_text("mine")
    code, output = invoke("init", "--config", file)
    assert (code, "it is left as it is" in output) == (1, True)
    assert file.read_text() == "mine"
    code, output = invoke("init", "--config", file.parent / "nowhere" / "edge.yaml")
    assert (code, "cannot be written" in output) == (1, True)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_file_starts_nothing(file: Path, command: str) -> None:
    file.write_text("version: 1\n")
    code, output = invoke(command, "--config", file)
    assert code == 1
    assert f"{file}:1: gateway: is missing" in output
    assert "2 errors; nothing was started" in output


def test_run_refuses_a_directory_in_use(file: Path) -> None:
    invoke("init", "--config", file)
    lock = DirectoryLock(file.parent / "data")
    code, output = invoke("run", "--config", file)
    lock.release()
    assert (code, "in use by another agent" in output) == (1, True)


@pytest.mark.parametrize("command", [["status"], ["watch"], ["reload"], ["journal", "ls"]])
def test_a_file_that_is_not_there_is_named_with_what_to_do(file: Path, command: list[str]) -> None:
    code, output = invoke(*command, "--config", file)
    assert code == 1
    assert f"there is no {file} here: go to its directory or name it by --config" in output


def test_who_asks_an_agent_that_does_not_run_is_told_how_to_start_it(file: Path) -> None:
    invoke("init", "--config", file)
    code, output = invoke("status", "--config", file)
    assert code == 2
    assert "no agent answers in" in output
    assert "lineside-edge run starts one" in output


@pytest.mark.parametrize(
    "command",
    [
        ["replay", "gone"],
        ["discover", "s7", "gone"],
        ["enrol", "--hub", "https://hub", "--token-file", "gone"],
    ],
)
def test_an_argument_that_is_no_file_is_named_without_the_systems_number(
    file: Path, command: list[str]
) -> None:
    invoke("init", "--config", file)
    config: list[str | Path] = [] if command[0] == "discover" else ["--config", file]
    assert invoke(*command, *config) == (1, "gone is not there\n")


def test_wrong_use_is_2() -> None:
    assert invoke("check", "--konfig", "x")[0] == 2
    assert invoke("fly")[0] == 2
    assert "Exit codes: 0 all well; 1" in " ".join(invoke("--help")[1].split())
