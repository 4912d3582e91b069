"""The commands of store, orders and sequencing, as a person gives them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hub.calls.release import release
from hub.cli import app
from hub.store import Database
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at
from tests.hub.orders import SAMPLE_DAY, SAMPLE_PLANT


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No database host in the environment: the hub runs a server of its own."""
    with tempfile.TemporaryDirectory(prefix="lineside-cli-") as folder:
        monkeypatch.setenv("LINESIDE_HUB_DATA_DIR", folder)
        yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_on_a_new_machine_migrate_comes_first(embedded: None) -> None:
    assert run("db", "status").exit_code == 1
    refused = run("plant", "load", str(SAMPLE_PLANT))
    assert refused.exit_code == 1
    assert "run lineside-hub migrate" in refused.output
    assert "migrations" in run("migrate").output
    assert "up to date" in run("migrate").output
    status = run("db", "status")
    assert status.exit_code == 0
    assert "0 pending" in status.output


def test_a_missing_password_is_said_in_a_sentence(
    configured: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LINESIDE_HUB_DATABASE__PASSWORDS_DIR", str(tmp_path))
    monkeypatch.delenv("LINESIDE_HUB_DATABASE__OWNER_PASSWORD")
    refused = run("db", "status")
    assert refused.exit_code == 1
    assert "no database: " in refused.output
    assert str(tmp_path / "owner") in refused.output.replace("\n", "")


def test_from_files_to_a_sequence(configured: None) -> None:
    assert "2 lines, 5 part groups" in run("plant", "load", str(SAMPLE_PLANT)).output
    assert "120 orders from day" in run("orders", "import", str(SAMPLE_DAY)).output
    assert "imported before" in run("orders", "import", str(SAMPLE_DAY)).output
    assert "20 orders" in run("orders", "generate", "--cars", "20", "--seed", "2").output
    made = run("sequence", "make", "--book", "day")
    assert "sequence 1 of 120 cars from day, mark 83024118" in made.output


def test_after_a_restore_each_gateway_begins_anew(configured: None, database: Database) -> None:
    assert "nothing to begin anew" in run("db", "restored").output
    make_world(database, cars=1)
    with database.connect("ingest") as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
    said = run("db", "restored")
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "seatworks/gw-seat: calls begin anew with 2 that are open",
        "trimworks/gw-trim: calls begin anew with 1 that are open",
    ]
    with database.connect("ingest") as connection:
        streams = connection.execute(
            "SELECT next_offset, closed FROM call_stream ORDER BY gateway, closed"
        ).fetchall()
    # How the line works is told beside the calls.
    assert streams == [(3, False), (2, True), (2, False), (1, True)]


def test_bad_input_ends_with_its_reason(configured: None, tmp_path: Path) -> None:
    run("plant", "load", str(SAMPLE_PLANT))
    day = shutil.copytree(SAMPLE_DAY, tmp_path / "day")
    (day / "ratios.txt").write_text("Ratio;Prio;Ident;\n1-2;1;X;\n")
    for arguments, said in [
        (("orders", "import", str(day)), "ratios.txt:2: ratio '1-2' is not of the form N/P"),
        (("orders", "import", str(tmp_path / "none.csv")), "none.csv: cannot be read"),
        (("sequence", "make"), "plant P1 has no orders"),
    ]:
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert said in refused.output


def test_score_of_a_folder_and_of_a_sequence(tmp_path: Path) -> None:
    scored = run("sequence", "score", str(SAMPLE_DAY))
    assert json.loads(scored.output)["mark"] == 83024118
    numbers = [
        line.split(";")[2]
        for line in (SAMPLE_DAY / "vehicles.txt").read_text().splitlines()
        if line.startswith("2026 10 2")
    ]
    solution = tmp_path / "solution.txt"
    ranked = [f"{rank};{number}" for rank, number in enumerate(numbers, 1)]
    solution.write_text("\n".join(reversed(ranked)))
    assert json.loads(run("sequence", "score", str(SAMPLE_DAY), str(solution)).output) == (
        json.loads(scored.output)
    )
    solution.write_text("\n".join(["nobody", *numbers[1:]]))
    refused = run("sequence", "score", str(SAMPLE_DAY), str(solution))
    assert refused.exit_code == 1
    assert "solution.txt:1: 'nobody' is not a car of the day" in refused.output


def test_a_server_that_is_away_is_said(configured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINESIDE_HUB_DATABASE__NAME", "nowhere")
    refused = run("migrate")
    assert refused.exit_code == 1
    assert "no database" in refused.output


def test_a_host_without_passwords_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINESIDE_HUB_DATABASE__HOST", "db.example.org")
    refused = run("migrate")
    assert refused.exit_code == 2
    assert "LINESIDE_HUB_DATABASE: " in refused.output
    assert "set passwords_dir" in refused.output


def test_programs_beside_a_host_are_refused(
    configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINESIDE_HUB_DATABASE__PROGRAMS", "/opt/postgres/bin")
    refused = run("migrate")
    assert refused.exit_code == 2
    assert "unset LINESIDE_HUB_DATABASE__PROGRAMS, or LINESIDE_HUB_DATABASE__HOST" in refused.output
