"""Samples to rows: both builders make the same bytes, and the database reads what was meant."""

from __future__ import annotations

import math
from array import array
from datetime import UTC, datetime, timedelta
from types import ModuleType

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ingest import _rows_py
from hub.ingest.copy_format import COLUMNS, HEADER, NOT_STORED, TRAILER, UnknownAliasError
from protocols.sparkplug import (
    GOOD,
    NO_ALIAS,
    NO_TIME,
    DataType,
    Metric,
    Payload,
    Samples,
    decode_samples,
    encode,
)

BUILDERS = [pytest.param(_rows_py, id="python")]
try:
    from hub.ingest import _rows
except ImportError:
    pass
else:
    BUILDERS.append(pytest.param(_rows, id="compiled"))

NOW_MS = 1_790_000_000_000
U64 = 2**64 - 1
TYPES = [datatype for datatype in DataType if 0 < datatype <= DataType.UUID]


@pytest.fixture(params=BUILDERS)
def builder(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def table(builder: ModuleType, datatypes: dict[int, int]) -> _rows_py.AliasTable:
    """Alias n is tag n."""
    entries = {alias: (alias, datatype) for alias, datatype in datatypes.items()}
    made: _rows_py.AliasTable = builder.AliasTable(entries, {})
    return made


MEANT: list[tuple[DataType, float | str | None, float | None, str | None]] = [
    (DataType.Int8, -3, -3.0, None),
    (DataType.Int16, -300, -300.0, None),
    (DataType.Int32, -(2**31), -(2.0**31), None),
    (DataType.Int64, -(2**53), -(2.0**53), None),
    (DataType.Int64, -(2**53) - 1, -(2.0**53), "-9007199254740993"),
    (DataType.Int64, 2**63 - 1, 2.0**63, "9223372036854775807"),
    (DataType.UInt8, 255, 255.0, None),
    (DataType.UInt16, 65535, 65535.0, None),
    (DataType.UInt32, 2**32 - 1, 2.0**32 - 1, None),
    (DataType.UInt64, U64, 2.0**64, "18446744073709551615"),
    (DataType.Float, 1.5, 1.5, None),
    (DataType.Double, 0.1, 0.1, None),
    (DataType.Double, math.inf, math.inf, None),
    (DataType.Boolean, True, 1.0, None),
    (DataType.Boolean, False, 0.0, None),
    (DataType.DateTime, NOW_MS, float(NOW_MS), None),
    (DataType.String, "Käfer 🚗", None, "Käfer 🚗"),
    (DataType.Text, "", None, ""),
    (DataType.Double, None, None, None),
]
"""(datatype, what is sent, column value, column text)."""


def test_every_type_as_the_database_reads_it(builder: ModuleType, hub: psycopg.Connection) -> None:
    metrics = [
        Metric(None, place + 1, NOW_MS + place, datatype, sent, is_historical=True)
        for place, (datatype, sent, _, _) in enumerate(MEANT)
    ]
    known = table(builder, {place + 1: row[0] for place, row in enumerate(MEANT)})
    buffer = builder.RowBuffer()
    samples = decode_samples(encode(Payload(NOW_MS, metrics)))
    assert buffer.append(samples, 0, known, 0) == len(MEANT)
    with hub.cursor() as cursor:
        with cursor.copy(f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(HEADER + buffer.slice(0, buffer.size) + TRAILER)
        stored = cursor.execute(f"SELECT {COLUMNS} FROM sample ORDER BY tag_id").fetchall()
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=NOW_MS)
    assert stored == [
        (place + 1, start + timedelta(milliseconds=place), value, text, GOOD, True, None, False)
        for place, (_, _, value, text) in enumerate(MEANT)
    ]


def test_alias_that_is_not_known_leaves_the_buffer_as_it_was(builder: ModuleType) -> None:
    buffer = builder.RowBuffer()
    known = table(builder, {5: DataType.Double})
    metrics = [Metric(None, alias, NOW_MS, DataType.Double, 1.0) for alias in (5, 5, 6)]
    buffer.append(decode_samples(encode(Payload(NOW_MS, metrics[:1]))), 0, known, 0)
    before = buffer.slice(0, buffer.size)
    with pytest.raises(UnknownAliasError, match="alias 6"):
        buffer.append(decode_samples(encode(Payload(NOW_MS, metrics))), 0, known, 0)
    assert (buffer.slice(0, buffer.size), buffer.rows) == (before, 1)


def test_metric_by_name_and_metric_that_is_no_sample(builder: ModuleType) -> None:
    buffer = builder.RowBuffer()
    names = {"a": (7, DataType.Int64), "control": (NOT_STORED, 0)}
    known = builder.AliasTable({1: (NOT_STORED, 0)}, names)
    metrics = [
        Metric("control", None, NOW_MS, DataType.Int64, 1),
        Metric("a", None, NOW_MS, DataType.Int64, 2),
        Metric(None, 1, NOW_MS, DataType.Int64, 3),
    ]
    assert buffer.append(decode_samples(encode(Payload(NOW_MS, metrics))), 0, known, 0) == 1
    unknown = decode_samples(encode(Payload(NOW_MS, [Metric("b", None, 0, DataType.Int64, 1)])))
    with pytest.raises(UnknownAliasError, match="name 'b'"):
        buffer.append(unknown, 0, known, 0)


def test_minutes_and_samples_without_time(builder: ModuleType) -> None:
    buffer = builder.RowBuffer()
    known = table(builder, {5: DataType.Double})
    times = [60_000, 119_999, 120_000, -1]
    samples = Samples(
        None,
        None,
        array("Q", [5] * 5),
        array("q", [*times, NO_TIME]),
        array("B", [0] * 5),
        array("q", [0] * 5),
        array("d", [0.0] * 5),
        {},
        {},
        array("H", [GOOD] * 5),
        array("B", [0] * 5),
        {},
    )
    buffer.append(samples, 0, known, 300_000)
    assert buffer.minutes == {-1, 1, 2, 5}
    buffer.clear()
    assert (buffer.minutes, buffer.rows, buffer.size) == (set(), 0, 0)


MOST = 6
"""Samples of a message of `sample_columns`."""


@st.composite
def sample_columns(draw: st.DrawFn) -> Samples:
    """Columns with every combination of fields and types, sense or nonsense."""
    count = draw(st.integers(0, MOST))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=count, max_size=count))

    texts = draw(
        st.dictionaries(st.integers(0, 5), st.text(st.characters(codec="utf-8"), max_size=70_000))
    )
    floats = draw(st.lists(st.floats(), min_size=count, max_size=count))
    near = st.integers(NOW_MS - 200_000, NOW_MS + 200_000)
    return Samples(
        None,
        None,
        array("Q", column(st.sampled_from([*TYPES, NO_ALIAS, U64 - 1]))),
        array("q", column(st.one_of(near, st.integers(-(2**63), 2**63 - 1)))),
        array("B", column(st.sampled_from([0, 10, 10, 11, 11, 12, 13, 14, 15, 16]))),
        array("q", column(st.integers(-(2**63), 2**63 - 1))),
        array("d", floats),
        texts,
        {},
        array("H", column(st.integers(0, 65535))),
        array("B", column(st.integers(0, 1))),
        dict.fromkeys(range(6), "name"),
    )


