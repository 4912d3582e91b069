from array import array
from collections.abc import Sequence

from hub.sequencing.numbering import CallColumns

def window_excess(
    flags: Sequence[int], tail: int, most: int, window: int, cut: bool = True
) -> int: ...
def colour_runs(
    colours: Sequence[int], tail: int, limit: int
) -> tuple[int, list[tuple[int, int]]]: ...
def explode(
    has: Sequence[int],
    words: int,
    group_starts: Sequence[int],
    care: Sequence[int],
    want: Sequence[int],
    first_car: int,
) -> tuple[array[int], array[int]]: ...
def working_instants(
    opens: Sequence[int], worked: Sequence[int], first: int, step: int, count: int
) -> array[int]: ...
def number_calls(
    car: Sequence[int],
    rule: Sequence[int],
    line_of_rule: Sequence[int],
    next_call_no: Sequence[int],
    wrap: Sequence[int],
    rack_slots: Sequence[int],
    reverse: Sequence[int],
    required_of_line: Sequence[int],
    required: Sequence[int],
) -> tuple[array[int], array[int], array[int], array[int], array[int], array[int]]: ...
def calls_by_line(line: Sequence[int], begin: int, end: int, lines: int) -> array[int]: ...
def changed_calls(
    before: CallColumns,
    after: CallColumns,
    begin: int,
    end: int,
    first_car: int,
    came_from: Sequence[int],
    recoloured: Sequence[int],
    group_of_rule: Sequence[int],
) -> tuple[array[int], array[int], array[int]]: ...
def longest_increasing(ranks: Sequence[int]) -> int: ...
def inversions(ranks: Sequence[int]) -> int: ...
