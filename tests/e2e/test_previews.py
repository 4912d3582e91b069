"""What is ahead of a line, from the hub's own publisher to the board of a gateway: the same on both
sides, whatever moves the plan and whoever is away meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from deploy.local.demand import Ahead, at_gateway, at_hub
from deploy.local.stack import LocalStack, StackSettings, wait_for
from deploy.local.world import CONTROL_POINT, PLANT, SUPPLIERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(800)]

SEATS = SUPPLIERS[0]
CARS = 800
"""A plant's day: more than one message carries."""
WAIT_S = 120.0


class Plan:
    """The plan of the seat line, as hub and gateway have it; changed as a plant's system does."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._client = httpx.Client(base_url=f"{stack.url}v1/plants/{PLANT}", timeout=60)

    def at_hub(self) -> set[Ahead]:
        with self._stack.database() as database:
            return at_hub(database, PLANT, SEATS.line)

    def at_gateway(self) -> set[Ahead]:
        return at_gateway(self._stack.calls_of(SEATS))

    def cars(self) -> list[str]:
        """Those ahead by their place."""
        placed = {each.place: each.car for each in self.at_hub() if each.place is not None}
        return [placed[place] for place in sorted(placed)]

    def post(self, path: str, **body: object) -> None:
        answer = self._client.post(path, json=body)
        assert answer.is_success, answer.text

    def is_the_same(self, why: str) -> None:
        assert wait_for(lambda: self.at_gateway() == self.at_hub(), WAIT_S), (
            why, self.at_gateway() ^ self.at_hub(),
        )  # fmt: skip


@pytest.fixture
def stack() -> Iterator[LocalStack]:
    # pytest's own directories are closed to the user that PostgreSQL runs as for root.
    with tempfile.TemporaryDirectory(prefix="lineside-previews-") as directory:
        settings = StackSettings(Path(directory), cars=CARS, takt_s=1.0)
        with LocalStack(settings, print) as running:
            yield running


def test_the_gateway_sees_what_the_hub_foresees(stack: LocalStack) -> None:
    plan = Plan(stack)
    assert wait_for(lambda: bool(plan.at_hub()), WAIT_S)
    plan.is_the_same("the whole, as the sequence was made")
    first, second, third, fourth, *_ = plan.cars()

    now = datetime.now(UTC).isoformat()
    plan.post(f"/control-points/{CONTROL_POINT}/passes", production_no=first, passed_at=now)
    assert first not in plan.cars()
    plan.is_the_same("what is called is no longer ahead")
    plan.post(f"/cars/{second}/block", reason="paint")
    assert any(each.blocked for each in plan.at_hub())
    plan.is_the_same("a blocked car")

    stack.kill_gateway(SEATS)
    plan.post(f"/cars/{third}/block", reason="no engine")
    plan.post(f"/cars/{second}/unblock")
    assert plan.at_gateway() != plan.at_hub()
    stack.restart_gateway(SEATS)
    plan.is_the_same("what changed while the gateway was away")

    stack.hub.kill()
    stack.hub.start()
    assert wait_for(lambda: answers(stack), WAIT_S)
    plan.post(f"/cars/{fourth}/cancel")
    assert fourth not in plan.cars()
    plan.is_the_same("what changed after the hub was away")


def answers(stack: LocalStack) -> bool:
    try:
        return httpx.get(stack.url, timeout=60).is_success
    except httpx.HTTPError:
        return False
