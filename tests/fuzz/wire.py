"""What gateways, nodes and the broker send: payloads, streams, results, topics, MQTT packets."""

from __future__ import annotations

import json
import math
import socket
import struct
from array import array
from collections import deque
from contextlib import suppress
from types import ModuleType

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from pydantic import ValidationError

from hub.ingest import _rows_py
from hub.ingest.copy_format import UnknownAliasError
from protocols.inspection import parse_picture, parse_result
from protocols.inspection.fetching import parse_part, parse_wanted
from protocols.jis.envelope import (
    AnswerMessage,
    EnvelopeError,
    Lost,
    Records,
    StateMessage,
    dump,
    parse_answer,
    parse_writer_message,
)
from protocols.jis.messages import CALL_RECORD, EVENT_RECORD, CallKey
from protocols.jis.topics import parse_jis_topic
from protocols.mqtt.bounded import BoundedClient
from protocols.sparkplug import (
    DataSet,
    DataType,
    Metric,
    Parameter,
    Payload,
    PayloadError,
    Property,
    PropertySet,
    Template,
    decode_samples,
    encode,
    encode_samples,
)
from protocols.sparkplug.server_times import pack_offsets, unpack_offsets
from protocols.sparkplug.topics import parse_topic
from tests.fuzz.target import Target
from tests.protocols.sparkplug.codecs import COMPILED, PLAIN, Codec

rows: ModuleType = _rows_py
with suppress(ImportError):
    from hub.ingest import _rows

    rows = _rows

_NOW_MS = 1_790_000_000_000
_KEY = {"plant": "P1", "line": "SEAT1", "production_no": "0012", "part_group": "SEAT-FRONT"}
_AT = "2026-03-02T06:00:00+01:00"
_CALL = {
    "kind": "call", "key": _KEY, "call_no": 1, "sequence_no": 9999, "part_no": "0815",
    "colour": "3", "unloading_point": "D4", "rack": "R1", "slot": 1, "control_point": "TRIM-IN",
    "called_at": _AT, "required_at": _AT,
}  # fmt: skip
_RECORDS: list[dict[str, object]] = [
    _CALL,
    {"kind": "change", "call": _CALL, "changed": ["slot"], "reason": "moved", "confirm": True},
    {"kind": "hold", "key": _KEY, "revision": 2, "at": _AT, "reason": "out of the line"},
    {
        "kind": "preview", "plant": "P1", "line": "SEAT1", "version": 4, "based_on": 3,
        "demands": [{"production_no": "1", "part_group": "G", "part_no": "9", "colour": "",
                     "place": 1, "required_at": _AT, "day": "2026-03-02"}],
        "withdrawn": [["2", "G"]],
    },
    {"kind": "line_state", "plant": "P1", "line": "SEAT1", "mode": "buffer", "since": _AT,
     "takt_s": 61.5},
    {"kind": "delivery", "key": _KEY, "what": "arrived", "at": _AT, "serial": "座椅-1"},
    {"kind": "produced", "key": _KEY, "at": _AT, "serial": "S1", "verdict": "ok", "slot": 3},
    {
        "kind": "shipment", "plant": "P1", "line": "SEAT1", "shipment": "T1", "departed_at": _AT,
        "racks": [{"rack": "R1", "slots": [{"slot": 1, "key": _KEY, "serial": "S1"}]}],
    },
    {"kind": "delay", "plant": "P1", "line": "SEAT1", "shipment": "T1", "at": _AT, "eta": _AT,
     "reason": "jam"},
]  # fmt: skip
_WORDS = [
    b"null", b"1e999", b"-1", b'""', b"[]", b"{}", b"true", b"9007199254740993", b"\\ud800",
    b"\\u0000", b'"9999-12-31T23:59:59-23:59"', b'"0001-01-01T00:00:00+23:59"', b"NaN", b"[" * 300,
]  # fmt: skip


