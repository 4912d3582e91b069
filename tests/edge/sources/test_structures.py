"""Structures and enumerations of a server: read by what it says of them, and never a stop."""

from __future__ import annotations

import json
import logging
import struct
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import unpack_uatype
from hypothesis import given
from hypothesis import strategies as st

from edge.sources.opcua.structures import TypeBook
from edge.sources.opcua.values import Unreadable, jsonable
from protocols.sparkplug import DataType
from tests.edge.sources.plc import Plc, run_plc
from tests.edge.sources.reading import reading, run, settings_for, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<i", len(data)) + data


def structure(type_id: ua.NodeId, body: bytes) -> ua.ExtensionObject:
    # asyncua names its wire type here, and takes bytes
    return ua.ExtensionObject(TypeId=type_id, Body=body)  # type: ignore[arg-type]


async def add_types(plc: Plc) -> dict[str, Any]:
    """An enumeration, a structure with all sorts of fields, one with optional ones, a union, and
    plain types by names of their own; by name, the node of each."""
    server = plc.server
    state = await new_enum(server, 2, "MachineState", ["Idle", "Running", "Fault"])
    base = server.get_node(ua.NodeId.from_string("i=5"))  # UInt16
    word = await base.add_data_type(2, "WORD")
    point, _ = await new_struct(
        server, 2, "Point", [new_struct_field("x", ua.VariantType.Double),
                             new_struct_field("y", ua.VariantType.Double)],
    )  # fmt: skip
    part, _ = await new_struct(
        server, 2, "Part",
        [
            new_struct_field("serial", ua.VariantType.String),
            new_struct_field("state", state),
            new_struct_field("at", ua.VariantType.DateTime),
            new_struct_field("corner", point),
            new_struct_field("path", point, array=True),
            new_struct_field("counts", ua.VariantType.Int64, array=True),
            new_struct_field("flags", word),
            new_struct_field("any", ua.VariantType.Variant),
        ],
    )  # fmt: skip
    maybe, _ = await new_struct(
        server, 2, "Maybe",
        [
            new_struct_field("a", ua.VariantType.Int32),
            new_struct_field("b", ua.VariantType.Int32, optional=True),
            new_struct_field("c", ua.VariantType.String, optional=True),
        ],
    )  # fmt: skip
    choice, _ = await new_struct(
        server, 2, "Choice",
        [
            new_struct_field("number", ua.VariantType.Int32),
            new_struct_field("name", ua.VariantType.String),
        ],
        is_union=True,
    )  # fmt: skip
    return {
        "state": state, "part": part, "maybe": maybe, "choice": choice, "point": point
    }  # fmt: skip


async def add_structure(plc: Plc, name: str, data_type: Any, *bodies: bytes) -> None:
    """A variable of a structure type; asyncua keeps what is written as it is."""
    definition = await data_type.read_data_type_definition()
    objects = [structure(definition.DefaultEncodingId, body) for body in bodies]
    value = objects if len(objects) > 1 else objects[0]
    node = await plc.server.get_objects_node().add_variable(
        f"ns=2;s={name}",
        f"2:{name}",
        ua.Variant(value, ua.VariantType.ExtensionObject),
        datatype=data_type.nodeid,
    )
    plc.nodes[name] = node


PART = (
    text("0042")
    + struct.pack("<i", 1)
    + struct.pack("<q", 116_444_736_000_000_000 + 17_778_637_219_990_000)
    + struct.pack("<dd", 1.5, -2.0)
    + struct.pack("<i", 2)
    + struct.pack("<dddd", 0, 1, 2, float("nan"))
    + struct.pack("<iqq", 2, 2**63 - 1, -1)
    + struct.pack("<H", 0xBEEF)
    + b"\x0a"
    + struct.pack("<f", 0.5)
)
EXPECTED = {
    "serial": "0042",
    "state": 1,
    "at": "2026-05-04T03:02:01.999000+00:00",
    "corner": {"x": 1.5, "y": -2.0},
    "path": [{"x": 0.0, "y": 1.0}, {"x": 2.0, "y": "NaN"}],
    "counts": [2**63 - 1, -1],
    "flags": 0xBEEF,
    "any": 0.5,
}


