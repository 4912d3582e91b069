"""Payloads to bytes and back: the twin of `_codec_py.py` at C speed.

Compiled is what every message has: the payload, its metrics, their scalar values. What is nested in
a metric, and whatever is refused, goes to the plain code, which thereby stays the only definition.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from protocols.sparkplug._wire cimport (
    FIXED32,
    FIXED64,
    LENGTH,
    Span,
    Writer,
    begin_message,
    close_writer,
    end_message,
    fail,
    fixed,
    need,
    open_writer,
    put_varint,
    skip_field,
    span,
    text,
    varint,
)

from protocols.sparkplug._codec_py import label, read_value, unsigned, write_value
from protocols.sparkplug._nested_py import NestedReader, metadata_bytes, properties_bytes
from protocols.sparkplug._scalars_py import inferred_type, whole_number
from protocols.sparkplug.datatypes import TYPES
from protocols.sparkplug.values import DEFAULT_LIMITS, Payload

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    ctypedef struct PyTypeObject:
        PyObject* tp_dict
    void PyType_Modified(PyTypeObject* type)

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        const char* name
        int type
        Py_ssize_t offset
        int flags
    int T_OBJECT_EX
    int READONLY
    object PyDescr_NewMember(PyTypeObject* type, PyMemberDef* member)

cdef enum:
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15

cdef enum:
    # Kinds of value fields, as in _scalars_py: field number less 10.
    NONE_KIND = -1
    INT_KIND = 0
    LONG_KIND = 1
    FLOAT_KIND = 2
    DOUBLE_KIND = 3
    BOOL_KIND = 4
    TEXT_KIND = 5
    BLOB_KIND = 6
    DATA_SET_KIND = 7
    TEMPLATE_KIND = 8
    EXTENSION_KIND = 9

cdef tuple _TYPES = TYPES
cdef int _KNOWN_TYPES = len(TYPES)
cdef object _Payload = Payload


# No cycle can begin in a metric: it is immutable, and what it refers to was there before it.
@cython.final
@cython.no_gc
@cython.freelist(512)
cdef class Metric:
    """One metric; see the twin in `_codec_py.py`."""

    # Readable from Python through the members set below.
    cdef object name
    cdef object alias
    cdef object timestamp
    cdef object datatype
    cdef object value
    cdef object is_historical
    cdef object is_transient
    cdef object properties
    cdef object metadata

    def __init__(self, name=None, alias=None, timestamp=None, datatype=None, value=None,
                 is_historical=False, is_transient=False, properties=None, metadata=None):
        self.name = name
        self.alias = alias
        self.timestamp = timestamp
        self.datatype = datatype
        self.value = value
        self.is_historical = is_historical
        self.is_transient = is_transient
        self.properties = properties
        self.metadata = metadata

    @property
    def is_null(self):
        """Whether the metric says that there is no value."""
        return self.value is None

    def _fields(self):
        return (self.name, self.alias, self.timestamp, self.datatype, self.value,
                self.is_historical, self.is_transient, self.properties, self.metadata)

    def __eq__(self, other):
        if not isinstance(other, Metric):
            return NotImplemented
        return self._fields() == (<Metric>other)._fields()

    def __reduce__(self):
        return Metric, self._fields()

    def __repr__(self):
        return (
            f"Metric(name={self.name!r}, alias={self.alias!r}, timestamp={self.timestamp!r}, "
            f"datatype={self.datatype!r}, value={self.value!r}, "
            f"is_historical={self.is_historical!r}, is_transient={self.is_transient!r}, "
            f"properties={self.properties!r}, metadata={self.metadata!r})"
        )


cdef PyMemberDef[9] _members
_NAMES = (b"name", b"alias", b"timestamp", b"datatype", b"value",
          b"is_historical", b"is_transient", b"properties", b"metadata")


cdef _publish_members():
    # Cython would make a getter function per attribute. A member descriptor is read by the
    # interpreter itself, several times faster, and reading is what most of decoding costs.
    # Where an attribute lies shows in a metric whose attributes are all different objects.
    cdef list marks = [object() for _ in _NAMES]
    cdef Metric metric = Metric(*marks)
    cdef PyTypeObject* type = <PyTypeObject*>Metric
    cdef PyObject** words = <PyObject**><void*>metric
    cdef Py_ssize_t place
    for i in range(9):
        place = 2
        while words[place] != <PyObject*>marks[i]:
            place += 1
        _members[i].name = _NAMES[i]
        _members[i].type = T_OBJECT_EX
        _members[i].offset = place * sizeof(PyObject*)
        _members[i].flags = READONLY
        (<dict>type.tp_dict)[_NAMES[i].decode()] = PyDescr_NewMember(type, &_members[i])
    PyType_Modified(type)


_publish_members()


def encode(payload):
    """A payload as it travels; see the twin in `_codec_py.py`."""
    cdef Writer writer
    cdef list metrics = payload.metrics
    cdef Py_ssize_t place = 0
    cdef Py_ssize_t count = len(metrics)
    cdef Py_ssize_t body
    open_writer(&writer, 64 + 48 * count)
    try:
        if payload.timestamp is not None:
            _put_number(&writer, 1, unsigned(payload.timestamp, "timestamp"))
        try:
            while place < count:
                need(&writer, 1)
                writer.at[0] = 2 << 3 | LENGTH
                writer.at += 1
                body = begin_message(&writer)
                _write_metric(&writer, metrics[place])
                end_message(&writer, body)
                place += 1
        except ValueError as error:
            raise ValueError(f"metric {place} ({label(metrics[place])}): {error}") from None
        if payload.seq is not None:
            if not 0 <= payload.seq <= 255:
                raise ValueError(f"seq {payload.seq} is not 0 … 255")
            _put_number(&writer, 3, payload.seq)
        if payload.uuid is not None:
            _put_text(&writer, 4, payload.uuid)
        if payload.body is not None:
            _put_bytes(&writer, 5, payload.body)
        return PyBytes_FromStringAndSize(<char*>writer.start, writer.at - writer.start)
    finally:
        close_writer(&writer)


cdef int _write_metric(Writer* writer, Metric metric) except -1:
    cdef uint64_t alias = 0
    cdef uint64_t timestamp = 0
    if metric.name is not None:
        _put_text(writer, 1, metric.name)
    if metric.alias is not None:
        alias = _u64(metric.alias, "alias")
    if metric.timestamp is not None:
        timestamp = _u64(metric.timestamp, "timestamp")
    need(writer, 48)
    if metric.alias is not None:
        writer.at[0] = 2 << 3
        writer.at = put_varint(writer.at + 1, alias)
    if metric.timestamp is not None:
        writer.at[0] = 3 << 3
        writer.at = put_varint(writer.at + 1, timestamp)
    if metric.datatype is not None:
        writer.at[0] = 4 << 3
        writer.at = put_varint(writer.at + 1, _u32(metric.datatype))
    if metric.is_historical:
        writer.at[0] = 5 << 3
        writer.at[1] = 1
        writer.at += 2
    if metric.is_transient:
        writer.at[0] = 6 << 3
        writer.at[1] = 1
        writer.at += 2
    if metric.value is None:
        writer.at[0] = 7 << 3
        writer.at[1] = 1
        writer.at += 2
    if metric.metadata is not None:
        _put_bytes(writer, 8, metadata_bytes(metric.metadata))
    if metric.properties is not None:
        _put_bytes(writer, 9, properties_bytes(metric.properties))
    if metric.value is not None:
        _write_value(writer, metric.datatype, metric.value)
    return 0


cdef int _write_value(Writer* writer, object datatype, object value) except -1:
    # Values of the exact type their datatype asks for are written here, all others by the twin.
    cdef int code
    cdef int overflow = 0
    cdef long long number
    cdef double real
    need(writer, 12)
    if PyFloat_CheckExact(value):
        code = DOUBLE if datatype is None else datatype
        real = PyFloat_AS_DOUBLE(value)
        if code == DOUBLE:
            writer.at[0] = 13 << 3 | FIXED64
            memcpy(writer.at + 1, &real, 8)
            writer.at += 9
            return 0
    elif value is True or value is False:
        code = BOOLEAN if datatype is None else datatype
        if code == BOOLEAN:
            writer.at[0] = 14 << 3
            writer.at[1] = 1 if value is True else 0
            writer.at += 2
            return 0
    elif PyLong_CheckExact(value):
        code = INT64 if datatype is None else datatype
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            if code == INT64 or (code == UINT64 or code == DATETIME) and number >= 0:
                writer.at[0] = 11 << 3
                writer.at = put_varint(writer.at + 1, <uint64_t>number)
                return 0
            if code == INT32 and number == <int32_t>number or (
                code == UINT32 and number == <uint32_t>number
            ):
                writer.at[0] = 10 << 3
                writer.at = put_varint(writer.at + 1, <uint32_t>number)
                return 0
    elif PyUnicode_CheckExact(value):
        code = STRING if datatype is None else datatype
        if code == STRING or code == TEXT or code == UUID:
            return _put_text(writer, 15, value)
    scratch = bytearray()
    write_value(scratch, inferred_type(value) if not datatype else datatype, value)
    return _put_raw(writer, bytes(scratch))


cdef inline uint64_t _u64(object value, str what) except? 0xFFFFFFFFFFFFFFFF:
    cdef int overflow = 0
    cdef long long number
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and number >= 0:
            return <uint64_t>number
    return unsigned(value, what)


cdef inline uint32_t _u32(object datatype) except? 0xFFFFFFFF:
    return whole_number(datatype, UINT32, 0, 0xFFFFFFFF)


cdef int _put_number(Writer* writer, int field, uint64_t number) except -1:
    need(writer, 20)
    writer.at = put_varint(put_varint(writer.at, field << 3), number)
    return 0


cdef int _put_text(Writer* writer, int field, str value) except -1:
    cdef Py_ssize_t size = 0
    cdef const char* data
    data = PyUnicode_AsUTF8AndSize(value, &size)
    return _put_span(writer, field, data, size)


cdef int _put_bytes(Writer* writer, int field, bytes value) except -1:
    return _put_span(writer, field, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


cdef int _put_span(Writer* writer, int field, const char* data, Py_ssize_t size) except -1:
    need(writer, size + 20)
    writer.at = put_varint(put_varint(writer.at, field << 3 | LENGTH), size)
    memcpy(writer.at, data, size)
    writer.at += size
    return 0


cdef int _put_raw(Writer* writer, bytes value) except -1:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    need(writer, size)
    memcpy(writer.at, PyBytes_AS_STRING(value), size)
    writer.at += size
    return 0


def decode(bytes data not None, types=None, limits=DEFAULT_LIMITS):
    """Read any payload; see the twin in `_codec_py.py`."""
    cdef _Reader reader = _Reader.__new__(_Reader)
    reader.data = data
    reader.base = <const uint8_t*>PyBytes_AS_STRING(data)
    reader.types = None if not types else types if type(types) is dict else dict(types)
    reader.limits = limits
    reader.max_depth = limits.max_depth
    reader.max_items = limits.max_items
    if len(data) > limits.max_bytes:
        fail(0, f"payload of {len(data)} bytes; at most {limits.max_bytes} are read")
    return reader.payload()


@cython.final
cdef class _Reader:
    cdef bytes data
    cdef const uint8_t* base
    cdef dict types
    cdef object limits
    cdef int max_depth
    cdef Py_ssize_t max_items
    cdef object nested
    cdef uint64_t last_timestamp
    cdef object last_timestamp_object

    cdef payload(self):
        cdef const uint8_t* base = self.base
        cdef const uint8_t* at = base
        cdef const uint8_t* end = base + PyBytes_GET_SIZE(self.data)
        cdef const uint8_t* tag_at
        cdef uint64_t tag = 0
        cdef uint64_t number = 0
        cdef Span found
        cdef list metrics = []
        timestamp = seq = uuid = body = None
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == (2 << 3 | LENGTH):
                at = span(base, at, end, tag, &found)
                if len(metrics) >= self.max_items:
                    fail(found.data - base, f"more than {self.max_items} items")
                metrics.append(self.metric(found, 1))
            elif tag == 1 << 3:
                at = varint(base, at, end, &number)
                timestamp = number
            elif tag == 3 << 3:
                at = varint(base, at, end, &number)
                seq = number
            elif tag == (4 << 3 | LENGTH):
                at = span(base, at, end, tag, &found)
                uuid = text(base, found)
            elif tag == (5 << 3 | LENGTH):
                at = span(base, at, end, tag, &found)
                body = found.data[:found.size]
            else:
                at = skip_field(base, tag_at, at, end, tag, self.max_depth)
        return _Payload(timestamp, metrics, seq, uuid, body)

    cdef Metric metric(self, Span message, int depth):
        cdef const uint8_t* base = self.base
        cdef const uint8_t* at = message.data
        cdef const uint8_t* end = at + message.size
        cdef const uint8_t* tag_at
        cdef uint64_t tag = 0
        cdef uint64_t number = 0
        cdef uint64_t datatype = 0
        cdef uint64_t value_number = 0
        cdef int kind = NONE_KIND
        cdef bint is_null = False
        cdef Span value
        cdef Span name
        cdef Span metadata
        cdef Span properties
        cdef Metric metric = Metric.__new__(Metric)
        value.data = name.data = metadata.data = properties.data = NULL
        value.size = properties.size = metadata.size = 0
        metric.is_historical = metric.is_transient = False
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == 2 << 3:
                at = varint(base, at, end, &number)
                metric.alias = number
            elif tag == 3 << 3:
                at = varint(base, at, end, &number)
                if number != self.last_timestamp or self.last_timestamp_object is None:
                    self.last_timestamp = number
                    self.last_timestamp_object = number
                metric.timestamp = self.last_timestamp_object
            elif tag == 4 << 3:
                at = varint(base, at, end, &datatype)
                datatype &= 0xFFFFFFFF
            elif tag == (13 << 3 | FIXED64):
                at = fixed(base, at, end, tag, 8, &value)
                kind = DOUBLE_KIND
            elif tag == 10 << 3:
                value.data = at
                at = varint(base, at, end, &value_number)
                kind = INT_KIND
            elif tag == 11 << 3:
                value.data = at
                at = varint(base, at, end, &value_number)
                kind = LONG_KIND
            elif tag == 14 << 3:
                value.data = at
                at = varint(base, at, end, &value_number)
                kind = BOOL_KIND
            elif tag == (12 << 3 | FIXED32):
                at = fixed(base, at, end, tag, 4, &value)
                kind = FLOAT_KIND
            elif tag == (15 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                kind = TEXT_KIND
            elif tag == (1 << 3 | LENGTH):
                at = span(base, at, end, tag, &name)
            elif tag == 5 << 3:
                at = varint(base, at, end, &number)
                metric.is_historical = True if number else False
            elif tag == 6 << 3:
                at = varint(base, at, end, &number)
                metric.is_transient = True if number else False
            elif tag == 7 << 3:
                at = varint(base, at, end, &number)
                is_null = number != 0
            elif tag == (8 << 3 | LENGTH):
                at = span(base, at, end, tag, &metadata)
            elif tag == (9 << 3 | LENGTH):
                at = span(base, at, end, tag, &properties)
            elif tag == (16 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                kind = BLOB_KIND
            elif tag == (17 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                kind = DATA_SET_KIND
            elif tag == (18 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                kind = TEMPLATE_KIND
            elif tag == (19 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                kind = EXTENSION_KIND
            else:
                at = skip_field(base, tag_at, at, end, tag, self.max_depth)
        if name.data != NULL:
            metric.name = text(base, name)
        if datatype == 0 and self.types is not None:
            datatype = self.declared(metric.alias, metric.name)
        if datatype:
            metric.datatype = (
                _TYPES[<Py_ssize_t>datatype] if datatype < <uint64_t>_KNOWN_TYPES else datatype
            )
        if not is_null and kind != NONE_KIND:
            metric.value = self.value(kind, value_number, value, datatype, depth)
        if properties.data != NULL:
            metric.properties = self.nested_reader().properties(
                properties.data - base, properties.data + properties.size - base, depth
            )
        if metadata.data != NULL:
            metric.metadata = self.nested_reader().metadata(
                metadata.data - base, metadata.data + metadata.size - base
            )
        return metric

    cdef uint64_t declared(self, object alias, object name) except? 0xFFFFFFFF:
        declared = self.types.get(alias) if alias is not None else None
        if declared is None and name is not None:
            declared = self.types.get(name)
        return 0 if declared is None else declared

    cdef value(self, int kind, uint64_t number, Span span, uint64_t datatype, int depth):
        # Values in the field their datatype asks for are read here, all others by the twin.
        cdef double real
        cdef float narrow
        if kind == DOUBLE_KIND:
            if datatype == DOUBLE or datatype == 0:
                memcpy(&real, span.data, 8)
                return real
        elif kind == LONG_KIND:
            if datatype == INT64:
                return <int64_t>number
            if datatype == UINT64 or datatype == DATETIME or datatype == 0:
                return number
        elif kind == INT_KIND:
            if datatype == INT32:
                return <int32_t>number
            if datatype == UINT32 or datatype == 0:
                return <uint32_t>number
            if datatype == INT16:
                return <int16_t>number
            if datatype == UINT16:
                return <uint16_t>number
            if datatype == INT8:
                return <int8_t>number
            if datatype == UINT8:
                return <uint8_t>number
        elif kind == BOOL_KIND:
            if datatype == BOOLEAN or datatype == 0:
                return True if number else False
        elif kind == TEXT_KIND:
            if datatype == STRING or datatype == TEXT or datatype == UUID or datatype == 0:
                return text(self.base, span)
        elif kind == FLOAT_KIND:
            if datatype == FLOAT or datatype == 0:
                memcpy(&narrow, span.data, 4)
                return <double>narrow
        start = span.data - self.base
        return read_value(
            self.data, kind, number, start, start + span.size, datatype, depth,
            self.nested_reader(), self.limits,
        )

    cdef nested_reader(self):
        # Made when first needed: it refers back to this reader, so the cycle is the collector's.
        if self.nested is None:
            self.nested = NestedReader(self.data, self.limits, self.member)
        return self.nested

    def member(self, Py_ssize_t start, Py_ssize_t stop, int depth):
        """A member of a template, for the nested reader."""
        cdef Span message
        message.data = self.base + start
        message.size = stop - start
        return self.metric(message, depth)
