"""Symbols of engineering exports: where values lie, and what is said of wrong files."""

from __future__ import annotations

import contextlib
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.s7.symbols import SymbolsError, read

SOURCE = """\
TYPE "Part"
VERSION : 0.1
   STRUCT
      Serial : String[20];   // serial number
      Ok : Bool;
      Code : Byte;
   END_STRUCT;

END_TYPE

DATA_BLOCK "Press"
{ S7_Optimized_Access := 'FALSE' }
VERSION : 0.1
NON_RETAIN
   STRUCT
      Running : Bool;
      Guard { ExternalWritable := 'False'} : Bool := TRUE;
      Mode : Byte := 16#7F;
      Force : Real := 1.5;   // in kN; of the ram
      Small : SInt;
      "Part count" : Int;
      Name : String[5] := 'it''s';
      Flags : Array[0..9] of Bool;
      Curve : Array[1..3] of Real;
      Parts : Array[0..1] of "Part";
      Station : Struct
         Torque : Real;
         Grid : Array[0..1, 0..1] of Int;
      END_STRUCT;
      At : Date_And_Time;   (* when it was done *)
   END_STRUCT;


BEGIN
   Count := 5;
   Parts[0].Code := 3;

END_DATA_BLOCK
"""
WHERE = {
    "Press.Running": "DB10.DBX0.0",
    "Press.Guard": "DB10.DBX0.1",
    "Press.Mode": "DB10.DBB1:BYTE",
    "Press.Force": "DB10.DBD2:REAL",
    "Press.Small": "DB10.DBB6:SINT",
    "Press.Part count": "DB10.DBW8:INT",
    "Press.Name": "DB10.DBB10:STRING[5]",
    "Press.Flags": "DB10.DBX18.0:BOOL[10]",
    "Press.Curve": "DB10.DBB20:REAL[3]",
    "Press.Parts[0].Serial": "DB10.DBB32:STRING[20]",
    "Press.Parts[0].Ok": "DB10.DBX54.0",
    "Press.Parts[0].Code": "DB10.DBB55:BYTE",
    "Press.Parts[1].Serial": "DB10.DBB56:STRING[20]",
    "Press.Parts[1].Ok": "DB10.DBX78.0",
    "Press.Parts[1].Code": "DB10.DBB79:BYTE",
    "Press.Station.Torque": "DB10.DBD80:REAL",
    "Press.Station.Grid[0]": "DB10.DBB84:INT[2]",
    "Press.Station.Grid[1]": "DB10.DBB88:INT[2]",
    "Press.At": "DB10.DBB92:DT",
}


def test_a_source_of_a_block_is_laid_out_as_the_plc_does() -> None:
    found = read(SOURCE, "press.db", numbers={"Press": 10})
    assert {s.name: str(s.address) for s in found} == WHERE
    by_name = {s.name: s for s in found}
    assert by_name["Press.Force"].comment == "in kN; of the ram"
    assert by_name["Press.Force"].line == 19
    assert by_name["Press.Parts[1].Serial"].comment == "serial number"


def test_a_source_of_step_7() -> None:
    text = """
    DATA_BLOCK DB 5
    TITLE = station
    VERSION : 0.1
      STRUCT
       Speed : REAL := 0.000000e+000; //rpm
       Text : STRING [8 ] := '';
       Steps : ARRAY [1 .. 2 ] OF DINT ;
      END_STRUCT ;
    BEGIN
       Speed := 0.0;
    END_DATA_BLOCK
    """
    found = {s.name: str(s.address) for s in read(text, "db5.awl")}
    assert found == {
        "DB5.Speed": "DB5.DBD0:REAL",
        "DB5.Text": "DB5.DBB4:STRING[8]",
        "DB5.Steps": "DB5.DBB14:DINT[2]",
    }


def test_a_block_of_a_type() -> None:
    text = SOURCE[: SOURCE.index("DATA_BLOCK")] + 'DATA_BLOCK "One"\n"Part"\nBEGIN\nEND_DATA_BLOCK'
    found = {s.name: str(s.address) for s in read(text, "one.db", numbers={"One": 3})}
    assert found["One.Code"] == "DB3.DBB23:BYTE"


