"""What every test can use, and the order they run in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of what is tested: no test asserts a time. The suite draws the same
# examples each time, so that it says of a change what the change has done; others are looked for by
# `--hypothesis-profile=search`, and what these find is kept as an example.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("lineside", settings.get_profile("search"), derandomize=True)
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
    """File by file, since that is how processes share the tests. Files without a slow test first,
    so that a mistake shows early; then what starts whole stacks, which lasts longest, and then the
    others, those with most slow tests first: what comes last is short, and no process waits long
    for another."""
    slow = Counter(item.path for item in items if _is_slow(item))
    items.sort(key=lambda i: (*_turn(i.path, slow[i.path]), str(i.path), _is_slow(i)))


def _turn(path: Path, slow_tests: int) -> tuple[int, int]:
    if not slow_tests:
        return 0, 0
    is_stack = path.relative_to(Path(__file__).parent).parts[0] in WHOLE_STACKS
    return (1 if is_stack else 2), -slow_tests


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None
