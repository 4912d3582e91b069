"""What a plant asks beyond ratios and colours, as a move is tested and priced: for `_search.pyx`.

Positions are those of the line, yesterday's tail first; i < j unless the car of i is inserted at j.
An exchange is that of two neighbouring stretches, i … m and m + 1 … j.
What is asked before a move is made gets the order that stands; `follow` gets the one it has become.

Levelling is priced without a walk along the line. With X_k the takers of a part among the first k
cars, T among all n and d_k = n X_k - k T, the sum of d_k^2 is n^2 times what the scorer calls
levelling, and whole. A swap adds or takes n on d_k for i <= k < j, for the parts that only one of
the cars takes: 2 n (sum of d_k) + n^2 (j - i). An insertion replaces d_k by d_k+1 + c (forward) or
d_k-1 - c (backward), c = T - n if the car takes the part, else T: the squares telescope, the rest
is a sum of d_k. A reversal replaces d_k by e - d_i+j-k, e the sum of d just before the segment and
at its end. An exchange moves the d_k of each stretch and adds a constant to them: what the other
stretch, now on the other side, adds to d or takes from it. So sums of X_k over a stretch are all
that is needed; they are kept at every eighth car, and eight cars in between are a byte, read by
table. All is exact in 64 bits.
"""

cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove, memset

cdef extern from *:
    """
    #define lineside_lowest_part(x) __builtin_ctzll(x)
    """
    int lineside_lowest_part(uint64_t x) noexcept nogil

cdef uint8_t[9][256] TAKERS  # bits below r
cdef uint8_t[9][256] RAMP    # sum of r - q over the bits q below r


cdef void _fill_tables():
    cdef int r, byte, q
    for r in range(9):
        for byte in range(256):
            TAKERS[r][byte] = RAMP[r][byte] = 0
            for q in range(r):
                if (byte >> q) & 1:
                    TAKERS[r][byte] += 1
                    RAMP[r][byte] += r - q

_fill_tables()


cdef int32_t* _copy(const int32_t[::1] values) except NULL:
    cdef int i
    cdef int32_t* kept = <int32_t*>calloc(values.shape[0] + 1, sizeof(int32_t))
    if kept == NULL:
        raise MemoryError
    for i in range(values.shape[0]):
        kept[i] = values[i]
    return kept


cdef inline int exchanged(int p, int i, int m, int j) noexcept nogil:
    """Where the car of p stands after an exchange."""
    return p if p < i or p > j else p + j - m if p <= m else p - (m + 1 - i)


