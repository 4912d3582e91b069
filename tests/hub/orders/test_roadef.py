"""Instance folders: what is read, what is refused; the public instances where at hand."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from hub.orders.generate import generate
from hub.orders.problems import InputError
from hub.orders.roadef import read_folder, write_folder
from hub.sequencing import score
from tests.fixtures.instances import ROADEF, TOOLS, roadef_folders
from tests.hub.orders import SAMPLE_DAY

JUDGE = TOOLS / "score_roadef.py"

OFFICIAL_MARKS = {
    "064_38_2_EP_RAF_ENP_ch2": 28046050,
    "022_3_4_EP_RAF_ENP": 2070002,
    "022_3_4_RAF_EP_ENP": 11048005,
    "024_38_5_EP_ENP_RAF": 106134392,
    "039_38_4_EP_RAF_ch1": 115229000,
    "039_38_4_RAF_EP_ch1": 69392000,
}
"""Marks of the orders given, by the organisers' own checker; all of set A."""
PUBLIC_AT_HAND = roadef_folders() if JUDGE.exists() else []


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A copy of the sample day, to be spoilt."""
    return Path(shutil.copytree(SAMPLE_DAY, tmp_path / "day"))


def test_the_sample_day_is_what_the_generator_makes() -> None:
    book, made = read_folder(SAMPLE_DAY), generate(120, 1)
    assert book.instance() == made.instance()
    assert book.source == "day"


def test_the_sample_day_keeps_its_marks() -> None:
    found = score(read_folder(SAMPLE_DAY).instance())
    assert (found.high_priority, found.colour_changes, found.low_priority) == (83, 24, 118)
    assert found.mark == 83024118
    assert found.feasible


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    book = generate(17, 3, yesterday=0)
    write_folder(book, tmp_path / "d")
    assert read_folder(tmp_path / "d").instance() == book.instance()


if PUBLIC_AT_HAND:

    @pytest.mark.parametrize("name", OFFICIAL_MARKS)
    def test_official_marks(name: str) -> None:
        assert score(read_folder(ROADEF / "A" / name).instance()).mark == OFFICIAL_MARKS[name]

    @pytest.mark.parametrize("folder", PUBLIC_AT_HAND, ids=lambda folder: folder.name)
    def test_the_judge_agrees_on_every_public_instance(folder: Path) -> None:
        judge = load_judge()
        instance = judge.load(str(folder))
        expected = judge.score(instance, instance.current)
        found = score(read_folder(folder).instance())
        assert found.mark == expected["mark"]
        assert found.feasible == expected["feasible"]
        assert found.by_option == expected["per_ratio"]


def load_judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge", JUDGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace the first `old` in a file."""

    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return spoil


