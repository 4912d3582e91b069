"""The check sum of Modbus RTU ("MODBUS over Serial Line V1.02", 6.2.2): CRC-16, low byte first."""

from __future__ import annotations

_POLYNOMIAL = 0xA001


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc16(frame: bytes) -> bytes:
    """The two bytes that follow a frame."""
    crc = 0xFFFF
    for byte in frame:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")
