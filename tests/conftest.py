"""What every test can use, and the order they run in."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in ("leftovers", "broker", "postgres", "timescale", "peers")
    if find_spec(f"tests.fixtures.{name}")
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a mistake shows early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
