"""Which requests read which blocks, and what stands in an answer.

A job names up to 20 pieces of memory, and it and its answer must fit into the PDU that both sides
agreed upon: 12 bytes of header, 2 of parameters; 12 a piece in the request, 4 and the bytes, filled
up to an even number, in the answer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.plc.blocks import Block

AREA_CODES: dict[str, int] = {"I": 0x81, "Q": 0x82, "M": 0x83, "DB": 0x84}
GOOD = 0xFF
OBJECT_MISSING = 0x0A
OUT_OF_RANGE = 0x05
RETURN_CODES = {
    0x01: "hardware fault",
    0x03: (
        "access denied: permit access by PUT/GET, and take 'optimized block access' from the block"
    ),
    OUT_OF_RANGE: "address out of range: the block or area is shorter",
    0x06: "data type not supported",
    0x07: "data type inconsistent",
    OBJECT_MISSING: "there is no such block",
}
"""Why a piece was not read."""
MOST_PIECES = 20
_HEAD, _PIECE_ASKED, _PIECE_TOLD = 14, 12, 4
_IN_BITS = frozenset((0x03, 0x04, 0x05))
"""Transport sizes whose length counts bits; the others count bytes."""


class AnswerError(ValueError):
    """The bytes are no answer to what was asked."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are read in one piece."""

    block: int
    """Index of the block that it belongs to."""
    start: int
    size: int


def most_bytes(pdu: int) -> int:
    """The longest piece that fits into a PDU of so many bytes."""
    return (pdu - _HEAD - _PIECE_TOLD) // 2 * 2


def pack(blocks: Sequence[Block], pdu: int) -> list[list[Piece]]:
    """The pieces of each request, in the order of the blocks. A block that is too long for one
    request is cut up."""
    longest = most_bytes(pdu)
    requests: list[list[Piece]] = []
    asked = told = pdu
    for index, block in enumerate(blocks):
        for at in range(0, block.size, longest):
            piece = Piece(index, block.start + at, min(longest, block.size - at))
            size = _PIECE_TOLD + piece.size + piece.size % 2
            full = told + size > pdu or asked + _PIECE_ASKED > pdu
            if full or len(requests[-1]) == MOST_PIECES:
                requests.append([])
                asked = told = _HEAD
            requests[-1].append(piece)
            asked += _PIECE_ASKED
            told += size
    return requests


def unpack(data: bytes, sizes: Sequence[int]) -> list[bytes | int]:
    """The pieces of an answer's data: the bytes, or the return code if they were not read.

    Raises `AnswerError`.
    """
    pieces: list[bytes | int] = []
    at = 0
    for number, size in enumerate(sizes, start=1):
        if at + 4 > len(data):
            raise AnswerError(f"the answer ends before piece {number} of {len(sizes)}")
        code, transport, length = struct.unpack_from(">BBH", data, at)
        at += 4
        if code != GOOD:
            pieces.append(int(code))
            continue
        if transport in _IN_BITS:
            length = (length + 7) // 8
        if length != size:
            raise AnswerError(f"piece {number} has {length} bytes, {size} were asked for")
        if at + length > len(data):
            raise AnswerError(f"the answer ends within piece {number} of {len(sizes)}")
        pieces.append(bytes(data[at : at + length]))
        at += length + length % 2
    return pieces


def reason(code: int) -> str:
    """A return code for people."""
    return f"{RETURN_CODES.get(code, 'refused by the PLC')} (0x{code:02X})"
