"""What every test can use, and the order they run in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of what is tested: no test asserts a time.
settings.register_profile("lineside", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lineside")

pytest_plugins = [
    "tests.fixtures.leftovers",
    "tests.fixtures.broker",
    "tests.fixtures.postgres",
    "tests.fixtures.peers",
    "tests.fixtures.timescale",
    "tests.fixtures.chromium",
    "tests.fixtures.node_opcua",
    "tests.fixtures.plc_peers",
    "tests.fixtures.instances",
    "tests.fixtures.helm",
]


WHOLE_STACKS = ("e2e", "faults", "conformance", "deploy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a mistake shows early. Of the slow ones those of whole stacks come
    before the rest: they last longest, and at the end the other processes would stand idle."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("slow") is None:
        return 0
    return 1 if item.path.relative_to(Path(__file__).parent).parts[0] in WHOLE_STACKS else 2
