"""The plant file: refused with line, reason and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.orders.plant import read_plant
from hub.orders.problems import InputError
from tests.hub.orders import SAMPLE_PLANT

CALENDAR = """  calendar:
    zone: UTC
    first: 2026-01-01
    last: 2026-12-31
    shifts: [{name: early, start: "06:00", end: "14:00", weekdays: [mon]}]
  # """


def test_the_sample_plant() -> None:
    plant = read_plant(SAMPLE_PLANT)
    assert plant.plant.id == "P1"
    assert [group.id for line in plant.lines for group in line.part_groups] == [
        "SEAT-FRONT",
        "SEAT-REAR",
        "DOOR-TRIM",
        "BUMPER",
        "COCKPIT",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("takt_s: 60", "takt: 60", 16, r"plant\.takt: unknown key; did you mean takt_s\?"),
        ("takt_s: 60", "takt_s: 0", 16, r"plant\.takt_s: .*greater than 0, not 0"),
        ("takt_s: 60", "takt_s: .nan", 16, r"plant\.takt_s: .*finite"),
        ("rack_slots: 12", "rack_slot: 12", 34, r"unknown key; did you mean rack_slots\?"),
        ("seatworks/gw-seat\n", "seatworks/gw\n", 31, r"did you mean seatworks/gw-seat\?"),
        ("id: TRIM1", "id: SEAT1", 65, r"line 'SEAT1' stands at lines\[0\]\.id already"),
        ("id: BUMPER", "id: COCKPIT", 73, r"part group 'COCKPIT' stands at"),
        ("[TRIM-IN]", "[TRIM-IN, TRIM-IN]", 17, r"control point 'TRIM-IN' stands at"),
        ("  control_points: [TRIM-IN]", "", 13, r"plant\.control_points: is missing"),
        (
            "{id: COCKPIT, control_point: TRIM-IN",
            "{id: COCKPIT, control_point: TRIM-N",
            73,
            r"part_groups\[2\]\.control_point: no control point 'TRIM-N'; did you mean TRIM-IN\?",
        ),
        ("  owner: carmaker\n", "  owner: carmakr\n", 15, r"did you mean carmaker\?"),
        ("kind: oem", "kind: maker", 5, r"'maker' is not 'oem' or 'supplier'"),
        ("bom: derived", "bom: [{part: X}]", 63, r"unknown key; did you mean part_no\?"),
        ("version: 1", "version: 2", 2, r"version: 2 is not 1"),
        ("version: 1", "version: [", 5, r"expected the node content"),
        ("id: P1", "id: P/1", 14, r"plant\.id"),
        ("partner: carmaker}", "partner: trimworks}", 31, r"delivers to trimworks, not to"),
        ("late_red_s: 600", "late_rd_s: 600", 46, r"unknown key; did you mean late_red_s\?"),
        ("late_red_s: 600", "late_red_s: 6000", 46, r"more than late_yellow_s"),
        ("slot_policy: compress", "slot_policy: shrink", 48, r"'shrink' is not 'keep_empty' or"),
        ("{DOCK-7: drive", "{DOCK-7: drve", 61, r"'drve_through' is not 'rear', 'side' or"),
        ("{TRIM-IN: build}", "{TRIM-N: build}", 38, r"'TRIM-N'; did you mean TRIM-IN\?"),
        ("{TRIM-IN: build}", "{TRIM-IN: preview}", 38, r"preview, but the part groups of SEAT1"),
        ("  # calendar: ", "  calendar: {zone: Berlin}", 18, r"calendar\.first: is missing"),
        (
            "  # calendar: ",
            CALENDAR.replace('"06:00', '"6:00'),
            22,
            r"should be a time as in 06:00",
        ),
        ("  # calendar: ", CALENDAR.replace("UTC", "Europe/Berln"), 18, r"mean Europe/Berlin\?"),
    ],
)
def test_mistakes_are_told_with_their_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = SAMPLE_PLANT.read_text()
    assert old in text
    path = tmp_path / "plant.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"plant\.yaml:{line}: .*{said}"):
        read_plant(path)


def test_an_empty_file_is_no_plant(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text("# nothing\n")
    with pytest.raises(InputError, match="holds no plant"):
        read_plant(tmp_path / "plant.yaml")


def test_the_supplier_by_edi_that_the_sample_names_can_be_added(tmp_path: Path) -> None:
    text = SAMPLE_PLANT.read_text(encoding="utf-8")
    (entry,) = [line for line in text.splitlines() if line.startswith("#  - {group: glassworks")]
    tenant = "  - {id: glassworks, name: Glassworks, kind: supplier}"
    text = text.replace("\ngateways:", f"{tenant}\n\ngateways:")
    text = text.replace("\n\nplant:", f"\n{entry.removeprefix('#')}\n\nplant:")
    path = tmp_path / "plant.yaml"
    path.write_text(text, encoding="utf-8")
    assert [g.transport for g in read_plant(path).gateways] == ["mqtt", "mqtt", "edi"]
