"""Our payloads read by other makers' codecs, and theirs by ours.

What a peer does differently is in `DEVIATIONS`, with its reason; the tests hold it to that too, so
that the table stays true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from protocols.sparkplug import DataSet, DataType, Payload, Property, PropertySet
from tests.fixtures.peers import Peer, installed_peers
from tests.protocols.sparkplug.codecs import PLAIN, Codec

NOW = 1_763_830_000_123
WHOLE = frozenset(
    {*range(DataType.Int8, DataType.UInt64 + 1), DataType.DateTime}
    | {*range(DataType.Int8Array, DataType.UInt64Array + 1), DataType.DateTimeArray}
)


@dataclass(frozen=True)
class Case:
    """One metric to be said by both."""

    name: str
    datatype: DataType
    value: Any
    alias: int | None = 5
    historical: bool = False
    properties: PropertySet | None = field(default=None, hash=False)

    def request(self) -> dict[str, Any]:
        """As a peer's program takes it: whole numbers as text, since JSON's are not exact."""
        return {
            "name": "m",
            "alias": self.alias,
            "timestamp": NOW,
            "seq": 3,
            "type": self.datatype.name,
            "code": int(self.datatype),
            "value": as_json(self.datatype, self.value),
            "whole_items": self.datatype in WHOLE,
            "column_codes": [int(code) for code in getattr(self.value, "types", ())],
            "historical": self.historical,
            "properties": as_properties(self.properties),
        }

    def payload(self, codec: Codec) -> Payload:
        """As we say it."""
        metric = codec.Metric(
            "m", self.alias, NOW, self.datatype, self.value, self.historical, False, self.properties
        )
        return Payload(NOW, [metric], 3)


def as_properties(properties: PropertySet | None) -> dict[str, Any] | None:
    """Properties as the peers' programs give and take them."""
    if properties is None:
        return None
    return {
        key: {"type": DataType(entry.datatype).name, "value": entry.value}
        for key, entry in properties.items()
    }


def as_json(datatype: int, value: Any) -> Any:
    """A value as the peers' programs give and take it."""
    if isinstance(value, DataSet):
        return {
            "columns": value.columns,
            "type_names": [DataType(code).name for code in value.types],
            "rows": [
                [as_json(code, cell) for code, cell in zip(value.types, row, strict=True)]
                for row in value.rows
            ],
        }
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [as_json(datatype, item) for item in value]
    return str(value) if datatype in WHOLE and value is not None else value


CASES = [
    Case("Int8", DataType.Int8, 23),
    Case("Int8 negative", DataType.Int8, -23),
    Case("Int16", DataType.Int16, 30000),
    Case("Int16 negative", DataType.Int16, -30000),
    Case("Int32", DataType.Int32, 2**31 - 1),
    Case("Int32 negative", DataType.Int32, -(2**31)),
    Case("Int64", DataType.Int64, 2**63 - 1),
    Case("Int64 negative", DataType.Int64, -(2**63)),
    Case("UInt8", DataType.UInt8, 250),
    Case("UInt16", DataType.UInt16, 65535),
    Case("UInt32", DataType.UInt32, 2**32 - 1),
    Case("UInt64", DataType.UInt64, 2**64 - 1),
    Case("Float", DataType.Float, 1.5),
    Case("Double", DataType.Double, -0.1),
    Case("Boolean", DataType.Boolean, True),
    Case("Boolean false", DataType.Boolean, False),
    Case("String", DataType.String, "Drehmoment in Nm, 12,5 ° \U0001f697"),
    Case("String empty", DataType.String, ""),
    Case("DateTime", DataType.DateTime, NOW),
    Case("Text", DataType.Text, "two\nlines"),
    Case("UUID", DataType.UUID, "0b5a3c1e-7a43-4f34-8f0c-3f8a1d1b2c3d"),
    Case("Bytes", DataType.Bytes, b"\x00\xff\x80"),
    Case("File", DataType.File, b"%PDF"),
    Case("null", DataType.Double, None),
    Case("historical", DataType.Double, 2.5, historical=True),
    Case("alias 0", DataType.Double, 2.5, alias=0),
    Case("no alias", DataType.Double, 2.5, alias=None),
    Case("properties", DataType.Double, 2.5,
         properties={"engUnit": Property(DataType.String, "Nm")}),
    Case("DataSet", DataType.DataSet, DataSet(
        ["serial", "torque", "n"], [DataType.String, DataType.Double, DataType.Int64],
        [["A1", 12.5, 3], ["A2", 13.5, 2**40]])),
    Case("Int8Array", DataType.Int8Array, [-23, 123]),
    Case("Int16Array", DataType.Int16Array, [-30000, 30000]),
    Case("Int32Array", DataType.Int32Array, [-1, 315338746]),
    Case("Int64Array", DataType.Int64Array, [-(2**63), 2**63 - 1]),
    Case("UInt8Array", DataType.UInt8Array, [23, 250]),
    Case("UInt64Array", DataType.UInt64Array, [0, 2**64 - 1]),
    Case("FloatArray", DataType.FloatArray, [1.5, -0.25]),
    Case("DoubleArray", DataType.DoubleArray, [0.1, -0.1]),
    Case("BooleanArray", DataType.BooleanArray, [False, True, True] * 4),
    Case("StringArray", DataType.StringArray, ["ABC", "", "hellö"]),
    Case("DateTimeArray", DataType.DateTimeArray, [NOW, 0]),
]  # fmt: skip


