"""Demos and benchmarks have a database of their own, whatever the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.database import own_database
from deploy.local.processes import ProcessError


@pytest.mark.parametrize(
    "name", ["LINESIDE_HUB_DATABASE__HOST", "lineside_hub_database__host"], ids=["upper", "lower"]
)
def test_a_server_that_the_environment_names_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "plant-db.example")
    with (
        pytest.raises(ProcessError, match=rf"{name} names one .*plant-db\.example.*unset it"),
        own_database(tmp_path),
    ):
        raise AssertionError("nothing is opened")
    assert not list(tmp_path.iterdir())
