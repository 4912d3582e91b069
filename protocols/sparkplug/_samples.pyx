"""Data messages to columns and back: the twin of `_samples_py.py` at C speed."""

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

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

from array import array as new_array

from protocols.sparkplug._codec_py import metric_bytes, unsigned, write_value
from protocols.sparkplug._samples_py import number_value
from protocols.sparkplug.samples import Samples
from protocols.sparkplug.values import DEFAULT_LIMITS, PayloadError

cdef enum:
    INT32 = 3
    INT64 = 4
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    DATETIME = 13

cdef enum:
    GOOD = 192

cdef enum:
    # Fields of a metric, as in samples.ValueField.
    INT_FIELD = 10
    LONG_FIELD = 11
    FLOAT_FIELD = 12
    DOUBLE_FIELD = 13
    BOOLEAN_FIELD = 14
    STRING_FIELD = 15
    BYTES_FIELD = 16
    EXTENSION_FIELD = 19

cdef uint64_t NO_ALIAS = 0xFFFFFFFFFFFFFFFF
cdef int64_t NO_TIME = INT64_MIN

cdef array.array _U64S = new_array("Q")
cdef array.array _I64S = new_array("q")
cdef array.array _F64S = new_array("d")
cdef array.array _U16S = new_array("H")
cdef array.array _U8S = new_array("B")

# The property set {"Quality": Int32 …}, up to its number: a key, and the head of a value.
cdef bytes _QUALITY_KEY = b"\x0a\x07Quality"
cdef bytes _INT32_TYPE = b"\x08\x03\x18"


def encode_samples(
    seq,
    timestamp_ms,
    epoch_alias,
    epoch,
    offset_alias,
    offset,
    array.array aliases not None,
    array.array times_ms not None,
    bytes datatypes not None,
    array.array numbers not None,
    dict others not None,
    array.array qualities,
    bint historical,
    notes=(),
):
    """One stream record as a DDATA payload; see the twin in `_samples_py.py`."""
    cdef Writer writer
    cdef Py_ssize_t count = len(aliases)
    cdef Py_ssize_t i = 0
    cdef uint64_t* alias = <uint64_t*>aliases.data.as_ulonglongs
    cdef int64_t* time = <int64_t*>times_ms.data.as_longlongs
    cdef const uint8_t* datatype = <const uint8_t*>PyBytes_AS_STRING(datatypes)
    cdef double* number = numbers.data.as_doubles
    cdef uint16_t* quality = NULL
    cdef bint exact = len(others) > 0
    _check_column(aliases, "aliases", c"Q", count)
    _check_column(times_ms, "times_ms", c"q", count)
    _check_column(numbers, "numbers", c"d", count)
    if qualities is not None:
        _check_column(qualities, "qualities", c"H", count)
        quality = <uint16_t*>qualities.data.as_ushorts
    if len(datatypes) != count:
        raise ValueError("columns of unequal length")
    open_writer(&writer, 96 + 40 * count)
    try:
        _put_number(&writer, 1, unsigned(timestamp_ms, "timestamp"))
        _put_position(&writer, epoch_alias, timestamp_ms, epoch, historical)
        _put_position(&writer, offset_alias, timestamp_ms, offset, historical)
        for note in notes:
            _put_note(&writer, metric_bytes(note))
        try:
            while i < count:
                if exact and i in others:
                    _put_exact(&writer, alias[i], time[i], datatype[i], others[i],
                               GOOD if quality == NULL else quality[i], historical)
                else:
                    _put_sample(&writer, alias[i], time[i], datatype[i], number[i],
                                GOOD if quality == NULL else quality[i], historical)
                i += 1
        except ValueError as error:
            raise ValueError(f"sample {i} (alias {alias[i]}): {error}") from None
        if not 0 <= seq <= 255:
            raise ValueError(f"seq {seq} is not 0 … 255")
        _put_number(&writer, 3, seq)
        return PyBytes_FromStringAndSize(<char*>writer.start, writer.at - writer.start)
    finally:
        close_writer(&writer)


cdef int _check_column(array.array column, str name, char typecode, Py_ssize_t count) except -1:
    if column.ob_descr.typecode != typecode:
        raise TypeError(f"{name} is not an array({chr(typecode)!r})")
    if len(column) != count:
        raise ValueError("columns of unequal length")
    return 0


cdef int _put_position(Writer* writer, object alias, object time, object number,
                       bint historical) except -1:
    # Stream/Epoch or Stream/Offset.
    cdef Py_ssize_t body = _begin_metric(
        writer, unsigned(alias, "alias"), unsigned(time, "timestamp"), historical
    )
    _put_number(writer, LONG_FIELD, unsigned(number, "position"))
    return end_message(writer, body)


