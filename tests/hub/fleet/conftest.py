from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.fleet.authority import Authority
from hub.fleet.settings import Signing
from hub.store import Database
from protocols.enrolment import Token
from tests.hub.calls.world import make_world
from tests.hub.fleet.site import Command, Site, running_site


@pytest.fixture
def command(configured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`lineside-hub` on the test's database, with a data directory of its own."""
    monkeypatch.setenv("LINESIDE_HUB_DATA_DIR", str(tmp_path / "hub"))
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def signing(command: Command, database: Database, tmp_path: Path) -> Signing:
    """The hub's own authority; registered are seatworks/gw-seat and trimworks/gw-trim."""
    make_world(database, cars=0)
    made = command("ca", "init")
    assert made.exit_code == 0, made.output
    return Signing(tmp_path / "hub/ca/ca.crt", tmp_path / "hub/ca/ca.key", 90)


@pytest.fixture
def authority(signing: Signing) -> Authority:
    return Authority.load(signing)


@pytest.fixture
def site(
    command: Command, signing: Signing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A hub that is an API alone, and its broker."""
    with running_site(command, signing, tmp_path, monkeypatch, "--only", "api") as site:
        yield site


@pytest.fixture
def whole_site(
    command: Command, signing: Signing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A hub with all its parts, and its broker."""
    with running_site(command, signing, tmp_path, monkeypatch) as site:
        yield site


@pytest.fixture
def token(command: Command, signing: Signing) -> Callable[..., Token]:
    """A token as the command prints it."""

    def add(address: str = "seatworks/gw-seat", *options: str) -> Token:
        made = command("gateways", "add", address, *options)
        assert made.exit_code == 0, made.output
        return Token.parse(made.stdout)

    return add
