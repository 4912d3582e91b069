# The protobuf wire format at C speed: the compiled twin of `_wire_py.py`.
#
# What every metric needs is inline here; what is rare (errors, unknown fields, growth) is in
# `_wire.pyx`. Readers move a pointer over borrowed bytes, `base` being where the payload begins.
# Floats and doubles are copied as they are: the machine is little-endian, as the wire is.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    GROUP = 3
    GROUP_END = 4
    FIXED32 = 5

cdef struct Span:
    # Bytes of a field: where they begin, and how many.
    const uint8_t* data
    Py_ssize_t size

cdef struct Writer:
    uint8_t* start
    uint8_t* at
    uint8_t* end

cdef int fail(Py_ssize_t offset, str message) except -1
cdef int fail_varint(const uint8_t* base, const uint8_t* at, const uint8_t* end) except -1
cdef int fail_size(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                   uint64_t tag, uint64_t size) except -1
cdef int check_tag(uint64_t tag, Py_ssize_t offset) except -1
cdef const uint8_t* skip_field(const uint8_t* base, const uint8_t* tag_at, const uint8_t* at,
                               const uint8_t* end, uint64_t tag, int max_depth) except NULL
cdef str text(const uint8_t* base, Span span)
cdef int grow(Writer* writer, Py_ssize_t size) except -1
cdef int open_writer(Writer* writer, Py_ssize_t size) except -1
cdef void close_writer(Writer* writer) noexcept
cdef int widen(Writer* writer, Py_ssize_t body, Py_ssize_t size) except -1


cdef inline const uint8_t* varint(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                                  uint64_t* value) except NULL:
    # Read a number at `at`; return where it ends.
    cdef const uint8_t* p = at
    cdef uint64_t result
    cdef int shift
    if p < end and p[0] < 0x80:
        value[0] = p[0]
        return p + 1
    result = 0
    shift = 0
    while p < end and shift < 70:
        result |= <uint64_t>(p[0] & 0x7F) << shift
        if p[0] < 0x80:
            value[0] = result
            return p + 1
        p += 1
        shift += 7
    fail_varint(base, at, end)
    return NULL


cdef inline const uint8_t* span(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                                uint64_t tag, Span* found) except NULL:
    # Read a length at `at` and take that many bytes; return where they end.
    cdef uint64_t size = 0
    at = varint(base, at, end, &size)
    if size > <uint64_t>(end - at):
        fail_size(base, at, end, tag, size)
    found.data = at
    found.size = <Py_ssize_t>size
    return at + found.size


cdef inline const uint8_t* fixed(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                                 uint64_t tag, Py_ssize_t size, Span* found) except NULL:
    # Take the 4 or 8 bytes of a float or double; return where they end.
    if size > end - at:
        fail_size(base, at, end, tag, size)
    found.data = at
    found.size = size
    return at + size


cdef inline int need(Writer* writer, Py_ssize_t size) except -1:
    # Make room for `size` more bytes.
    if writer.end - writer.at < size:
        grow(writer, size)
    return 0


cdef inline uint8_t* put_varint(uint8_t* at, uint64_t value) noexcept nogil:
    # Write a number (at most 10 bytes, for which there must be room); return where it ends.
    while value > 0x7F:
        at[0] = <uint8_t>(value & 0x7F | 0x80)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value
    return at + 1


cdef inline Py_ssize_t begin_message(Writer* writer) except -1:
    # Leave one byte for the length of the message that follows; return where its body begins.
    need(writer, 1)
    writer.at += 1
    return writer.at - writer.start


cdef inline int end_message(Writer* writer, Py_ssize_t body) except -1:
    # Write the length of the message that began at `body`.
    cdef Py_ssize_t size = writer.at - writer.start - body
    if size < 0x80:
        writer.start[body - 1] = <uint8_t>size
        return 0
    return widen(writer, body, size)
