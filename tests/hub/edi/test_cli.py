"""`lineside-hub edi`: what a person sees of a file, good or bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.edi.profiles import SAMPLES, read_profile
from hub.orders.problems import InputError
from protocols.edifact.profile import EdiProfile
from tests.protocols.edifact.samples import GOLDEN, changed

HOUSE = SAMPLES / "sequence-house.yaml"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["edi", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_good_file() -> None:
    code, out, _ = run("check", GOLDEN / "deljit.edi")
    assert code == 0
    assert "interchange 4711 from PLANT01 to SUPPLIER7: 1 DELJIT, without a problem" in out


def test_show_is_json() -> None:
    code, out, _ = run("show", GOLDEN / "desadv.edi")
    assert code == 0
    shown = json.loads(out)
    assert shown["messages"][0]["content"]["packages"][0]["kind"] == "TRAILER"


def test_a_bad_file_names_segment_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "bad.edi"
    path.write_bytes(changed("deljit", "LOC+11+TOR 7'\nLOC+159+LINE 1'", "LOC+11+X'DTM+2:1:203'"))
    code, _, err = run("check", path)
    assert code == 1
    assert (
        f"{path}: segment 11 LOC: stands before DTM; "
        "order within a SEQ group is DTM, GIR, LOC, PAC, LIN" in err
    )


@pytest.mark.parametrize("name", ["missing.edi", "."])
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    code, _, err = run("check", tmp_path / name)
    assert code == 1
    assert "refused" in err


def test_the_partners_profile_is_used() -> None:
    code, _, err = run("check", GOLDEN / "desadv.edi", "--profile", HOUSE)
    assert code == 0, err
    code, _, err = run("check", GOLDEN / "delfor.edi", "--profile", HOUSE)
    assert code == 0, err


def test_the_sample_profile_differs_from_the_generic_one() -> None:
    house = read_profile(HOUSE)
    assert house != EdiProfile()
    assert str(house.deljit.control_point) == "message FTX AAI"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("charset: UNOX", ":2: charset: 'UNOX' is not one of UNOA"),
        ("time_zone: Mars", ":2: time_zone: 'Mars' is no time zone"),
        ("timezone: UTC", ":2: timezone: unknown key; did you mean time_zone?"),
        ("deljit:\n  vin: car XYZ VV", ":3: deljit.vin: 'XYZ' carries nothing in a car; SEQ, DTM"),
        ("deljit:\n  vin: GIR VV", ":3: deljit.vin: 'GIR VV' does not say where: message, car"),
        ("deljit:\n  vin: car GIR", ":3: deljit.vin: GIR needs its qualifier after it"),
        ("deljit:\n  vin: part GIR VV", ":2: deljit: vin belongs to a car, and part GIR VV says"),
        ("deljit:\n  vin: car GIR AN", ":2: deljit: car GIR AN carries two fields"),
        ("deljit:\n  functions: {'9': orginal}", ":3: deljit.functions.9: should be 'original',"),
    ],
)
def test_a_bad_profile_names_the_line(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(f"version: 1\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_profile(path)
    assert f"{path}{problem}" in str(refused.value)
