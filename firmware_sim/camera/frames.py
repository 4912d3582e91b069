"""Frames with a number and the time drawn into them; the number is in the JPEG's comment too, so
that whoever tests can tell which frame it was."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from PIL import Image, ImageDraw, ImageFont

_COMMENT = "frame "
_LONGEST_SEGMENT = 65_000


class Frames:
    """What the camera sees: each frame is another."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._font = ImageFont.load_default(max(10, height // 10))
        self.count = 0
        """Frames so far."""
        self.padding = 0
        """Bytes that are added to each, in segments that no viewer shows."""

    def next(self) -> bytes:
        """The next frame, as JPEG."""
        self.count += 1
        width, height = self._size
        image = Image.new("RGB", self._size, (40, 60, 40 + self.count * 7 % 200))
        draw = ImageDraw.Draw(image)
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        draw.text((8, height // 4), f"#{self.count}", fill="white", font=self._font)
        draw.text((8, height // 2), now, fill="white", font=self._font)
        x = self.count * 5 % (width - 10)
        draw.rectangle((x, height - 14, x + 10, height - 4), fill="white")
        said = io.BytesIO()
        image.save(said, "JPEG", quality=75, comment=f"{_COMMENT}{self.count}")
        data = said.getvalue()
        return data[:2] + _segments(self.padding) + data[2:]


def number_of(jpeg: bytes) -> int:
    """Which frame it is. Raises `ValueError` for one of another camera."""
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        comment = image.info.get("comment", b"")
    text = comment.decode() if isinstance(comment, bytes) else str(comment)
    if not text.startswith(_COMMENT):
        raise ValueError("no frame of a simulated camera")
    return int(text.removeprefix(_COMMENT))


def _segments(size: int) -> bytes:
    """APP15 segments of so many bytes."""
    found = bytearray()
    while size > 4:
        length = min(size - 2, _LONGEST_SEGMENT)
        found += b"\xff\xef" + length.to_bytes(2, "big") + bytes(length - 2)
        size -= length + 2
    return bytes(found)