def _payloads() -> list[bytes]:
    values: list[tuple[int, object]] = [
        (DataType.Int8, -1), (DataType.Int32, -(2**31)), (DataType.Int64, -(2**63)),
        (DataType.UInt32, 2**32 - 1), (DataType.UInt64, 2**64 - 1), (DataType.Float, 0.5),
        (DataType.Double, math.inf), (DataType.Boolean, True), (DataType.String, "座椅"),
        (DataType.DateTime, _NOW_MS), (DataType.Bytes, b"\0\xff"), (DataType.Int32, None),
        (DataType.Int16Array, [1, -2]), (DataType.BooleanArray, [True, False, True]),
        (DataType.StringArray, ["a", "", "b"]), (DataType.DoubleArray, [0.5, 1e300]),
        (DataType.DataSet, DataSet(["a", "b"], [DataType.Int32, DataType.String],
                                   [[1, "x"], [None, "y"]])),
        (DataType.Template, Template("1.0", [Metric("m", None, 1, DataType.Int32, 5)],
                                     [Parameter("p", DataType.String, "v")], "ref", False)),
    ]  # fmt: skip
    properties = PropertySet({
        "Quality": Property(DataType.Int32, 0),
        "inner": Property(DataType.PropertySet, PropertySet({"x": Property(DataType.Double, 1.0)})),
    })  # fmt: skip
    one_each = [
        Metric(f"Line/{n}", n, _NOW_MS + n, datatype, value)  # type: ignore[arg-type]
        for n, (datatype, value) in enumerate(values)
    ]
    with_properties = Metric("p", 7, _NOW_MS, DataType.Double, 1.5, True, False, properties)
    samples = encode_samples(
        3, _NOW_MS, 1, 2**53 - 1, 2, 9, array("Q", [3, 4, 5, 6]), array("q", [_NOW_MS] * 4),
        bytes((DataType.Double, DataType.String, DataType.Boolean, DataType.Int64)),
        array("d", [1.5, 0, 1, 7]), {1: "text"}, array("H", [192, 0, 192, 64]), True,
    )  # fmt: skip
    return [
        samples,
        encode(Payload(_NOW_MS, [with_properties, *one_each[:3]], 0)),
        encode(Payload(_NOW_MS, one_each, 255, "uuid", b"body")),
        *(encode(Payload(_NOW_MS, [each], 1)) for each in one_each),
    ]


def _told(codec: Codec, data: bytes) -> tuple[str, str]:
    found = []
    for read in (codec.decode, codec.decode_samples):
        try:
            found.append(repr(read(data)))
        except PayloadError:
            found.append("refused")
    return found[0], found[1]


def sparkplug() -> Target:
    """The compiled codec, both its readers."""

    def run(data: bytes) -> None:
        with suppress(PayloadError):
            COMPILED.decode(data)
        COMPILED.decode_samples(data)

    return Target(_payloads(), run, (PayloadError,))


def sparkplug_plain() -> Target:
    """The plain codec; it must say what the compiled one says."""

    def run(data: bytes) -> None:
        plain, compiled = _told(PLAIN, data), _told(COMPILED, data)
        if plain != compiled:
            raise AssertionError(f"{plain} is not {compiled}")

    return Target(_payloads(), run)


def ingest_rows() -> Target:
    """From a data message to the rows of COPY, with aliases and names of any type."""
    types = [
        DataType.Double, DataType.String, DataType.Boolean, DataType.Int64, DataType.Int32,
        DataType.UInt64, DataType.Float, DataType.DateTime, DataType.Bytes, DataType.UInt32,
    ]  # fmt: skip
    table = rows.AliasTable(
        {alias: (alias + 100, types[alias % len(types)]) for alias in range(256)},
        {f"Line/{n}": (n + 400, datatype) for n, datatype in enumerate(types)},
    )
    buffer = rows.RowBuffer()

    def run(data: bytes) -> None:
        samples = decode_samples(data)
        buffer.clear()
        buffer.append(samples, 0, table, _NOW_MS)

    return Target(_payloads(), run, (PayloadError, UnknownAliasError))


def streams() -> Target:
    """What writer and reader of the two JIS streams say, and the records in it."""
    events, calls = EVENT_RECORD, CALL_RECORD

    def run(data: bytes) -> None:
        with suppress(EnvelopeError):
            parse_answer(data).answer()
        said = parse_writer_message(data)
        if isinstance(said, StateMessage):
            said.state()
        if not isinstance(said, Records):
            return
        for record in said.records:
            with suppress(ValidationError):
                calls.validate_python(record)
            text = json.dumps(record)
            with suppress(ValidationError):
                events.validate_json(text)

    return Target(
        [
            *(dump(Records(epoch=7, first=4, records=[record])) for record in _RECORDS),
            dump(Records(epoch=7, first=4, records=[*_RECORDS])),
            dump(Lost(epoch=7, first=3, next=9, cause="evicted")),
            dump(StateMessage(epoch=7, first_kept=3, next=9)),
            dump(AnswerMessage(epoch=7, watermark=3, ahead=[(5, 6), (8, 12)])),
        ],
        run,
        (EnvelopeError,),
        _WORDS,
    )


