"""What is read of files, line by line, and what is said of those that cannot be."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.aqdef import AqdefError, Content, read

HEAD = "K0100 2\nK1001/1 P\nK2002/1 A\nK2002/2 B\n"


def of(text: str, encoding: str = "cp1252") -> Content:
    return read([("x.dfq", text.encode(encoding))], encoding=encoding)


def values(text: str) -> list[tuple[int, dict[str, str]]]:
    return [(value.characteristic, value.fields) for value in of(HEAD + text).values]


def test_a_field_of_all_is_a_default() -> None:
    content = of(
        "K1002/0 common\nK1001/1 a\nK1002/1 own\nK2142/0 mm\nK2002/1 x\nK2142/1 um\n"
        "K1001/2 b\nK2002/2 y\n"
    )
    assert content.parts == {
        1: {"K1001": "a", "K1002": "own"},
        2: {"K1001": "b", "K1002": "common"},
    }
    assert content.characteristics[1].fields == {"K2002": "x", "K2142": "um"}
    assert content.characteristics[2].fields == {"K2002": "y", "K2142": "mm"}
    assert [c.part for c in content.characteristics.values()] == [1, 2]


def test_a_field_without_a_number_is_of_the_first_one() -> None:
    content = of("K0100 1\nK1001 P\nK1002\nK2002 A\nK0001 1,5\nK0004 1.1.2026/10:00\n")
    assert content.parts == {1: {"K1001": "P"}}
    assert [v.fields for v in content.values] == [{"K0001": "1,5", "K0004": "1.1.2026/10:00"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What belongs to a value stands behind it.
        ("K0001/1 1\nK0014/1 a\nK0001/1 2\nK0014/1 b\n",
         [(1, {"K0001": "1", "K0014": "a"}), (1, {"K0001": "2", "K0014": "b"})]),
        # Or before it, in all of the file.
        ("K0014/1 a\nK0001/1 1\nK0014/1 b\nK0001/1 2\n",
         [(1, {"K0001": "1", "K0014": "a"}), (1, {"K0001": "2", "K0014": "b"})]),
        # For all of the set, which is over then; what one has of its own stays.
        ("K0001/1 1\nK0001/2 2\nK0014/2 own\nK0014/0 a\nK0001/2 3\nK0014/0 b\n",
         [(1, {"K0001": "1", "K0014": "a"}), (2, {"K0001": "2", "K0014": "own"}),
          (2, {"K0001": "3", "K0014": "b"})]),
        ("K0014/0 a\nK0001/1 1\nK0001/2 2\nK0014/2 own\nK0014/0 b\nK0001/1 3\n",
         [(1, {"K0001": "1", "K0014": "a"}), (2, {"K0001": "2", "K0014": "own"}),
          (1, {"K0001": "3", "K0014": "b"})]),
        # A characteristic that was left out of a set takes nothing of it.
        ("K0001/1 1\nK0014/0 a\nK0001/1 2\nK0001/2 3\nK0014/0 b\n",
         [(1, {"K0001": "1", "K0014": "a"}), (1, {"K0001": "2", "K0014": "b"}),
          (2, {"K0001": "3", "K0014": "b"})]),
        # By the number of the value.
        ("K0001/1 1\nK0001/2 2\nK0001/1 3\nK0014/1/1 a\nK0006/0/1 c\n",
         [(1, {"K0001": "1", "K0014": "a", "K0006": "c"}), (2, {"K0001": "2", "K0006": "c"}),
          (1, {"K0001": "3"})]),
        # No value, but a reason why.
        ("K0001/1\nK0002/1 255\nK0001/1\nK0002/1 255\n",
         [(1, {"K0001": "", "K0002": "255"}), (1, {"K0001": "", "K0002": "255"})]),
        # Counted.
        ("K2004/2 1\nK0020/2 1000\nK0021/2 1\nK0004/2 t\nK0020/2 1000\nK0021/2 0\n",
         [(2, {"K0020": "1000", "K0021": "1", "K0004": "t"}),
          (2, {"K0020": "1000", "K0021": "0"})]),
        # Value lines.
        ("1,5\x0f2\x140\x14t\x14\x14#b\n", [(1, {"K0001": "1,5"}),
         (2, {"K0001": "2", "K0002": "0", "K0004": "t", "K0006": "#b"})]),
        ("1\x140\x14t\x14\x14\x14\x14\x14\x14\x14\x0f\n",
         [(1, {"K0001": "1", "K0002": "0", "K0004": "t"})]),
        ("\x0f2\n", [(2, {"K0001": "2"})]),
        ("\x14255\x0f-1e-3\n", [(1, {"K0001": "", "K0002": "255"}), (2, {"K0001": "-1e-3"})]),
        ("K2004/2 6\n1\x0f5000\x142\n",
         [(1, {"K0001": "1"}), (2, {"K0020": "5000", "K0021": "2"})]),
        ("1\x0f1000\x141\x140\x140\x14t\x14\x14\x14\x14\x14\x14\x14\n",
         [(1, {"K0001": "1"}), (2, {"K0020": "1000", "K0021": "1", "K0002": "0", "K0004": "t"})]),
        ("1\x0f2\nK0014/0 a\n3\x0f4\nK0014/0 b\nK0014/1 own\n",
         [(1, {"K0001": "1", "K0014": "a"}), (2, {"K0001": "2", "K0014": "a"}),
          (1, {"K0001": "3", "K0014": "own"}), (2, {"K0001": "4", "K0014": "b"})]),
    ],
)  # fmt: skip
def test_values(text: str, expected: list[tuple[int, dict[str, str]]]) -> None:
    assert values(text) == expected


def test_all_of_one_part_is_not_all_of_the_next() -> None:
    text = "K1001/1 P\nK2002/1 A\nK1001/2 Q\nK2002/2 B\nK0001/1 1\nK0001/2 2\nK0014/0 q\n"
    assert [v.fields.get("K0014") for v in of(text).values] == [None, "q"]


def test_ends_of_lines_and_of_the_file() -> None:
    for text in (
        "K0100 1\rK2002/1 A\r1\r",
        "K0100 1\r\n\r\n K2002/1 A \r\n1\r\n\x1a",
        "K100 1\nK2002/1 A\n1",
    ):
        content = of(text)
        assert [c.fields for c in content.characteristics.values()] == [{"K2002": "A"}]
        assert [v.fields for v in content.values] == [{"K0001": "1"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk", "cp1252"])
def test_encodings(encoding: str) -> None:
    name = "Maß µm" if encoding == "cp1252" else "拧紧 Ω"
    data = f"K2002/1 {name}\n5\n".encode(encoding)
    given = encoding if encoding in ("gbk", "cp1252") else "gbk"  # a mark counts more
    content = read([("x.dfq", data)], encoding=given)
    assert content.characteristics[1].fields == {"K2002": name}


def test_a_description_and_its_values_apart() -> None:
    content = read([("x.dfd", HEAD.encode()), ("x.dfx", b"1\x0f2\n")])
    assert [(v.file, v.line) for v in content.values] == [("x.dfx", 1), ("x.dfx", 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what\n", "x.dfq:5: 'what' is neither a K-field nor a value line"),
        ("1\x0f2\x0f3\n", "x.dfq:5: the line has a value for characteristic 3; the file describes"),
        ("K0001/3 1\n", "x.dfq:5: K0001/3: the file describes no characteristic 3"),
        ("K0001/1 1O\n", "x.dfq:5: K0001/1: '1O' is no number"),
        ("1O\x14\n", "x.dfq:5: characteristic 1: '1O' is no number"),
        ("K2110/2 -\n", "x.dfq:5: K2110/2: '-' is no number"),
        ("K2111/0 1e999\n", "x.dfq:5: K2111/0: '1e999' is too large for a number"),
        ("K0001/0 1\n", "x.dfq:5: K0001/0: a value belongs to one characteristic"),
        ("K2002/1-1 A\n", "x.dfq:5: K2002/1-1: that is no number after the field"),
        ("K0014/1/ A\n", "x.dfq:5: K0014/1/: that is no number after the field"),
        ("K2002/1/1 A\n", "x.dfq:5: K2002/1/1: only fields of values have a second number"),
        ("K2002x A\n", "x.dfq:5: after K2002 stands 'x A'"),
        ("K0001/1 1\nK0014/1/2 A\n", "x.dfq:6: K0014/1/2: characteristic 1 has 1 values so far"),
        ("K0001/1 1\nK0014/1 A\nK0014/1 B\n", "K0014 is given once more than there are values"),
        ("1\x14" + "\x14" * 20 + "x\n", "the value of characteristic 1 has 22 fields"),
    ],
)
def test_what_is_said_of_files_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(AqdefError) as caught:
        of(HEAD + text)
    assert said in str(caught.value)


def test_all_errors_at_once_but_not_too_many() -> None:
    with pytest.raises(AqdefError) as caught:
        of("?\n" * 2 + HEAD + "?\n")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == [
        "x.dfq:1:", "x.dfq:2:", "x.dfq:7:",
    ]  # fmt: skip
    with pytest.raises(AqdefError) as caught:
        of("?\n" * 1000)
    assert len(caught.value.problems) == 20


def test_a_wrong_encoding_is_said_with_its_line() -> None:
    with pytest.raises(AqdefError, match=r"x\.dfq:2: byte 0xff is nothing in gbk; is the encoding"):
        read([("x.dfq", b"K1001 a\nK1002 \xff\xff\n")], encoding="gbk")


def test_size_is_bounded() -> None:
    with pytest.raises(AqdefError, match=r"x\.dfq: 11 bytes, and 10 are read at most"):
        read([("x.dfq", b"K1001 12345")], max_bytes=10)
    everything = "".join(f"K2{n:03}/0 x\n" for n in range(999))
    characteristics = "".join(f"K2002/{n} x\n" for n in range(1, 3000))
    with pytest.raises(AqdefError, match="fields by lines for all"):
        of(everything + characteristics)


LINES = st.lists(
    st.sampled_from(HEAD.splitlines())
    | st.from_regex(r"K[0-9X][0-9]{3}(/[0-9]{1,2}){0,2} [0-9a,]{0,3}", fullmatch=True)
    | st.from_regex("K00(01|02|04|08|14|20|21|97)/[0-2](/[0-2])? [0-9a,]{0,3}", fullmatch=True)
    | st.text("0123456789.,-eK/ \x0f\x14\x1a\r", max_size=20),
    max_size=30,
)


@given(LINES)
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(AqdefError):
        of("\n".join(lines))


@given(st.binary(max_size=200), st.sampled_from(["cp1252", "gbk", "utf-8"]))
def test_any_bytes_are_read_or_refused(data: bytes, encoding: str) -> None:
    with contextlib.suppress(AqdefError):
        read([("x.dfq", HEAD.encode() + data)], encoding=encoding)
