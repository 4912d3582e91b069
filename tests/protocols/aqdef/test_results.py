"""Files as results, and results as files."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.aqdef import AqdefError, read, write
from protocols.aqdef.contents import results_as_content
from protocols.aqdef.results import results
from protocols.inspection import Result
from tests.protocols.aqdef.test_read import LINES

GOLDEN = Path(__file__).parent / "golden"
SHA = "0" * 64
BERLIN = ZoneInfo("Europe/Berlin")
SIX = datetime(2026, 12, 1, 6, tzinfo=UTC)
HEAD = "K1001 P\nK2002/1 A\nK2110/1 1\nK2111/1 3\nK2002/2 B\n"


def of(text: str, *, sha256: str = SHA, serials: tuple[str, ...] = ("K0014",)) -> list[Result]:
    content = read([("x.dfq", text.encode())])
    return results(content, sha256=sha256, zone=UTC, otherwise=SIX, serial_fields=serials)


@pytest.mark.parametrize(
    ("name", "files", "encoding"),
    [
        ("lines", ["lines.dfq"], "cp1252"),
        ("fields", ["fields.dfq"], "cp1252"),
        ("room", ["room.dfd", "room.dfx"], "cp1252"),
        ("chinese", ["chinese.dfq"], "gbk"),
        ("chinese-utf8", ["chinese-utf8.dfq"], "gbk"),
    ],
)
def test_golden(name: str, files: list[str], encoding: str) -> None:
    content = read([(f, (GOLDEN / f).read_bytes()) for f in files], encoding=encoding)
    found = results(
        content, sha256=SHA, zone=BERLIN, otherwise=SIX, serial_fields=("K0014", "K0006", "K1014")
    )
    told = [
        json.loads(r.model_dump_json(exclude_none=True, exclude={"v", "raw_sha256"})) for r in found
    ]
    assert told == json.loads((GOLDEN / f"{name}.json").read_text())


def test_limits_are_part_of_what_is_well() -> None:
    found = of(HEAD + "1\n3\n0.999\n3,001\n\x0f5\n")
    assert [r.verdict for r in found] == ["ok", "ok", "nok", "nok", "unknown"]


def test_what_the_sender_marked_is_not_judged() -> None:
    found = of(HEAD + "2\x141\n2\x14255\n2\x14256\n\x14\n")
    assert [(r.value, r.verdict) for r in found] == [(2.0, "unknown")]


def test_a_serial_of_one_value_is_that_of_its_line_alone() -> None:
    found = of(HEAD + "2\x0f2\nK0014/1 a\nK0001/1 2\nK0001/2 2\nK0014/1 b\n")
    assert [(r.characteristic, r.serial) for r in found] == [
        ("A", "a"), ("B", "a"), ("A", "b"), ("B", None),
    ]  # fmt: skip


def test_values_of_one_part_have_one_key_whatever_their_order() -> None:
    by_part = (
        "K0001/1 1\nK0014/1 a\nK0001/2 5\nK0014/2 a\nK0001/1 2\nK0014/1 b\nK0001/2 6\nK0014/2 b\n"
    )
    by_characteristic = (
        "K0001/1 1\nK0014/1 a\nK0001/1 2\nK0014/1 b\nK0001/2 5\nK0014/2 a\nK0001/2 6\nK0014/2 b\n"
    )
    for text in (by_part, by_characteristic):
        keys = {(r.serial, r.characteristic): r.key for r in of(HEAD + text)}
        assert keys["a", "A"] == keys["a", "B"] != keys["b", "A"] == keys["b", "B"]


def test_what_is_in_two_files_is_one_result() -> None:
    first = "2\x140\x141.1.2026/10:00:00\x0f5\n"
    again = first + "2\x140\x141.1.2026/10:00:01\x0f5\n"
    (a, b), (c, d, e, f) = of(HEAD + first), of(HEAD + again, sha256="1" * 64)
    assert (a.key, b.key) == (c.key, d.key)
    assert e.key == f.key != a.key
    # Twice in one file it was measured twice; without a time another file is another measurement.
    assert len({r.key for r in of(HEAD + first * 2)}) == 2
    assert of(HEAD + "2\n")[0].key != of(HEAD + "2\n", sha256="1" * 64)[0].key


@pytest.mark.parametrize("more", ["K0014/0 a\n", "K0097/0 {1}\n"])
def test_no_two_results_have_one_key_and_one_name(more: str) -> None:
    """The parts of one assembly have one serial, and may have characteristics of one name."""
    text = "K1001/1 P\nK2002/1 Bore\nK1001/2 Q\nK2002/2 Bore\n"
    found = of(text + "".join(f"1\x0f2\n{more}" for _ in range(2)))
    assert len({(r.key, r.characteristic) for r in found}) == len(found) == 4


def test_names_are_unique_in_a_part() -> None:
    found = of("K1001 P\nK2002/1 D\nK2001/1 10\nK2002/2 D\nK2002/3 D\n1\x0f1\x0f1\n")
    assert [r.characteristic for r in found] == ["10 D", "D", "D #3"]


def test_what_is_said_of_values_that_are_no_results() -> None:
    with pytest.raises(AqdefError) as caught:
        of(HEAD + "2\x140\x1432.1.2026/10:00\n2\x14x\nK0001/1 2\nK0004/1 1.1.1960/0:0\n")
    assert [problem.split(": ")[:2] for problem in caught.value.problems] == [
        ["x.dfq:6", "'32.1.2026/10:00' is no date and time there is"],
        ["x.dfq:7", "'x' is no number"],
        ["x.dfq:8", "measured_at"],
    ]


PLAIN = st.lists(
    st.from_regex(r"K00(01|20|21)/[12] [0-9]{1,3}|K0002/[12] (0|1|255)", fullmatch=True)
    | st.from_regex(r"K00(08|12|14|97)/[0-2] [ab1]", fullmatch=True)
    | st.from_regex("[0-9](\x14[01](\x141.1.2026 1:0[0-2])?)?(\x0f[0-9]?)?", fullmatch=True)
    | st.sampled_from(
        ["K0004/0 1.1.2026 1:00", "K2004/2 1", "K1001/2 Q", "K2002/3 A", "K4092/1 E"]
    ),
    max_size=15,
)


@given(LINES | PLAIN)
def test_any_lines_are_results_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(AqdefError):
        found = of(HEAD + "\n".join(lines), serials=("K0014", "K1001"))
        assert len({(r.key, r.characteristic) for r in found}) == len(found)


NAMES = st.text("abC 12-/äΩ座", min_size=1, max_size=8).map(str.strip).filter(bool)
LIMITS = st.none() | st.floats(-1e6, 1e6)


@st.composite
def operations(draw: st.DrawFn) -> list[Result]:
    found = []
    for key in range(draw(st.integers(0, 4))):
        serial = draw(st.none() | NAMES)
        at = draw(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
        for name in draw(st.lists(NAMES, unique=True, max_size=3)):
            value = draw(LIMITS)
            found.append(
                Result(
                    key=f"k{key}",
                    serial=serial,
                    characteristic=name,
                    value=value,
                    lower=draw(LIMITS) if value is not None else None,
                    upper=draw(LIMITS) if value is not None else None,
                    unit=draw(st.sampled_from(["", "mm", "µm"])) if value is not None else "",
                    verdict=draw(
                        st.sampled_from(["ok", "nok", *(["unknown"] * (value is not None))])
                    ),
                    tool=draw(st.none() | NAMES),
                    programme=draw(st.sampled_from(["P", "Q"])),
                    operator=draw(st.none() | NAMES),
                    reason=draw(st.none() | NAMES),
                    measured_at=at.replace(microsecond=0) + timedelta(seconds=key),
                    raw_sha256=SHA,
                )
            )
    return found


def told(found: list[Result]) -> list[str]:
    dumped = [r.model_dump_json(exclude={"key", "raw_sha256", "characteristic"}) for r in found]
    return sorted(dumped)


@given(operations(), st.sampled_from(["fields", "lines"]))
def test_results_go_through_a_file(found: list[Result], form: str) -> None:
    text = write(results_as_content(found, BERLIN), values=form)  # type: ignore[arg-type]
    content = read([("x.dfq", text.encode())], encoding="utf-8")
    back = results(content, sha256=SHA, zone=BERLIN, otherwise=SIX)
    assert told(back) == told(found)
