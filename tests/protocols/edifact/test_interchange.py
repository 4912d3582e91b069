"""The envelopes: counts and references."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocols.edifact.interchange import Message, read_interchange, write_interchange
from protocols.edifact.problems import EdifactError
from protocols.edifact.syntax import Segment
from tests.protocols.edifact.samples import golden, golden_header, interchange_of


def test_the_header() -> None:
    header = golden_header()
    assert (header.sender, header.sender_qualifier) == ("PLANT01", "OD")
    assert (header.recipient, header.reference) == ("SUPPLIER7", "4711")
    assert header.application == "DELJIT"
    assert header.prepared_at == datetime(2026, 11, 28, 14, 5, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize("name", ["deljit", "delfor", "desadv"])
def test_what_was_read_is_written_alike(name: str) -> None:
    interchange = read_interchange(golden(name))
    written = write_interchange(interchange)
    assert written == golden(name).replace(b"\n", b"")
    assert read_interchange(written) == interchange


def test_years_of_four_digits_from_syntax_version_4() -> None:
    data = (
        golden("deljit").replace(b"UNOC:3", b"UNOC:4").replace(b"261128:1405+", b"20261128:1405+")
    )
    assert read_interchange(data).header.prepared_at.year == 2026
    assert write_interchange(read_interchange(data)) == data.replace(b"\n", b"")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"UNZ+1+4711", b"UNZ+2+4711", "segment 31 UNZ, 0036 .*: says '2' messages, there are 1"),
        (b"UNZ+1+4711", b"UNZ+1+4712", "segment 31 UNZ, 0020 .*: is '4712', but UNB says '4711'"),
        (b"UNZ+1+4711'", b"", "segment 30 UNT: is the last segment, but"),
        (b"UNT+29+1'", b"", "segment 2 UNH: has no UNT"),
        (b"UNT+29+1'", b"UNH+2+X:D:97A:UN'", "segment 30 UNH: begins a message, but that of seg"),
        (b"UNH+1+", b"UNG+1+", "segment 2 UNG: functional groups"),
        (b"UNH+1+", b"BGM+1'UNH+1+", "segment 2 BGM: stands outside a message"),
        (b"261128:1405+", b"261328:1405+", "segment 1 UNB, S004 .*: 261328:1405 is no date"),
        (b"+SUPPLIER7:OD", b"+", "segment 1 UNB, 0010 .*: is missing"),
        (b"UNB+UNOC", b"UNB+UN0C", "segment 1 UNB, 0001 .*: character set 'UN0C' is not known"),
        (b"UNB+", b"UNC+", "segment 1 UNC: an interchange begins with UNB"),
    ],
)
def test_a_wrong_envelope_refuses_the_file(old: bytes, new: bytes, reason: str) -> None:
    with pytest.raises(EdifactError, match=reason):
        read_interchange(golden("deljit").replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            b"UNT+29+1",
            b"UNT+28+1",
            "segment 30 UNT, 0074 (element 1): says '28' segments, there are 29",
        ),
        (b"UNT+29+1", b"UNT+29+2", "segment 30 UNT, 0062 (element 2): is '2', but UNH says '1'"),
        (b"DELJIT:D", b":D", "segment 2 UNH, 0065 (element 2): is missing"),
    ],
)
def test_a_wrong_message_stops_no_other(old: bytes, new: bytes, reason: str) -> None:
    second = Message("2", "CONTRL", (Segment("UCI", (("1",),)),), release="3")
    first = replace(read_interchange(golden("deljit")).messages[0], reference="1")
    data = write_interchange(interchange_of(first, second)).replace(old, new)
    read = read_interchange(data).messages
    assert [str(problem) for problem in read[0].problems] == [reason]
    assert read[1].problems == ()
