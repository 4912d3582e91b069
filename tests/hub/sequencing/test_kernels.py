"""The kernels by definition; and of arrays that do not fit, they touch nothing beside."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing.numbering import CallColumns

FAR = 1 << 30
"""So far behind an array that no memory of the process may lie there."""


def i(*values: int) -> array[int]:
    return array("i", values)


def q(*values: int) -> array[int]:
    return array("q", values)


def flags(*values: int) -> array[int]:
    return array("B", values)


def words(*values: int) -> array[int]:
    return array("Q", values)


def columns(car: int = 0, rule: int = 0) -> CallColumns:
    return CallColumns(i(car), i(rule), i(0), q(1), i(1), q(0), q(1), i(1))


Call = Callable[[ModuleType], object]


@pytest.fixture
def compiled() -> ModuleType:
    found: ModuleType = pytest.importorskip("hub.sequencing._kernels")
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda k: k.window_excess(flags(1, 1), 0, 0, -FAR, False),
        lambda k: k.colour_runs(i(1, 2), -FAR, 1),
        lambda k: k.explode(words(1), 1, i(0, FAR), words(1), words(1), 0),
        lambda k: k.explode(words(1), 1, i(-FAR, 1), words(1), words(1), 0),
        lambda k: k.explode(words(1, 1), 2, i(0, 1), words(1), words(1, 1), 0),
        lambda k: k.working_instants(q(0), q(0, 10), 0, 5, 3),
        lambda k: k.working_instants(q(), q(0), 0, 5, 1),
        lambda k: k.number_calls(i(FAR), i(0), i(0), q(1), i(1), i(1), flags(0), i(0), q(5)),
        lambda k: k.number_calls(i(0), i(FAR), i(0), q(1), i(1), i(1), flags(0), i(0), q(5)),
        lambda k: k.number_calls(i(0), i(0), i(FAR), q(1), i(1), i(1), flags(0), i(0), q(5)),
        lambda k: k.number_calls(i(0), i(0), i(0), q(1), i(1), i(1), flags(0), i(FAR), q(5)),
        lambda k: k.number_calls(i(0), i(0), i(0), q(1), i(1), i(1), flags(), i(0), q(5)),
        lambda k: k.number_calls(i(), i(0), i(0), q(1), i(1), i(1), flags(0), i(0), q(5)),
        lambda k: k.calls_by_line(i(FAR), 0, 1, 1),
        lambda k: k.calls_by_line(i(0), 0, FAR, 1),
        lambda k: k.changed_calls(columns(), columns(), 0, 1, 0, i(0), flags(), i(0)),
        lambda k: k.changed_calls(columns(), columns(rule=FAR), 0, 1, 0, i(0), flags(0), i(0)),
        lambda k: k.changed_calls(columns(), columns(), 0, FAR, 0, i(0), flags(0), i(0)),
        lambda k: k.inversions(i(FAR)),
    ],
)
def test_an_index_beside_its_array_is_refused(compiled: ModuleType, call: Call) -> None:
    with pytest.raises(IndexError):
        call(compiled)


@pytest.mark.parametrize(
    "call",
    [
        lambda k: k.explode(words(1), 0, i(0, 1), words(1), words(1), 0),
        lambda k: k.number_calls(i(0), i(0), i(0), q(1), i(0), i(1), flags(0), i(0), q(5)),
        lambda k: k.number_calls(i(0), i(0), i(0), q(1), i(1), i(0), flags(0), i(0), q(5)),
    ],
    ids=["sets of no words", "wrap of 0", "rack of 0"],
)
def test_what_would_divide_by_zero_is_refused(compiled: ModuleType, call: Call) -> None:
    with pytest.raises(ValueError, match=r"of 0 words|of less than 1"):
        call(compiled)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    line=st.lists(st.booleans(), max_size=12),
    today=st.integers(0, 12),
    most=st.integers(0, 3),
    window=st.sampled_from((1, 2, 3, 5, 20, 1_000_000)),
    cut=st.booleans(),
)
def test_windows_count_if_they_hold_a_car_of_today(
    kernels: ModuleType, line: list[bool], today: int, most: int, window: int, cut: bool
) -> None:
    tail = max(0, len(line) - today)
    expected = 0
    for start in range(len(line)):
        held = range(start, min(start + window, len(line)))
        if held[-1] >= tail and (cut or start + window <= len(line)):
            expected += max(0, sum(line[at] for at in held) - most)
    assert kernels.window_excess(flags(*line), tail, most, window, cut) == expected


def test_a_rank_that_would_never_end_is_refused(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="a rank below 0"):
        kernels.inversions(i(0, -1))


@pytest.mark.parametrize("wrong", [None, [1], q(1)], ids=["nothing", "a list", "of other numbers"])
def test_what_is_no_array_of_its_kind_is_refused(compiled: ModuleType, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        compiled.longest_increasing(wrong)
