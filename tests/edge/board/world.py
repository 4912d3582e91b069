"""A line PLC and its gateway as processes, and the board that the gateway serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deploy.local.ports import free_port, wait_listening
from edge.board.settings import BoardSettings
from tests.edge.hub import Hub
from tests.edge.plant import agent, edge_config, line_plc

if TYPE_CHECKING:
    from playwright.sync_api import Page


class World:
    """A line with room in its racks, its gateway, and where the board is."""

    def __init__(self, directory: Path, broker_port: int, **plc: Any) -> None:
        """`plc`: how the line is to be other than quick and faultless."""
        plc_port = free_port()
        self.plc = line_plc(
            *(directory, plc_port),
            **({"rack_slots": 50, "nok_rate": 0, "cycle_s": 0.6, "speed": 1, "steps": 1} | plc),
        )
        config = edge_config(directory / "data", broker_port, plc_port)
        config.board = BoardSettings(port=free_port())
        config.jis[0].changes_decided_by = "person"
        self.agent = agent(config, directory)
        self.board_port = config.board.port
        self.url = f"http://127.0.0.1:{self.board_port}/"

    @contextmanager
    def running(self) -> Iterator[Self]:
        """PLC and gateway at work, and the board served."""
        with self.plc, self.agent:
            self.plc.start()
            self.agent.start()
            wait_listening(self.board_port, lambda: True, 60)
            yield self


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def kinds_of(hub: Hub, number: int) -> list[tuple[str, str | None, str | None]]:
    """Kind, verdict and person of the events of a call."""
    return [
        (event.kind, event.verdict, event.by)
        for event in hub.events
        if event.key.production_no == f"{number:07}"
    ]


def sign_in(page: Page, name: str) -> None:
    """Say who presses."""
    page.click("text=Sign in")
    page.fill("#sign-in input[name=name]", name)
    page.click("#sign-in >> text=Send")
    page.wait_for_selector("text=Sign out")
