"""The text of files whose encoding the sender says, or a byte order mark."""

from __future__ import annotations

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class EncodingError(ValueError):
    """A line is not in the encoding."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(what)


def decode(data: bytes, encoding: str) -> str:
    """The text; a byte order mark counts more than `encoding`. Raises `EncodingError`."""
    marked = next((given for bom, given in _BOMS if data.startswith(bom)), encoding)
    try:
        return data.decode(marked)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"byte 0x{data[error.start]:02x} is nothing in {marked}; is the encoding right?"
        raise EncodingError(line, what) from None
