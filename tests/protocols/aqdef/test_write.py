"""What is written is read as it was."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from protocols.aqdef import Characteristic, Content, Value, read, write
from protocols.aqdef.model import COUNT_FIELDS, VALUE_FIELDS
from protocols.aqdef.write import describe, write_values

TEXTS = st.text("abcäöß /#;,.0189拧", min_size=1, max_size=12).map(str.strip).filter(bool)
NUMBERS = st.sampled_from(["1", "-0.5", "9,94", "1e-3", "0"])


def fields(*keys: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(keys), TEXTS, max_size=4)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    content = Content(
        header=draw(fields("K0101", "K0102")),
        catalogues=draw(
            st.dictionaries(
                st.tuples(st.sampled_from(["K4092", "K4072"]), st.integers(1, 99)),
                TEXTS,
                max_size=3,
            )
        ),
        groups=draw(
            st.lists(
                st.tuples(st.sampled_from(["K5102", "K5111"]), st.integers(0, 9), TEXTS), max_size=3
            )
        ),
    )
    for part in range(1, draw(st.integers(1, 3)) + 1):
        content.parts[part] = draw(fields("K1001", "K1002", "K1204", "K3001"))
        for _ in range(draw(st.integers(0, 3))):
            described = draw(fields("K2001", "K2002", "K2103", "K8500"))
            described["K2004"] = draw(st.sampled_from(["0", "1", "5"]))
            content.characteristics[len(content.characteristics) + 1] = Characteristic(
                part, described
            )
    numbers = list(content.characteristics)
    for group in range(draw(st.integers(0, 4)) if numbers else 0):
        for number in sorted(draw(st.sets(st.sampled_from(numbers)))):
            counted = content.characteristics[number].attributive
            order = COUNT_FIELDS if counted else VALUE_FIELDS
            keys = [key for key in order if key not in ("K0001", "K0020", "K0021")]
            said = draw(fields(*keys, "K0014", "K0097"))
            said[order[0]] = draw(NUMBERS | st.just(""))
            if counted:
                said["K0021"] = draw(NUMBERS)
            content.values.append(Value(number, said, group + 1))
    return content


@given(contents(), st.sampled_from(["fields", "lines"]), st.sampled_from(["utf-8", "gb18030"]))
def test_round_trip(content: Content, form: Literal["fields", "lines"], encoding: str) -> None:
    text = write(content, values=form)
    assert read([("x.dfq", text.encode(encoding))], encoding=encoding) == content
    apart = [("x.dfd", describe(content)), ("x.dfx", write_values(content, values=form))]
    assert read([(n, t.encode(encoding)) for n, t in apart], encoding=encoding) == content


def test_a_text_cannot_become_a_line() -> None:
    content = Content({1: {"K1001": "a\r\nK0001/1 5\x0f\x14"}}, {1: Characteristic(1)})
    assert write(content) == "K0100 1\r\nK1001/1 a K0001/1 5\r\nK2001/1 \r\n"