def results() -> Target:
    """Results of inspections, out of samples."""
    plain: dict[str, object] = {
        "v": 1, "key": "4711", "characteristic": "Torque", "verdict": "ok", "measured_at": _AT,
        "raw_sha256": "0a" * 32,
    }  # fmt: skip
    full = plain | {
        "serial": "座椅-1", "value": 12.5, "lower": 10, "upper": 15.0, "nominal": 12, "unit": "Nm",
        "tool": "T1", "programme": "3 front", "operator": "anna", "reason": "hand",
        "code": {"text": "P1␝2", "form": "seat", "parts": {"serial": "2"}},
    }  # fmt: skip
    corpus = [json.dumps(each, ensure_ascii=False).encode() for each in (plain, full)]
    return Target(
        corpus, lambda data: parse_result(data.decode(errors="replace")), (ValueError,), _WORDS
    )


def pictures() -> Target:
    """References to pictures, and the questions and parts of one that is fetched."""
    reference = {
        "v": 1, "key": "0a" * 16, "event": "nok", "found_by": "press", "found_key": "4711",
        "what": "Torque", "serial": "座椅-1", "happened_at": _AT, "state": "kept",
        "media_type": "image/jpeg", "size": 4711, "sha256": "0a" * 32, "frames": 1,
        "taken_from": _AT, "taken_to": _AT,
    }  # fmt: skip
    each = (
        reference,
        {"key": "0a" * 16, "at": 0, "to": 9},
        {"key": "0a" * 16, "at": 0, "gone": "x"},
    )

    def run(data: bytes) -> None:
        text = data.decode(errors="replace")
        for parse in (parse_picture, parse_wanted, parse_part):
            with suppress(ValueError):
                parse(text)

    corpus = [json.dumps(said, ensure_ascii=False).encode() for said in each]
    return Target(corpus, run, (), _WORDS)


def topics() -> Target:
    """Topics, the keys that PLCs echo, and the columns of a server's times."""

    def run(data: bytes) -> None:
        text = data.decode(errors="replace")
        parse_topic(text)
        parse_jis_topic(text)
        with suppress(ValueError):
            unpack_offsets(data, data[0] if data else 0)
        CallKey.parse(text)

    corpus = [
        b"spBv1.0/acme/NDATA/gw1", b"spBv1.0/acme/DDATA/gw1/press", b"spBv1.0/STATE/hub",
        b"lineside/v1/acme/gw1/events/ack", b"P1/SEAT1/0012/SEAT-FRONT/0",
        pack_offsets([0, 5, -5, 2**62, 2**63 - 1]), b"\3" + pack_offsets([1, 1, 1]),
    ]  # fmt: skip
    words = [b"/", b"+", b"#", b"NBIRTH", b"\xc2\xb2", b"\xd9\xa3", b"9" * 5000]
    return Target(corpus, run, (ValueError,), words)


def _packet(head: int, body: bytes) -> bytes:
    return bytes((head, len(body))) + body


def mqtt() -> Target:
    """Packets of a broker on a real socket: no error leaves the client's loop, which would end its
    thread for good. The connection may be given up."""
    topic = struct.pack(">H", 5) + b"a/b/c"
    packets = [
        _packet(0x20, b"\0\0"),
        _packet(0x30, topic + b"payload"),
        _packet(0x31, topic),
        _packet(0x32, topic + b"\0\7payload"),
        _packet(0x34, topic + b"\0\x09payload"),
        _packet(0x62, b"\0\x09"),
        _packet(0x40, b"\0\1"),
        _packet(0x50, b"\0\1"),
        _packet(0x70, b"\0\1"),
        _packet(0x90, b"\0\1\0\1\x80"),
        _packet(0xB0, b"\0\1"),
        _packet(0xD0, b""),
        _packet(0xE0, b""),
    ]
    corpus = [*packets, b"".join(packets), b"".join(packets[1:4]) * 3]

    topics_heard: deque[str] = deque(maxlen=1)

    def run(data: bytes) -> None:
        client = BoundedClient(CallbackAPIVersion.VERSION2, client_id="x", largest_packet=1000)
        client.direct = lambda _topic, _payload: None
        client.reconnect = lambda: MQTTErrorCode.MQTT_ERR_SUCCESS  # type: ignore[method-assign]
        client.on_message = lambda _client, _data, message: topics_heard.append(message.topic)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            client._sock = ours
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
            while client._sock is not None and client.loop_read() == 0:
                pass
            client._sock = None

    return Target(corpus, run)
