"""What controllers and servers at the line send: tightenings, answers, structures, certificates."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path

from asyncua import ua
from PIL import Image
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse
from snap7.s7protocol import S7Protocol

from edge.sources.camera.authorization import NoSchemeError, authorization
from edge.sources.modbus.link import _bytes_of, _RawHolding, _RawInput
from edge.sources.opcua.certificates import CertificateError, describe, hosts, split_chain, uris
from edge.sources.opcua.structures import TypeBook
from edge.sources.opcua.values import Unreadable, jsonable
from edge.sources.s7.link import _BROKEN
from protocols.mjpeg import FrameError as JpegError
from protocols.mjpeg import Parts, PartsError, boundary_of, size_of
from protocols.modbus.crc import crc16
from protocols.modbus.values import NUMBERS, Order, bit_field, number_field
from protocols.modbus.values import text_field as modbus_text
from protocols.open_protocol import (
    DataError,
    FrameError,
    Splitter,
    make_spindles,
    programmes,
    read,
    read_tightening,
    read_together,
)
from protocols.open_protocol.layouts import LAYOUTS
from protocols.plc import Block
from protocols.plc.layout import Layout
from protocols.s7 import answers
from protocols.s7.reads import AnswerError, unpack
from protocols.s7.types import TEXTS, TYPES, bits_field, scalar_field
from protocols.s7.types import text_field as s7_text
from tests.fuzz.target import Target

_FRAMES = Path(__file__).parents[1] / "protocols" / "open_protocol" / "frames.txt"


def open_protocol() -> Target:
    """A stream in fragments, and the data of its messages, also read as those of another MID."""
    lines = [line for line in _FRAMES.read_text("latin-1").split("\n") if line[:4].isdigit()]
    frames = [line.rstrip("\r").removesuffix("|").encode("latin-1") + b"\0" for line in lines]
    tightenings = [frame for frame in frames if frame[4:8] in (b"0061", b"0065")]

    def run(data: bytes) -> None:
        splitter = Splitter()
        step = (data[-1] if data else 0) % 61 + 1 + len(data) // 50
        for at in range(0, len(data), step):
            splitter.feed(data[at : at + step])
            while (message := splitter.take()) is not None:
                with suppress(DataError):
                    read(message)
                if message.mid in (61, 65):
                    with suppress(DataError):
                        read_tightening(message)
                if message.mid == 101:
                    with suppress(DataError):
                        read_together(message)
                list(programmes(message))

    spindles = [{"number": number, "torque": 8.5} for number in range(1, 4)]
    frames.append(make_spindles({"sync_id": 7}, spindles, revision=5).encode())
    words = [b"%04d" % mid for mid in (*LAYOUTS, 101)] + [
        b"\0",
        b"    ",
        b"9999",
        b"0020",
        b"-1",
        b"\xb2",
    ]
    return Target(
        [*frames, *tightenings, b"".join(frames[:4]), b"".join(tightenings[:3])],
        run,
        (FrameError,),
        words,
    )


def s7() -> Target:
    """An answer of a PLC: its PDU, its pieces, the values in them."""
    fields = [
        *(scalar_field(each) for each in TYPES.values()),
        *(s7_text(name, 5, "latin-1") for name in TEXTS),
        bits_field(3, 12),
    ]
    places, end = [], 0
    for each in fields:
        places.append((end, each))
        end += each.size + each.size % 2
    layout = Layout(places)
    sizes = (layout.size, 3, 8)
    protocol = S7Protocol()
    job = answers.request(protocol.build_multi_read_request([(0x84, 1, 0, size) for size in sizes]))
    body = bytes(range(1, layout.size + 1))
    corpus = [
        answers.read_answer(job, [body, b"abc", b"12345678"]),
        answers.read_answer(job, [bytes(layout.size), 0x0A, b"12345678"]),
        answers.read_answer(job, [b"\x20\x12" * (layout.size // 2) + b"\1" * (layout.size % 2),
                                  b"xyz", 5]),
        answers.setup_answer(job, 480),
        answers.refusal(job),
    ]  # fmt: skip

    def run(data: bytes) -> None:
        with suppress(*_BROKEN):
            protocol.parse_response(data)
        for piece in unpack(data[14:], sizes):
            if isinstance(piece, bytes) and len(piece) >= layout.size:
                layout.read(piece)

    return Target(corpus, run, (AnswerError,))


def s7_requests() -> Target:
    """What clients ask of the simulated PLC."""
    protocol = S7Protocol()
    jobs = [
        protocol.build_setup_communication_request(),
        protocol.build_multi_read_request([(0x84, 1, 0, 10), (0x83, 0, 5, 1)]),
        b"\x32\1\0\0\0\1\0\x0e\0\5\5\1\x12\x0a\x10\2\0\1\0\1\x84\0\0\0\0\4\0\x08\x41",
    ]
    connect = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102")

    def run(data: bytes) -> None:
        if len(data) < 4:
            return
        size = answers.frame_size(data[:4])
        if len(data) < size:
            return
        kind, pdu = answers.cotp(data[:size])
        if kind == answers.CONNECT_REQUEST:
            answers.connect_confirm(data[:size])
        else:
            answers.request(pdu)

    frames = [connect, *(answers.data_frame(job) for job in jobs)]
    return Target(frames, run, (answers.RequestError,))


def modbus() -> Target:
    """Frames of a unit by TCP and by RTU, and the values in their registers."""
    fields = [number_field(name, order) for name in NUMBERS for order in Order]
    fields += [modbus_text(7, order) for order in Order] + [bit_field(9, Order.DCBA)]
    layout = Layout([(0, each) for each in fields])
    count = (layout.size + 1) // 2
    decoder = DecodePDU(False)
    decoder.register(_RawHolding)
    decoder.register(_RawInput)
    tcp, rtu = FramerSocket(decoder), FramerRTU(decoder)
    block = Block(("holding", 1), 0, count, ())
    bodies = [
        bytes((function, 2 * count)) + bytes(range(2 * count)) for function in (3, 4)
    ] + [b"\1\2\xff\1", b"\2\1\7", b"\x83\2", b"\x81\x0b"]  # fmt: skip
    corpus = [struct.pack(">HHHB", 1, 0, len(body) + 1, 1) + body for body in bodies]
    corpus += [b"\1" + body + crc16(b"\1" + body) for body in bodies]

    def run(data: bytes) -> None:
        for framer in (tcp, rtu):
            with suppress(ModbusException):
                _, answer = framer.handleFrame(data, 1, 0)
                if isinstance(answer, _RawHolding | _RawInput):
                    raw = _bytes_of(answer, block)
                    if raw is not None:
                        layout.read(raw)
                elif isinstance(answer, ExceptionResponse):
                    str(answer.exception_code)
        crc16(data)
        if len(data) >= layout.size + 8:
            layout.read(data[8:])

    return Target(corpus, run)


def opcua_structures() -> Target:
    """Bodies of structures, by a layout with texts, arrays, variants and itself in it; and by one
    whose members say themselves of which type they are."""
    book = TypeBook("press")
    node = ua.NodeId.from_string("ns=2;i=1")
    parts = (("name", "i=12", -1), ("values", "i=11", 1), ("any", "i=24", -1), ("at", "i=13", -1))
    fields = [
        ua.StructureField(Name=name, DataType=ua.NodeId.from_string(kind), ValueRank=rank)
        for name, kind, rank in parts
    ]
    fields.append(ua.StructureField(Name="inner", DataType=node, ValueRank=1))
    book._note(node, ua.StructureDefinition(DefaultEncodingId=node, Fields=fields))
    holder = ua.NodeId.from_string("ns=2;i=2")
    held = [
        ua.StructureField(Name=name, DataType=ua.NodeId.from_string(kind), IsOptional=True)
        for name, kind in (("structure", "i=22"), ("number", "i=26"))
    ]
    subtyped = ua.StructureType.StructureWithSubtypedValues
    book._note(
        holder,
        ua.StructureDefinition(StructureType=subtyped, DefaultEncodingId=holder, Fields=held),
    )

    def body(variant: bytes, inner: bytes = b"\0\0\0\0") -> bytes:
        name = struct.pack("<i", 4) + b"name"
        return name + struct.pack("<idd", 2, 0.5, 1.5) + variant + b"\1\2\3\4\5\6\7\1" + inner

    variants = [
        b"\0",
        b"\x0b" + struct.pack("<d", 1.0),
        b"\x0c" + struct.pack("<i", 2) + b"ab",
        b"\x86" + struct.pack("<iii", 2, 1, 2),
        b"\xc6" + struct.pack("<iiiiii", 2, 1, 2, 2, 1, 2),
        b"\x15\3" + struct.pack("<i", 2) + b"en" + struct.pack("<i", 2) + b"hi",
        b"\x11\0\5",
        b"\x16\0\5\1" + struct.pack("<i", 2) + b"ab",
        b"\x17\1\x0b" + struct.pack("<d", 1.0),
    ]
    corpus = [body(each) for each in variants]
    corpus.append(body(variants[0], struct.pack("<i", 2) + corpus[0] + corpus[1]))
    for kind, inner in ((1, corpus[0]), (2, b"\0\0\0\0")):
        within = b"\1\2" + struct.pack("<HBi", kind, 1, len(inner)) + inner
        corpus.append(within + variants[1])

    def run(data: bytes) -> None:
        with suppress(Unreadable):
            jsonable(ua.ExtensionObject(holder, ua.ByteString(data)), book.expand)
        book.expand(ua.ExtensionObject(node, ua.ByteString(data)))

    return Target(corpus, run, (Unreadable,))


def opcua_certificates() -> Target:
    """What a server sends as its certificates."""
    der = (Path(__file__).parent / "certificate.der").read_bytes()

    def run(data: bytes) -> None:
        for each in split_chain(data):
            describe(each)
            uris(each)
            hosts(each)

    return Target([der, der + der], run, (CertificateError,))


def camera() -> Target:
    """A stream in fragments with lengths and without, each part looked at as a JPEG."""
    said = io.BytesIO()
    Image.new("RGB", (16, 16)).save(said, "JPEG")
    jpeg = said.getvalue()
    length = b"--x\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
    corpus = [(length + jpeg + b"\r\n") * 3, (b"--x\r\n\r\n" + jpeg + b"\r\n") * 3 + b"--x--", jpeg]

    def run(data: bytes) -> None:
        with suppress(JpegError):
            size_of(data)
        parts = Parts(boundary_of("multipart/x; boundary=x") or b"x", 4096)
        step = (data[-1] if data else 0) % 61 + 1 + len(data) // 50
        for at in range(0, len(data), step):
            for frame in parts.feed(data[at : at + step]):
                with suppress(JpegError):
                    size_of(frame)

    return Target(corpus, run, (PartsError,), [b"--x", b"\r\n", b"Content-Length: ", b"\xff\xda"])


def camera_log_in() -> Target:
    """What a camera asks of who reads it."""
    corpus = [
        b'Digest realm="a", qop="auth, auth-int", algorithm=SHA-256, nonce="n", opaque="o"',
        b'Basic realm="a", Digest realm="a", nonce="n", algorithm=MD5-sess, qop=auth',
    ]

    def run(data: bytes) -> None:
        text = data.decode("latin-1")
        said = authorization([text], "GET", "/", "user", "secret")
        assert said.startswith("Digest") or "Basic" in text.title()
        boundary_of(text)

    return Target(corpus, run, (NoSchemeError,), [b"Digest ", b"nonce=", b'"', b"\\"])
