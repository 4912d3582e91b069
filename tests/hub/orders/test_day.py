"""Day files: what becomes of each thing said in one; refused with line, reason and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.orders import calendar_entry, day_model
from hub.orders.day import PRE_SERIES, Day
from hub.orders.day_file import read_day, schema
from hub.orders.problems import InputError
from hub.sequencing.model import Capacity, Pair, Place, Ratio, Rules
from tests.hub.orders import SAMPLE_DAY_FILE

HEAD = """\
version: 1
options:
  SUNROOF: {ratio: 1/3}
  AWD: {ratio: 2/5, priority: low}
  LEATHER: {}
calendar:
  zone: Europe/Berlin
  takt_s: 60
  first: 2026-03-02
  last: 2026-03-02
  start: 2026-03-02T06:00
  shifts: [{name: early, start: "06:00", end: "06:30", weekdays: [mon]}]
lines:
  - id: SEAT1
    capacity: {options: [LEATHER], per_hour: 20}
    part_groups:
      - {id: SEAT, bom: [{part_no: L, requires: [LEATHER]}, {part_no: "F-{colour}"}]}
"""
CARS = """\
cars:
  - {production_no: "0001", colour: red, options: [SUNROOF]}
  - {production_no: "0002", colour: red, options: [AWD, LEATHER]}
  - {production_no: "0003", colour: blue}
"""


def day_of(tmp_path: Path, text: str) -> Day:
    path = tmp_path / "day.yaml"
    path.write_text(text)
    return read_day(path)


def test_the_sample_shows_every_key() -> None:
    text = SAMPLE_DAY_FILE.read_text()
    models = [each for each in vars(day_model).values() if isinstance(each, type)]
    keys = {n for m in models if issubclass(m, calendar_entry.Entry) for n in m.model_fields}
    assert {key for key in keys if f"{key}:" not in text} == set()


def test_rules_and_limits_come_out_as_they_were_said(tmp_path: Path) -> None:
    text = HEAD + CARS.replace("blue}", "blue, due_until: 2, latest: 2026-03-02T06:01}").replace(
        "red, options: [SUNROOF]", "red, options: [SUNROOF], fixed: 1"
    )
    text += """\
