"""Samples to rows of COPY BINARY, compiled: the twin of `_rows_py.py`, which defines it."""

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

from hub.ingest.copy_format import UnknownAliasError
from protocols.sparkplug import NO_ALIAS as _NO_ALIAS
from protocols.sparkplug import NO_TIME as _NO_TIME
from protocols.sparkplug import DataType, ValueField

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define to_network16(x) (x)
    #define to_network32(x) (x)
    #define to_network64(x) (x)
    #else
    #define to_network16(x) __builtin_bswap16(x)
    #define to_network32(x) __builtin_bswap32(x)
    #define to_network64(x) __builtin_bswap64(x)
    #endif
    """
    uint16_t to_network16(uint16_t)
    uint32_t to_network32(uint32_t)
    uint64_t to_network64(uint64_t)

cdef uint64_t NO_ALIAS = _NO_ALIAS
cdef int64_t NO_TIME = _NO_TIME
cdef int64_t REFUSED = 2**63 - 2
cdef int64_t EPOCH_2000_MS = 946_684_800_000
cdef int64_t MINUTE_MS = 60_000
cdef int64_t EARLIEST_MS = -62_135_596_800_000
cdef int64_t AFTER_MS = 253_402_300_800_000
cdef int64_t EXACT = 2**53

cdef enum:
    ROW_BYTES = 59      # a row without its value, text and server time: all are null
    FILLED_BYTES = 16   # what a value and a server time add
    FIRST_BYTES = 65536
    NOT_STORED = 0      # copy_format.NOT_STORED

cdef uint8_t INT = ValueField.INT
cdef uint8_t LONG = ValueField.LONG
cdef uint8_t FLOAT = ValueField.FLOAT
cdef uint8_t DOUBLE = ValueField.DOUBLE
cdef uint8_t BOOLEAN = ValueField.BOOLEAN

cdef uint8_t INT8 = DataType.Int8
cdef uint8_t INT16 = DataType.Int16
cdef uint8_t INT32 = DataType.Int32
cdef uint8_t INT64 = DataType.Int64
cdef uint8_t UINT8 = DataType.UInt8
cdef uint8_t UINT16 = DataType.UInt16
cdef uint8_t UINT32 = DataType.UInt32
cdef uint8_t UINT64 = DataType.UInt64
cdef uint8_t DATETIME = DataType.DateTime


cdef struct Entry:
    uint64_t alias
    int32_t tag
    uint8_t datatype
    uint8_t used


cdef class AliasTable:
    """Open addressing over a power of two at most half full: one look is mostly enough."""

    cdef Entry* _entries
    cdef uint64_t _mask
    cdef dict _names

    def __cinit__(self):
        self._entries = NULL

    def __init__(self, aliases, names):
        cdef uint64_t room = 16
        while room < 2 * <uint64_t>len(aliases):
            room *= 2
        free(self._entries)
        self._entries = <Entry*>calloc(room, sizeof(Entry))
        if self._entries == NULL:
            raise MemoryError
        self._mask = room - 1
        for alias, (tag, datatype) in aliases.items():
            self._put(alias, tag, datatype)
        self._names = dict(names)

    def __dealloc__(self):
        free(self._entries)

    def find(self, alias):
        cdef Entry* entry = self._look(alias)
        return (entry.tag, entry.datatype) if entry != NULL else None

    def find_name(self, name):
        return self._names.get(name)

    cdef void _put(self, uint64_t alias, int32_t tag, uint8_t datatype) noexcept:
        cdef uint64_t at = _spread(alias) & self._mask
        while self._entries[at].used and self._entries[at].alias != alias:
            at = (at + 1) & self._mask
        self._entries[at] = Entry(alias=alias, tag=tag, datatype=datatype, used=1)

    cdef Entry* _look(self, uint64_t alias) noexcept nogil:
        cdef uint64_t at = _spread(alias) & self._mask
        while self._entries[at].used:
            if self._entries[at].alias == alias:
                return &self._entries[at]
            at = (at + 1) & self._mask
        return NULL


cdef inline uint64_t _spread(uint64_t alias) noexcept nogil:
    """Small neighbouring aliases stay neighbours, wherever a gateway begins to count."""
    return alias ^ (alias >> 32)


cdef class RowBuffer:
    cdef char* _data
    cdef size_t _size
    cdef size_t _room
    cdef readonly Py_ssize_t rows
    cdef set _minutes
    cdef int64_t _minute_start_ms

    def __cinit__(self):
        self._room = FIRST_BYTES
        self._data = <char*>malloc(self._room)
        if self._data == NULL:
            raise MemoryError
        self._size = 0
        self.rows = 0
        self._minutes = set()
        self._minute_start_ms = AFTER_MS

    def __dealloc__(self):
        free(self._data)

    @property
    def size(self):
        return self._size

    @property
    def minutes(self):
        return self._minutes

    def append(
        self,
        samples,
        Py_ssize_t first,
        AliasTable table not None,
        int64_t now_ms,
        array.array server_offsets=None,
        bint from_history=False,
    ):
        cdef array.array aliases = samples.aliases
        cdef array.array times = samples.times
        cdef array.array fields = samples.fields
        cdef array.array longs = samples.longs
        cdef array.array doubles = samples.doubles
        cdef array.array qualities = samples.qualities
        cdef array.array historical = samples.historical
        cdef dict texts = samples.texts
        cdef Py_ssize_t count = len(aliases)
        cdef Py_ssize_t index, rows = self.rows
        cdef size_t size = self._size
        cdef uint64_t alias
        cdef int64_t time_ms
        cdef uint16_t quality
        cdef uint8_t field
        cdef Entry* entry
        cdef Entry named
        cdef object text
        cdef int64_t* server_offset = NULL
        if server_offsets is not None:
            if len(server_offsets) != (count - first if count > first else 0):
                raise ValueError("columns of unequal length")
            server_offset = <int64_t*>server_offsets.data.as_longlongs
        self._make_room((ROW_BYTES + FILLED_BYTES) * (count - first if count > first else 0))
        for index in range(first, count):
            alias = aliases.data.as_ulonglongs[index]
            if alias == NO_ALIAS:
                found = table._names.get(samples.names[index])
                if found is None:
                    self.truncate(size, rows)
                    raise UnknownAliasError(samples.names[index])
                named.tag, named.datatype = found
                entry = &named
            else:
                entry = table._look(alias)
                if entry == NULL:
                    self.truncate(size, rows)
                    raise UnknownAliasError(alias)
            if entry.tag == NOT_STORED:
                continue
            time_ms = times.data.as_longlongs[index]
            if time_ms == NO_TIME:
                time_ms = now_ms
            field = fields.data.as_uchars[index]
            quality = qualities.data.as_ushorts[index]
            if quality > 32767:
                quality = 0
            self._row_head(entry.tag, time_ms)
            text = None
            if field == DOUBLE or field == FLOAT:
                self._double(doubles.data.as_doubles[index])
            elif field == LONG or field == INT or field == BOOLEAN:
                text = self._integer(longs.data.as_longlongs[index], field, entry.datatype)
            else:
                self._null()
                text = texts.get(index)
            if text is None:
                self._null()
            else:
                self._text(text, (ROW_BYTES + FILLED_BYTES) * (count - index))
            self._flags(quality, historical.data.as_uchars[index] != 0)
            if server_offset == NULL:
                self._null()
            else:
                self._server_time(time_ms, server_offset[index - first])
            self._row_tail(from_history)
        return self.rows - rows

    def truncate(self, size_t size, Py_ssize_t rows):
        self._size = size
        self.rows = rows

    def slice(self, size_t start, size_t stop):
        if not start <= stop <= self._size:
            raise IndexError(f"no slice {start}:{stop} of {self._size} bytes")
        return PyBytes_FromStringAndSize(self._data + start, stop - start)

    def clear(self):
        self.truncate(0, 0)
        self._minutes = set()
        self._minute_start_ms = AFTER_MS

    cdef int _make_room(self, size_t more) except -1:
        """Room for `more` bytes behind the present ones."""
        cdef size_t room = self._room
        if self._size + more <= room:
            return 0
        while room < self._size + more:
            room *= 2
        cdef char* data = <char*>realloc(self._data, room)
        if data == NULL:
            raise MemoryError
        self._data = data
        self._room = room
        return 0

    cdef inline void _put16(self, uint16_t value) noexcept:
        value = to_network16(value)
        memcpy(self._data + self._size, &value, 2)
        self._size += 2

    cdef inline void _put32(self, uint32_t value) noexcept:
        value = to_network32(value)
        memcpy(self._data + self._size, &value, 4)
        self._size += 4

    cdef inline void _put64(self, uint64_t value) noexcept:
        value = to_network64(value)
        memcpy(self._data + self._size, &value, 8)
        self._size += 8

    cdef inline void _null(self) noexcept:
        self._put32(0xFFFFFFFF)

    cdef inline void _double(self, double value) noexcept:
        cdef uint64_t bits
        memcpy(&bits, &value, 8)
        self._put32(8)
        self._put64(bits)

    cdef int _row_head(self, int32_t tag, int64_t time_ms) except -1:
        self._put16(8)
        self._put32(4)
        self._put32(<uint32_t>tag)
        self._put32(8)
        if EARLIEST_MS <= time_ms < AFTER_MS:
            self._put64(<uint64_t>((time_ms - EPOCH_2000_MS) * 1000))
            if not 0 <= time_ms - self._minute_start_ms < MINUTE_MS:
                self._touch_minute(time_ms)
        else:
            self._put64(<uint64_t>REFUSED)
        return 0

    cdef int _touch_minute(self, int64_t time_ms) except -1:
        cdef int64_t minute = time_ms // MINUTE_MS
        if time_ms < 0 and time_ms % MINUTE_MS != 0:
            minute -= 1  # C division goes towards zero
        self._minute_start_ms = minute * MINUTE_MS
        self._minutes.add(minute)
        return 0

    cdef inline void _flags(self, uint16_t quality, bint historical) noexcept:
        self._put32(2)
        self._put16(quality)
        self._boolean(historical)

    cdef inline void _server_time(self, int64_t time_ms, int64_t offset) noexcept:
        # Neither sum nor comparison may overflow, whatever was sent.
        if (
            offset == 0
            or not EARLIEST_MS <= time_ms < AFTER_MS
            or not EARLIEST_MS - time_ms <= offset < AFTER_MS - time_ms
        ):
            self._null()
        else:
            self._put32(8)
            self._put64(<uint64_t>((time_ms + offset - EPOCH_2000_MS) * 1000))

    cdef inline void _row_tail(self, bint from_history) noexcept:
        self._boolean(from_history)
        self.rows += 1

    cdef inline void _boolean(self, bint value) noexcept:
        self._put32(1)
        self._data[self._size] = 1 if value else 0
        self._size += 1

    cdef object _integer(self, int64_t raw, uint8_t field, uint8_t datatype):
        """Write a whole number as float8; returns its digits where those are not exact."""
        cdef uint64_t unsigned
        if field == INT:
            if datatype == INT8:
                raw = <int8_t>raw
            elif datatype == INT16:
                raw = <int16_t>raw
            elif datatype == INT32 or datatype == INT64:
                raw = <int32_t>raw
            else:
                raw = <uint32_t>raw
        elif raw < 0 and (
            datatype == UINT64
            or datatype == DATETIME
            or datatype == UINT32
            or datatype == UINT16
            or datatype == UINT8
        ):
            unsigned = <uint64_t>raw
            self._double(<double>unsigned)
            return str(unsigned)
        self._double(<double>raw)
        return str(raw) if raw > EXACT or raw < -EXACT else None

    cdef int _text(self, str text, size_t rest) except -1:
        """Write a text; keeps room for `rest` bytes after it, and the row's own end."""
        cdef bytes encoded = text.encode()
        cdef size_t length = PyBytes_GET_SIZE(encoded)
        self._make_room(4 + length + rest)
        self._put32(<uint32_t>length)
        memcpy(self._data + self._size, PyBytes_AS_STRING(encoded), length)
        self._size += length
        return 0
