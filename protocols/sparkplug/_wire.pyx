"""The protobuf wire format: the rare paths of `_wire.pxd`."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memmove

from protocols.sparkplug.values import PayloadError


cdef int fail(Py_ssize_t offset, str message) except -1:
    raise PayloadError(offset, message)


cdef int fail_varint(const uint8_t* base, const uint8_t* at, const uint8_t* end) except -1:
    if end - at >= 10:
        return fail(at - base, "number of more than 10 bytes")
    return fail(at - base, "ends within a number")


cdef int fail_size(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                   uint64_t tag, uint64_t size) except -1:
    return fail(at - base, f"field {tag >> 3} of {size} bytes, but {end - at} are left")


cdef int check_tag(uint64_t tag, Py_ssize_t offset) except -1:
    if tag > 0xFFFFFFFF or tag < 8:
        return fail(offset, f"no field has the tag {tag}")
    return 0


cdef const uint8_t* skip_field(const uint8_t* base, const uint8_t* tag_at, const uint8_t* at,
                               const uint8_t* end, uint64_t tag, int max_depth) except NULL:
    # Pass over a field that is not ours; `at` is behind its tag, `tag_at` before it.
    check_tag(tag, tag_at - base)
    if tag & 7 == GROUP:
        return _skip_group(base, at, end, tag >> 3, max_depth)
    return _skip_plain(base, tag_at, at, end, tag)


cdef const uint8_t* _skip_plain(const uint8_t* base, const uint8_t* tag_at, const uint8_t* at,
                                const uint8_t* end, uint64_t tag) except NULL:
    cdef uint64_t number = 0
    cdef Span ignored
    if tag & 7 == VARINT:
        return varint(base, at, end, &number)
    if tag & 7 == LENGTH:
        return span(base, at, end, tag, &ignored)
    if tag & 7 == FIXED64:
        return fixed(base, at, end, tag, 8, &ignored)
    if tag & 7 == FIXED32:
        return fixed(base, at, end, tag, 4, &ignored)
    fail(tag_at - base, f"field {tag >> 3} has wire type {tag & 7}")
    return NULL


cdef const uint8_t* _skip_group(const uint8_t* base, const uint8_t* at, const uint8_t* end,
                                uint64_t number, int max_depth) except NULL:
    cdef uint64_t tag = 0
    cdef const uint8_t* tag_at
    cdef list opened = [number]
    while opened:
        tag_at = at
        if at >= end:
            fail(at - base, f"ends within group {opened[len(opened) - 1]}")
        at = varint(base, at, end, &tag)
        check_tag(tag, tag_at - base)
        if tag & 7 == GROUP:
            if len(opened) >= max_depth:
                fail(tag_at - base, f"nested deeper than {max_depth}")
            opened.append(tag >> 3)
        elif tag & 7 == GROUP_END:
            if tag >> 3 != <uint64_t>opened.pop():
                fail(tag_at - base, f"group {tag >> 3} ends but was not open")
        else:
            at = _skip_plain(base, tag_at, at, end, tag)
    return at


cdef str text(const uint8_t* base, Span span):
    # UTF-8 text.
    try:
        return PyUnicode_DecodeUTF8(<const char*>span.data, span.size, NULL)
    except UnicodeDecodeError as error:
        offset = span.data - base + error.start
    fail(offset, "text is not UTF-8")


cdef int open_writer(Writer* writer, Py_ssize_t size) except -1:
    writer.start = <uint8_t*>PyMem_Malloc(size)
    if writer.start == NULL:
        raise MemoryError()
    writer.at = writer.start
    writer.end = writer.start + size
    return 0


cdef void close_writer(Writer* writer) noexcept:
    PyMem_Free(writer.start)


cdef int grow(Writer* writer, Py_ssize_t size) except -1:
    cdef Py_ssize_t used = writer.at - writer.start
    cdef Py_ssize_t room = 2 * (writer.end - writer.start) + size
    cdef uint8_t* start = <uint8_t*>PyMem_Realloc(writer.start, room)
    if start == NULL:
        raise MemoryError()
    writer.start = start
    writer.at = start + used
    writer.end = start + room
    return 0


cdef int widen(Writer* writer, Py_ssize_t body, Py_ssize_t size) except -1:
    # A message of 128 bytes or more: move it to make room for its longer length.
    cdef uint8_t length[10]
    cdef Py_ssize_t more = put_varint(length, size) - length - 1
    need(writer, more)
    memmove(writer.start + body + more, writer.start + body, size)
    put_varint(writer.start + body - 1, size)
    writer.at += more
    return 0
