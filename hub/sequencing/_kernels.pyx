# cython: boundscheck=True, show_performance_hints=False
# The inner loops of sequencing, in C. Their meaning is written in `_kernels_py.py`.
#
# Arrays come from Python and name places in one another, so every index is checked: a wrong one
# raises IndexError as in the twin, and what would not end or divide by zero raises ValueError.

cimport cython
from cpython cimport array
import array
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from hub.sequencing import numbering

cdef array.array INT32 = array.array("i")
cdef array.array INT64 = array.array("q")
cdef array.array UINT8 = array.array("B")

cdef int RENUMBERED = numbering.RENUMBERED
cdef int RETIMED = numbering.RETIMED
cdef int MOVED = numbering.MOVED
cdef int REPLACED = numbering.REPLACED


def window_excess(
    const uint8_t[::1] flags not None,
    int32_t tail,
    int32_t most,
    int32_t window,
    bint cut=True,
):
    cdef Py_ssize_t n = flags.shape[0], start = <Py_ssize_t>tail - window + 1, end, s
    cdef int64_t inside = 0, total = 0
    if n <= tail:
        return 0
    if start < 0:
        start = 0
    end = start
    for s in range(start, n if cut else n - window + 1):
        while end < n and end < s + window:
            inside += flags[end]
            end += 1
        if inside > most:
            total += inside - most
        inside -= flags[s]
    return total


def colour_runs(const int32_t[::1] colours not None, int32_t tail, int32_t limit):
    cdef Py_ssize_t n = colours.shape[0], i, start = tail
    cdef int64_t changes = 0
    over = []
    for i in range(tail if tail > 0 else 1, n):
        if colours[i] != colours[i - 1]:
            changes += 1
    for i in range(tail + 1, n + 1):
        if i == n or colours[i] != colours[start]:
            if limit > 0 and i - start > limit:
                over.append((start - tail, i - start))
            start = i
    return changes, over


@cython.boundscheck(False)  # half as fast again; all it takes is checked at its beginning
def explode(
    const uint64_t[::1] has not None,
    Py_ssize_t words,
    const int32_t[::1] group_starts not None,
    const uint64_t[::1] care not None,
    const uint64_t[::1] want not None,
    int32_t first_car,
):
    if words < 1:
        raise ValueError(f"bit sets of {words} words")
    cdef Py_ssize_t cars = has.shape[0] // words, groups = max(group_starts.shape[0] - 1, 0)
    cdef Py_ssize_t rules = min(care.shape[0], want.shape[0]) // words
    cdef Py_ssize_t car, group, rule, w, found = 0
    for group in range(groups):
        if not 0 <= group_starts[group] <= group_starts[group + 1] <= rules:
            raise IndexError("a part group of rules that are not there")
    cdef uint64_t bits
    cdef array.array car_column = array.clone(INT32, cars * groups, zero=False)
    cdef array.array rule_column = array.clone(INT32, cars * groups, zero=False)
    cdef int32_t[::1] car_out = car_column
    cdef int32_t[::1] rule_out = rule_column
    with nogil:
        for car in range(cars):
            bits = has[car * words]
            for group in range(groups):
                for rule in range(group_starts[group], group_starts[group + 1]):
                    if bits & care[rule * words] != want[rule * words]:
                        continue
                    for w in range(1, words):
                        if has[car * words + w] & care[rule * words + w] != want[rule * words + w]:
                            break
                    else:
                        car_out[found] = first_car + <int32_t>car
                        rule_out[found] = <int32_t>rule
                        found += 1
                        break
    array.resize(car_column, found)
    array.resize(rule_column, found)
    return car_column, rule_column


def working_instants(
    const int64_t[::1] opens not None,
    const int64_t[::1] worked not None,
    int64_t first,
    int64_t step,
    Py_ssize_t count,
):
    cdef array.array instants = array.clone(INT64, count, zero=False)
    cdef int64_t[::1] out = instants
    cdef Py_ssize_t i, interval = 0
    cdef int64_t passed = first
    with nogil:
        for i in range(count):
            while passed >= worked[interval + 1]:
                interval += 1
            out[i] = opens[interval] + passed - worked[interval]
            passed += step
    return instants


