"""The agent's log as its file, its command line and its environment say, and over a reload."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from edge.config import EdgeConfig, load
from edge.config.sample import yaml_lines
from tests.edge.plant import Child
from tests.edge.waiting import until

COMMAND = [sys.executable, "-c", "from edge.cli import main; main()"]
pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def gateway(directory: Path, *options: str, **settings: Any) -> Child:
    """One whose broker is not there."""
    write(directory, **settings)
    arguments = ["run", "--config", str(directory / "edge.yaml"), *options]
    return Child([*COMMAND, *arguments], directory / "agent.log")


def write(directory: Path, **settings: Any) -> EdgeConfig:
    broker = {"host": "127.0.0.1", "port": free_port(), "tls": False}
    config = {
        "version": 1,
        "gateway": {"group": "g", "node": "n"},
        "data_dir": "data",
        "broker": broker,
        "status": {"port": 0},
        **settings,
    }
    path = directory / "edge.yaml"
    path.write_text("\n".join(yaml_lines(config)))
    return load(path)


def told(line: str) -> Any:
    """A line of the log in JSON, or None if it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return None


async def test_a_file_says_the_form_and_a_reload_changes_it(tmp_path: Path) -> None:
    with gateway(tmp_path, log="json") as agent:
        agent.start()
        lines = [told(line) for line in agent.output.splitlines()]
        ready = next(line for line in lines if "ready" in line["message"])
        assert (ready["level"], ready["logger"]) == ("info", "edge.parts")
        write(tmp_path, log="text")
        os.kill(agent.pid, signal.SIGHUP)
        await until(lambda: "reloaded: the log is written as text" in agent.output, "its word")
        assert told(agent.output.splitlines()[-1]) is None


async def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    with gateway(tmp_path, "--log", "json", log="text") as agent:
        agent.start()
        assert all(told(line) for line in agent.output.splitlines())
        write(tmp_path, log="text", trace={"endpoint": f"http://127.0.0.1:{free_port()}"})
        os.kill(agent.pid, signal.SIGHUP)
        await until(lambda: "reloaded: traces go by the new settings" in agent.output, "the reload")
        assert all(told(line) for line in agent.output.splitlines())


def test_a_form_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    write(tmp_path)
    path.write_text(f"{path.read_text()}\nlog: jason\n")
    done = subprocess.run([*COMMAND, "check", "--config", path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "did you mean json?" in done.stdout + done.stderr
