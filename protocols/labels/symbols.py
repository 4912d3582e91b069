"""The modules of Data Matrix and Code 128, made by zxing-cpp."""

from __future__ import annotations

from typing import Any, cast

import zxingcpp


def matrix_modules(text: str) -> list[list[bool]]:
    """The rows of a Data Matrix, True for dark, without a quiet zone. Raises `ValueError`."""
    return _modules(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True)


def linear_modules(text: str) -> list[bool]:
    """The bars of a Code 128, True for dark, without a quiet zone. Raises `ValueError`."""
    return _modules(text, zxingcpp.BarcodeFormat.Code128)[0]


def _modules(text: str, symbology: zxingcpp.BarcodeFormat, **options: bool) -> list[list[bool]]:
    barcode = zxingcpp.create_barcode(text, symbology, **options)
    image = barcode.to_image(scale=1, add_quiet_zones=False)
    height, width = image.shape[:2]
    # It has the buffer protocol, which its stubs do not say.
    pixels = memoryview(cast("Any", image)).tobytes()
    return [[not pixels[row * width + at] for at in range(width)] for row in range(height)]