cdef struct Numbers:
    int64_t call_no          # of the line's next call
    int64_t rack
    int32_t required         # where its times begin
    int32_t sequence_no
    int32_t place            # in the rack, from 1, as calls fill it
    int32_t wrap
    int32_t rack_slots
    bint reverse


def number_calls(
    const int32_t[::1] car not None,
    const int32_t[::1] rule not None,
    const int32_t[::1] line_of_rule not None,
    const int64_t[::1] next_call_no not None,
    const int32_t[::1] wrap not None,
    const int32_t[::1] rack_slots not None,
    const uint8_t[::1] reverse not None,
    const int32_t[::1] required_of_line not None,
    const int64_t[::1] required not None,
):
    cdef Py_ssize_t count = rule.shape[0], lines = next_call_no.shape[0], i
    cdef int32_t line
    cdef array.array line_column = array.clone(INT32, count, zero=False)
    cdef array.array number_column = array.clone(INT64, count, zero=False)
    cdef array.array sequence_column = array.clone(INT32, count, zero=False)
    cdef array.array required_column = array.clone(INT64, count, zero=False)
    cdef array.array rack_column = array.clone(INT64, count, zero=False)
    cdef array.array slot_column = array.clone(INT32, count, zero=False)
    cdef int32_t[::1] line_out = line_column
    cdef int64_t[::1] number_out = number_column
    cdef int32_t[::1] sequence_out = sequence_column
    cdef int64_t[::1] required_out = required_column
    cdef int64_t[::1] rack_out = rack_column
    cdef int32_t[::1] slot_out = slot_column
    cdef Numbers *now
    cdef Numbers *numbers = <Numbers *>malloc((lines + 1) * sizeof(Numbers))
    if numbers == NULL:
        raise MemoryError
    try:
        with nogil:
            # The only divisions: from here on numbers, racks and slots are counted up.
            for i in range(lines):
                if wrap[i] < 1 or rack_slots[i] < 1:
                    raise ValueError("a wrap or a rack of less than 1")
                now = &numbers[i]
                now.call_no = next_call_no[i]
                now.wrap = wrap[i]
                now.sequence_no = <int32_t>((now.call_no - 1) % now.wrap) + 1
                now.rack_slots = rack_slots[i]
                now.rack = (now.call_no - 1) // now.rack_slots + 1
                now.place = <int32_t>((now.call_no - 1) % now.rack_slots) + 1
                now.reverse = reverse[i]
                now.required = required_of_line[i]
            for i in range(count):
                line = line_of_rule[rule[i]]
                if not 0 <= line < lines:
                    raise IndexError("a rule of a line that is not there")
                now = &numbers[line]
                line_out[i] = line
                number_out[i] = now.call_no
                sequence_out[i] = now.sequence_no
                required_out[i] = required[<Py_ssize_t>now.required + car[i]]
                rack_out[i] = now.rack
                slot_out[i] = now.rack_slots - now.place + 1 if now.reverse else now.place
                now.call_no += 1
                now.sequence_no = now.sequence_no + 1 if now.sequence_no < now.wrap else 1
                if now.place < now.rack_slots:
                    now.place += 1
                else:
                    now.place = 1
                    now.rack += 1
    finally:
        free(numbers)
    return line_column, number_column, sequence_column, required_column, rack_column, slot_column


def calls_by_line(const int32_t[::1] line not None, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t lines):
    cdef array.array counts = array.clone(INT64, lines, zero=True)
    cdef int64_t[::1] out = counts
    cdef Py_ssize_t i
    with nogil:
        for i in range(begin, end):
            out[line[i]] += 1
    return counts