objectives: {high_priority: 10, levelling: 0.5}
batch_limit: 4
whole_windows: true
frozen: 1
forward: 2
pairs: [{kind: apart, first: "0001", second: "0003"}]
pre_series: {cars: ["0002"], ratio: 1/9, earliest: 2026-03-02T06:00:30}
yesterday: [{production_no: "0000", colour: red, options: [AWD]}]
"""
    day = day_of(tmp_path, text)
    assert day.instance.rules == Rules(
        ratios=(
            Ratio("SUNROOF", 1, 3, high_priority=True),
            Ratio("AWD", 2, 5, high_priority=False),
            Ratio(PRE_SERIES, 1, 9, high_priority=True),
        ),
        objectives=("high_priority", "levelling"),
        batch_limit=4,
        cut_windows=False,
        capacities=(Capacity("SEAT1", frozenset({"LEATHER"}), 20, 60),),
        weights=(10, 0.5),
    )
    limits = day.instance.limits
    assert limits.places == {
        "0001": Place(1, 1),
        "0002": Place(earliest=2),
        "0003": Place(latest=2, due_until=2),
    }
    assert limits.pairs == (Pair("apart", "0001", "0003", 1),)
    assert (limits.frozen, limits.forward, limits.back) == (1, 2, None)
    assert day.instance.cars[1].options == {"AWD", "LEATHER", PRE_SERIES}
    assert day.instance.yesterday[0].options == {"AWD"}
    assert day.instance.consumption == {
        "0001": {"SEAT1/SEAT/F-red"},
        "0002": {"SEAT1/SEAT/L"},
        "0003": {"SEAT1/SEAT/F-blue"},
    }


def test_a_time_is_the_position_that_starts_then(tmp_path: Path) -> None:
    # Positions start at 06:00, 06:01 and 06:02 by the plant's clock, an hour before UTC.
    cars = CARS.replace(
        "blue}", "blue, earliest: 2026-03-02T05:00:30Z, due_from: 2026-03-02T06:01}"
    )
    place = day_of(tmp_path, HEAD + cars).instance.limits.places["0003"]
    assert place == Place(earliest=2, due_from=2)


def test_a_car_may_be_due_outside_the_day(tmp_path: Path) -> None:
    cars = CARS.replace("blue}", "blue, due_from: 9, due_until: 2026-03-02T06:15}")
    place = day_of(tmp_path, HEAD + cars).instance.limits.places["0003"]
    assert place == Place(due_from=9, due_until=16)


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    given = {
        "version": 1,
        "options": {"SUNROOF": {"ratio": "1/3"}},
        "cars": [{"production_no": "0001", "colour": "red", "options": ["SUNROOF"]}],
    }
    path.write_text(json.dumps(given, indent="\t"))
    assert read_day(path).instance.cars[0].production_no == "0001"


def test_cars_may_stand_in_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text(
        "production_no,colour,options,earliest,due_until\n"
        "0001,red,SUNROOF LEATHER,,\n"
        "0002,blue,,2,2026-03-02T06:01\n"
    )
    day = day_of(tmp_path, HEAD + "cars: cars.csv\n")
    assert [car.production_no for car in day.instance.cars] == ["0001", "0002"]
    assert day.instance.cars[0].options == {"SUNROOF", "LEATHER"}
    assert day.instance.limits.places == {"0002": Place(earliest=2, due_until=2)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0002,blue,SUNROF,", r"cars\.csv:3: cars\[1\]\.options: no option 'SUNROF'; did you mean"),
        ("0001,blue,,", r"cars\.csv:3: cars\[1\]: car 0001 stands at cars\[0\] already"),
        ("0002,blue,,9", r"cars\.csv:3: cars\[1\]\.earliest: position 9, but the day has 1 to 2"),
        ("0002,,,", r"cars\.csv:3: cars\[1\]\.colour: is missing"),
        ("0002,blue,", r"cars\.csv:3: 3 cells where the header has 4"),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_told_with_its_line(
    tmp_path: Path, row: str, said: str
) -> None:
    (tmp_path / "cars.csv").write_text(
        f"production_no,colour,options,earliest\n0001,red,,\n{row}\n"
    )
    with pytest.raises(InputError, match=said):
        day_of(tmp_path, HEAD + "cars: cars.csv\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", r":1: version: 2 is not 1"),
        ("options: [SUNROOF]", "options: [SUNROF]", r":19: .*'SUNROF'; did you mean SUNROOF\?"),
        ('"0002"', '"0001"', r":20: cars\[1\]: car 0001 stands at cars\[0\] already"),
        ('"0002"', "0002", r":20: .*production_no: 2 is read as a number; put it in quotes"),
        ('"0002"', '"00/02"', r":20: cars\[1\]\.production_no: "),
        ("colour: blue", "color: blue", r":21: cars\[2\]\.color: unknown key; did you mean colour"),
        ("colour: blue", "colour: blue, earliest: 4", r":21: .*position 4, but the day has 1 to 3"),
        ("colour: blue", "colour: blue, earliest: 0", r":21: .*earliest: .*greater than or equal"),
        ("colour: blue", "colour: blue, earliest: 1.5", r":21: cars\[2\]\.earliest: .*integer"),
        (
            "colour: blue",
            "colour: blue, earliest: 3, latest: 2",
            r":21: cars\[2\]: car 0003 shall stand from 3 to 2: no position",
        ),
        (
            "colour: blue",
            "colour: blue, fixed: 1, latest: 2",
            r":21: cars\[2\]: car 0003 is fixed: earliest and latest have no meaning",
        ),
        (
            "colour: blue",
            "colour: blue, latest: 2026-03-02T05:59",
            r":21: cars\[2\]\.latest: 2026-03-02 05:59 is position 0, but the day has 1 to 3",
        ),
        (
            "colour: blue",
            "colour: blue, earliest: 2026-03-02T06:20",
            r":21: cars\[2\]\.earliest: 2026-03-02 06:20 is position 21, but the day has 1 to 3",
        ),
        (
            "colour: blue",
            "colour: blue, earliest: 2026-04-02T06:20",
            r":21: cars\[2\]\.earliest: 2026-04-02 06:20 .*outside the calendar",
        ),
        ("ratio: 1/3", "ratio: 4/3", r":3: options\.SUNROOF\.ratio: ratio 4/3 of option SUNROOF"),
        ("ratio: 1/3", "ratio: 1/0", r":3: options\.SUNROOF\.ratio: .*1/0"),
        ("ratio: 1/3", "ratios: 1/3", r":3: .*unknown key; did you mean ratio\?"),
        ("LEATHER: {}", "LEATHER: 1/2", r":5: options\.LEATHER: is a section; known here: ratio, "),
        ("  LEATHER: {}\n", f"  {PRE_SERIES}: {{}}\n", r":5: options\.PRE-SERIES: is the name of"),
        (
            "version: 1",
            "version: 1\nbatch_limit: 0",
            r":2: batch_limit: .*greater than or equal to 1",
        ),
        ("version: 1", "version: 1\nfrozen: 4", r":2: frozen: 4 frozen positions, but 3 cars"),
        ("version: 1", "version: 1\nobjectives: []", r":2: objectives: .*at least 1 item"),
        (
            "version: 1",
            "version: 1\nobjectives: [high_priority, high_priority]",
            r":2: objectives: objective high_priority is given twice",
        ),
        (
            "version: 1",
            "version: 1\nobjectives: [high_prio]",
            r":2: objectives\[0\]: 'high_prio' .*did you mean high_priority\?",
        ),
        (
            "version: 1",
            "version: 1\nobjectives: {high_priority: .nan}",
            r":2: objectives\.high_priority: .*finite",
        ),
        (
            "version: 1",
            "version: 1\nobjectives: {high_priority: -1}",
            r":2: objectives\.high_priority: .*greater than or equal to 0, not -1",
        ),
        ("takt_s: 60", "takt_s: 1200", r":6: calendar: 3 cars, but the calendar holds 2 "),
        ("takt_s: 60", "takt_s: .nan", r":8: calendar\.takt_s: "),
        (
            "Europe/Berlin",
            "Europe/Berlim",
            r":6: calendar: no time zone .*did you mean Europe/Berl",
        ),
        ("last: 2026-03-02", "last: 2126-03-02", r":6: calendar: .*at most 3,660 days"),
        ('start: "06:00"', "start: 600", r":12: .*start: should be a time as in 06:00, not 600"),
        ("start: 2026-03-02T06:00", "start: 6", r":11: calendar\.start: .*date and time"),
        ("start: 2026-03-02T06:00", 'start: "6"', r":11: calendar\.start: .*not '6'"),
        ("blue}", 'blue, earliest: "2"}', r":21: cars\[2\]\.earliest: should be a date and time"),
        ("version: 1", "version: [1]", r":1: version: a list is not 1"),
        ("blue}", f"{'b' * 500}}}", r":21: cars\[2\]\.colour: .*, not 'b{79}…$"),
        ("per_hour: 20", "per_hour: 20, ratio: 1/3", r":15: .*give one of per_hour and ratio"),
        ("[LEATHER], per", "[LETHER], per", r":15: .*'LETHER'; did you mean LEATHER\?"),
        ("requires: [LEATHER]", "requires: [LETHER]", r":17: .*requires: no option 'LETHER'"),
        (
            "version: 1",
            'version: 1\npairs: [{kind: apart, first: "0001", second: "0009"}]',
            r":2: pairs\[0\]: no car '0009'; did you mean 000\d\?",
        ),
        (
            "version: 1",
            'version: 1\npairs: [{kind: apart, first: "0001", second: "0001"}]',
            r":2: pairs\[0\]: car 0001 twice; a pair has two cars",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = HEAD + CARS
    assert old in text
    with pytest.raises(InputError, match=rf"day\.yaml{said}"):
        day_of(tmp_path, text.replace(old, new, 1))


def test_aliases_that_would_fill_the_memory_are_told_like_all_else(tmp_path: Path) -> None:
    """Written out, the last of these lists has more items than any machine can hold."""
    lists = ["n0: &n0 [x]", *(f"n{n}: &n{n} [{9 * f'*n{n - 1}, '}]" for n in range(1, 40))]
    with pytest.raises(InputError, match=r":22: n0: unknown key"):
        day_of(tmp_path, HEAD + CARS + "\n".join(lists))


def test_a_list_within_itself_is_told_like_all_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lines\[0\]: is a section"):
        day_of(tmp_path, "version: 1\nlines: &lines [*lines]\ncars: [{production_no: a}]\n")


def test_a_time_or_a_rate_without_a_calendar_is_refused(tmp_path: Path) -> None:
    start, end = HEAD.index("calendar:"), HEAD.index("lines:")
    text = HEAD[:start] + HEAD[end:] + CARS.replace("blue}", "blue, latest: 2026-03-02T06:01}")
    with pytest.raises(InputError) as refused:
        day_of(tmp_path, text)
    assert [problem.split(": ", 2)[1:] for problem in refused.value.problems] == [
        ["lines[0].capacity", "per_hour needs a calendar, for its takt"],
        ["cars[2].latest", "a time needs a calendar; add one, or give a position"],
    ]


def test_the_schema_lets_cars_stand_in_a_csv_file() -> None:
    found = schema()
    assert found["additionalProperties"] is False
    assert {"type": "string", "title": "CSV file beside this one"} in found["properties"]["cars"][
        "anyOf"
    ]


def test_every_key_says_what_it_is() -> None:
    models = [each for each in vars(day_model).values() if isinstance(each, type)]
    untitled = [
        f"{model.__name__}.{name}"
        for model in models
        if issubclass(model, calendar_entry.Entry)
        for name, field in model.model_fields.items()
        if field.title is None
    ]
    assert untitled == []
