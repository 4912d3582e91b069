"""Numbers and instants as programs write them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.aqdef.fields import instant, is_number, number, whole, write_instant

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 29, 11, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "29.11.2026/12:00:00", "29.11.26/12:0", "29.11.2026 12:00", "29.11.2026.12:00:00",
        "11/29/2026/12:00:00", "11/29/26 12:00", "2026-11-29/12:00:00", "26-11-29 12:00",
        "2026-11-29T12:00:00.0", "2026-11-29T11:00:00Z", "2026-11-29T19:00:00+08:00",
    ],
)  # fmt: skip
def test_an_instant(text: str) -> None:
    assert instant(text, BERLIN) == NOON


def test_an_instant_near_a_change_of_the_clock() -> None:
    assert instant("25.10.2026/02:30:00", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant("12.8.99/0:0", UTC).year == 1999


@pytest.mark.parametrize(
    "text", ["", "29.11", "31.02.2026/00:00", "29.11/2026", "29.11.2026/25:00", "x"]
)
def test_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="no date and time"):
        instant(text, BERLIN)


def test_numbers() -> None:
    assert [number(text) for text in ("1,5", "1.5", "-.5", "+5.", "1e-3")] == [
        1.5,
        1.5,
        -0.5,
        5,
        0.001,
    ]
    assert whole("1000") == 1000
    for text in ("", "1.000,5", "1e999", "nan", "inf", "0x1", "1_0", "١"):
        with pytest.raises(ValueError, match="number"):
            number(text)
    with pytest.raises(ValueError, match="whole"):
        whole("0.5")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_is_written(value: float) -> None:
    assert number(repr(value)) == value


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC)))
def test_an_instant_is_read_as_it_is_written(at: datetime) -> None:
    assert instant(write_instant(at, UTC), UTC) == at.replace(microsecond=0)


@given(st.text("0123456789./-: TZ+", max_size=25) | st.text(max_size=10))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        instant(text, BERLIN)
    if is_number(text):
        with contextlib.suppress(ValueError):
            number(text)
