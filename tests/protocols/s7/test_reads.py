"""Requests within a PDU, answers piece by piece; and the PLC's side against another's client."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snap7.datatypes import S7Area
from snap7.s7protocol import S7Protocol

from protocols.plc import Block, Item
from protocols.s7 import answers
from protocols.s7.answers import READ, Request, RequestError, Wanted
from protocols.s7.reads import MOST_PIECES, AnswerError, most_bytes, pack, reason, unpack

BLOCKS = st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 1500)), max_size=60).map(
    lambda found: [
        Block(("DB", 1), start, size, (Item(("DB", 1), start, size, n),))
        for n, (start, size) in enumerate(found)
    ]
)
PDUS = st.sampled_from([112, 240, 480, 960])


@given(BLOCKS, PDUS)
def test_each_byte_is_asked_for_once_and_no_request_is_too_long(
    blocks: list[Block], pdu: int
) -> None:
    requests = pack(blocks, pdu)
    reached = [block.start for block in blocks]
    for request in requests:
        assert 1 <= len(request) <= MOST_PIECES
        assert 12 + 2 + 12 * len(request) <= pdu
        pieces: list[bytes | int] = [bytes(piece.size) for piece in request]
        assert len(answers.read_answer(Request(1, READ), pieces)) <= pdu
        for piece in request:
            assert piece.start == reached[piece.block]
            reached[piece.block] += piece.size
    assert reached == [block.start + block.size for block in blocks]


def test_a_longest_piece_fills_its_pdu() -> None:
    for pdu in (112, 240, 480, 960):
        (piece,) = pack([Block(("M", 0), 0, most_bytes(pdu), ())], pdu)[0]
        assert len(answers.read_answer(Request(1, READ), [bytes(piece.size)])) in (pdu - 1, pdu)


PIECES = st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from([3, 5, 10])))


@given(PIECES)
def test_pieces_there_and_back(pieces: list[bytes | int]) -> None:
    pdu = answers.read_answer(Request(7, READ), pieces)
    sizes = [len(piece) if isinstance(piece, bytes) else 4 for piece in pieces]
    told = S7Protocol().parse_response(pdu)
    assert told["sequence"] == 7
    assert unpack(told.get("raw_data", b""), sizes) == pieces


@given(st.binary(max_size=80), st.lists(st.integers(1, 20), max_size=5))
def test_whatever_the_answer_is_it_is_read_or_refused(data: bytes, sizes: list[int]) -> None:
    try:
        pieces = unpack(data, sizes)
    except AnswerError:
        return
    assert [len(p) for p in pieces if isinstance(p, bytes)] == [
        size for p, size in zip(pieces, sizes, strict=True) if isinstance(p, bytes)
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([S7Area.DB, S7Area.MK, S7Area.PE, S7Area.PA]),
            st.integers(1, 65_535), st.integers(0, 65_535), st.integers(1, 222),
        ), min_size=1, max_size=20,
    )
)  # fmt: skip
def test_a_job_of_another_client_is_understood(
    items: list[tuple[S7Area, int, int, int]],
) -> None:
    pdu = S7Protocol().build_multi_read_request(
        [(int(area), db, start, size) for area, db, start, size in items]
    )
    wanted = tuple(
        Wanted(int(area), db if area is S7Area.DB else 0, start, size, None)
        for area, db, start, size in items
    )
    assert answers.request(pdu) == Request(1, READ, wanted)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_job_or_none(raw: bytes) -> None:
    for read in (answers.request, lambda r: answers.cotp(b"\x03\0\0\0" + r + b"\0\0")):
        with contextlib.suppress(RequestError):
            read(raw)


def test_a_frame_is_one_or_none() -> None:
    assert answers.frame_size(b"\x03\0\0\x16") == 22
    for wrong in (b"\x02\0\0\x16", b"\x03\0\0\x06"):
        with pytest.raises(RequestError):
            answers.frame_size(wrong)


def test_return_codes_are_explained() -> None:
    assert reason(0x0A) == "there is no such block (0x0A)"
    assert reason(0x77) == "refused by the PLC (0x77)"
