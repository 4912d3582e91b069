"""Reading in a process of its own gives what reading gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import ConfigError, Reading, load, load_apart, sample
from tests.edge.plant import opcua_source

pytestmark = pytest.mark.anyio


async def test_the_same_configuration_secrets_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLC_PASSWORD", "s3cret")
    path = tmp_path / "edge.yaml"
    secret = '    username: "op"\n    password: ${PLC_PASSWORD}\n    device: press-1\n'
    text = sample().replace("    device: press-1\n", secret)
    assert secret in text
    path.write_text(text)
    apart = await load_apart(path)
    assert apart == load(path)
    password = opcua_source(apart).password
    assert password is not None
    assert password.get_secret_value() == "s3cret"
    assert apart.data_dir == tmp_path / "data"


async def test_the_same_errors(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text("version: 1\ngatewy: {}\n")
    with pytest.raises(ConfigError) as here:
        load(path)
    with pytest.raises(ConfigError) as apart:
        await load_apart(path)
    with pytest.raises(ConfigError) as begun:
        Reading(path).result()
    assert str(apart.value) == str(begun.value) == str(here.value)
    assert len(here.value.problems) == 3
