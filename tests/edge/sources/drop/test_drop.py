"""The drop folder: CSV and JSON as results, and what is said of files that are none."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.sources.drop import DropSettings
from edge.sources.drop.source import DropReader
from edge.sources.folder.files import Taken, digest
from edge.sources.folder.source import RefusedError
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.reading import reading, run, until

AT = datetime(2026, 11, 29, 6, tzinfo=UTC)
WIDE: dict[str, Any] = {
    "columns": {"serial": "Serial", "time": "Time", "operator": "By"},
    "measured": [
        {"name": "Leak", "column": "Leak", "unit": "ml/min", "upper": 5},
        {"name": "Label", "column": "Label"},
    ],
}
LONG: dict[str, Any] = {
    "columns": {
        "serial": "part.id",
        "time": "at",
        "characteristic": "name",
        "value": "value",
        "lower": "min",
        "upper": "max",
        "unit": "unit",
        "verdict": "judged",
    }
}


def settings_for(folder: Path | str = "/in", **more: Any) -> DropSettings:
    quick = {"scan_s": 0.05, "settle_s": 0, "timeout_s": 20}
    return DropSettings.model_validate(
        {"kind": "drop", "device": "tester", "watch_dir": folder, **quick, **more}
    )


def results(text: str | bytes, name: str = "a.csv", **more: Any) -> list[Result]:
    data = text.encode() if isinstance(text, str) else text
    taken = [Taken(name, data, AT)]
    return DropReader(settings_for(**more)).read(taken, digest(taken))


def refused(text: str | bytes, name: str = "a.csv", **more: Any) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        results(text, name, **more)
    return caught.value.problems


def test_a_row_is_a_part() -> None:
    text = "\ufeffSerial;Time;Leak;Label;By\nS1;29.11.2026 07:00;4,5;OK;Eva\n\n"
    text += "S2;29.11.2026 07:01;5,1;;\n"
    found = results(text, time_zone="Europe/Berlin", **WIDE)
    assert [(r.serial, r.characteristic, r.value, r.verdict, r.operator) for r in found] == [
        ("S1", "Leak", 4.5, "ok", "Eva"), ("S1", "Label", None, "ok", "Eva"),
        ("S2", "Leak", 5.1, "nok", None),
    ]  # fmt: skip
    assert (found[0].measured_at, found[0].upper, found[0].unit) == (AT, 5.0, "ml/min")
    assert found[0].key == found[1].key != found[2].key


def test_a_row_is_a_characteristic_and_json_says_the_same() -> None:
    rows = (
        "part.id,at,name,value,min,max,unit,judged\n"
        "S1,2026-11-29T06:00:00Z,Torque,20.5,18,22,Nm,\n"
        'S1,2026-11-29T06:00:00Z,"Angle, 2",70,,60,deg,\n'
        "S1,2026-11-29T06:00:00Z,Look,,,,,NG\n"
    )
    objects = (
        '[{"part": {"id": "S1"}, "at": "2026-11-29T06:00:00Z", "name": "Torque", "value": 20.5,'
        ' "min": 18, "max": 22, "unit": "Nm", "judged": null},\n'
        '{"part": {"id": "S1"}, "at": "2026-11-29T06:00:00Z", "name": "Angle, 2", "value": 70,'
        ' "max": 60, "unit": "deg"},\n'
        '{"part": {"id": "S1"}, "at": "2026-11-29T06:00:00Z", "name": "Look", "judged": "NG"}]'
    )
    found = results(rows, **LONG)
    assert [(r.characteristic, r.value, r.verdict) for r in found] == [
        ("Torque", 20.5, "ok"), ("Angle, 2", 70.0, "nok"), ("Look", None, "nok"),
    ]  # fmt: skip
    assert len({r.key for r in found}) == 1
    lines = objects[1:-1].replace("},\n", "}\n")
    for text, name in ((objects, "a.json"), (lines, "a.JSONL")):
        again = results(text, name, **LONG)
        plain = [r.model_dump(exclude={"raw_sha256"}) for r in again]
        assert plain == [r.model_dump(exclude={"raw_sha256"}) for r in found]


def test_what_is_in_two_files_is_one_result() -> None:
    head = "Serial,Time,Leak,Label,By\n"
    row, other = "S1,2026-11-29 06:00,4,ok,\n", "S2,2026-11-29 06:00,4,ok,\n"
    keys = [r.key for r in results(head + row, **WIDE)]
    assert [r.key for r in results(head + row + other, **WIDE)][:2] == keys
    assert len({r.key for r in results(head + row + row, **WIDE)}) == 2
    untimed = {**WIDE, "columns": {"serial": "Serial"}}
    assert results(head + row, **untimed)[0].key != results(head + row + other, **untimed)[0].key
    assert results(head + row, **untimed)[0].measured_at == AT


def test_words_times_and_encodings_of_ones_own() -> None:
    text = "序列号\t时间\t外观\nS1\t29/11/26 06h00\t好\n".encode("gbk")
    more: dict[str, Any] = {
        "columns": {"serial": "序列号", "time": "时间"},
        "measured": [{"name": "外观", "column": "外观"}],
    }
    said: dict[str, Any] = {"ok_words": ["好"], "time_format": "%d/%m/%y %Hh%M", "encoding": "gbk"}
    (found,) = results(text, **more, **said)
    assert (found.characteristic, found.verdict, found.measured_at) == ("外观", "ok", AT)


def test_the_row_s_verdict_counts_where_there_are_no_limits() -> None:
    more: dict[str, Any] = {
        "columns": {"verdict": "All"},
        "measured": [{"name": "A", "column": "A"}, {"name": "B", "column": "B", "lower": 1}],
    }
    found = results("A,B,All\n1,2,nok\n1,0,ok\n1,2,\n", **more)
    assert [r.verdict for r in found] == ["nok", "ok", "ok", "nok", "unknown", "ok"]


HEAD = "Serial,Time,Leak,Label,By\n"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("", "a.csv", ["a.csv:1: is empty; its first line names the columns"]),
        ("Seriel,Time,Leak,Label,By\n", "a.csv",
         ["a.csv:1: there is no column 'Serial'; did you mean Seriel?"]),
        ("A,A\n", "a.csv", ["a.csv:1: two columns are 'A'; their values cannot be told apart"]),
        (HEAD + "S,2026-11-29 06:00,4,maybe,\nS,yesterday,4,ok,\n", "a.csv",
         ["a.csv:2: column Label: 'maybe' is neither a number nor a word for ok or not ok",
          "a.csv:3: column Time: 'yesterday' is no date and time, such as 31.12.2026/23:59:59"]),
        (HEAD + "S,2026-11-29 06:00,4,ok,E,x\n", "a.csv",
         ["a.csv:2: 6 fields, and the first line names 5 columns"]),
        (HEAD + 'S,2026-11-29 06:00,4,"ok\n', "a.csv", ["a.csv:2: unexpected end of data"]),
        (HEAD.encode() + b"\xff\n", "a.csv",
         ["a.csv:2: byte 0xff is nothing in utf-8; is the encoding right?"]),
        ('[{"Serial": "S",\n"Time": }]', "a.json", ["a.json:2: is no JSON: Expecting value"]),
        ('{"Time": "2026-11-29 06:00"}\n5', "a.json",
         ["a.json:2: is no object, with names and values"]),
        ('{"Leak": NaN}', "a.json", ["a.json:1: is no JSON that can be read: NaN is no number"]),
        ('[{"Time": "2026-11-29 06:00", "Leek": 1}]', "a.json",
         ["a.json:1: there is no column 'Serial'; there are: Time, Leek"]),
        ('[{"Time": "2026-11-29 06:00", "Leak": 1}\n', "a.json",
         ["a.json:1: is no JSON: the array does not end; is the file whole?"]),
        ("[" * 100_000 + "]", "a.json", ["a.json:1: is no JSON that can be read:"]),
    ],
)  # fmt: skip
def test_what_is_said_of_files_that_cannot_be_used(
    text: str | bytes, name: str, said: list[str]
) -> None:
    told = refused(text, name, **WIDE)
    assert len(told) == len(said)
    for problem, beginning in zip(told, said, strict=True):
        assert problem.startswith(beginning)


@given(
    st.text('S1,;\t"\n[]{}:.Leak029 eNa', max_size=80) | st.text(max_size=40),
    st.sampled_from([WIDE, LONG]),
)
def test_any_text_is_read_or_refused(text: str, more: dict[str, Any]) -> None:
    data = text.encode(errors="surrogatepass")
    for name, before in (("a.csv", b""), ("a.csv", HEAD.encode()), ("a.json", b"")):
        with contextlib.suppress(RefusedError):
            results(before + data, name, **more)


def test_settings_have_one_shape() -> None:
    for wrong, said in (
        ({"columns": {}}, "one of them"),
        ({**WIDE, **LONG}, "one of them"),
        ({"columns": {"characteristic": "A"}}, "goes with columns.value or columns.verdict"),
    ):
        with pytest.raises(ValidationError, match=said):
            settings_for(**wrong)


def test_a_file_comes_into_the_journal_and_a_bad_one_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "LINE3_1.CSV").write_text(HEAD + "S1,2026-11-29 06:00,4,ok,\n")
    (folder / "line3_2.csv").write_text(HEAD + "S1,2026-11-29 06:00,four,ok,\n")
    (folder / "other.csv").write_text("not for us")

    async def main() -> None:
        settings = settings_for(folder, files="line3_*.csv", **WIDE)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until((folder / "rejected" / "line3_2.csv").exists)
            await until(lambda: not (folder / "LINE3_1.CSV").exists())
            found = [parse_result(str(text)) for text in got.values(RESULT)]
            assert [(r.serial, r.characteristic) for r in found] == [
                ("S1", "Leak"),
                ("S1", "Label"),
            ]
            reason = (folder / "rejected" / "line3_2.csv.reason.txt").read_text()
            assert reason.startswith("line3_2.csv:2: column Leak: 'four' is neither a number")
            assert (folder / "other.csv").exists()

    run(main)
