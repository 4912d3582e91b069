"""The PLC's side of the protocol: what it is asked, and what it answers. For simulators.

Frames: TPKT (RFC 1006) around COTP class 0 (ISO 8073) around an S7 PDU. Of the S7 functions there
are setup communication (0xF0), read (0x04) and write (0x05) of the S7-ANY form.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

TPKT_HEAD = 4
CONNECT_REQUEST, CONNECT_CONFIRM, DATA, DISCONNECT = 0xE0, 0xD0, 0xF0, 0x80
READ, WRITE, SETUP = 0x04, 0x05, 0xF0
_JOB, _ANSWER = 1, 3
_BIT = 1
_FUNCTION_UNKNOWN = 0x8104
_COUNT_SIZES = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 4}
"""Bytes of an element by its transport size: bit, byte, char, word, int, dword, dint, real."""


class RequestError(ValueError):
    """The bytes are no request; the connection has lost its step."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A piece of memory that a request names. `bit` None: whole bytes."""

    area: int
    db: int
    start: int
    size: int
    bit: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """One job of a client."""

    sequence: int
    function: int
    wanted: tuple[Wanted, ...] = ()
    written: tuple[bytes, ...] = ()
    pdu: int = 0
    """Bytes of a PDU that the client offers (setup)."""


def frame_size(head: bytes) -> int:
    """Bytes of the whole frame that begins with these four. Raises `RequestError`."""
    version, _, size = struct.unpack(">BBH", head)
    if version != 3 or size < 7:
        raise RequestError("not a TPKT frame")
    return int(size)


def cotp(frame: bytes) -> tuple[int, bytes]:
    """COTP type of a whole frame, and what follows its header. Raises `RequestError`."""
    length = frame[TPKT_HEAD]
    if length < 2 or TPKT_HEAD + 1 + length > len(frame):
        raise RequestError("COTP header beyond the frame")
    return frame[TPKT_HEAD + 1], frame[TPKT_HEAD + 1 + length :]


def connect_confirm(frame: bytes) -> bytes:
    """The answer to a connect request: its own parameters, its reference in the other place."""
    cr = frame[TPKT_HEAD:]
    if len(cr) < 7:
        raise RequestError("connect request too short")
    body = bytes((cr[0], CONNECT_CONFIRM)) + cr[4:6] + b"\0\x01" + cr[6:]
    return struct.pack(">BBH", 3, 0, TPKT_HEAD + len(body)) + body


def data_frame(pdu: bytes) -> bytes:
    """An S7 PDU in its frames."""
    return struct.pack(">BBHBBB", 3, 0, len(pdu) + 7, 2, DATA, 0x80) + pdu


def request(pdu: bytes) -> Request:
    """Read a job. Raises `RequestError`."""
    try:
        protocol, kind, _, sequence, parameters, _ = struct.unpack_from(">BBHHHH", pdu)
        if protocol != 0x32 or kind != _JOB:
            raise RequestError("not an S7 job")
        said, data = pdu[10 : 10 + parameters], pdu[10 + parameters :]
        function = said[0]
        if function == SETUP:
            return Request(sequence, function, pdu=struct.unpack_from(">H", said, 6)[0])
        if function not in (READ, WRITE):
            return Request(sequence, function)
        wanted = tuple(_wanted(said, 2 + 12 * n) for n in range(said[1]))
        written = _written(data, wanted) if function == WRITE else ()
    except (struct.error, IndexError):
        raise RequestError("S7 job too short") from None
    return Request(sequence, function, wanted, written)


def setup_answer(job: Request, pdu: int) -> bytes:
    """What the PLC agrees to: PDUs of so many bytes, one job at a time."""
    return _answer(job, struct.pack(">BBHHH", SETUP, 0, 1, 1, pdu))


def read_answer(job: Request, pieces: Sequence[bytes | int]) -> bytes:
    """The bytes of each piece, or why there are none (a return code)."""
    data = b""
    for number, piece in enumerate(pieces, start=1):
        if isinstance(piece, int):
            data += struct.pack(">BBH", piece, 0, 0)
            continue
        data += struct.pack(">BBH", 0xFF, 0x04, 8 * len(piece)) + piece
        if len(piece) % 2 and number < len(pieces):
            data += b"\0"
    return _answer(job, struct.pack(">BB", READ, len(pieces)), data)


def write_answer(job: Request, codes: Sequence[int]) -> bytes:
    """A return code for each piece."""
    return _answer(job, struct.pack(">BB", WRITE, len(codes)), bytes(codes))


def refusal(job: Request, error: int = _FUNCTION_UNKNOWN) -> bytes:
    """The job as a whole is refused."""
    head = struct.pack(">BBHHHHH", 0x32, _ANSWER, 0, job.sequence, 2, 0, error)
    return head + struct.pack(">BB", job.function, 0)


def _answer(job: Request, parameters: bytes, data: bytes = b"") -> bytes:
    head = struct.pack(">BBHHHHH", 0x32, _ANSWER, 0, job.sequence, len(parameters), len(data), 0)
    return head + parameters + data


def _wanted(said: bytes, at: int) -> Wanted:
    kind, length, syntax, transport, count, db, area = struct.unpack_from(">BBBBHHB", said, at)
    if (kind, length, syntax) != (0x12, 10, 0x10):
        raise RequestError("not of the S7-ANY form")
    address = int.from_bytes(said[at + 9 : at + 12], "big")
    if len(said) < at + 12:
        raise RequestError("S7 job too short")
    bit = address & 7 if transport == _BIT else None
    return Wanted(area, db, address >> 3, count * _COUNT_SIZES.get(transport, 1), bit)


def _written(data: bytes, wanted: Sequence[Wanted]) -> tuple[bytes, ...]:
    pieces, at = [], 0
    for _ in wanted:
        _, transport, length = struct.unpack_from(">BBH", data, at)
        size = (length + 7) // 8 if transport in (0x03, 0x04, 0x05) else length
        at += 4
        if at + size > len(data):
            raise RequestError("S7 job too short")
        pieces.append(data[at : at + size])
        at += size + size % 2
    return tuple(pieces)
