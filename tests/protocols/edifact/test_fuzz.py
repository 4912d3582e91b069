"""Whatever the bytes are, they are read or refused."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.edifact.interchange import read_interchange
from protocols.edifact.messages import read_content
from protocols.edifact.problems import EdifactError
from protocols.edifact.profile import EdiProfile
from tests.protocols.edifact.samples import golden

GENERIC = EdiProfile()
NAMES = ("deljit", "delfor", "desadv")


def read(data: bytes) -> None:
    """No other error than ours leaves the readers."""
    with suppress(EdifactError):
        for message in read_interchange(data).messages:
            with suppress(EdifactError):
                read_content(message, GENERIC)


@given(st.binary(max_size=300))
@example(b"UNA+++++'")
@example(b"UNB'UNZ'")
@example(b"UNA:+.? 'UNB+UNOC:3+A+B+261128:0000+1'UNZ+0+1'")
def test_any_bytes(data: bytes) -> None:
    read(data)


@settings(max_examples=150)
@given(
    st.sampled_from(NAMES).map(golden),
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 12), st.sampled_from(
            [b"", b"'", b"+", b":", b"?", b"\xff", b"SEQ+1'", b"9" * 40, b"UNH+1+DELJIT:D:97A:UN'"]
        )),
        min_size=1,
        max_size=4,
    ),
)  # fmt: skip
def test_a_spoiled_message(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for at, length, new in changes:
        data = data[:at] + new + data[at + length :]
    read(data)