cdef int _put_note(Writer* writer, bytes metric) except -1:
    # A whole metric, written by the twin.
    cdef Py_ssize_t size = PyBytes_GET_SIZE(metric)
    need(writer, 12 + size)
    writer.at[0] = 2 << 3 | LENGTH
    writer.at = put_varint(writer.at + 1, size)
    memcpy(writer.at, PyBytes_AS_STRING(metric), size)
    writer.at += size
    return 0


cdef int _put_sample(Writer* writer, uint64_t alias, int64_t time, uint8_t datatype, double number,
                     uint16_t quality, bint historical) except -1:
    # A sample whose value is in the column of doubles.
    cdef Py_ssize_t body
    if datatype == DOUBLE:
        body = _begin_sample(writer, alias, time, historical)
        if quality != GOOD:
            _put_quality(writer, quality)
        writer.at[0] = DOUBLE_FIELD << 3 | FIXED64
        memcpy(writer.at + 1, &number, 8)
        writer.at += 9
    elif datatype == INT32 and -2.0**31 <= number < 2.0**31 and number == <int32_t>number:
        body = _begin_sample(writer, alias, time, historical)
        if quality != GOOD:
            _put_quality(writer, quality)
        writer.at[0] = INT_FIELD << 3
        writer.at = put_varint(writer.at + 1, <uint32_t><int32_t>number)
    elif datatype == INT64 and -2.0**53 <= number <= 2.0**53 and number == <int64_t>number:
        body = _begin_sample(writer, alias, time, historical)
        if quality != GOOD:
            _put_quality(writer, quality)
        writer.at[0] = LONG_FIELD << 3
        writer.at = put_varint(writer.at + 1, <uint64_t><int64_t>number)
    elif datatype == BOOLEAN and (number == 0.0 or number == 1.0):
        body = _begin_sample(writer, alias, time, historical)
        if quality != GOOD:
            _put_quality(writer, quality)
        writer.at[0] = BOOLEAN_FIELD << 3
        writer.at[1] = 1 if number == 1.0 else 0
        writer.at += 2
    else:
        return _put_exact(writer, alias, time, datatype, number_value(datatype, number), quality,
                          historical)
    return end_message(writer, body)


cdef int _put_exact(Writer* writer, uint64_t alias, int64_t time, uint8_t datatype, object value,
                    uint16_t quality, bint historical) except -1:
    # A sample of any type, its value written by the twin.
    cdef bytes field = b""
    cdef Py_ssize_t body
    cdef Py_ssize_t size
    if value is not None:
        scratch = bytearray()
        write_value(scratch, datatype, value)
        field = bytes(scratch)
    body = _begin_sample(writer, alias, time, historical)
    if value is None:
        writer.at[0] = 7 << 3
        writer.at[1] = 1
        writer.at += 2
    if quality != GOOD:
        _put_quality(writer, quality)
    size = PyBytes_GET_SIZE(field)
    need(writer, size)
    memcpy(writer.at, PyBytes_AS_STRING(field), size)
    writer.at += size
    return end_message(writer, body)


cdef inline Py_ssize_t _begin_sample(Writer* writer, uint64_t alias, int64_t time,
                                     bint historical) except -1:
    if time < 0:
        unsigned(time, "timestamp")
    return _begin_metric(writer, alias, <uint64_t>time, historical)


cdef inline Py_ssize_t _begin_metric(Writer* writer, uint64_t alias, uint64_t time,
                                     bint historical) except -1:
    # The head of a metric, and room for a quality and a number behind it.
    cdef Py_ssize_t body
    need(writer, 96)
    writer.at[0] = 2 << 3 | LENGTH
    writer.at += 1
    body = begin_message(writer)
    writer.at[0] = 2 << 3
    writer.at = put_varint(writer.at + 1, alias)
    writer.at[0] = 3 << 3
    writer.at = put_varint(writer.at + 1, time)
    if historical:
        writer.at[0] = 5 << 3
        writer.at[1] = 1
        writer.at += 2
    return body


cdef void _put_quality(Writer* writer, uint16_t quality) noexcept:
    cdef uint8_t number[10]
    cdef int size = <int>(put_varint(number, quality) - number)
    cdef uint8_t* at = writer.at
    at[0] = 9 << 3 | LENGTH
    at[1] = 14 + size
    memcpy(at + 2, PyBytes_AS_STRING(_QUALITY_KEY), 9)
    at[11] = 2 << 3 | LENGTH
    at[12] = 3 + size
    memcpy(at + 13, PyBytes_AS_STRING(_INT32_TYPE), 3)
    memcpy(at + 16, number, size)
    writer.at = at + 16 + size


