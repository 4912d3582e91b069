"""The CSV form: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.orders.book import Order
from hub.orders.csv_file import read_csv
from hub.orders.problems import InputError

HEADER = "production_no,model,colour,options,vin\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "orders.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_orders_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = HEADER + '007,sedan,red,towbar heat,LSV01\n\n"008",suv,珍珠白,,\n'
    book = read_csv(written(tmp_path, text))
    assert book.orders == (
        Order("007", "sedan", "red", frozenset({"towbar", "heat"}), "LSV01"),
        Order("008", "suv", "珍珠白", frozenset(), None),
    )
    assert book.source == "orders.csv"
    assert book.option_names == ["heat", "towbar"]


def test_columns_may_be_left_out_and_stand_in_any_order(tmp_path: Path) -> None:
    book = read_csv(written(tmp_path, "\ufeffcolour,production_no,model\nred,1,suv\n"))
    assert book.orders == (Order("1", "suv", "red", frozenset()),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"orders\.csv: is empty"),
        (HEADER, r"holds no orders"),
        (
            "production_no,model,color\n1,a,b\n",
            r":1: unknown column 'color'; did you mean colour\?",
        ),
        ("production_no,model\n1,a\n", r":1: no column colour"),
        (HEADER + "1,a,red,,\n2,a,red,,\n1,a,red,,\n", r":4: .* 1 stands in line 2 already"),
        (HEADER + "1,a,red\n", r":2: 3 cells where the header has 5"),
        (HEADER + "a/b,a,red,,\n", r":2: production number 'a/b'"),
        (HEADER + "1,,red,,\n", r":2: car 1 has no model"),
        (HEADER + "1,a,,,\n", r":2: colour ''"),
        (HEADER + "1,a,red,{x},\n", r":2: option '\{x\}'"),
        (HEADER + '1,"a,red,,\n', r":\d: is not CSV"),
    ],
)
def test_malformed_files_are_refused_with_line_and_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_csv(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        read_csv(tmp_path / "none.csv")
