# The inner loops of sequencing, in C. Their meaning is written in `_kernels_py.py`.

from cpython cimport array
import array
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc


def window_excess(
    const uint8_t[::1] flags, int32_t tail, int32_t most, int32_t window, bint cut=True
):
    cdef Py_ssize_t n = flags.shape[0], start = tail - window + 1, end, s
    cdef int64_t inside = 0, total = 0
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


def colour_runs(const int32_t[::1] colours, int32_t tail, int32_t limit):
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


def explode(
    const uint64_t[::1] options,
    const int32_t[::1] colours,
    Py_ssize_t words,
    const int32_t[::1] group_starts,
    const uint64_t[::1] requires,
    const uint64_t[::1] excludes,
    const uint8_t[::1] colour_fits,
    Py_ssize_t colour_count,
):
    cdef Py_ssize_t cars = colours.shape[0], groups = group_starts.shape[0] - 1
    cdef Py_ssize_t car, group, rule, w, found = 0
    cdef bint fits
    cdef array.array empty = array.array("i")
    cdef array.array car_column = array.clone(empty, cars * groups, zero=False)
    cdef array.array rule_column = array.clone(empty, cars * groups, zero=False)
    cdef int32_t[::1] car_out = car_column
    cdef int32_t[::1] rule_out = rule_column
    with nogil:
        for car in range(cars):
            for group in range(groups):
                for rule in range(group_starts[group], group_starts[group + 1]):
                    fits = colour_fits[rule * colour_count + colours[car]]
                    for w in range(words):
                        if not fits:
                            break
                        fits = (
                            options[car * words + w] & requires[rule * words + w]
                            == requires[rule * words + w]
                            and options[car * words + w] & excludes[rule * words + w] == 0
                        )
                    if fits:
                        car_out[found] = <int32_t>car
                        rule_out[found] = <int32_t>rule
                        found += 1
                        break
    array.resize(car_column, found)
    array.resize(rule_column, found)
    return car_column, rule_column


def longest_increasing(const int32_t[::1] ranks):
    cdef Py_ssize_t n = ranks.shape[0], i, low, high, middle, length = 0
    cdef int32_t *tails = <int32_t *>malloc(n * sizeof(int32_t)) if n else NULL
    if n and tails == NULL:
        raise MemoryError
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
    free(tails)
    return length


def inversions(const int32_t[::1] ranks):
    cdef Py_ssize_t n = ranks.shape[0], i, at
    cdef int64_t total = 0
    cdef int64_t *tree = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    if tree == NULL:
        raise MemoryError
    with nogil:
        for i in range(n + 1):
            tree[i] = 0
        for i in range(n - 1, -1, -1):
            at = ranks[i]
            while at > 0:
                total += tree[at]
                at -= at & -at
            at = ranks[i] + 1
            while at <= n:
                tree[at] += 1
                at += at & -at
    free(tree)
    return total