cdef int _put_number(Writer* writer, int field, uint64_t number) except -1:
    need(writer, 20)
    writer.at = put_varint(put_varint(writer.at, field << 3), number)
    return 0


def decode_samples(bytes data not None, limits=DEFAULT_LIMITS):
    """The metrics of an N/DDATA payload as columns; see the twin in `_samples_py.py`."""
    cdef const uint8_t* base = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef const uint8_t* at = base
    cdef const uint8_t* end = base + PyBytes_GET_SIZE(data)
    cdef const uint8_t* tag_at
    cdef uint64_t tag = 0
    cdef uint64_t number = 0
    cdef int max_depth = limits.max_depth
    cdef Py_ssize_t max_items = limits.max_items
    cdef Py_ssize_t i
    cdef Span message
    cdef _Columns columns
    if len(data) > limits.max_bytes:
        fail(0, f"payload of {len(data)} bytes; at most {limits.max_bytes} are read")
    columns = _Columns.__new__(_Columns)
    columns.base = base
    columns.max_depth = max_depth
    columns.open(min(_count_metrics(base, end, max_depth), max_items))
    timestamp = seq = None
    while at < end:
        tag_at = at
        at = varint(base, at, end, &tag)
        if tag == (2 << 3 | LENGTH):
            at = span(base, at, end, tag, &message)
            if columns.count >= max_items:
                fail(message.data - base, f"more than {max_items} items")
            columns.read_metric(message)
        elif tag == 1 << 3:
            at = varint(base, at, end, &number)
            timestamp = number
        elif tag == 3 << 3:
            at = varint(base, at, end, &number)
            seq = number
        else:
            at = skip_field(base, tag_at, at, end, tag, max_depth)
    if timestamp is not None:
        number = timestamp
        for i in range(columns.count):
            if columns.time[i] == NO_TIME:
                columns.time[i] = <int64_t>number
    return Samples(
        seq, timestamp, columns.aliases, columns.times, columns.fields, columns.longs,
        columns.doubles, columns.texts, columns.blobs, columns.qualities, columns.historicals,
        columns.names,
    )


cdef Py_ssize_t _count_metrics(const uint8_t* base, const uint8_t* end, int max_depth) except -1:
    # How many metrics there will be at most, so that the columns are made once, in their size.
    cdef const uint8_t* at = base
    cdef const uint8_t* tag_at
    cdef uint64_t tag = 0
    cdef Py_ssize_t count = 0
    cdef Span ignored
    try:
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == (2 << 3 | LENGTH):
                at = span(base, at, end, tag, &ignored)
                count += 1
            else:
                at = skip_field(base, tag_at, at, end, tag, max_depth)
    except PayloadError:
        pass  # a metric before it may be wrong too, and is to be named first
    return count


