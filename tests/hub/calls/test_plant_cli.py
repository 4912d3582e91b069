"""The plant's commands by hand: carried out, told, or refused with what is possible."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from hub.cli import app
from tests.hub.calls.plant import agree
from tests.hub.calls.supply import Supply

ONE = "0000001"


@pytest.fixture
def plant(supply: Supply, configured: None) -> Supply:
    supply.pass_cars(1, 2)
    return supply


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["calls", *arguments])


def test_a_car_goes_out_and_comes_back(plant: Supply) -> None:
    out = run("pull-out", ONE, "--reason", "paint rework")
    assert out.exit_code == 0, out.output
    assert out.stdout.splitlines()[0] == "P1/SEAT1/0000001/SEAT-FRONT/0"
    again = run("pull-out", ONE)
    assert again.exit_code == 1
    assert "refused, nothing was changed: call P1/SEAT1/0000001" in again.stderr
    back = run("reinsert", ONE, "--before", "0000002")
    assert back.exit_code == 0, back.output
    shown = run("show", ONE)
    assert "SEAT-FRONT/0  call 1, sequence 3, SEAT1-00001 slot 3" in shown.stdout
    assert "car released, part released: to be built; possible: cancel, change" in shown.stdout
    assert "plant pull_out by user" in shown.stdout
    cancelled = run("cancel", ONE)
    assert len(cancelled.stdout.splitlines()) == 3


def test_what_is_not_known_is_named(plant: Supply) -> None:
    assert "no order 9 in plant P1" in run("show", "9").stderr
    assert "no plant P9; lineside-hub plant load" in run("cancel", ONE, "--plant", "P9").stderr
    assert "nothing is called for car 0000003" in run("show", "0000003").stdout
    assert run("reorder", "P1/SEAT1").exit_code == 2
    key = "P1/SEAT1/0000001/SEAT-FRONT/0"
    assert "reorder is not possible; possible: cancel" in run("reorder", key).stderr
    near = run("reorder", "P1/SEAT1/0000001/SEAT-FRNT/0").stderr
    assert f"did you mean {key}?" in near


def test_a_preview_is_told_by_hand(plant: Supply) -> None:
    assert "nothing to tell" in run("preview").stdout
    agree(plant.connection, forecast_days=10)
    assert "line SEAT1: version 1 of its preview is told" in run("preview").stdout
    assert "version 2" in run("preview", "--line", "SEAT1", "--whole").stdout