def test_structures_and_enumerations_come_as_what_they_are(path: Path) -> None:
    async def work() -> None:
        async with run_plc() as plc:
            types = await add_types(plc)
            await add_structure(plc, "part", types["part"], PART)
            await add_structure(plc, "parts", types["part"], PART, PART)
            await add_structure(plc, "b", types["maybe"], struct.pack("<Iii", 1, 7, 8))
            await add_structure(plc, "c", types["maybe"], struct.pack("<Ii", 2, 7) + text("x"))
            await add_structure(plc, "named", types["choice"], struct.pack("<I", 2) + text("n"))
            await add_structure(plc, "none", types["choice"], struct.pack("<I", 0))
            plc.nodes["state"] = await plc.server.get_objects_node().add_variable(
                "ns=2;s=state", "2:state", ua.Variant(2, ua.VariantType.Int32),
                datatype=types["state"].nodeid,
            )  # fmt: skip
            names = list(plc.nodes)
            async with reading(path, settings_for(plc.endpoint, *names)) as got:
                await until(lambda: all(got.values(name) for name in names))
                found = {name: got.values(name)[0] for name in names}
                assert found.pop("state") == 2.0
                assert json.loads(found.pop("parts")) == [EXPECTED, EXPECTED]
                part = found.pop("part")
                assert json.loads(part) == EXPECTED
                assert list(json.loads(part)) == list(EXPECTED), "fields keep their order"
                assert found == {
                    "b": '{"a":7,"b":8}',
                    "c": '{"a":7,"c":"x"}',
                    "named": '{"name":"n"}',
                    "none": "{}",
                }
                tags = {tag.name: tag for tag in got.journal.tags()}
                assert tags["part"].datatype == DataType.String
                assert tags["state"].datatype == DataType.Int32
                said = dict(tags["state"].properties)
                assert said["opcuaType"] == "Int32"
                assert json.loads(said["enumNames"]) == {"0": "Idle", "1": "Running", "2": "Fault"}
                assert dict(tags["parts"].properties) == {"opcuaType": "ExtensionObject[]"}

    run(work)


def test_what_cannot_be_read_is_null_of_bad_quality_and_stops_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0) as plc:
            types = await add_types(plc)
            await add_structure(plc, "short", types["point"], struct.pack("<d", 1.0))
            stranger = structure(ua.NodeId.from_string("ns=2;i=9999"), b"x")
            plc.nodes["strange"] = await plc.server.get_objects_node().add_variable(
                "ns=2;s=strange",
                "2:strange",
                ua.Variant(stranger, ua.VariantType.ExtensionObject),
                datatype=ua.NodeId.from_string("i=22"),
            )
            names = ("short", "strange", "Force")
            async with reading(path, settings_for(plc.endpoint, *names)) as got:
                await until(lambda: all(got.samples(name) for name in names))
                await plc.set("Force", 2.0, at_ms=1)
                await until(lambda: got.values("Force") == [1.0, 2.0])
                for name in ("short", "strange"):
                    ((_, value, quality),) = got.samples(name)
                    assert (value, quality) == (None, 0)
                assert not got.gaps

    with caplog.at_level(logging.WARNING, logger="edge"):
        run(work)
    said = [r.getMessage() for r in caplog.records if "bad quality" in r.getMessage()]
    assert len(said) == 2
    assert any("does not tell the layout of ns=2;i=9999" in line for line in said)


def points() -> TypeBook:
    """Knows a structure of a text, an array of doubles and an array of itself, under ns=2;i=1."""
    book = TypeBook("press")
    node = ua.NodeId.from_string("ns=2;i=1")
    field = ua.StructureField
    book._note(
        node,
        ua.StructureDefinition(
            DefaultEncodingId=node,
            Fields=[
                field(Name="name", DataType=ua.NodeId.from_string("i=12"), ValueRank=-1),
                field(Name="values", DataType=ua.NodeId.from_string("i=11"), ValueRank=1),
                field(Name="inner", DataType=node, ValueRank=1),
            ],
        ),
    )
    return book


@given(st.binary(max_size=200))
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    value = structure(ua.NodeId.from_string("ns=2;i=1"), body)
    try:
        found = points().expand(value)
    except Unreadable:
        return
    assert list(found) == ["name", "values", "inner"]