cdef class _Columns:
    cdef const uint8_t* base
    cdef int max_depth
    cdef Py_ssize_t count
    cdef array.array aliases, times, fields, longs, doubles, qualities, historicals
    cdef uint64_t* alias
    cdef int64_t* time
    cdef uint8_t* field
    cdef int64_t* long_value
    cdef double* double_value
    cdef uint16_t* quality
    cdef uint8_t* historical
    cdef dict texts, blobs, names

    cdef open(self, Py_ssize_t count):
        self.aliases = array.clone(_U64S, count, False)
        self.times = array.clone(_I64S, count, False)
        self.fields = array.clone(_U8S, count, False)
        self.longs = array.clone(_I64S, count, False)
        self.doubles = array.clone(_F64S, count, False)
        self.qualities = array.clone(_U16S, count, False)
        self.historicals = array.clone(_U8S, count, False)
        self.alias = <uint64_t*>self.aliases.data.as_ulonglongs
        self.time = <int64_t*>self.times.data.as_longlongs
        self.field = <uint8_t*>self.fields.data.as_uchars
        self.long_value = <int64_t*>self.longs.data.as_longlongs
        self.double_value = self.doubles.data.as_doubles
        self.quality = <uint16_t*>self.qualities.data.as_ushorts
        self.historical = <uint8_t*>self.historicals.data.as_uchars
        self.texts = {}
        self.blobs = {}
        self.names = {}

    cdef int read_metric(self, Span message) except -1:
        cdef const uint8_t* base = self.base
        cdef const uint8_t* at = message.data
        cdef const uint8_t* end = at + message.size
        cdef const uint8_t* tag_at
        cdef uint64_t tag = 0
        cdef uint64_t number = 0
        cdef uint64_t alias = NO_ALIAS
        cdef uint64_t raw = 0
        cdef int64_t time = NO_TIME
        cdef int64_t long_value = 0
        cdef double double_value = 0.0
        cdef float narrow
        cdef int field = 0
        cdef int quality = GOOD
        cdef bint historical = False
        cdef bint is_null = False
        cdef Py_ssize_t place = self.count
        cdef Span value, name, properties
        value.data = name.data = properties.data = NULL
        value.size = name.size = properties.size = 0
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == 2 << 3:
                at = varint(base, at, end, &alias)
            elif tag == 3 << 3:
                at = varint(base, at, end, &number)
                time = <int64_t>number
            elif tag == (13 << 3 | FIXED64):
                at = fixed(base, at, end, tag, 8, &value)
                field = DOUBLE_FIELD
            elif tag == 10 << 3:
                at = varint(base, at, end, &raw)
                field = INT_FIELD
            elif tag == 11 << 3:
                at = varint(base, at, end, &raw)
                field = LONG_FIELD
            elif tag == 14 << 3:
                at = varint(base, at, end, &raw)
                field = BOOLEAN_FIELD
            elif tag == 5 << 3:
                at = varint(base, at, end, &number)
                historical = number != 0
            elif tag == (12 << 3 | FIXED32):
                at = fixed(base, at, end, tag, 4, &value)
                field = FLOAT_FIELD
            elif tag == (15 << 3 | LENGTH):
                at = span(base, at, end, tag, &value)
                field = STRING_FIELD
            elif tag == (9 << 3 | LENGTH):
                at = span(base, at, end, tag, &properties)
            elif tag == 7 << 3:
                at = varint(base, at, end, &number)
                is_null = number != 0
            elif tag == (1 << 3 | LENGTH):
                at = span(base, at, end, tag, &name)
            elif tag & 7 == LENGTH and BYTES_FIELD <= tag >> 3 <= EXTENSION_FIELD:
                at = span(base, at, end, tag, &value)
                field = <int>(tag >> 3)
            else:
                at = skip_field(base, tag_at, at, end, tag, self.max_depth)
        if alias == NO_ALIAS:
            if name.data == NULL:
                fail(message.data - base, "metric with neither name nor alias")
            self.names[place] = text(base, name)
        if is_null:
            field = 0
        if properties.data != NULL:
            quality = self.read_quality(properties)
        if field == DOUBLE_FIELD:
            memcpy(&double_value, value.data, 8)
        elif field == LONG_FIELD:
            long_value = <int64_t>raw
        elif field == INT_FIELD:
            long_value = <uint32_t>raw
        elif field == BOOLEAN_FIELD:
            long_value = raw != 0
        elif field == FLOAT_FIELD:
            memcpy(&narrow, value.data, 4)
            double_value = narrow
        elif field == STRING_FIELD:
            self.texts[place] = text(base, value)
        elif field:
            self.blobs[place] = value.data[:value.size]
        self.alias[place] = alias
        self.time[place] = time
        self.field[place] = field
        self.long_value[place] = long_value
        self.double_value[place] = double_value
        self.quality[place] = quality
        self.historical[place] = historical
        self.count = place + 1
        return 0

    cdef int read_quality(self, Span message) except -1:
        cdef const uint8_t* base = self.base
        cdef const uint8_t* at = message.data
        cdef const uint8_t* end = at + message.size
        cdef const uint8_t* tag_at
        cdef uint64_t tag = 0
        cdef uint64_t number = 0
        cdef Py_ssize_t keys = 0
        cdef Py_ssize_t values = 0
        cdef Py_ssize_t wanted = -1
        cdef Span found
        cdef list places = []
        cdef int quality = 0
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == (1 << 3 | LENGTH):
                at = span(base, at, end, tag, &found)
                if found.size == 7 and memcmp(found.data, b"Quality", 7) == 0:
                    wanted = keys
                keys += 1
            elif tag == (2 << 3 | LENGTH):
                at = span(base, at, end, tag, &found)
                places.append((found.data - base, found.size))
                values += 1
            else:
                at = skip_field(base, tag_at, at, end, tag, self.max_depth)
        if keys != values:
            fail(message.data - base, f"{keys} keys for {values} properties")
        if wanted < 0:
            return GOOD
        at = base + <Py_ssize_t>places[wanted][0]
        end = at + <Py_ssize_t>places[wanted][1]
        while at < end:
            tag_at = at
            at = varint(base, at, end, &tag)
            if tag == 3 << 3 or tag == 4 << 3:
                at = varint(base, at, end, &number)
                quality = <int>number if number <= 0xFFFF else 0
            else:
                at = skip_field(base, tag_at, at, end, tag, self.max_depth)
        return quality
