"""Any payload that can be sent, as Hypothesis draws it, made of the plain codec's metrics."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from protocols.sparkplug import (
    DataSet,
    DataType,
    MetaData,
    Parameter,
    Payload,
    Property,
    PropertySet,
    Template,
)
from protocols.sparkplug._codec_py import Metric
from protocols.sparkplug.datatypes import ARRAYS, BLOBS, SIGNED_BITS, TEXTS, UNSIGNED_BITS

U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
DOUBLES = st.floats(allow_nan=False)
FLOATS = st.floats(allow_nan=False, width=32)
SCALAR_TYPES = [*SIGNED_BITS, *UNSIGNED_BITS, *TEXTS, DataType.Float, DataType.Double,
                DataType.Boolean]  # fmt: skip
_ARRAY_ITEMS = {
    **{DataType(DataType.Int8Array + i): DataType(DataType.Int8 + i) for i in range(10)},
    DataType.BooleanArray: DataType.Boolean,
    DataType.DateTimeArray: DataType.DateTime,
}


def scalars(datatype: int) -> st.SearchStrategy[Any]:
    """A value of a scalar datatype."""
    if datatype in SIGNED_BITS:
        half = 1 << SIGNED_BITS[DataType(datatype)] - 1
        return st.integers(-half, half - 1)
    if datatype in UNSIGNED_BITS:
        return st.integers(0, (1 << UNSIGNED_BITS[DataType(datatype)]) - 1)
    if datatype == DataType.Float:
        return FLOATS
    if datatype == DataType.Double:
        return DOUBLES
    if datatype == DataType.Boolean:
        return st.booleans()
    return TEXT


def arrays(datatype: DataType) -> st.SearchStrategy[Any]:
    """A value of an array datatype."""
    if datatype == DataType.StringArray:
        items: st.SearchStrategy[Any] = TEXT.filter(lambda text: "\0" not in text)
    else:
        items = scalars(_ARRAY_ITEMS[datatype])
    return st.lists(items, max_size=10)


def typed(types: list[DataType]) -> st.SearchStrategy[tuple[DataType, Any]]:
    """A scalar datatype and a value of it, or None."""
    return st.sampled_from(types).flatmap(
        lambda datatype: st.tuples(st.just(datatype), st.none() | scalars(datatype))
    )


@st.composite
def data_sets(draw: st.DrawFn) -> DataSet:
    """A data set with nulls in it."""
    types = draw(st.lists(st.sampled_from(SCALAR_TYPES), max_size=4))
    row = st.tuples(*(st.none() | scalars(datatype) for datatype in types)).map(list)
    return DataSet([draw(TEXT) for _ in types], list(types), draw(st.lists(row, max_size=4)))


PROPERTY_SETS: st.SearchStrategy[PropertySet] = st.recursive(
    st.dictionaries(TEXT, typed(SCALAR_TYPES).map(lambda pair: Property(*pair)), max_size=3),
    lambda inner: st.dictionaries(
        TEXT,
        st.builds(Property, st.just(DataType.PropertySet), inner)
        | st.builds(Property, st.just(DataType.PropertySetList), st.lists(inner, max_size=2)),
        max_size=2,
    ),
    max_leaves=4,
)
META_DATA = st.builds(
    MetaData,
    st.none() | st.booleans(),
    st.none() | TEXT,
    st.none() | U64,
    st.none() | U64,
    *[st.none() | TEXT for _ in range(4)],
)
PARAMETERS = st.builds(lambda name, pair: Parameter(name, *pair), TEXT, typed(SCALAR_TYPES))


def metrics(values: st.SearchStrategy[tuple[DataType, Any]]) -> st.SearchStrategy[Metric]:
    """A metric with any of its parts, and a value."""
    return st.builds(
        lambda name, alias, timestamp, pair, *rest: Metric(name, alias, timestamp, *pair, *rest),
        st.none() | TEXT,
        st.none() | U64,
        st.none() | U64,
        values,
        st.booleans(),
        st.booleans(),
        st.none() | PROPERTY_SETS,
        st.none() | META_DATA,
    )


_PLAIN_VALUES = (
    typed(SCALAR_TYPES)
    | st.tuples(st.sampled_from(sorted(BLOBS)), st.binary(max_size=20))
    | st.sampled_from(sorted(ARRAYS)).flatmap(
        lambda datatype: st.tuples(st.just(DataType(datatype)), arrays(DataType(datatype)))
    )
    | st.tuples(st.just(DataType.DataSet), data_sets())
)


def _templates(members: st.SearchStrategy[Metric]) -> st.SearchStrategy[tuple[DataType, Any]]:
    template = st.builds(
        Template,
        st.none() | TEXT,
        st.lists(members, max_size=2),
        st.lists(PARAMETERS, max_size=2),
        st.none() | TEXT,
        st.booleans(),
    )
    return st.tuples(st.just(DataType.Template), template)


METRICS = st.recursive(
    metrics(_PLAIN_VALUES), lambda inner: metrics(_templates(inner)), max_leaves=3
)
PAYLOADS = st.builds(
    Payload,
    st.none() | U64,
    st.lists(METRICS, max_size=4),
    st.none() | st.integers(0, 255),
    st.none() | TEXT,
    st.none() | st.binary(max_size=20),
)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some changed, cut out, put in or doubled."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(out)))
        change = draw(st.sampled_from(["set", "insert", "cut", "repeat", "huge"]))
        if change == "set" and at < len(out):
            out[at] = draw(st.integers(0, 255))
        elif change == "insert":
            out[at:at] = draw(st.binary(max_size=6))
        elif change == "cut":
            del out[at : at + draw(st.integers(1, 20))]
        elif change == "repeat":
            out[at:at] = out[at : at + draw(st.integers(1, 20))]
        else:
            out[at:at] = b"\xff" * draw(st.integers(1, 11)) + struct.pack("<q", -1)
    return bytes(out)
