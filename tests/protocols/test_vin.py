"""VINs: form, parts, check digit. Vectors are published examples, their sources beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.vin import CheckDigitPolicy, check_digit, parse_vin, with_check_digit

CHARACTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
vins = st.text(CHARACTERS, min_size=17, max_size=17)


@pytest.mark.parametrize(
    ("text", "digit"),
    [
        ("1M8GDM9AXKP042788", "X"),  # Wikipedia, "Vehicle identification number"
        ("5GZCZ43D13S812715", "1"),  # the same article, model year example
        (
            "11111111111111111",
            "1",
        ),  # the weights sum to 89, and 89 mod 11 = 1
    ],
)
def test_the_check_digit_of_published_numbers(text: str, digit: str) -> None:
    assert check_digit(text) == digit
    assert parse_vin(text, CheckDigitPolicy.ALWAYS).has_check_digit


def test_the_three_parts() -> None:
    vin = parse_vin("1M8GDM9AXKP042788")
    assert (vin.wmi, vin.vds, vin.vis) == ("1M8", "GDM9AX", "KP042788")
    assert vin.small_maker is None
    assert parse_vin("WV9ZZZ00000ABC123", CheckDigitPolicy.NEVER).small_maker == "ABC"


def test_a_european_number_needs_no_check_digit() -> None:
    european = "WVWZZZ1JZXW000001"
    assert not parse_vin(european).needs_check_digit
    with pytest.raises(ValueError, match="position 9 is 'Z', but the check digit"):
        parse_vin(european, CheckDigitPolicy.ALWAYS)


@pytest.mark.parametrize("first", ["1", "L"])
def test_north_america_and_china_do(first: str) -> None:
    good = str(with_check_digit(first + "SVAA00000K000001"))
    bad = good[:8] + ("1" if good[8] != "1" else "2") + good[9:]
    with pytest.raises(ValueError, match="position 9"):
        parse_vin(bad)
    assert parse_vin(bad, CheckDigitPolicy.NEVER).text == bad


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1M8GDM9AXKP04278", "17 characters, not 16"),
        ("1M8GDM9AXKP04278O", "position 17: 'O' is not used"),
        ("1m8GDM9AXKP042788", "position 2: 'm' is a small letter"),
        ("1M8GDM9AXKP04278é", "position 17: 'é' is neither"),
        ("1M8GDM9AXKP04278٣", "position 17"),
    ],
)
def test_what_is_no_vin_says_where(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_vin(text)


@given(vins)
def test_a_number_given_its_digit_passes(text: str) -> None:
    vin = with_check_digit(text)
    assert vin.has_check_digit
    assert vin.wmi + vin.vds + vin.vis == str(vin)


@given(vins, st.integers(0, 16), st.sampled_from(CHARACTERS))
def test_one_wrong_digit_is_found(text: str, at: int, other: str) -> None:
    """Letters may share a value, digits do not; no weight but that of position 9 is 0 mod 11."""
    good = str(with_check_digit(text))
    bad = good[:at] + other + good[at + 1 :]
    same = good[at].isdigit() and other.isdigit() and good[at] != other
    if same:
        with pytest.raises(ValueError, match="position 9"):
            parse_vin(bad, CheckDigitPolicy.ALWAYS)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = parse_vin(text).text
    except ValueError:
        return
    assert read == text
