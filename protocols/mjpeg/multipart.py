"""The parts of a multipart answer (RFC 2046, 5.1) that has no end, from bytes as they come.

Lenient where cameras differ: lines may end in LF alone, the boundary of the header may have its
dashes already, parts may lack a Content-Length, and an answer may begin or go on with empty lines.
"""

from __future__ import annotations

import re

_MOST_HEADER = 8192
_CR, _LF = b"\r\n"
_LONGEST_MARK = len(b"\r\n--")
"""What stands before a boundary line at most."""
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*", re.IGNORECASE)
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s";]+))', re.IGNORECASE)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_LONGEST_END = 3
"""Bytes of an empty line that is not yet whole."""


class PartsError(ValueError):
    """What came is no such answer, or a part is larger than is taken; the text says why."""


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names; None: it is no multipart."""
    if not content_type.strip().lower().startswith("multipart/"):
        return None
    found = _BOUNDARY.search(content_type)
    if found is None:
        return None
    text = found[1] or found[2]
    return text.encode("latin-1", "replace")


class Parts:
    """Reads one answer. Whole parts come out of `feed`; what comes after an error makes no sense
    any more."""

    def __init__(self, boundary: bytes, most: int) -> None:
        """`most`: bytes of a part that are taken. Raises `PartsError` for a boundary that is
        none."""
        name = boundary.strip().removeprefix(b"--")
        if not 1 <= len(name) <= 200 or b"\n" in name:
            raise PartsError("the boundary between parts is no name")
        self._line = b"--" + name
        self._most = most
        self._buffer = bytearray()
        self._in_part = False
        """Whether what the buffer begins with is the body of a part."""
        self._length: int | None = None
        """Of that body, if its header says it."""
        self._looked = 0
        """So far the end of the body was looked for in vain."""

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that these bytes complete. Raises `PartsError`."""
        self._buffer += data
        found: list[bytes] = []
        while self._body(found) if self._in_part else self._header():
            pass
        return found

    def _header(self) -> bool:
        """Read a boundary line and the header behind it; False: more must come."""
        buffer = self._buffer
        at = buffer.find(self._line)
        if at > _MOST_HEADER or (at < 0 and len(buffer) >= _MOST_HEADER + len(self._line)):
            raise PartsError("no boundary is found between parts")
        if at < 0:
            return False
        end = _EMPTY_LINE.search(buffer, at + len(self._line))
        length = (len(buffer) - _LONGEST_END if end is None else end.start()) - at
        if length > _MOST_HEADER:
            raise PartsError("the header of a part has no end")
        if end is None:
            return False
        self._length = None
        for line in bytes(buffer[at : end.start()]).splitlines():
            if said := _LENGTH.fullmatch(line):
                self._length = int(said[1])
        if self._length is not None and self._length > self._most:
            raise PartsError(f"a frame of {self._length} bytes; the most is {self._most}")
        del buffer[: end.end()]
        self._in_part, self._looked = True, 0
        return True

    def _body(self, found: list[bytes]) -> bool:
        """Read a body; False: more must come."""
        buffer = self._buffer
        if self._length is None:
            end, after = self._end()
            if end > self._most:
                raise PartsError(f"a frame of more than {self._most} bytes")
            if after < 0:
                return False
            body = bytes(buffer[:end])
            del buffer[:after]
        else:
            if len(buffer) < self._length:
                return False
            body = bytes(buffer[: self._length])
            del buffer[: self._length]
        self._in_part = False
        if body:
            found.append(body)
        return True

    def _end(self) -> tuple[int, int]:
        """Where a body without a length ends, and where its boundary line begins, which may have
        dashes of its own; if that has not come (-1), where the body ends at the earliest."""
        buffer, line = self._buffer, self._line
        at = max(0, self._looked - len(line))
        while (at := buffer.find(line, at)) >= 0:
            end = at - 2 if buffer[max(0, at - 2) : at] == b"--" else at
            if end > 0 and buffer[end - 1] == _LF:
                end -= 1
                return (end - 1 if end > 0 and buffer[end - 1] == _CR else end), at
            at += 1
        self._looked = len(buffer)
        return len(buffer) - len(line) - _LONGEST_MARK, -1
