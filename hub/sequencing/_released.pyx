"""How many released calls a move would change: what `released.Horizon.count` says, many times over.

A repair asks it of hundreds of moves. The order is given by where each of its cars stood in the
released horizon before, as `Horizon.places` does.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove


cdef inline int lesser(int a, int b) noexcept nogil:
    return a if a < b else b


cdef class CallCounter:
    """released: length of the horizon. tolerance: places a call may move without being retimed.
    cars: of the whole sequence."""

    cdef int released, tolerance, horizon
    cdef int32_t* head      # by position of the horizon: place before, -1 without a call
    cdef int32_t* ends      # by length of a run: the least place it can end with
    cdef int32_t* at_end    # where that stands
    cdef int32_t* previous  # by position: the one before it in the longest run that it ends

    def __cinit__(self, int released, int tolerance, int cars):
        if released < 0 or cars < 0:
            raise ValueError("a horizon of fewer than no cars")
        self.released, self.tolerance = released, tolerance
        self.horizon = released if released < cars else cars
        # One more, so that none is empty.
        self.head = <int32_t*>malloc((self.horizon + 1) * sizeof(int32_t))
        self.ends = <int32_t*>malloc((self.horizon + 1) * sizeof(int32_t))
        self.at_end = <int32_t*>malloc((self.horizon + 1) * sizeof(int32_t))
        self.previous = <int32_t*>malloc((self.horizon + 1) * sizeof(int32_t))
        if not (self.head and self.ends and self.at_end and self.previous):
            raise MemoryError

    def __dealloc__(self):
        free(self.head)
        free(self.ends)
        free(self.at_end)
        free(self.previous)

    def after_insert(self, const int32_t[::1] was, int a, int b) -> int:
        """Changed calls once the car of position a, from 0, has gone to b."""
        cdef int horizon = self.horizon
        self._check(was, a, b)
        memcpy(self.head, &was[0], horizon * sizeof(int32_t))
        if a < b and a < horizon:
            memmove(self.head + a, &was[a + 1], (lesser(b, horizon) - a) * sizeof(int32_t))
        elif b < a and b < horizon:
            memmove(
                self.head + b + 1, &was[b], (lesser(a, horizon - 1) - b) * sizeof(int32_t)
            )
        if b < horizon:
            self.head[b] = was[a]
        return self._count()

    def after_swap(self, const int32_t[::1] was, int a, int b) -> int:
        """Changed calls once the cars of positions a and b have changed places."""
        self._check(was, a, b)
        memcpy(self.head, &was[0], self.horizon * sizeof(int32_t))
        if a < self.horizon:
            self.head[a] = was[b]
        if b < self.horizon:
            self.head[b] = was[a]
        return self._count()

    cdef int _check(self, const int32_t[::1] was, int a, int b) except -1:
        if was.shape[0] < self.horizon or not (0 <= a < was.shape[0] and 0 <= b < was.shape[0]):
            raise ValueError(f"positions {a} and {b} of {was.shape[0]} cars")
        return 0

    cdef int _count(self) noexcept nogil:
        cdef int at, off, low, high, middle, length = 0, called = 0, moved = 0, kept = 0, last
        for at in range(self.horizon):
            if self.head[at] < 0:
                continue
            called += 1
            off = self.head[at] - at
            moved += off > self.tolerance or -off > self.tolerance
            low, high = 0, length
            if length and self.ends[length - 1] < self.head[at]:
                low = length
            while low < high:
                middle = (low + high) >> 1
                if self.ends[middle] < self.head[at]:
                    low = middle + 1
                else:
                    high = middle
            self.ends[low], self.at_end[low] = self.head[at], at
            self.previous[at] = self.at_end[low - 1] if low else -1
            length += low == length
        if moved == 0:
            kept = length
        else:
            last = self.at_end[length - 1]  # a call has moved, so that there is a run
            while last >= 0:
                off = self.head[last] - last
                kept += not (off > self.tolerance or -off > self.tolerance)
                last = self.previous[last]
        # Withdrawn, new, and those that stay but neither in order nor in time.
        return self.released - called + self.horizon - called + called - kept
