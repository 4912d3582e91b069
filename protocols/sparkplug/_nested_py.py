"""What a metric may hold inside: metadata, properties, data sets, templates.

Births hold these and data messages rarely do, so both codecs use this one, each with its own way to
read and write the members of a template.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocols.sparkplug._scalars_py import (
    NONE,
    read_raw,
    scalar_tags,
    typed,
    write_scalar,
)
from protocols.sparkplug._wire_py import (
    BYTES,
    VARINT,
    read_fields,
    read_text,
    read_varint,
    write_bytes,
    write_number,
    write_text,
)
from protocols.sparkplug.datatypes import DataType, known_type
from protocols.sparkplug.values import (
    DataSet,
    Limits,
    MetaData,
    Parameter,
    PayloadError,
    Property,
    PropertySet,
    PropertyValue,
    Scalar,
    Template,
)

if TYPE_CHECKING:
    from protocols.sparkplug.codec import Metric

_U32: Final = 2**32 - 1

_CELL_TAGS = scalar_tags(1, 6)
_PROPERTY_TAGS = scalar_tags(3, 6)
_PARAMETER_TAGS = scalar_tags(3, 6)

_METADATA_NUMBERS = {1 << 3: "is_multi_part", 3 << 3: "size", 4 << 3: "seq"}
_METADATA_TEXTS = {
    2 << 3 | BYTES: "content_type",
    5 << 3 | BYTES: "file_name",
    6 << 3 | BYTES: "file_type",
    7 << 3 | BYTES: "md5",
    8 << 3 | BYTES: "description",
}


class NestedReader:
    """Reads what is nested in the metrics of one payload, and counts it against the limits.

    `read_member(start, stop, depth)` reads a template's member metric.
    """

    def __init__(
        self, data: bytes, limits: Limits, read_member: Callable[[int, int, int], Metric]
    ) -> None:
        self._data = data
        self._limits = limits
        self._read_member = read_member
        self._items = 0

    def metadata(self, start: int, stop: int) -> MetaData:
        """`MetaData` of a metric."""
        result = MetaData()
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3:
                result.is_multi_part = number != 0
            elif tag in _METADATA_NUMBERS:
                setattr(result, _METADATA_NUMBERS[tag], number)
            elif tag in _METADATA_TEXTS:
                setattr(result, _METADATA_TEXTS[tag], read_text(self._data, begin, end))
        return result

    def properties(self, start: int, stop: int, depth: int) -> PropertySet:
        """A property set: as many keys as values. Of a doubled key the last counts."""
        self._check_depth(depth, start)
        keys: list[str] = []
        values: list[Property] = []
        for tag, _, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                keys.append(read_text(self._data, begin, end))
            elif tag == 2 << 3 | BYTES:
                self._count(begin)
                values.append(self._property(begin, end, depth))
        if len(keys) != len(values):
            raise PayloadError(start, f"{len(keys)} keys for {len(values)} properties")
        return dict(zip(keys, values, strict=True))

    def data_set(self, start: int, stop: int, depth: int) -> DataSet:
        """A data set: as many columns as types, and as cells in each row."""
        self._check_depth(depth, start)
        columns: list[str] = []
        types: list[int] = []
        places: list[tuple[int, int]] = []
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 2 << 3 | BYTES:
                self._count(begin)
                columns.append(read_text(self._data, begin, end))
            elif tag == 3 << 3 | VARINT:
                types.append(known_type(number & _U32))
            elif tag == 3 << 3 | BYTES:  # the packed form, which any protobuf reader takes
                while begin < end:
                    number, begin = read_varint(self._data, begin, end)
                    types.append(known_type(number & _U32))
            elif tag == 4 << 3 | BYTES:
                self._count(begin)
                places.append((begin, end))
        if len(columns) != len(types):
            raise PayloadError(start, f"data set of {len(columns)} columns with {len(types)} types")
        return DataSet(columns, types, [self._row(*place, types) for place in places])

    def template(self, start: int, stop: int, depth: int) -> Template:
        """A template definition or instance."""
        self._check_depth(depth, start)
        result = Template()
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                result.version = read_text(self._data, begin, end)
            elif tag == 2 << 3 | BYTES:
                self._count(begin)
                result.metrics.append(self._read_member(begin, end, depth + 1))
            elif tag == 3 << 3 | BYTES:
                self._count(begin)
                result.parameters.append(self._parameter(begin, end))
            elif tag == 4 << 3 | BYTES:
                result.template_ref = read_text(self._data, begin, end)
            elif tag == 5 << 3 | VARINT:
                result.is_definition = number != 0
        return result

    def _property(self, start: int, stop: int, depth: int) -> Property:
        datatype = 0
        is_null = False
        kind = NONE
        raw: Scalar = None
        nested: PropertyValue = None
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | VARINT:
                datatype = known_type(number & _U32)
            elif tag == 2 << 3 | VARINT:
                is_null = number != 0
            elif tag in _PROPERTY_TAGS:
                kind = _PROPERTY_TAGS[tag]
                raw = read_raw(self._data, kind, number, begin, end)
            elif tag == 9 << 3 | BYTES:
                nested = self.properties(begin, end, depth + 1)
            elif tag == 10 << 3 | BYTES:
                nested = self._property_sets(begin, end, depth + 1)
        if is_null:
            return Property(datatype, None)
        if datatype == DataType.PropertySet or datatype == DataType.PropertySetList:
            if nested is not None and isinstance(nested, list) != (
                datatype == DataType.PropertySetList
            ):
                raise PayloadError(start, f"not a {DataType(datatype).name}")
            return Property(datatype, nested)
        return Property(datatype, None if kind == NONE else typed(raw, kind, datatype, start))

    def _property_sets(self, start: int, stop: int, depth: int) -> list[PropertySet]:
        result: list[PropertySet] = []
        for tag, _, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                self._count(begin)
                result.append(self.properties(begin, end, depth + 1))
        return result

    def _row(self, start: int, stop: int, types: list[int]) -> list[Scalar]:
        row: list[Scalar] = []
        for tag, _, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                self._count(begin)
                if len(row) == len(types):
                    raise PayloadError(begin, f"row of more than {len(types)} cells")
                row.append(self._cell(begin, end, types[len(row)]))
        if len(row) != len(types):
            raise PayloadError(start, f"row of {len(row)} cells for {len(types)} columns")
        return row

    def _cell(self, start: int, stop: int, datatype: int) -> Scalar:
        value: Scalar = None
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag in _CELL_TAGS:
                kind = _CELL_TAGS[tag]
                value = typed(read_raw(self._data, kind, number, begin, end), kind, datatype, begin)
        return value

    def _parameter(self, start: int, stop: int) -> Parameter:
        result = Parameter("", 0)
        kind = NONE
        raw: Scalar = None
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                result.name = read_text(self._data, begin, end)
            elif tag == 2 << 3 | VARINT:
                result.datatype = known_type(number & _U32)
            elif tag in _PARAMETER_TAGS:
                kind = _PARAMETER_TAGS[tag]
                raw = read_raw(self._data, kind, number, begin, end)
        if kind != NONE:
            result.value = typed(raw, kind, result.datatype, start)
        return result

    def _count(self, at: int) -> None:
        self._items += 1
        if self._items > self._limits.max_items:
            raise PayloadError(at, f"more than {self._limits.max_items} items")

    def _check_depth(self, depth: int, at: int) -> None:
        if depth > self._limits.max_depth:
            raise PayloadError(at, f"nested deeper than {self._limits.max_depth}")


def metadata_bytes(value: MetaData) -> bytes:
    """`MetaData` as it travels."""
    out = bytearray()
    if value.is_multi_part is not None:
        write_number(out, 1, value.is_multi_part)
    if value.content_type is not None:
        write_text(out, 2, value.content_type)
    for field, number in ((3, value.size), (4, value.seq)):
        if number is not None:
            write_number(out, field, number)
    for field, text in enumerate(
        (value.file_name, value.file_type, value.md5, value.description), start=5
    ):
        if text is not None:
            write_text(out, field, text)
    return bytes(out)


def properties_bytes(value: PropertySet) -> bytes:
    """A property set as it travels. Raises `ValueError`."""
    out = bytearray()
    for key in value:
        write_text(out, 1, key)
    for key, entry in value.items():
        try:
            write_bytes(out, 2, _property_bytes(entry))
        except ValueError as error:
            raise ValueError(f"property {key!r}: {error}") from None
    return bytes(out)


def data_set_bytes(value: DataSet) -> bytes:
    """A data set as it travels. Raises `ValueError`."""
    if len(value.columns) != len(value.types):
        raise ValueError(f"{len(value.columns)} columns with {len(value.types)} types")
    out = bytearray()
    write_number(out, 1, len(value.columns))
    for column in value.columns:
        write_text(out, 2, column)
    for datatype in value.types:
        write_number(out, 3, datatype)
    for number, row in enumerate(value.rows):
        try:
            write_bytes(out, 4, _row_bytes(row, value.types))
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from None
    return bytes(out)


def template_bytes(value: Template, write_member: Callable[[Metric], bytes]) -> bytes:
    """A template as it travels. Raises `ValueError`."""
    out = bytearray()
    if value.version is not None:
        write_text(out, 1, value.version)
    for member in value.metrics:
        write_bytes(out, 2, write_member(member))
    for parameter in value.parameters:
        try:
            write_bytes(out, 3, _parameter_bytes(parameter))
        except ValueError as error:
            raise ValueError(f"parameter {parameter.name!r}: {error}") from None
    if value.template_ref is not None:
        write_text(out, 4, value.template_ref)
    write_number(out, 5, value.is_definition)
    return bytes(out)


def _property_bytes(entry: Property) -> bytes:
    out = bytearray()
    write_number(out, 1, entry.datatype)
    if entry.value is None:
        write_number(out, 2, 1)
    elif entry.datatype == DataType.PropertySet:
        if not isinstance(entry.value, dict):
            raise ValueError(f"not a property set: {entry.value!r}")
        write_bytes(out, 9, properties_bytes(entry.value))
    elif entry.datatype == DataType.PropertySetList:
        if not isinstance(entry.value, list):
            raise ValueError(f"not a list of property sets: {entry.value!r}")
        sets = bytearray()
        for one in entry.value:
            write_bytes(sets, 1, properties_bytes(one))
        write_bytes(out, 10, sets)
    else:
        write_scalar(out, 3, entry.datatype, entry.value)
    return bytes(out)


def _row_bytes(row: list[Scalar], types: list[int]) -> bytes:
    if len(row) != len(types):
        raise ValueError(f"{len(row)} cells for {len(types)} columns")
    out = bytearray()
    for value, datatype in zip(row, types, strict=True):
        cell = bytearray()
        if value is not None:
            write_scalar(cell, 1, datatype, value)
        write_bytes(out, 1, cell)
    return bytes(out)


def _parameter_bytes(parameter: Parameter) -> bytes:
    out = bytearray()
    write_text(out, 1, parameter.name)
    write_number(out, 2, parameter.datatype)
    if parameter.value is not None:
        write_scalar(out, 3, parameter.datatype, parameter.value)
    return bytes(out)