@cython.final
cdef class Limits:
    """Where cars may stand, and pairs that keep a distance: hard limits, tested move by move.

    low, high: int32[cars of the line], first and last position of each car. first, second, places,
    in_order: int32[pairs], see `Pair` of the model. The order given must keep them all.
    """

    def __cinit__(
        self,
        const int32_t[::1] low,
        const int32_t[::1] high,
        const int32_t[::1] first,
        const int32_t[::1] second,
        const int32_t[::1] places,
        const int32_t[::1] in_order,
    ):
        cdef int pair
        self.cars, self.pairs = low.shape[0], first.shape[0]
        if high.shape[0] != self.cars or not (
            second.shape[0] == places.shape[0] == in_order.shape[0] == self.pairs
        ):
            raise ValueError("limits: arrays of different lengths")
        self.low, self.high = _copy(low), _copy(high)
        self.first, self.second, self.places = _copy(first), _copy(second), _copy(places)
        self.in_order = <uint8_t*>calloc(self.pairs + 1, sizeof(uint8_t))
        self.paired = <uint8_t*>calloc(self.cars + 1, sizeof(uint8_t))
        self.where = <int32_t*>calloc(self.cars + 1, sizeof(int32_t))
        if not (self.in_order and self.paired and self.where):
            raise MemoryError
        for pair in range(self.pairs):
            self.in_order[pair] = in_order[pair] != 0
            self.paired[first[pair]] = self.paired[second[pair]] = 1

    def __dealloc__(self):
        free(self.low)
        free(self.high)
        free(self.first)
        free(self.second)
        free(self.places)
        free(self.in_order)
        free(self.paired)
        free(self.where)

    cdef void begin(self, const int32_t* at) noexcept nogil:
        self.follow(at, 0, self.cars - 1)

    cdef int first_free(self, const int32_t* at, int tail) noexcept nogil:
        """The first position of the day whose car may stand elsewhere, or the end of the line."""
        while tail < self.cars and self.low[at[tail]] == self.high[at[tail]]:
            tail += 1
        return tail

    cdef bint may_go(self, const int32_t* at, int i, int j) noexcept nogil:
        """Whether the car of i may stand at j, as far as its own span goes."""
        return self.low[at[i]] <= j <= self.high[at[i]]

    cdef bint may_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        return self.may_go(at, i, j) and self.may_go(at, j, i)

    cdef bint _apart(self, int pair, int first, int second) noexcept nogil:
        """Whether a pair that stands so keeps its distance."""
        cdef int distance = second - first
        if distance < 0 and not self.in_order[pair]:
            distance = -distance
        return distance >= self.places[pair]

    cdef bint keeps_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        """Whether the pairs stay apart; `may_swap` has looked at the spans."""
        cdef int pair, one, other
        if self.pairs == 0 or not (self.paired[at[i]] or self.paired[at[j]]):
            return True
        for pair in range(self.pairs):
            one, other = self.where[self.first[pair]], self.where[self.second[pair]]
            one = j if one == i else i if one == j else one
            other = j if other == i else i if other == j else other
            if not self._apart(pair, one, other):
                return False
        return True

    cdef bint keeps_insert(self, const int32_t* at, int i, int j) noexcept nogil:
        """Whether the cars that make room, and the pairs, allow it; `may_go` has looked at i."""
        cdef int p, pair, one, other, step = -1 if i < j else 1
        cdef int first = i + 1 if i < j else j
        cdef int last = j if i < j else i - 1
        for p in range(first, last + 1):
            if step < 0 and self.low[at[p]] == p or step > 0 and self.high[at[p]] == p:
                return False
        for pair in range(self.pairs):
            one, other = self.where[self.first[pair]], self.where[self.second[pair]]
            one = j if one == i else one + step if first <= one <= last else one
            other = j if other == i else other + step if first <= other <= last else other
            if not self._apart(pair, one, other):
                return False
        return True

    cdef bint keeps_reverse(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef int p, pair, one, other
        for p in range(i, j + 1):
            if not self.may_go(at, p, i + j - p):
                return False
        for pair in range(self.pairs):
            one, other = self.where[self.first[pair]], self.where[self.second[pair]]
            one = i + j - one if i <= one <= j else one
            other = i + j - other if i <= other <= j else other
            if not self._apart(pair, one, other):
                return False
        return True

    cdef bint keeps_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil:
        cdef int p, pair, one, other
        for p in range(i, j + 1):
            if not self.may_go(at, p, exchanged(p, i, m, j)):
                return False
        for pair in range(self.pairs):
            one = exchanged(self.where[self.first[pair]], i, m, j)
            other = exchanged(self.where[self.second[pair]], i, m, j)
            if not self._apart(pair, one, other):
                return False
        return True

    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        if self.pairs:
            self.where[at[i]] = i
            self.where[at[j]] = j

    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef int p
        if self.pairs:
            for p in range(i, j + 1):
                self.where[at[p]] = p


@cython.final
cdef class Dues:
    """When cars are due; each place outside costs one.

    start, end: int32[cars of the line], first and last position of the span; what lies beyond the
    ends of the line costs nothing.
    """

    def __cinit__(self, const int32_t[::1] start, const int32_t[::1] end):
        if start.shape[0] != end.shape[0]:
            raise ValueError("dues: arrays of different lengths")
        self.start, self.end = _copy(start), _copy(end)

    def __dealloc__(self):
        free(self.start)
        free(self.end)

    cdef inline int outside(self, int car, int position) noexcept nogil:
        cdef int early = self.start[car] - position, late = position - self.end[car]
        return early if early > 0 else late if late > 0 else 0

    cdef int64_t total(self, const int32_t* at, int first, int last) noexcept nogil:
        cdef int p
        cdef int64_t total = 0
        for p in range(first, last + 1):
            total += self.outside(at[p], p)
        return total

    cdef int price_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef int left = at[i], right = at[j]
        return (
            self.outside(left, j) - self.outside(left, i)
            + self.outside(right, i) - self.outside(right, j)
        )

    cdef int price_insert(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef int p, changed = self.outside(at[i], j) - self.outside(at[i], i)
        for p in range(i + 1, j + 1):  # forward; empty otherwise
            changed += self.outside(at[p], p - 1) - self.outside(at[p], p)
        for p in range(j, i):  # backward
            changed += self.outside(at[p], p + 1) - self.outside(at[p], p)
        return changed

    cdef int price_reverse(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef int p, changed = 0
        for p in range(i, j + 1):
            changed += self.outside(at[p], i + j - p) - self.outside(at[p], p)
        return changed

    cdef int price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil:
        cdef int p, changed = 0
        for p in range(i, j + 1):
            changed += self.outside(at[p], exchanged(p, i, m, j)) - self.outside(at[p], p)
        return changed


@cython.final
cdef class Levels:
    """How evenly parts are consumed: the sum of d_k^2 (see above) over parts and positions.

    start: int32[cars of the line + 1], listed: int32[...]: the parts a car takes, as numbers from
    0, are listed[start[car]] … listed[start[car + 1] - 1]. tail: cars of yesterday, which take
    none. At most 32,767 cars. That the sum stays within 64 bits is the caller's to see to.
    """

    def __cinit__(
        self, const int32_t[::1] start, const int32_t[::1] listed, int parts, int tail
    ):
        cdef int car, entry
        self.tail, self.parts = tail, parts
        self.cars = start.shape[0] - 1 - tail
        if not 0 < self.cars <= 32_767:
            raise ValueError(f"levels: {self.cars} cars; 1 to 32,767 can be levelled")
        self.blocks = (self.cars >> 3) + 1
        self.words = (parts + 63) >> 6
        self.start, self.listed = _copy(start), _copy(listed)
        self.block = <Block*>calloc((self.blocks + 1) * (parts + 1), sizeof(Block))
        self.taken = <int64_t*>calloc(parts + 1, sizeof(int64_t))
        self.features = <uint64_t*>calloc((self.cars + tail) * self.words + 1, sizeof(uint64_t))
        self.changed = <int32_t*>calloc(parts + 1, sizeof(int32_t))
        self.sign = <int32_t*>calloc(parts + 1, sizeof(int32_t))
        self.before = <int32_t*>calloc(parts + 1, sizeof(int32_t))
        if not (self.block and self.taken and self.features and self.changed and self.sign
                and self.before):
            raise MemoryError
        for car in range(tail, self.cars + tail):
            for entry in range(start[car], start[car + 1]):
                self.taken[listed[entry]] += 1
                self.features[car * self.words + (listed[entry] >> 6)] |= (
                    <uint64_t>1 << (listed[entry] & 63)
                )

    def __dealloc__(self):
        free(self.start)
        free(self.listed)
        free(self.block)
        free(self.taken)
        free(self.features)
        free(self.changed)
        free(self.sign)
        free(self.before)

    def goal_chased(self) -> list:
        """The day's cars, as numbers from 0, each the one that keeps consumption nearest to even.

        That is Monden's goal chasing; of equal cars the first comes first. O(n^2) in the cars.
        """
        cdef int32_t* left = <int32_t*>calloc(self.cars, sizeof(int32_t))
        cdef int64_t* d = <int64_t*>calloc(self.parts + 1, sizeof(int64_t))
        cdef int k, i, part, best, entry, car
        cdef int64_t step, least
        cdef list order = []
        if not (left and d):
            free(left)
            free(d)
            raise MemoryError
        for i in range(self.cars):
            left[i] = self.tail + i
        for k in range(self.cars):
            for part in range(self.parts):
                d[part] -= self.taken[part]
            best, least = 0, 0
            for i in range(self.cars - k):
                step = 0  # (d + n)^2 - d^2 over the car's parts, in units of n
                for entry in range(self.start[left[i]], self.start[left[i] + 1]):
                    step += 2 * d[self.listed[entry]] + self.cars
                if i == 0 or step < least:
                    best, least = i, step
            car = left[best]
            for entry in range(self.start[car], self.start[car + 1]):
                d[self.listed[entry]] += self.cars
            memmove(left + best, left + best + 1, (self.cars - k - 1 - best) * sizeof(int32_t))
            order.append(car - self.tail)
        free(left)
        free(d)
        return order

    cdef const Block* row(self, int k) noexcept nogil:
        """The blocks that hold k, by part."""
        return self.block + (k >> 3) * self.parts

    cdef int64_t d(self, const Block* row, int part, int k) noexcept nogil:
        cdef int64_t x = row[part].count + TAKERS[k & 7][row[part].takes]
        return self.cars * x - k * self.taken[part]

    cdef int64_t sum_of_d(self, const Block* row, int part, int k) noexcept nogil:
        """d_1 + … + d_k."""
        cdef int r = k & 7
        cdef int64_t x = row[part].sum + r * row[part].count + RAMP[r][row[part].takes]
        return self.cars * x - self.taken[part] * ((<int64_t>k * (k + 1)) >> 1)

    cdef void begin(self, const int32_t* at) noexcept nogil:
        memset(self.block, 0, self.parts * sizeof(Block))
        self._read(at, 0, self.blocks - 1)

    cdef void _read(self, const int32_t* at, int first, int last) noexcept nogil:
        """Take the cars of the blocks first … last from the line; counts and sums follow up to
        those of block last + 1."""
        cdef int b, p, part, entry, car
        cdef Block* row
        cdef Block* after
        for b in range(first, last + 1):
            row = self.block + b * self.parts
            for part in range(self.parts):
                row[part].takes = 0
            for p in range(b << 3, min((b + 1) << 3, self.cars)):
                car = at[self.tail + p]
                for entry in range(self.start[car], self.start[car + 1]):
                    row[self.listed[entry]].takes |= 1 << (p & 7)
            after = row + self.parts
            for part in range(self.parts):
                after[part].count = row[part].count + TAKERS[8][row[part].takes]
                after[part].sum = row[part].sum + 8 * row[part].count + RAMP[8][row[part].takes]

    cdef int64_t total(self) noexcept nogil:
        cdef int k, part
        cdef int64_t d, total = 0
        for k in range(1, self.cars + 1):
            for part in range(self.parts):
                d = self.d(self.row(k), part, k)
                total += d * d
        return total

    cdef int64_t price_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef const uint64_t* left = self.features + at[i] * self.words
        cdef const uint64_t* right = self.features + at[j] * self.words
        cdef const Block* low
        cdef const Block* high
        cdef uint64_t differing
        cdef int64_t stretch, sums = 0, changed = 0
        cdef int word, bit, part
        i -= self.tail
        j -= self.tail
        low, high = self.row(i), self.row(j)
        for word in range(self.words):
            differing = left[word] ^ right[word]
            while differing:
                bit = lineside_lowest_part(differing)
                differing &= differing - 1
                part = (word << 6) + bit
                stretch = self.sum_of_d(high, part, j) - self.sum_of_d(low, part, i)
                sums += -stretch if (left[word] >> bit) & 1 else stretch
                changed += 1
        return self.cars * (2 * sums + self.cars * changed * (j - i))

    cdef int64_t price_insert(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef const uint64_t* features = self.features + at[i] * self.words
        cdef const Block* low
        cdef const Block* high
        cdef int64_t d_low, d_high, c, stretch, delta = 0
        cdef int part, k, m
        i -= self.tail
        j -= self.tail
        if i < j:
            k, m = i + 1, j + 1
        else:
            k, m = j, i
        low, high = self.row(k), self.row(m)
        for part in range(self.parts):
            d_low, d_high = self.d(low, part, k), self.d(high, part, m)
            c = self.taken[part]
            if (features[part >> 6] >> (part & 63)) & 1:
                c -= self.cars
            stretch = self.sum_of_d(high, part, m) - self.sum_of_d(low, part, k)
            if i < j:
                delta += (d_high - d_low) * (d_high + d_low) + 2 * c * stretch
            else:
                stretch += d_low - d_high
                delta -= (d_high - d_low) * (d_high + d_low) + 2 * c * stretch
            delta += c * c * (m - k)
        return delta

    cdef int64_t price_reverse(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef const Block* low
        cdef const Block* high
        cdef const Block* end
        cdef int64_t e, stretch, delta = 0
        cdef int part
        i -= self.tail
        j -= self.tail
        low, high, end = self.row(i), self.row(j), self.row(j + 1)
        for part in range(self.parts):
            e = self.d(low, part, i) + self.d(end, part, j + 1)
            stretch = self.sum_of_d(high, part, j) - self.sum_of_d(low, part, i)
            delta += e * ((j - i) * e - 2 * stretch)
        return delta

    cdef int64_t price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil:
        cdef const Block* low
        cdef const Block* seam
        cdef const Block* high
        cdef int64_t left, right, before, between, after, delta = 0
        cdef int part, k
        i -= self.tail
        k = m + 1 - self.tail
        j += 1 - self.tail
        low, seam, high = self.row(i), self.row(k), self.row(j)
        for part in range(self.parts):
            # By how much d rises over the left stretch, and over the right one.
            left = self.d(seam, part, k) - self.d(low, part, i)
            right = self.d(high, part, j) - self.d(seam, part, k)
            before = self.sum_of_d(low, part, i)
            between = self.sum_of_d(seam, part, k)
            after = self.sum_of_d(high, part, j)
            delta += right * (2 * (between - before) + right * (k - i))
            delta -= left * (2 * (after - between) - left * (j - k))
        return delta

    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        # The cars have changed places: what only the one at j takes has left i.
        cdef const uint64_t* here = self.features + at[i] * self.words
        cdef const uint64_t* there = self.features + at[j] * self.words
        cdef uint64_t differing
        cdef int word, bit, n = 0, entry, b
        cdef Block* row
        i -= self.tail
        j -= self.tail
        for word in range(self.words):
            differing = here[word] ^ there[word]
            while differing:
                bit = lineside_lowest_part(differing)
                differing &= differing - 1
                self.changed[n] = (word << 6) + bit
                self.sign[n] = 1 if (here[word] >> bit) & 1 else -1
                n += 1
        for entry in range(n):
            self.block[(i >> 3) * self.parts + self.changed[entry]].takes ^= 1 << (i & 7)
            self.block[(j >> 3) * self.parts + self.changed[entry]].takes ^= 1 << (j & 7)
        for b in range((i >> 3) + 1, self.blocks):
            row = self.block + b * self.parts
            if b <= j >> 3:
                for entry in range(n):
                    row[self.changed[entry]].count += self.sign[entry]
                    row[self.changed[entry]].sum += self.sign[entry] * ((b << 3) - i)
            else:
                for entry in range(n):
                    row[self.changed[entry]].sum += self.sign[entry] * (j - i)

    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil:
        """After the cars between i and j, both included, have moved among themselves."""
        cdef int b, part, first = (i - self.tail) >> 3, last = (j - self.tail) >> 3
        cdef Block* row = self.block + (last + 1) * self.parts
        for part in range(self.parts):
            self.before[part] = row[part].sum
        self._read(at, first, last)
        for part in range(self.parts):
            self.before[part] = row[part].sum - self.before[part]
        for b in range(last + 2, self.blocks):
            row = self.block + b * self.parts
            for part in range(self.parts):
                row[part].sum += self.before[part]


@cython.final
cdef class Plant:
    """The rules of a plant that a line is searched with; each part may be None.

    kind: int32[cars of the line]: cars of one kind may change places without any of these rules
    noticing. due_weight: of a place of lateness; level_weight: of the sum that `Levels` keeps.
    """

    def __cinit__(
        self,
        const int32_t[::1] kind,
        Limits limits,
        Dues dues,
        double due_weight,
        Levels levels,
        double level_weight,
    ):
        self.kind = _copy(kind)
        self.limits, self.dues, self.levels = limits, dues, levels
        self.due_weight, self.level_weight = due_weight, level_weight

    def __dealloc__(self):
        free(self.kind)

    cdef double begin(self, const int32_t* at, int tail, int cars) noexcept nogil:
        """Start from this order; what it costs."""
        cdef double cost = 0
        if self.limits is not None:
            self.limits.begin(at)
        if self.dues is not None:
            cost += self.due_weight * self.dues.total(at, tail, cars - 1)
        if self.levels is not None:
            self.levels.begin(at)
            cost += self.level_weight * self.levels.total()
        return cost

    cdef double price_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef double delta = 0
        if self.dues is not None:
            delta += self.due_weight * self.dues.price_swap(at, i, j)
        if self.levels is not None:
            delta += self.level_weight * self.levels.price_swap(at, i, j)
        return delta

    cdef double price_insert(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef double delta = 0
        if self.dues is not None:
            delta += self.due_weight * self.dues.price_insert(at, i, j)
        if self.levels is not None:
            delta += self.level_weight * self.levels.price_insert(at, i, j)
        return delta

    cdef double price_reverse(self, const int32_t* at, int i, int j) noexcept nogil:
        cdef double delta = 0
        if self.dues is not None:
            delta += self.due_weight * self.dues.price_reverse(at, i, j)
        if self.levels is not None:
            delta += self.level_weight * self.levels.price_reverse(at, i, j)
        return delta

    cdef double price_exchange(self, const int32_t* at, int i, int m, int j) noexcept nogil:
        cdef double delta = 0
        if self.dues is not None:
            delta += self.due_weight * self.dues.price_exchange(at, i, m, j)
        if self.levels is not None:
            delta += self.level_weight * self.levels.price_exchange(at, i, m, j)
        return delta

    cdef void follow_swap(self, const int32_t* at, int i, int j) noexcept nogil:
        if self.limits is not None:
            self.limits.follow_swap(at, i, j)
        if self.levels is not None:
            self.levels.follow_swap(at, i, j)

    cdef void follow(self, const int32_t* at, int i, int j) noexcept nogil:
        """After the cars of a stretch have moved; i and j are its ends, in either order."""
        if i > j:
            i, j = j, i
        if self.limits is not None:
            self.limits.follow(at, i, j)
        if self.levels is not None:
            self.levels.follow(at, i, j)