def test_a_structure_that_holds_itself() -> None:
    leaf = text("leaf") + struct.pack("<i", -1) + struct.pack("<i", 0)
    body = text("root") + struct.pack("<id", 1, 0.5) + struct.pack("<i", 1) + leaf
    value = structure(ua.NodeId.from_string("ns=2;i=1"), body)
    assert points().expand(value) == {
        "name": "root",
        "values": [0.5],
        "inner": [{"name": "leaf", "values": None, "inner": []}],
    }


def holders() -> TypeBook:
    """Knows a structure that holds one of any type, under ns=2;i=1, and any values."""
    book = TypeBook("press")
    node = ua.NodeId.from_string("ns=2;i=1")
    field = ua.StructureField
    book._note(
        node,
        ua.StructureDefinition(
            StructureType=ua.StructureType.StructureWithSubtypedValues,
            DefaultEncodingId=node,
            Fields=[
                field(
                    Name="held", DataType=ua.NodeId.from_string("i=22"), ValueRank=-1,
                    IsOptional=True,
                ),
                field(Name="values", DataType=ua.NodeId.from_string("i=24"), ValueRank=1),
            ],
        ),
    )  # fmt: skip
    return book


def held(depth: int) -> ua.ExtensionObject:
    body = b"\0\0\0" + struct.pack("<i", 0)
    for _ in range(depth):
        inner = b"\1\2\1\0\1" + struct.pack("<i", len(body)) + body
        body = inner + struct.pack("<iBd", 1, 11, 0.5)
    return structure(ua.NodeId.from_string("ns=2;i=1"), body)


def test_a_field_may_be_of_a_subtype_which_it_names() -> None:
    found = jsonable(held(2), holders().expand)
    nothing: dict[str, object] = {"held": None, "values": []}
    assert found == {"held": {"held": nothing, "values": [0.5]}, "values": [0.5]}


def test_structures_within_structures_have_an_end() -> None:
    with pytest.raises(Unreadable):
        jsonable(held(5000), holders().expand)


@given(st.binary(max_size=200))
def test_any_body_with_subtypes_is_read_or_unreadable(body: bytes) -> None:
    value = structure(ua.NodeId.from_string("ns=2;i=1"), body)
    try:
        found = jsonable(value, holders().expand)
    except Unreadable:
        return
    assert list(found) == ["held", "values"]


def test_an_array_longer_than_its_message_is_not_begun() -> None:
    body = text("x") + struct.pack("<i", 2**31 - 1)
    value = structure(ua.NodeId.from_string("ns=2;i=1"), body)
    with pytest.raises(Unreadable, match="an array of 2147483647 in 0 bytes"):
        points().expand(value)


def test_an_array_of_nothing_has_nothing_in_it() -> None:
    """An item of it has no byte: two thousand million would be claimed by four."""
    data = b"\x80" + struct.pack("<i", 2**31 - 1)
    assert unpack_uatype(ua.VariantType.Variant, Buffer(data)).Value == []
    assert unpack_uatype(ua.VariantType.Variant, Buffer(b"\x80\xff\xff\xff\xff")).Value is None


@pytest.mark.parametrize("dimensions", [(1000, 1000), (2, 2, 0), (-3, -1), (4, 1)])
def test_dimensions_that_do_not_fit_their_array_are_refused(dimensions: tuple[int, ...]) -> None:
    data = b"\xc6" + struct.pack("<iiii", 3, 1, 2, 3)
    data += struct.pack(f"<i{len(dimensions)}i", len(dimensions), *dimensions)
    with pytest.raises(ua.UaError, match="an array of 3 with the dimensions"):
        unpack_uatype(ua.VariantType.Variant, Buffer(data))


@pytest.mark.parametrize(
    ("numbers", "dimensions", "value"),
    [([1, 2, 3, 4], [2, 2], [[1, 2], [3, 4]]), ([1, 2], [2], [1, 2]), ([], [0, 2], [])],
)
def test_dimensions_that_fit(numbers: list[int], dimensions: list[int], value: list[Any]) -> None:
    data = b"\xc6" + struct.pack(f"<i{len(numbers)}i", len(numbers), *numbers)
    data += struct.pack(f"<i{len(dimensions)}i", len(dimensions), *dimensions)
    assert unpack_uatype(ua.VariantType.Variant, Buffer(data)).Value == value
