"""The kernels in use: compiled where they were built, else their twin; LINESIDE_PURE=1 forces that.

Arguments are `array.array`s: "B" for flags, "i" for ranks, colours and indices, "q" for
times and call numbers, "Q" for bit sets.
"""

from __future__ import annotations

import os

try:
    if os.environ.get("LINESIDE_PURE") == "1":
        raise ImportError("the compiled kernels are not wanted")
    from hub.sequencing._kernels import (
        calls_by_line,
        changed_calls,
        colour_runs,
        explode,
        inversions,
        longest_increasing,
        number_calls,
        window_excess,
        working_instants,
    )
except ImportError:
    from hub.sequencing._kernels_py import (
        calls_by_line,
        changed_calls,
        colour_runs,
        explode,
        inversions,
        longest_increasing,
        number_calls,
        window_excess,
        working_instants,
    )

__all__ = [
    "calls_by_line",
    "changed_calls",
    "colour_runs",
    "explode",
    "inversions",
    "longest_increasing",
    "number_calls",
    "window_excess",
    "working_instants",
]
