"""What every test can use, and the order they run in."""

from __future__ import annotations

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a mistake shows early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