def bytes_of(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


NINES = 5_000 * "9"
"""More digits than Python makes a number of."""
FIRST = "2026 10 2;1;"
SECOND = "2026 10 2;2;"


def double_a_number(folder: Path) -> None:
    path = folder / "vehicles.txt"
    lines = path.read_text().splitlines()
    first, second = lines[17].split(";")[2], lines[20].split(";")[2]
    path.write_text(path.read_text().replace(second, first))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (double_a_number, r"vehicles\.txt:21: production number \d+ stands in line 18 already"),
        (edit("vehicles.txt", SECOND, FIRST), r"vehicles\.txt:18: rank 1 stands in line 17"),
        (
            edit("vehicles.txt", SECOND, "2026 10 2;999;"),
            r"vehicles\.txt:\d+: rank 3 where 2 comes",
        ),
        (edit("vehicles.txt", SECOND, "2026 10 2;x;"), r":18: rank 'x' is not a whole number"),
        (edit("vehicles.txt", SECOND, "2026 10;2;"), r":18: date '2026 10' is not of the form"),
        (edit("vehicles.txt", SECOND, "2026 10 3;2;"), r":\d+: a third date"),
        (edit("vehicles.txt", SECOND, SECOND + "x;"), r":18: 13 cells where the header has 12"),
        (edit("vehicles.txt", "Paint Color", "Colour"), r":1: the header is"),
        (edit("vehicles.txt", "SUNROOF", "SUNROOFS"), r":1: .*did you mean SUNROOF\?"),
        (edit("vehicles.txt", "TOWBAR", "SUNROOF"), r":1: option column SUNROOF occurs twice"),
        (edit("ratios.txt", "1/6;1;TOWBAR;", "1-6;1;TOWBAR;"), r"ratios\.txt:3: ratio '1-6'"),
        (edit("ratios.txt", "1/6;1;TOWBAR;", "9/6;1;TOWBAR;"), r"ratios\.txt:3: ratio 9/6"),
        (edit("ratios.txt", "1/6;1;TOWBAR;", "1/6;2;TOWBAR;"), r"ratios\.txt:3: priority '2'"),
        (edit("ratios.txt", "TOWBAR", "SUNROOF"), r"ratios\.txt:3: option SUNROOF .* line 2"),
        (edit("optimization_objectives.txt", "paint_color", "paint_colour"), r":3: .*did you mean"),
        (
            edit("optimization_objectives.txt", "2;", "1;"),
            r":3: rank '1' is not a number of its own",
        ),
        (edit("paint_batch_limit.txt", "10", "0"), r"limit\.txt:2: limit '0' is not"),
        (edit("paint_batch_limit.txt", "10", f"{2**31}"), r"limit\.txt:2: limit '2147483648' is"),
        (edit("paint_batch_limit.txt", "10", NINES), r"limit\.txt:2: limit '9{40}' is not"),
        (edit("ratios.txt", "1/6;1;TOWBAR;", f"1/{NINES};1;TOWBAR;"), r"ratios\.txt:3: ratio '1/9"),
        (edit("ratios.txt", "1/6;1;TOWBAR;", "1/2/6;1;TOWBAR;"), r"ratios\.txt:3: ratio '1/2/6'"),
        (edit("optimization_objectives.txt", "2;", f"{NINES};"), r":3: rank '9{40}' is not"),
        (edit("vehicles.txt", SECOND, f"2026 10 2;{NINES};"), r":18: rank '9{40}' is not"),
        (bytes_of("vehicles.txt", b""), r"vehicles\.txt: is empty"),
        (bytes_of("vehicles.txt", b"Date\nfa\xe7ade;"), r"vehicles\.txt:2: is not UTF-8"),
        (bytes_of("ratios.txt", b"Ratio\0"), r"ratios\.txt:1: holds a NUL"),
        (lambda folder: (folder / "ratios.txt").unlink(), r"no ratios\.txt"),
    ],
)
def test_malformed_folders_are_refused_with_line_and_reason(
    day: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(day)
    with pytest.raises(InputError, match=said):
        read_folder(day)


def test_a_file_in_place_of_a_folder_is_named_as_one(day: Path) -> None:
    with pytest.raises(InputError, match=r"ratios\.txt: is a file; an instance is a folder"):
        read_folder(day / "ratios.txt")


def test_the_largest_batch_limit_is_as_good_as_none(day: Path) -> None:
    edit("paint_batch_limit.txt", "10", f"{2**31 - 1}")(day)
    assert score(read_folder(day).instance()).feasible


def test_all_problems_of_a_file_are_told_at_once(day: Path) -> None:
    text = (day / "vehicles.txt").read_text()
    (day / "vehicles.txt").write_text(
        text.replace("white;0", "white;2").replace("black;0", "black;7")
    )
    with pytest.raises(InputError) as refused:
        read_folder(day)
    assert len(refused.value.problems) > 20
    assert "more" in str(refused.value).splitlines()[-1]


def test_a_third_party_file_may_lack_the_last_semicolon_and_newline(day: Path) -> None:
    for path in day.iterdir():
        path.write_text("\n".join(line.rstrip(";") for line in path.read_text().splitlines()))
    assert read_folder(day).instance() == generate(120, 1).instance()
