"""CSPLib files: what is read, what is refused; the public instances where at hand."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest

from hub.orders.csplib import read_classes, read_csplib
from hub.orders.problems import InputError
from hub.sequencing import score
from tests.fixtures.instances import TOOLS, csplib_files

JUDGE = TOOLS / "score_csplib.py"

SMALL = """\
% three options, four classes
7 3 4
1 2 1
2 3 5
0 1 1 0 1
1 3 0 1 0

2 2 0 1 0
# the last class
5 1 1 0 0
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_text(SMALL)
    return path


def test_classes_become_cars_one_for_each_unit(small: Path) -> None:
    day = read_csplib(small)
    assert day.classes == (0, 1, 1, 1, 2, 2, 5)
    assert [car.production_no for car in day.instance.cars][:3] == ["0.1", "1.1", "1.2"]
    assert day.instance.cars[0].options == {"option1", "option3"}
    assert [(r.most, r.window) for r in day.instance.rules.ratios] == [(1, 2), (2, 3), (1, 5)]
    assert day.class_of(day.instance.cars[::-1]) == [5, 2, 2, 1, 1, 1, 0]


def test_only_whole_windows_count(small: Path) -> None:
    # 0 0 1 1 1 1 1: option 2 is in three windows of three, one more than allowed in each.
    day = read_csplib(small)
    order = [day.instance.cars[i] for i in (0, 6, 1, 2, 3, 4, 5)]
    found = score(day.instance, order)
    assert found.by_option == {"option1": 1, "option2": 3, "option3": 0}
    assert found.mark == 4


def test_a_sequence_of_classes_is_read_whatever_the_lines(small: Path, tmp_path: Path) -> None:
    day = read_csplib(small)
    result = tmp_path / "result.txt"
    result.write_text("5 1 2\n1\n0 2 1\n")
    cars = read_classes(result, day)
    assert day.class_of(cars) == [5, 1, 2, 1, 0, 2, 1]
    assert set(cars) == set(day.instance.cars)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5 1 2 1 0 2 7", r"result\.txt:1: no class 7"),
        ("5 1 2\n1 0 2 0", r"result\.txt:2: class 0 has 1 cars, here is one more"),
        ("5 1 2 1 0 2", r"result\.txt: class 1: 2 of 3 cars"),
        ("5 1 two", r"result\.txt:1: 'two' is not a whole number"),
    ],
)
def test_a_sequence_of_other_cars_is_refused(
    small: Path, tmp_path: Path, text: str, said: str
) -> None:
    result = tmp_path / "result.txt"
    result.write_text(text)
    with pytest.raises(InputError, match=said):
        read_classes(result, read_csplib(small))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("7 3 4\n", "7 3\n", r":2: the first line is `cars options classes`"),
        ("7 3 4\n", "0 3 4\n", r":2: the first line is `cars options classes`, each from 1 up"),
        ("7 3 4\n", "8 3 4\n", r":2: 8 cars are announced, the classes demand 7"),
        ("7 3 4\n", "7 3 5\n", r":2: 5 classes are announced, 4 follow"),
        ("7 3 4\n", "6000 3 4\n", r":2: 6000 cars; at most 5000"),
        ("1 2 1\n", "1 2\n", r":3: 3 options are announced, 2 have a p"),
        ("2 3 5\n", "2 3 5 5\n", r":4: 3 options are announced, 4 have a q"),
        ("2 3 5\n", "2 1 5\n", r":4: ratio 2/1 of option option2"),
        ("0 1 1 0 1", "0 1 1 0", r":5: 4 numbers where a class has 5"),
        ("0 1 1 0 1", "0 1 1 0 2", r":5: class 0: flags are 0 or 1"),
        ("0 1 1 0 1", "0 -1 1 0 1", r":5: class 0 demands -1 cars"),
        ("0 1 1 0 1", "0 1 1 0 nan", r":5: 'nan' is not a whole number"),
        ("0 1 1 0 1", "0 1 1 0 " + "9" * 5000, r":5: '9+' is not a whole number"),
        ("5 1 1 0 0", "1 1 1 0 0", r":10: class 1 stands in line 6 already"),
        (SMALL, "% nothing\n", r": holds no instance"),
    ],
)
def test_malformed_files_are_refused_with_line_and_reason(
    small: Path, old: str, new: str, said: str
) -> None:
    assert old in SMALL
    small.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"small\.txt{said}"):
        read_csplib(small)


if csplib_files() and JUDGE.exists():

    @pytest.mark.parametrize("path", csplib_files(), ids=lambda path: path.stem)
    def test_the_judge_agrees_on_every_public_instance(path: Path) -> None:
        judge = load_judge()
        most, window, classes = judge.load(path)
        day = read_csplib(path)
        cars = list(day.instance.cars)
        random.Random(1).shuffle(cars)
        expected, _ = judge.score(most, window, classes, day.class_of(cars))
        assert score(day.instance, cars).mark == expected


def load_judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("csplib_judge", JUDGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