OFFSETS = st.just(0) | st.integers(-500, 500) | st.integers(-(2**63), 2**63 - 1)


@given(
    st.lists(
        st.tuples(
            sample_columns(),
            st.just([]) | st.lists(OFFSETS, min_size=MOST, max_size=MOST),
            st.booleans(),
        ),
        max_size=4,
    )
)
def test_all_builders_make_the_same_bytes(
    messages: list[tuple[Samples, list[int], bool]],
) -> None:
    entries = {int(datatype): (int(datatype) + 100, int(datatype)) for datatype in TYPES}
    entries[U64 - 1] = (2**31 - 1, DataType.UInt64)
    made = []
    for parameter in BUILDERS:
        module = parameter.values[0]
        assert isinstance(module, ModuleType)
        buffer = module.RowBuffer()
        known = module.AliasTable(entries, {"name": (3, DataType.Int16)})
        for samples, offsets, from_history in messages:
            column = array("q", offsets[: len(samples)]) if len(offsets) == MOST else None
            buffer.append(samples, 0, known, NOW_MS, column, from_history)
        made.append((buffer.slice(0, buffer.size), buffer.rows, buffer.minutes))
    assert all(other == made[0] for other in made)


def test_server_times_and_origin_as_the_database_reads_them(
    builder: ModuleType, hub: psycopg.Connection
) -> None:
    metrics = [Metric(None, 5, NOW_MS + place, None, 1.0) for place in range(5)]
    samples = decode_samples(encode(Payload(NOW_MS, metrics)))
    known = table(builder, {5: DataType.Double})
    buffer = builder.RowBuffer()
    year_10000 = 253_402_300_800_000 - NOW_MS
    offsets = array("q", [250, 0, -3_600_000, year_10000])
    assert buffer.append(samples, 1, known, 0, offsets, True) == 4
    assert buffer.append(samples, 4, known, 0) == 1
    with pytest.raises(ValueError, match="unequal length"):
        buffer.append(samples, 0, known, 0, offsets)
    with hub.cursor() as cursor:
        with cursor.copy(f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(HEADER + buffer.slice(0, buffer.size) + TRAILER)
        stored = cursor.execute(
            "SELECT extract(epoch FROM server_time - time), from_history FROM sample"
            " ORDER BY from_history DESC, time"
        ).fetchall()
    as_stored = [(None if late is None else float(late), flag) for late, flag in stored]
    assert as_stored == [(0.25, True), (None, True), (-3600.0, True), (None, True), (None, False)]
