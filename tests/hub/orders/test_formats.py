"""A day in any format: which it is, and its sequences in the same form out and in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hub.orders.formats import Format, read_given
from hub.orders.problems import InputError
from tests.hub.orders import SAMPLE_DAY, SAMPLE_DAY_FILE
from tests.hub.orders.test_csplib import SMALL


@pytest.fixture
def csplib(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_text(SMALL)
    return path


def test_a_format_is_known_by_what_it_is_or_said(csplib: Path) -> None:
    assert read_given(SAMPLE_DAY).format is Format.ROADEF
    assert read_given(SAMPLE_DAY_FILE).format is Format.DAY
    assert read_given(csplib).format is Format.CSPLIB
    other = csplib.rename(csplib.with_suffix(".data"))
    with pytest.raises(InputError, match=r"small\.data: not known by its ending.*--format"):
        read_given(other)
    assert read_given(other, Format.CSPLIB).instance.cars[0].production_no == "0.1"
    with pytest.raises(InputError, match="vehicles"):
        read_given(other, Format.ROADEF)


@pytest.mark.parametrize("form", list(Format))
def test_what_is_written_is_read_again(form: Format, csplib: Path, tmp_path: Path) -> None:
    path = {Format.ROADEF: SAMPLE_DAY, Format.DAY: SAMPLE_DAY_FILE, Format.CSPLIB: csplib}[form]
    given = read_given(path)
    cars = list(given.instance.cars)
    random.Random(2).shuffle(cars)
    out = tmp_path / "out"
    out.write_text(given.sequence_text(cars))
    read = given.read_sequence(out)
    # Cars of one class are alike: which of them stands where is not written.
    assert [(car.colour, car.options) for car in read] == [(c.colour, c.options) for c in cars]
    assert form is Format.CSPLIB or list(read) == cars
    assert given.sequence_text(read) == out.read_text()


@pytest.mark.parametrize("form", list(Format))
def test_cars_may_be_missing_only_where_that_is_said(
    form: Format, csplib: Path, tmp_path: Path
) -> None:
    path = {Format.ROADEF: SAMPLE_DAY, Format.DAY: SAMPLE_DAY_FILE, Format.CSPLIB: csplib}[form]
    given = read_given(path)
    out = tmp_path / "out"
    out.write_text(given.sequence_text(given.instance.cars[:-1]))
    with pytest.raises(InputError, match=r"missing|class 5: 0 of 1"):
        given.read_sequence(out)
    assert given.read_sequence(out, whole=False) == given.instance.cars[:-1]
