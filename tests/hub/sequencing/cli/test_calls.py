"""`lineside-hub sequence calls`: the same calls as table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from tests.hub.orders import SAMPLE_DAY, SAMPLE_DAY_FILE
from tests.hub.sequencing.cli.conftest import Command


def test_each_car_is_called_for_once_per_part_group(run: Command) -> None:
    calls = json.loads(run("calls", SAMPLE_DAY_FILE, "--as", "json"))
    assert len(calls) == 2 * 40
    assert calls == [
        {**row, **{key: int(row[key]) for key in ("quantity", "call_no", "sequence_no", "slot")}}
        for row in csv.DictReader(io.StringIO(run("calls", SAMPLE_DAY_FILE, "--as", "csv")))
    ]
    seats = [call for call in calls if call["line"] == "SEAT1"]
    # 06:00 in Berlin is 05:00 UTC. Four hours of work later, with a stop of ten minutes and a
    # break of a quarter of an hour between, the first car gets its seats.
    assert seats[0]["required_at"] == "2026-03-02T09:25:00Z"
    assert [seats[i]["slot"] for i in (0, 1, 11, 12)] == [12, 11, 1, 12]
    assert [call["call_no"] for call in calls if call["line"] == "TRIM1"] == [*range(4401, 4441)]


def test_the_table_is_by_the_plants_clock_and_of_one_line_if_wanted(run: Command) -> None:
    rows = run("calls", SAMPLE_DAY_FILE, "--line", "SEAT1").splitlines()
    assert len(rows) == 1 + 40
    assert "2026-03-02 10:25:00" in rows[1]


def test_the_order_of_the_sequence_is_that_of_the_calls(run: Command, tmp_path: Path) -> None:
    sequence = tmp_path / "sequence.txt"
    run("solve", SAMPLE_DAY_FILE, "--max-moves", 20_000, "--out", sequence)
    calls = json.loads(run("calls", SAMPLE_DAY_FILE, sequence, "--line", "SEAT1", "--as", "json"))
    assert [call["production_no"] for call in calls] == sequence.read_text().split()


def test_what_a_new_sequence_changes_is_told(run: Command, tmp_path: Path) -> None:
    before, after = tmp_path / "before.txt", tmp_path / "after.txt"
    numbers = [call["production_no"] for call in seat_calls(run)]
    before.write_text("\n".join(numbers))
    after.write_text("\n".join([*numbers[:37], numbers[38], numbers[37]]))
    same = ("calls", SAMPLE_DAY_FILE, before, "--since", before, "--as")
    assert run(*same, "json") == "[\n\n]\n"
    for form in ("csv", "table"):  # the columns are there even where no row is
        (head,) = run(*same, form).splitlines()
        assert head.endswith("change")
    changes = json.loads(
        run(
            *("calls", SAMPLE_DAY_FILE, after, "--since", before, "--as", "json"), "--line", "SEAT1"
        )
    )
    swapped = "renumbered, retimed, other slot"
    assert [(call["production_no"], call["call_no"], call["change"]) for call in changes] == [
        (numbers[38], 38, swapped),
        (numbers[37], 39, swapped),
        (numbers[39], 40, "gone"),
    ]
    table = run("calls", SAMPLE_DAY_FILE, after, "--since", before)
    assert table.splitlines()[0].endswith("change")
    assert len(table.splitlines()) == 1 + 6


def seat_calls(run: Command) -> list[dict[str, str]]:
    calls: list[dict[str, str]] = json.loads(
        run("calls", SAMPLE_DAY_FILE, "--line", "SEAT1", "--as", "json")
    )
    return calls


def test_what_has_no_calls_is_refused(refused: Command, tmp_path: Path) -> None:
    assert "a day file with a calendar" in refused("calls", SAMPLE_DAY)
    assert "did you mean SEAT1?" in refused("calls", SAMPLE_DAY_FILE, "--line", "SEAT2")
    short = tmp_path / "short.yaml"
    text = SAMPLE_DAY_FILE.read_text()
    short.write_text(text.replace("lead_s: 18000", "lead_s: 180000"))
    assert "runs over the end of the calendar" in refused("calls", short)
