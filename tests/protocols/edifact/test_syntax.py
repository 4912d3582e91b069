"""Bytes to segments: character sets, service characters, limits, and another maker's reader."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from protocols.edifact.problems import EdifactError
from protocols.edifact.syntax import Limits, Segment, join, split, trimmed
from tests.fixtures.peers import ask_peer, needs_peer
from tests.protocols.edifact.samples import golden, texts

elements = st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=4)
messages = st.lists(elements, min_size=1, max_size=5)


def made(parts: list[list[list[str]]]) -> list[Segment]:
    head = Segment("UNB", (("UNOC", "3"),), 1)
    return [head, *(Segment("ABC", trimmed(each), n) for n, each in enumerate(parts, start=2))]


@given(messages, st.booleans())
def test_what_is_written_is_read(parts: list[list[list[str]]], with_advice: bool) -> None:
    segments = made(parts)
    advice, read = split(join(segments, "UNOC", with_advice))
    assert read == segments
    assert advice.given is with_advice


@needs_peer("edifact")
@settings(max_examples=3, phases=[Phase.generate])
@given(st.lists(messages, min_size=10, max_size=20))
def test_another_maker_reads_the_same(several: list[list[list[list[str]]]]) -> None:
    files = [made(parts) for parts in several]
    asked = [join(each, "UNOC", True).decode("latin-1") for each in files]
    for read, segments in zip(ask_peer("edifact", asked), files, strict=True):
        assert [(tag, trimmed(parts)) for tag, parts in read] == [
            (segment.tag, segment.elements) for segment in segments
        ]


def test_other_service_characters() -> None:
    advice, segments = split(b"UNA*|,\\ ~UNB|UNOC*3~ABC|1,5*\\~x~")
    assert advice.text[2] == ","
    assert segments[1].elements == (("1,5", "~x"),)


def test_without_a_release_character_a_question_mark_is_one() -> None:
    assert split(b"UNA:+.  'UNB+UNOC:3'ABC+why?'")[1][1].elements == (("why?",),)


def test_an_apostrophe_before_una_is_text() -> None:
    """The parser below looks for a service string advice anywhere in a file."""
    _, segments = split(b"UNB+UNOC:3'FTX+AAI+++IT?'UNABLE'ABC+1'")
    assert segments[1].value(3) == "IT'UNABLE"
    assert segments[2].tag == "ABC"


def test_lines_may_be_broken_anywhere() -> None:
    assert split(b"UNB+UNO\r\nC:3'\n\nAB\nC+1'\r\n  ")[1] == split(b"UNB+UNOC:3'ABC+1'")[1]


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("UNOC", b"Stra\xdfe", "Straße"),
        ("UNOD", b"\xb3", "ł"),
        ("UNOE", b"\xbf", "П"),
        ("UNOY", "前保险杠".encode(), "前保险杠"),
    ],
)
def test_characters_are_those_of_the_set_it_names(charset: str, data: bytes, text: str) -> None:
    _, segments = split(b"UNB+" + charset.encode() + b":3'ABC+" + data + b"'")
    assert segments[1].value(0) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "interchange: is empty"),
        (b"UNB+UNOB:2'ABC+\xe4'", r"segment 2: byte 0xe4 at 15 is no character of UNOB; .*UNOC"),
        (b"UNB+UNOX:3'ABC+1'", r"segment 1 UNB, 0001 .*: character set UNOX is not known"),
        (b"UNB+UNOC:3'ABC+1", r"segment 2: does not end with the terminator"),
        (b"UNB+UNOC:3'ABC+1?'", r"segment 2: does not end with the terminator"),
        (b"UNB+UNOC:3'ABC+a\x07'", r"segment 2 ABC, element 1: holds the control character 0x07"),
        (b"UNB+UNOC:3'abc+1'", r"segment 2: 'abc' is no segment tag"),
        (b"UNB+UNOC:3''ABC+1'", r"segment 2: .* is no segment tag"),
        (b"UNA::.? 'UNB::'", "names a character twice"),
        (b"UNA:+.", "ends within"),
        (b"UNB+UNOC:3'ABC" + b"+1" * 65 + b"'", "segment 2 ABC: has more than 64 elements"),
    ],
)
def test_what_is_not_edifact_says_where(data: bytes, reason: str) -> None:
    with pytest.raises(EdifactError, match=reason):
        split(data)


def test_limits() -> None:
    with pytest.raises(EdifactError, match="has 501 bytes; at most 500"):
        split(b"x" * 501, Limits(size=500))
    with pytest.raises(EdifactError, match="has more than 5 segments"):
        split(golden("deljit"), Limits(segments=5))


@pytest.mark.parametrize(
    ("charset", "text", "wrong"),
    [("UNOA", "Door", "'o'"), ("UNOC", "门", "'门'"), ("UNOB", "ä", "'ä'")],
)
def test_what_the_partner_cannot_read_is_not_written(charset: str, text: str, wrong: str) -> None:
    with pytest.raises(EdifactError, match=f"segment 1 ABC, element 1: {wrong} is not in"):
        join([Segment("ABC", ((text,),))], charset, False)