SAME = "the same bytes"
OTHER_BYTES = "other bytes, which we read alike"
NOT_SAID = "not said"
ALIKE = "read alike"
OTHERWISE = "read otherwise, or not at all"

# What a peer does differently, and why; all else is said in the same bytes and read alike.
ARRAYS = [case.name for case in CASES if case.name.endswith("Array")]
WRITING: dict[str, dict[str, tuple[str, str]]] = {
    "pysparkplug": {
        "DataSet": (NOT_SAID, "has no data sets"),
        "properties": (NOT_SAID, "has no properties"),
    },
    "tahutils": {
        "properties": (NOT_SAID, "its metrics take no properties"),
        **dict.fromkeys(ARRAYS, (NOT_SAID, "refers to array types it does not define")),
    },
    "sparkplug-payload": {
        "UInt32": (OTHER_BYTES, "puts UInt32 into long_value; the specification: int_value"),
        "Int8 negative": (OTHER_BYTES, "sends the sign in 32 bits, not in 8"),
        "Int16 negative": (OTHER_BYTES, "sends the sign in 32 bits, not in 16"),
        **dict.fromkeys(ARRAYS, (NOT_SAID, "knows no arrays: no datatype, no value")),
    },
}
READING: dict[str, dict[str, tuple[str, str]]] = {
    "pysparkplug": {
        "DataSet": (OTHERWISE, "has no data sets"),
        "properties": (OTHERWISE, "drops them"),
    },
    "tahutils": {
        **{
            f"{name} negative": (OTHERWISE, "gives the bits without their sign")
            for name in ("Int8", "Int16", "Int32", "Int64")
        },
        **dict.fromkeys(
            ("Text", "UUID", "Bytes", "File", *ARRAYS),
            (OTHERWISE, "its parser does not know the type"),
        ),
        "DataSet": (OTHERWISE, "gives the rows alone"),
        "properties": (OTHERWISE, "its parser drops them"),
    },
    "sparkplug-payload": {
        "UInt32": (OTHERWISE, "looks for UInt32 in long_value alone"),
        "Int8 negative": (OTHERWISE, "expects the sign in 32 bits"),
        "Int16 negative": (OTHERWISE, "expects the sign in 32 bits"),
        **dict.fromkeys(ARRAYS, (OTHERWISE, "knows no arrays")),
    },
}


@cache
def answers(peer: Peer) -> dict[str, list[dict[str, Any]]]:
    """What a peer says to all cases, in one run of its program."""
    return peer.ask(
        [case.request() for case in CASES],
        [PLAIN.encode(case.payload(PLAIN)).hex() for case in CASES],
    )


@pytest.fixture(params=installed_peers(), ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each other implementation that is installed here."""
    assert isinstance(request.param, Peer)
    return request.param


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case.name for case in CASES])
def test_what_a_peer_says_we_read(codec: Codec, peer: Peer, place: int) -> None:
    case = CASES[place]
    said = answers(peer)["encoded"][place]
    expected, why = WRITING[peer.name].get(case.name, (SAME, ""))
    assert _written(codec, case, said) == expected, why


@pytest.mark.parametrize("place", range(len(CASES)), ids=[case.name for case in CASES])
def test_what_we_say_a_peer_reads(peer: Peer, place: int) -> None:
    case = CASES[place]
    read = answers(peer)["decoded"][place]
    expected, why = READING[peer.name].get(case.name, (ALIKE, ""))
    assert _read(case, read) == expected, why


def _written(codec: Codec, case: Case, said: dict[str, Any]) -> str:
    if "error" in said:
        return NOT_SAID
    ours = case.payload(codec)
    data = bytes.fromhex(said["hex"])
    if codec.decode(data) != ours:
        return NOT_SAID
    return SAME if codec.encode(ours) == data else OTHER_BYTES


def _read(case: Case, read: dict[str, Any]) -> str:
    if "error" in read:
        return OTHERWISE
    expected = {
        "name": "m",
        "alias": case.alias,
        "timestamp": NOW,
        "value": as_json(case.datatype, case.value),
        "historical": case.historical,
        "properties": as_properties(case.properties),
    }
    return ALIKE if {"properties": None, **read} == expected else OTHERWISE
