from array import array
from collections.abc import Sequence

def window_excess(
    flags: Sequence[int], tail: int, most: int, window: int, cut: bool = True
) -> int: ...
def colour_runs(
    colours: Sequence[int], tail: int, limit: int
) -> tuple[int, list[tuple[int, int]]]: ...
def explode(
    options: Sequence[int],
    colours: Sequence[int],
    words: int,
    group_starts: Sequence[int],
    requires: Sequence[int],
    excludes: Sequence[int],
    colour_fits: Sequence[int],
    colour_count: int,
) -> tuple[array[int], array[int]]: ...
def longest_increasing(ranks: Sequence[int]) -> int: ...
def inversions(ranks: Sequence[int]) -> int: ...
