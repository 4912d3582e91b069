"""Modbus values there and back, in each order; its check sum against another's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer.rtu import FramerRTU

from protocols.modbus import parse
from protocols.modbus.crc import crc16
from protocols.modbus.values import NUMBERS, Order, encode, encode_text, number_field, ordered

ORDERS = st.sampled_from(Order)


def values(name: str) -> st.SearchStrategy[Any]:
    if name.startswith("float"):
        return st.floats(width=int(name[5:]), allow_nan=False)  # type: ignore[arg-type]  # 32, 64
    bits = int(name.removeprefix("u").removeprefix("int"))
    signed = not name.startswith("u")
    return st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1)


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data(), order=ORDERS)
def test_a_number_there_and_back(name: str, data: st.DataObject, order: Order) -> None:
    value = data.draw(values(name))
    raw = encode(name, value, order)
    field = number_field(name, order)
    assert field.size == len(raw)
    assert field.decode(raw) == value
    one, two = parse(f"holding:0:{name}[2]").field(order), encode(name, value, order) * 2
    assert one.decode(two) == [value, value]


@given(st.binary(min_size=2, max_size=8).filter(lambda raw: len(raw) % 2 == 0), ORDERS)
def test_an_order_is_its_own_inverse(raw: bytes, order: Order) -> None:
    assert ordered(ordered(raw, order), order) == raw


def test_the_orders_are_what_their_names_say() -> None:
    for order in Order:
        assert ordered(order.value.encode(), order) == b"ABCD"


@pytest.mark.parametrize("name", ["int32", "uint32", "int64", "uint64", "float32", "float64"])
@given(data=st.data(), low_word_first=st.booleans())
def test_pymodbus_makes_the_same_registers(
    name: str, data: st.DataObject, low_word_first: bool
) -> None:
    value = data.draw(values(name))
    kind = ModbusClientMixin.DATATYPE[name.upper()]
    theirs = ModbusClientMixin.convert_to_registers(
        value, kind, word_order="little" if low_word_first else "big"
    )
    raw = b"".join(word.to_bytes(2, "big") for word in theirs)
    assert raw == encode(name, value, Order.CDAB if low_word_first else Order.ABCD)


@given(st.integers(1, 40), st.data(), ORDERS)
def test_text_there_and_back(chars: int, data: st.DataObject, order: Order) -> None:
    letters = st.characters(min_codepoint=1, max_codepoint=255)
    text = data.draw(st.text(letters, max_size=chars))
    field = parse(f"holding:0:string[{chars}]").field(order)
    raw = encode_text(text, chars, order)
    assert len(raw) == field.size == 2 * parse(f"holding:0:string[{chars}]").size
    assert field.decode(raw) == text


@given(st.integers(0, 65_535), st.integers(0, 15), ORDERS)
def test_a_bit_is_that_of_the_number(value: int, bit: int, order: Order) -> None:
    field = parse(f"holding:0.{bit}").field(order)
    assert field.decode(encode("uint16", value, order)) == bool(value >> bit & 1)


@given(st.binary(max_size=60))
def test_the_check_sum_is_that_of_pymodbus(frame: bytes) -> None:
    assert crc16(frame) == FramerRTU.compute_CRC(frame).to_bytes(2, "big")


def test_a_known_frame() -> None:
    """Read holding registers 107 to 109 of unit 17; its check sum as the standard's rules give."""
    assert crc16(bytes.fromhex("1103006b0003")) == bytes.fromhex("7687")


@pytest.mark.parametrize(("name", "value"), [("int16", 40_000), ("uint16", -1), ("float32", "x")])
def test_what_a_type_cannot_hold_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        encode(name, value)


def test_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="5 characters where there is room for 4"):
        encode_text("ABCDE", 4)