def changed_calls(
    before,
    after,
    Py_ssize_t begin,
    Py_ssize_t end,
    int32_t first_car,
    const int32_t[::1] came_from not None,
    const uint8_t[::1] recoloured not None,
    const int32_t[::1] group_of_rule not None,
):
    cdef const int32_t[::1] old_car = before.car, new_car = after.car
    cdef const int32_t[::1] old_rule = before.rule, new_rule = after.rule
    cdef const int64_t[::1] old_number = before.call_no, new_number = after.call_no
    cdef const int64_t[::1] old_required = before.required_us, new_required = after.required_us
    cdef const int64_t[::1] old_rack = before.rack, new_rack = after.rack
    cdef const int32_t[::1] old_slot = before.slot, new_slot = after.slot
    cdef Py_ssize_t cars = came_from.shape[0], calls = new_car.shape[0]
    cdef Py_ssize_t old_cars = old_car[end - 1] - first_car + 1 if end > begin else 0
    cdef Py_ssize_t i, car, old, new = begin, found = 0, place, new_end = begin
    cdef int32_t group
    cdef uint8_t what
    while new_end < calls and new_car[new_end] < first_car + cars:
        new_end += 1
    cdef Py_ssize_t at_most = end - begin + new_end - begin
    cdef array.array old_column = array.clone(INT32, at_most, zero=False)
    cdef array.array new_column = array.clone(INT32, at_most, zero=False)
    cdef array.array what_column = array.clone(UINT8, at_most, zero=False)
    cdef int32_t[::1] old_out = old_column, new_out = new_column
    cdef uint8_t[::1] what_out = what_column
    # Of each car before, its first call; then the end.
    cdef array.array starts = array.clone(INT32, old_cars + 1, zero=False)
    cdef array.array stays = array.clone(UINT8, end - begin, zero=True)
    cdef int32_t[::1] start = starts
    cdef uint8_t[::1] stay = stays
    with nogil:
        old = begin
        for car in range(old_cars + 1):
            while old < end and old_car[old] < first_car + car:
                old += 1
            start[car] = <int32_t>old
        for i in range(cars):
            place = came_from[i] - first_car
            # Both cars' calls are in order of the part groups, so one pass over both finds pairs.
            old = start[place] if 0 <= place < old_cars else end
            while new < new_end and new_car[new] == first_car + i:
                group = group_of_rule[new_rule[new]]
                while (
                    old < end
                    and old_car[old] == came_from[i]
                    and group_of_rule[old_rule[old]] < group
                ):
                    old += 1
                if (
                    old < end
                    and old_car[old] == came_from[i]
                    and group_of_rule[old_rule[old]] == group
                ):
                    stay[old - begin] = 1
                    what = 0
                    if old_number[old] != new_number[new]:
                        what |= RENUMBERED
                    if old_required[old] != new_required[new]:
                        what |= RETIMED
                    if old_rack[old] != new_rack[new] or old_slot[old] != new_slot[new]:
                        what |= MOVED
                    if old_rule[old] != new_rule[new] or recoloured[i]:
                        what |= REPLACED
                    if what:
                        old_out[found] = <int32_t>old
                        new_out[found] = <int32_t>new
                        what_out[found] = what
                        found += 1
                else:
                    old_out[found] = -1
                    new_out[found] = <int32_t>new
                    what_out[found] = 0
                    found += 1
                new += 1
        for old in range(begin, end):
            if not stay[old - begin]:
                old_out[found] = <int32_t>old
                new_out[found] = -1
                what_out[found] = 0
                found += 1
    array.resize(old_column, found)
    array.resize(new_column, found)
    array.resize(what_column, found)
    return old_column, new_column, what_column


def longest_increasing(const int32_t[::1] ranks not None):
    cdef Py_ssize_t n = ranks.shape[0], i, low, high, middle, length = 0
    cdef int32_t[::1] tails = array.clone(INT32, n, zero=False)
    with nogil:
        for i in range(n):
            low = 0
            high = length
            while low < high:
                middle = (low + high) // 2
                if tails[middle] < ranks[i]:
                    low = middle + 1
                else:
                    high = middle
            tails[low] = ranks[i]
            if low == length:
                length += 1
    return length


def inversions(const int32_t[::1] ranks not None):
    cdef Py_ssize_t n = ranks.shape[0], i, at
    cdef int64_t total = 0
    cdef int64_t[::1] tree = array.clone(INT64, n + 1, zero=True)
    with nogil:
        for i in range(n - 1, -1, -1):
            at = ranks[i]
            if at < 0:
                raise ValueError("a rank below 0")
            while at > 0:
                total += tree[at]
                at -= at & -at
            at = <Py_ssize_t>ranks[i] + 1
            while at <= n:
                tree[at] += 1
                at += at & -at
    return total
