"""What `_search.pyx` calls, without the GIL. `at`: the line's cars by position; i, j: positions."""

cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t


@cython.final
cdef class Limits:
    cdef int cars, pairs
    cdef int32_t* low      # by car: first position it may stand at
    cdef int32_t* high     # by car: last one
    cdef int32_t* first    # by pair: a car,
    cdef int32_t* second   #          the other,
    cdef int32_t* places   #          least distance,
    cdef uint8_t* in_order #          and whether the first must stand before the second
    cdef uint8_t* paired   # by car: it is one of a pair
    cdef int32_t* where    # by car: its position; kept only where there are pairs

    cdef void begin(self, const int32_t* at) noexcept nogil
    cdef int first_free(self, const int32_t* at, int tail) noexcept nogil
    cdef bint may_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint may_go(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint keeps_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint keeps_insert(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint keeps_reverse(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint keeps_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil
    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil
    cdef bint _apart(self, int pair, int first, int second) noexcept nogil


@cython.final
cdef class Dues:
    cdef int32_t* start    # by car: first position it is due at
    cdef int32_t* end      # by car: last one

    cdef int outside(self, int car, int position) noexcept nogil
    cdef int64_t total(self, const int32_t* at, int first, int last) noexcept nogil
    cdef int price_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int price_insert(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int price_reverse(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil


cdef struct Block:
    int32_t sum     # of X_k over all k up to this block
    int16_t count   # X_k before it: cars so far that take the part
    uint8_t takes   # bit q: the q-th car of the block takes the part


@cython.final
cdef class Levels:
    cdef int cars, tail, parts, blocks, words
    cdef Block* block         # by block, then part
    cdef int64_t* taken       # by part: T, takers of the day
    cdef uint64_t* features   # by car: bit set of the parts it takes
    cdef int32_t* start       # by car: its parts are listed[start] … listed[next start - 1]
    cdef int32_t* listed
    cdef int32_t* changed     # parts and signs of the swap that is being made
    cdef int32_t* sign
    cdef int32_t* before      # by part: sum at a block, before it was worked out anew

    cdef const Block* row(self, int k) noexcept nogil
    cdef int64_t d(self, const Block* row, int part, int k) noexcept nogil
    cdef int64_t sum_of_d(self, const Block* row, int part, int k) noexcept nogil
    cdef void begin(self, const int32_t* at) noexcept nogil
    cdef int64_t total(self) noexcept nogil
    cdef int64_t price_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int64_t price_insert(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int64_t price_reverse(self, const int32_t* at, int i, int j) noexcept nogil
    cdef int64_t price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil
    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil
    cdef void _read(self, const int32_t* at, int first, int last) noexcept nogil


@cython.final
cdef class Plant:
    cdef Limits limits
    cdef Dues dues
    cdef Levels levels
    cdef double due_weight, level_weight
    cdef int32_t* kind        # by car: cars of one kind are the same to all of these rules

    cdef double begin(self, const int32_t* at, int tail, int cars) noexcept nogil
    cdef double price_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef double price_insert(self, const int32_t* at, int i, int j) noexcept nogil
    cdef double price_reverse(self, const int32_t* at, int i, int j) noexcept nogil
    cdef double price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil
    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil
    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil
