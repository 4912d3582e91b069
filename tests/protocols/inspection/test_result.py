"""A result is the same after its way as text, within its bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.inspection import MAX_TEXT, MOST_PARTS, Code, Result, Verdict, parse_result


def _text(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=least, max_size=most
    )


_NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
CODES = st.builds(
    Code,
    text=_text(1, 128),
    form=st.none() | _text(1, 40),
    parts=st.dictionaries(
        st.from_regex(r"[a-z_]{1,32}", fullmatch=True), _text(1, 128), max_size=8
    ),
)
RESULTS = st.builds(
    Result,
    key=_text(1, 64),
    serial=st.none() | _text(1, 128),
    code=st.none() | CODES,
    characteristic=_text(1, 100),
    value=_NUMBER,
    lower=_NUMBER,
    upper=_NUMBER,
    nominal=_NUMBER,
    unit=_text(0, 40),
    verdict=st.sampled_from(get_args(Verdict)),
    tool=st.none() | _text(0, 100),
    programme=st.none() | _text(0, 100),
    operator=st.none() | _text(0, 100),
    measured_at=st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)),
    raw_sha256=st.just("0a" * 32),
)
PLAIN: dict[str, Any] = {
    "key": "4711",
    "characteristic": "Torque",
    "verdict": "ok",
    "measured_at": "2026-03-02T07:00:00Z",
    "raw_sha256": "0a" * 32,
}


@given(RESULTS)
def test_round_trip(result: Result) -> None:
    assert parse_result(result.text()) == result


@pytest.mark.parametrize("filler", ["\u6263", '"', "\U0001f527"])
def test_the_longest_is_within_the_bound(filler: str) -> None:
    said = dict.fromkeys(("characteristic", "tool", "programme", "operator"), filler * 100)
    parts = {"p" * 31 + str(n): filler * 128 for n in range(MOST_PARTS)}
    longest = Result.model_validate(
        PLAIN
        | said
        | {"key": filler * 64, "serial": filler * 128, "unit": filler * 40}
        | {"code": {"text": filler * 128, "form": filler * 40, "parts": parts}}
        | dict.fromkeys(("value", "lower", "upper", "nominal"), -1.2345678901234567e-300)
    )
    assert len(longest.text()) <= MAX_TEXT
    assert parse_result(longest.text()) == longest


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": "A\x00B"},
        {"key": ""},
        {"characteristic": "x" * 101},
        {"verdict": "fine"},
        {"measured_at": "2026-03-02T07:00:00"},
        {"measured_at": "0001-01-01T00:00:00+14:00"},
        {"raw_sha256": "nothing"},
        {"v": 2},
        {"value": float("inf")},
    ],
)
def test_what_no_table_could_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Result.model_validate(PLAIN | wrong)


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert Result.model_validate(PLAIN | {"colour": "red"}) == Result.model_validate(PLAIN)


@given(st.text())
def test_any_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_result(text)


def test_a_text_too_long_is_not_read() -> None:
    with pytest.raises(ValueError, match="more than"):
        parse_result("9" * (MAX_TEXT + 1))
