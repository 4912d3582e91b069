"""Maps of registers as CSV."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus.map_csv import MapError, read
from protocols.modbus.values import Order

GOOD = """\
# the oven's manual, page 12
name,address,type,unit,scale,shift,order,unit_id,comment
Temperature,30001,int16,degC,0.1,-40,,,"inside, left"
Power,40100:float32,,kW,,,cdab,3,

Door,coil:5
Alarm,40010.3,bool
"""


def test_a_map() -> None:
    temperature, power, door, alarm = read(GOOD, "oven.csv")
    assert (temperature.name, str(temperature.address)) == ("Temperature", "input:0:int16")
    assert (temperature.unit, temperature.scale, temperature.shift) == ("degC", 0.1, -40.0)
    assert (temperature.order, temperature.unit_id) == (None, None)
    assert (temperature.comment, temperature.line) == ("inside, left", 3)
    assert (str(power.address), power.order, power.unit_id) == ("holding:99:float32", Order.CDAB, 3)
    assert (str(door.address), door.line) == ("coil:5", 6)
    assert str(alarm.address) == "holding:9.3"


def test_other_words_dividers_and_decimal_commas() -> None:
    text = "\ufeffTag;Register;Data Type;Factor;Byte Order;Slave ID\nP;40001;real;0,5;DCBA;7\n"
    (value,) = read(text, "map.csv")
    assert (str(value.address), value.scale) == ("holding:0:float32", 0.5)
    assert (value.order, value.unit_id) == (Order.DCBA, 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m.csv: is empty"),
        ("name,address\n", "m.csv: has no values below its head"),
        ("name,adress\nA,40001", "m.csv:1: there is no column 'adress'; did you mean address?"),
        ("name,tag,address\n", "m.csv:1: two columns are name"),
        ("name,type\nA,int16", "m.csv:1: column address is missing"),
        ("name,address\n,40001", "m.csv:2: a value without a name"),
        ("name,address\nA,4001", "m.csv:2: A: '4001' names no table"),
        ("name,address,type\nA,40001,int61", "m.csv:2: A: '40001:int61': there is no type int61"),
        ("name,address,order\nA,40001,ABDC", "there is no order ABDC; did you mean"),
        ("name,address,scale\nA,40001,0", "A: scale is a number other than '0'"),
        ("name,address,scale\nA,40001,nan", "A: scale is a number other than 'nan'"),
        ("name,address,unit_id\nA,40001,256", "unit_id is a number from 0 to 255, not '256'"),
        ("name,address\nA,40001,x", "m.csv:2: 3 fields, and the head has 2"),
        ("name,address\nA,40001\nA,40002", "m.csv:3: name A stands in line 2 already"),
    ],
)
def test_what_is_said_of_maps_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(MapError) as caught:
        read(text, "m.csv")
    assert said in str(caught.value)


def test_all_errors_at_once() -> None:
    with pytest.raises(MapError) as caught:
        read("name,address\nA,4\nB,40001\nC,holding:1:flaot32\n", "m.csv")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["m.csv:2:", "m.csv:4:"]


@given(st.text('nameaddress,;\t"\n40001:int.#', max_size=120) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for head in ("", "name,address,type,scale,order\n"):
        with contextlib.suppress(MapError):
            assert read(head + text, "x.csv")
