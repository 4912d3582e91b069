"""The payload codec in use: compiled where it was built, else plain Python.

`LINESIDE_PURE=1` in the environment chooses plain Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("LINESIDE_PURE") == "1":
    from protocols.sparkplug._codec_py import Metric, decode, encode
    from protocols.sparkplug._samples_py import decode_samples, encode_samples
else:
    try:
        from protocols.sparkplug._codec import Metric, decode, encode
        from protocols.sparkplug._samples import decode_samples, encode_samples
    except ImportError:
        from protocols.sparkplug._codec_py import Metric, decode, encode
        from protocols.sparkplug._samples_py import decode_samples, encode_samples

__all__ = ["Metric", "decode", "decode_samples", "encode", "encode_samples"]
