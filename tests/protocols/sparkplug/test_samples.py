"""Data messages as columns: the same message as metrics, and any other bytes."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.sparkplug import (
    GOOD,
    NO_ALIAS,
    NO_TIME,
    DataType,
    Limits,
    Metric,
    Payload,
    PayloadError,
    Property,
    Samples,
    ValueField,
)
from tests.protocols.sparkplug.codecs import COMPILED, PLAIN, Codec
from tests.protocols.sparkplug.strategies import PAYLOADS, damaged, scalars

WIRE_TYPES = [
    DataType.Int32,
    DataType.Int64,
    DataType.UInt64,
    DataType.Double,
    DataType.Boolean,
    DataType.String,
    DataType.DateTime,
]


def record(samples: list[tuple[int, int, int, Any, int]], **head: Any) -> dict[str, Any]:
    """Arguments of `encode_samples` for (alias, time, datatype, value, quality) tuples."""
    numbers = array("d")
    others: dict[int, Any] = {}
    for i, (_, _, datatype, value, _) in enumerate(samples):
        as_number = isinstance(value, float) or (
            isinstance(value, int) and abs(value) <= 2**53 and datatype != DataType.String
        )
        numbers.append(float(value) if as_number else 0.0)
        if not as_number:
            others[i] = value
    qualities = array("H", [quality for *_, quality in samples])
    return {
        "seq": 3,
        "timestamp_ms": 1000,
        "epoch_alias": 1,
        "epoch": 2**53 - 1,
        "offset_alias": 2,
        "offset": 9,
        "aliases": array("Q", [alias for alias, *_ in samples]),
        "times_ms": array("q", [time for _, time, *_ in samples]),
        "datatypes": bytes(datatype for _, _, datatype, *_ in samples),
        "numbers": numbers,
        "others": others,
        "qualities": None if all(q == GOOD for q in qualities) else qualities,
        "historical": False,
        **head,
    }


SAMPLES = st.lists(
    st.sampled_from(WIRE_TYPES).flatmap(
        lambda datatype: st.tuples(
            st.integers(0, 2**64 - 2),
            st.integers(0, 2**63 - 1),
            st.just(datatype),
            st.none() | scalars(datatype),
            st.just(GOOD) | st.integers(0, 2**16 - 1),
        )
    ),
    max_size=8,
)


NOTES = st.lists(
    st.builds(
        lambda alias, value: Metric(alias=alias, timestamp=1000, value=value),
        st.integers(3, 4),
        st.text(st.characters(codec="utf-8")) | st.binary(max_size=300),
    ),
    max_size=2,
)


@given(SAMPLES, st.booleans(), st.integers(0, 255), NOTES)
@settings(max_examples=200, deadline=None)
def test_a_record_is_read_back_as_columns_and_as_metrics(
    samples: list[tuple[int, int, int, Any, int]],
    historical: bool,
    seq: int,
    notes: list[Metric],
) -> None:
    arguments = record(samples, historical=historical, seq=seq, notes=notes)
    data = PLAIN.encode_samples(**arguments)
    assert COMPILED.encode_samples(**arguments) == data

    columns = PLAIN.decode_samples(data)
    assert COMPILED.decode_samples(data) == columns
    first = 2 + len(notes)
    assert (columns.seq, columns.timestamp, len(columns)) == (seq, 1000, len(samples) + first)
    assert list(columns.aliases[:2]) == [1, 2]
    assert list(columns.longs[:2]) == [2**53 - 1, 9]
    assert set(columns.historical[first:]) <= {int(historical)}
    for i, note in enumerate(notes, start=2):
        said = columns.texts if isinstance(note.value, str) else columns.blobs
        assert (columns.aliases[i], said[i]) == (note.alias, note.value)

    payload = PLAIN.decode(data)
    for i, (alias, time, datatype, value, quality) in enumerate(samples, start=first):
        metric = payload.metrics[i]
        assert (columns.aliases[i], columns.times[i]) == (alias, time)
        assert (metric.alias, metric.timestamp, metric.datatype) == (alias, time, None)
        assert columns.qualities[i] == quality
        assert metric.is_historical == historical
        assert column_value(columns, i, datatype) == value
        expected = None if quality == GOOD else {"Quality": Property(DataType.Int32, quality)}
        assert metric.properties == expected


def column_value(columns: Samples, i: int, datatype: int) -> Any:
    """Sample i as its datatype says."""
    field = columns.fields[i]
    if field == ValueField.NULL:
        return None
    if field == ValueField.STRING:
        return columns.texts[i]
    if field == ValueField.DOUBLE:
        return columns.doubles[i]
    number = columns.longs[i]
    if field == ValueField.BOOLEAN:
        return bool(number)
    if datatype == DataType.Int32:
        return number - 2**32 if number >= 2**31 else number
    return number % 2**64 if datatype in (DataType.UInt64, DataType.DateTime) else number


@given(PAYLOADS)
@settings(max_examples=150, deadline=None)
def test_columns_say_what_metrics_say(payload: Payload) -> None:
    data = PLAIN.encode(payload)
    nameless = any(m.name is None and m.alias in (None, NO_ALIAS) for m in payload.metrics)
    if nameless:
        for codec in (COMPILED, PLAIN):
            with pytest.raises(PayloadError, match="neither name nor alias"):
                codec.decode_samples(data)
        return
    columns = PLAIN.decode_samples(data)
    assert COMPILED.decode_samples(data) == columns
    assert (columns.seq, columns.timestamp) == (payload.seq, payload.timestamp)
    for i, metric in enumerate(payload.metrics):
        assert columns.aliases[i] == (NO_ALIAS if metric.alias is None else metric.alias)
        assert columns.names.get(i) == (metric.name if metric.alias in (None, NO_ALIAS) else None)
        assert columns.historical[i] == metric.is_historical
        assert (columns.fields[i] == ValueField.NULL) == metric.is_null
        time = metric.timestamp if metric.timestamp not in (None, 2**63) else payload.timestamp
        assert columns.times[i] % 2**64 == (NO_TIME if time is None else time) % 2**64
        if isinstance(metric.value, str):
            assert columns.texts[i] == metric.value
        elif isinstance(metric.value, float):
            assert columns.doubles[i] == metric.value
        elif isinstance(metric.value, int) and not isinstance(metric.value, bool):
            assert (columns.longs[i] - metric.value) % 2**8 == 0


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_alike_in_both(draw: st.DataObject) -> None:
    whole = draw.draw(
        SAMPLES.map(lambda samples: PLAIN.encode_samples(**record(samples)))
        | PAYLOADS.map(PLAIN.encode)
    )
    data = draw.draw(damaged(whole))
    assert _outcome(COMPILED, data) == _outcome(PLAIN, data)


def _outcome(codec: Codec, data: bytes) -> str:
    try:
        return repr(codec.decode_samples(data))
    except PayloadError as error:
        return str(error)


def test_the_time_of_the_payload_stands_in(codec: Codec) -> None:
    metrics = [codec.Metric("a", timestamp=5, value=1.0), codec.Metric("b", value=2.0)]
    timed = codec.decode_samples(codec.encode(Payload(7, metrics, 1)))
    assert list(timed.times) == [5, 7]
    assert timed.names == {0: "a", 1: "b"}
    assert list(timed.aliases) == [NO_ALIAS, NO_ALIAS]
    untimed = codec.decode_samples(codec.encode(Payload(None, metrics, 1)))
    assert list(untimed.times) == [5, NO_TIME]


@pytest.mark.parametrize(
    ("properties", "quality"),
    [
        ({}, GOOD),
        ({"engUnit": Property(DataType.String, "Nm")}, GOOD),
        ({"Quality": Property(DataType.Int32, 0)}, 0),
        ({"a": Property(DataType.Int32, 7), "Quality": Property(DataType.Int64, 500)}, 500),
        ({"Quality": Property(DataType.Int32, -1)}, 0),
        ({"Quality": Property(DataType.Int32, 65536)}, 0),
        ({"Quality": Property(DataType.Int32, None)}, 0),
        ({"Quality": Property(DataType.String, "good")}, 0),
    ],
)
def test_quality_is_a_property(codec: Codec, properties: dict[str, Property], quality: int) -> None:
    metric = codec.Metric(alias=1, value=1.0, properties=properties)
    assert list(codec.decode_samples(codec.encode(Payload(0, [metric]))).qualities) == [quality]


def test_blobs_are_handed_over_as_they_are(codec: Codec) -> None:
    metric = codec.Metric(alias=1, datatype=DataType.Int16Array, value=[1, 2])
    columns = codec.decode_samples(codec.encode(Payload(0, [metric])))
    assert columns.fields[0] == ValueField.BYTES
    assert columns.blobs == {0: b"\x01\x00\x02\x00"}


def test_items_and_bytes_are_bounded(codec: Codec) -> None:
    limits = Limits(max_bytes=100, max_items=5)
    assert len(codec.decode_samples(b"\x12\x02\x10\x01" * 5, limits)) == 5
    with pytest.raises(PayloadError, match="more than 5 items"):
        codec.decode_samples(b"\x12\x02\x10\x01" * 6, limits)
    with pytest.raises(PayloadError, match="at most 100"):
        codec.decode_samples(bytes(101), limits)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.Int32, 2.0**31),
        (DataType.Int32, 0.5),
        (DataType.Int32, float("nan")),
        (DataType.Int64, float("inf")),
        (DataType.UInt64, -1.0),
        (DataType.Boolean, 2.0),
        (DataType.String, 1.0),
        (DataType.String, b"x"),
        (DataType.Int64, 2**63),
    ],
)
def test_a_sample_that_cannot_be_sent_is_named(codec: Codec, datatype: int, value: Any) -> None:
    samples = [(5, 1, DataType.Double, 1.0, GOOD), (6, 1, datatype, value, GOOD)]
    with pytest.raises(ValueError, match=r"^sample 1 \(alias 6\): "):
        codec.encode_samples(**record(samples))


def test_a_time_before_1970_is_refused(codec: Codec) -> None:
    with pytest.raises(ValueError, match=r"^sample 0 \(alias 5\): timestamp -1 "):
        codec.encode_samples(**record([(5, -1, DataType.Double, 1.0, GOOD)]))


def test_columns_go_together(codec: Codec) -> None:
    arguments = record([(5, 1, DataType.Double, 1.0, 0)])
    for name, column in (
        ("times_ms", array("q")),
        ("datatypes", b""),
        ("numbers", array("d")),
        ("qualities", array("H")),
    ):
        with pytest.raises(ValueError, match="columns of unequal length"):
            codec.encode_samples(**{**arguments, name: column})


def test_a_column_of_another_type_is_refused() -> None:
    arguments = record([(5, 1, DataType.Double, 1.0, GOOD)])
    with pytest.raises(TypeError, match=r"times_ms is not an array\('q'\)"):
        COMPILED.encode_samples(**{**arguments, "times_ms": array("d", [1.0])})
