"""What codes say: data identifiers, GS1 elements, envelopes; made, read, refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from protocols.labels.envelope import make_envelope, make_gs1_envelope, parse_envelope
from protocols.labels.gs1 import (
    GS,
    IDENTIFIERS,
    Element,
    check_digit,
    make_elements,
    parse_elements,
)
from protocols.labels.identifiers import NAMES, Datum, make_datum, parse_datum
from tests.fixtures.peers import ask_peer, needs_peer

values = st.text(string.ascii_letters + string.digits + " -./+", min_size=1, max_size=35)
data = st.builds(Datum, st.sampled_from(sorted(set(NAMES) - {"Q"})), values)


@st.composite
def elements(draw: st.DrawFn) -> Element:
    identifier = draw(st.sampled_from(sorted(IDENTIFIERS)))
    form = IDENTIFIERS[identifier]
    alphabet = string.digits if form.is_numeric else string.ascii_letters + string.digits + "-/._"
    if form.checked:
        size = form.checked - 1 - len(form.begins)
        digits = form.begins + draw(st.text(string.digits, min_size=size, max_size=size))
        rest = draw(st.text(alphabet, max_size=form.most - form.checked))
        return Element(identifier, digits + check_digit(digits) + rest)
    text = draw(st.text(alphabet, min_size=form.least, max_size=form.most))
    # Dates of the first century's January, which every reader takes.
    return Element(identifier, "260115" if "YYMMDD" in form.name else text)


@given(data)
def test_a_datum_is_read_as_it_was_made(datum: Datum) -> None:
    assert parse_datum(str(make_datum(datum.identifier, datum.value))) == datum


@given(st.lists(data, min_size=1, max_size=8))
def test_an_envelope_is_read_as_it_was_made(given_data: list[Datum]) -> None:
    assert list(parse_envelope(make_envelope(given_data))) == given_data


@given(st.lists(elements(), min_size=1, max_size=6))
def test_elements_are_read_as_they_were_made(given_elements: list[Element]) -> None:
    made = make_elements(given_elements)
    assert list(parse_elements(made)) == given_elements
    assert list(parse_elements(f"]d2{made}")) == given_elements
    assert list(parse_envelope(make_gs1_envelope(given_elements))) == given_elements


@needs_peer("biip")
@settings(max_examples=3, phases=[Phase.generate])
@given(st.lists(st.lists(elements(), min_size=1, max_size=5), min_size=15, max_size=30))
def test_another_maker_reads_the_same_elements(several: list[list[Element]]) -> None:
    read = ask_peer("biip", [make_elements(each) for each in several])
    for found, sent in zip(read, several, strict=True):
        assert found == [[each.identifier, each.data] for each in sent]


@pytest.mark.parametrize(
    ("digits", "check"),
    [
        ("0061414112345", "2"),  # GS1 General Specifications, GTIN-14 of 614141 12345
        ("629104150021", "3"),  # gs1.org, "How to calculate a check digit manually": GTIN-13
        ("37610425002123456", "9"),  # the same page, SSCC
    ],
)
def test_published_check_digits(digits: str, check: str) -> None:
    assert check_digit(digits) == check


def test_the_example_of_a_transport_label() -> None:
    text = "[)>\x1e06\x1d1JUN123456789A4711\x1dV100234567\x1d8VPLANT01\x1dQ12\x1e\x04"
    read = parse_envelope(text)
    assert [str(each) for each in read] == ["1JUN123456789A4711", "V100234567", "8VPLANT01", "Q12"]
    assert [each.name for each in read][2] == "receiving plant"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begins with no data identifier"),
        ("1234P5", "begins with no data identifier"),
        ("P", "P: '' is not 1 to 60 printable"),
        ("P" + "5" * 61, "is not 1 to 60 printable"),
        ("P5K0\x1d807", "is not 1 to 60 printable"),
        ("Qtwelve", "Q: 'twelve' is no quantity"),
    ],
)
def test_what_is_no_datum(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_datum(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8899", "no known application identifier at 1: '8899'"),
        ("00376104250021234560", r"\(00\) .*: ends with 0, its check digit is 9"),
        ("0100614141", r"\(01\) trade item .*: '00614141' has 8 characters, not 14"),
        ("800368824852375338", r"\(8003\) .* does not begin with 0"),
        ("11ABCDEF", r"\(11\) .*: 'ABCDEF' are not digits"),
        ("10LOT 7", r"\(10\) .*: 'LOT 7' has a character"),
        ("10LOT7" + GS + "88X", "no known application identifier at 8: '88X'"),
        ("21" + "9" * 21, r"\(21\) .*has 21 characters, not 1 to 20"),
    ],
)
def test_what_are_no_elements(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_elements(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1JUN1", "is no ISO 15434 envelope"),
        ("[)>\x1e06\x1d1JUN1", "does not end with RS and EOT"),
        ("[)>\x1e12\x1d1JUN1\x1e\x04", "format '12' is not read; known: 05, 06"),
        ("[)>\x1e06\x1e\x04", "format '06' has no data"),
        ("[)>\x1e06\x1d" + "P" * 2500 + "\x1e\x04", "has 2509 characters, a code holds 2400"),
    ],
)
def test_what_is_no_envelope(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_envelope(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_datum, parse_elements, parse_envelope):
        try:
            read(text)
        except ValueError:
            continue