def test_tables() -> None:
    sdf = (
        '"Motor on                ","I      0.1  ","BOOL      ","left; right"\n'
        '"Level","MW    20","INT","tank"\n'
        '"Tia","%MD30","Real","True","True","False","oil, hot","","True"\n'
    )
    found = [(s.name, str(s.address), s.comment, s.line) for s in read(sdf, "symbols.sdf")]
    assert found == [
        ("Motor on", "I0.1", "left; right", 1),
        ("Level", "MW20:INT", "tank", 2),
        ("Tia", "MD30:REAL", "oil, hot", 3),
    ]
    csv = (
        "\ufeffName;Path;Data Type;Logical Address;Comment\nA;Tags;Bool;%Q4.2;x\nB;Tags;DTL;%MB8;\n"
    )
    found = [(s.name, str(s.address), s.comment, s.line) for s in read(csv, "tags.csv")]
    assert found == [("A", "Q4.2", "x", 2), ("B", "MB8:DTL", "", 3)]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("a.db", SOURCE, "a.db:11: which number has block Press?"),
        ("a.db", SOURCE.replace("FALSE", "TRUE"), "a.db:11: block Press is optimized"),
        ("a.db", SOURCE.replace('of "Part"', 'of "Prat"'), "a.db:25: Press.Parts[0]: type Prat"),
        ("a.db", SOURCE.replace("Small : SInt", "Small : Smallint"), "a.db:20: Small: there is no"),
        ("a.db", SOURCE.replace("[1..3]", "[1..N]"), "a.db:24: bounds of an array are numbers"),
        ("a.db", SOURCE.replace("Force : Real", "Force Real"), "a.db:19: expected ':' after Force"),
        ("a.db", "DATA_BLOCK DB1\nSTRUCT\nA : INT;\n", "a.db:2: END_STRUCT is missing"),
        ("a.db", 'TYPE "A" STRUCT B : "A"; END_STRUCT; END_TYPE DATA_BLOCK DB1 STRUCT '
                 'C : "A"; END_STRUCT; END_DATA_BLOCK', "holds itself"),
        ("a.db", "DATA_BLOCK DB1 STRUCT A : Array[0..99999] of Struct B : Array[0..99999] of "
                 "Struct END_STRUCT; END_STRUCT; END_STRUCT; END_DATA_BLOCK", "so many values are"),
        ("a.db", "DATA_BLOCK DB1 STRUCT A : Array[0..9999] of LReal; B : INT; END_STRUCT; "
                 "END_DATA_BLOCK", "B lies beyond byte 65535"),
        ("a.db", "", "a.db: has no symbols"),
        ("a.sdf", '"A","MX","INT","c"\n"","MW0","INT",""', "a.sdf:1: A: 'MX:INT' is no address"),
        ("a.sdf", '"A"', "a.sdf:1: expected at least name, address and type"),
        ("a.csv", "Name;Typ;Address\nA;INT;MW0", "a.csv:1: no column for type"),
        ("a.xml", "<x/>", "a.xml: ends in none of .db"),
    ],
)  # fmt: skip
def test_what_is_said_of_files_that_cannot_be_used(file: str, text: str, said: str) -> None:
    numbers = {} if "which number" in said else {"Press": 10}
    with pytest.raises(SymbolsError) as caught:
        read(text, file, numbers=numbers)
    assert said in str(caught.value)


def test_all_errors_at_once() -> None:
    with pytest.raises(SymbolsError) as caught:
        read('"A","MX","INT","c"\n"B","MW0","INT",""\n"","MW0","INT",""', "a.sdf")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["a.sdf:1:", "a.sdf:3:"]


WORDS = st.sampled_from(
    [*SOURCE.split(), "STRUCT", "END_STRUCT", "[", "]", "..", ":", ";", '"', "//", "(*", "{", "'"]
)


@given(st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=100),
       st.sampled_from(["db", "sdf", "csv"]))  # fmt: skip
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    file = PurePath(f"x.{kind}")
    with contextlib.suppress(SymbolsError):
        assert read(text, str(file), numbers={"Press": 1})


@given(st.integers(0, len(SOURCE)), st.integers(0, 40))
def test_a_source_with_a_hole_is_read_or_refused(at: int, size: int) -> None:
    with contextlib.suppress(SymbolsError):
        read(SOURCE[:at] + SOURCE[at + size :], "x.db", numbers={"Press": 1})
