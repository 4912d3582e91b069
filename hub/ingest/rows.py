"""Samples to rows of COPY BINARY: compiled where it was built, else plain Python.

`LINESIDE_PURE=1` in the environment chooses plain Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hub.ingest.copy_format import COLUMNS, HEADER, NOT_STORED, TRAILER, UnknownAliasError

if TYPE_CHECKING or os.environ.get("LINESIDE_PURE") == "1":
    from hub.ingest._rows_py import AliasTable, RowBuffer
else:
    try:
        from hub.ingest._rows import AliasTable, RowBuffer
    except ImportError:
        from hub.ingest._rows_py import AliasTable, RowBuffer

__all__ = [
    "COLUMNS",
    "HEADER",
    "NOT_STORED",
    "TRAILER",
    "AliasTable",
    "RowBuffer",
    "UnknownAliasError",
]
