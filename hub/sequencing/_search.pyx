"""Moves on a sequence, priced by what they change: the inner loop of the optimiser.

The line is yesterday's tail (fixed) followed by the day. For each ratio three bit sets stand beside
the line: which positions hold a car with the option, which windows (by their first position) are
over the limit, and which are at it or over. Taking an option out of a position then lowers the cost
by the number of over-full windows around it, and bringing one in raises it by the number of full
ones: a handful of shifts and population counts per ratio, however long the window is. An insertion
shifts all windows between its ends by one, so that their costs telescope and only the windows at
both ends are counted. A reversal mirrors the windows inside it: those over its ends change between
two cars in which the ends differ by one and the same number. An exchange of two neighbouring
stretches leaves the windows inside each as they are: what those over the three joints cost now is
taken off first, so that the price only rises from ratio to ratio. Moves that are made shift, mirror
or exchange the bit sets by words.

The chance of a move is drawn before its price, so that the most it may cost is known. Colours and
the heaviest ratios are priced first, and a move is given up as soon as the ratios left could not
save enough. Which moves are made stays the same; measured on the ROADEF 2005 instances it makes
1.03 to 1.8 times as many of them a second as with full prices, about 1.4 times on the median.

Counting windows by prefix of their load was published by Ribeiro, Aloise, Noronha, Rocha and
Urrutia (EJOR 191, 2008); that small moves, tried by the million, win, by Estellon, Gardi and
Nouioua (EJOR 191, 2008). The bit sets are our own step from there.
"""

from libc.math cimport INFINITY, log
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from hub.sequencing._plant cimport Plant

cdef extern from *:
    """
    #if defined(__x86_64__) && !defined(__POPCNT__)
    /* Plain x86-64 has no instruction that counts bits; every machine since 2008 has. The branch
       is always the same, so that it costs nothing. */
    static int lineside_has_popcnt;
    static inline int lineside_popcount(unsigned long long x) {
        unsigned long long n;
        if (!lineside_has_popcnt) return __builtin_popcountll(x);
        __asm__("popcnt %1, %0" : "=r"(n) : "r"(x) : "cc");
        return (int)n;
    }
    #define lineside_find_popcnt() (lineside_has_popcnt = __builtin_cpu_supports("popcnt") != 0)
    #else
    #define lineside_popcount(x) __builtin_popcountll(x)
    #define lineside_find_popcnt()
    #endif
    #define lineside_lowest(x) __builtin_ctzll(x)
    """
    int lineside_popcount(uint64_t x) noexcept nogil
    int lineside_lowest(uint64_t x) noexcept nogil
    void lineside_find_popcnt() noexcept nogil

cdef enum:
    PAD = 8  # words before and after each bit set, so that reads may run over its ends
    NOT_COUNTED = -20_000  # a load so low that no move lifts it to a limit

lineside_find_popcnt()

cdef enum:
    LENGTHS = 8  # of reversals: up to 2, 4, … 128 places, and more

MAX_RATIOS = 64
"""A car's options are one machine word."""
LOAD_AT_MOST = 20_000
"""Cars that the windows of a ratio may hold: loads are short, and `NOT_COUNTED` is one of them."""


cdef struct Ratio:
    int most
    int window
    int first            # first window that holds a car of the day
    int last             # last window that counts
    double weight
    uint64_t* has        # by position: the car there has the option
    uint64_t* over       # by window: load > most
    uint64_t* full       # by window: load >= most
    int16_t* load        # by window; NOT_COUNTED behind the last


cdef inline uint64_t word_at(const uint64_t* bits, int at) noexcept nogil:
    """The 64 bits that begin at bit `at`."""
    cdef int shift = at & 63
    cdef const uint64_t* word = bits + (at >> 6)
    return word[0] if shift == 0 else (word[0] >> shift) | (word[1] << (64 - shift))


cdef inline int bit(const uint64_t* bits, int at) noexcept nogil:
    return <int>((bits[at >> 6] >> (at & 63)) & 1)


cdef inline void set_bit(uint64_t* bits, int at, bint value) noexcept nogil:
    cdef uint64_t mask = <uint64_t>1 << (at & 63)
    if value:
        bits[at >> 6] |= mask
    else:
        bits[at >> 6] &= ~mask


cdef inline int count(const uint64_t* bits, int first, int last) noexcept nogil:
    """Bits set in first … last; 0 if last < first."""
    cdef int total = 0, n = last - first + 1
    while n >= 64:
        total += lineside_popcount(word_at(bits, first))
        first += 64
        n -= 64
    if n > 0:
        total += lineside_popcount(word_at(bits, first) & ((<uint64_t>1 << n) - 1))
    return total


cdef inline int count_where(
    const uint64_t* bits, const uint64_t* other, int shift, uint64_t flip, int first, int last
) noexcept nogil:
    """Bits s set in first … last for which bit s + shift of `other` is 1 (flip: all ones: is 0)."""
    cdef int total = 0, n = last - first + 1
    cdef uint64_t both
    while n > 0:
        both = word_at(bits, first) & (word_at(other, first + shift) ^ flip)
        if n < 64:
            both &= (<uint64_t>1 << n) - 1
        total += lineside_popcount(both)
        first += 64
        n -= 64
    return total


cdef inline uint64_t mirrored(uint64_t x) noexcept nogil:
    """The 64 bits in reverse order: by halves of halves, down to single bits."""
    x = (x >> 32) | (x << 32)
    x = ((x >> 16) & <uint64_t>0x0000FFFF0000FFFF) | ((x & <uint64_t>0x0000FFFF0000FFFF) << 16)
    x = ((x >> 8) & <uint64_t>0x00FF00FF00FF00FF) | ((x & <uint64_t>0x00FF00FF00FF00FF) << 8)
    x = ((x >> 4) & <uint64_t>0x0F0F0F0F0F0F0F0F) | ((x & <uint64_t>0x0F0F0F0F0F0F0F0F) << 4)
    x = ((x >> 2) & <uint64_t>0x3333333333333333) | ((x & <uint64_t>0x3333333333333333) << 2)
    return ((x >> 1) & <uint64_t>0x5555555555555555) | ((x & <uint64_t>0x5555555555555555) << 1)


cdef inline uint64_t lowest(int n) noexcept nogil:
    """Mask of the n lowest bits, 0 < n <= 64."""
    return ~<uint64_t>0 >> (64 - n)


cdef inline void put_word(uint64_t* bits, int at, int n, uint64_t value) noexcept nogil:
    """Set the n bits that begin at bit `at`, 0 < n <= 64; above them `value` is 0."""
    cdef int shift = at & 63
    cdef uint64_t* word = bits + (at >> 6)
    word[0] = (word[0] & ~(lowest(n) << shift)) | (value << shift)
    if shift + n > 64:
        word[1] = (word[1] & ~(lowest(n) >> (64 - shift))) | (value >> (64 - shift))


cdef void mirror_bits(uint64_t* bits, int first, int last) noexcept nogil:
    """Reverse the order of the bits first … last."""
    cdef int n
    cdef uint64_t left, right
    while last > first:
        n = lesser(64, (last - first + 1) >> 1)
        left = mirrored(word_at(bits, first))
        right = mirrored(word_at(bits, last - 63))
        put_word(bits, first, n, right & lowest(n))
        put_word(bits, last - n + 1, n, left >> (64 - n))
        first += n
        last -= n


cdef inline uint64_t between(int word, int first, int last) noexcept nogil:
    """Mask of the bits of this word that lie in first … last, which touch it."""
    cdef uint64_t mask = ~<uint64_t>0
    if word == first >> 6:
        mask &= ~<uint64_t>0 << (first & 63)
    if word == last >> 6:
        mask &= ~<uint64_t>0 >> (63 - (last & 63))
    return mask


cdef void shift_down(uint64_t* bits, int first, int last) noexcept nogil:
    """Bits first + 1 … last move one down; bit `last` stays as it is."""
    cdef int word
    cdef uint64_t mask
    for word in range(first >> 6, ((last - 1) >> 6) + 1):
        mask = between(word, first, last - 1)
        bits[word] = (bits[word] & ~mask) | (word_at(bits, (word << 6) + 1) & mask)


cdef void shift_up(uint64_t* bits, int first, int last) noexcept nogil:
    """Bits first … last - 1 move one up; bit `first` stays as it is."""
    cdef int word = last >> 6
    cdef uint64_t mask
    while word >= (first + 1) >> 6:
        mask = between(word, first + 1, last)
        bits[word] = (bits[word] & ~mask) | (word_at(bits, (word << 6) - 1) & mask)
        word -= 1


cdef inline int excess(const Ratio* ratio, int load) noexcept nogil:
    return load - ratio.most if load > ratio.most else 0


cdef inline double whole(double plant, double price, double limit) noexcept nogil:
    """What a move costs with the plant's part of it, or infinity if that is over the limit."""
    return plant + price if price <= limit - plant else INFINITY


cdef inline int greater(int a, int b) noexcept nogil:
    return a if a > b else b


cdef inline int lesser(int a, int b) noexcept nogil:
    return a if a < b else b


cdef class Line:
    """A line of cars, its cost, and moves on it.

    options: uint8[cars, ratios], whether a car has the option of a ratio; the first `tail` cars are
    yesterday's. colours: int32[cars]. most, window, weight: of each ratio; no window may hold more
    than `LOAD_AT_MOST` cars of the line. colour_weight: of one change of colour. batch_limit: longest run of one colour in the day, 0 for none. A move that
    would break the limit is never made; the order given must keep it. cut_windows: whether windows
    that run over the end of the day count. plant: the limits and costs that a plant adds, if any.
    """

    cdef readonly double cost
    """Of the order that stands now."""
    cdef readonly double best_cost
    cdef readonly int64_t priced
    """Moves whose change of cost was worked out on all objectives, or so far that what is left
    could not save enough for the move to be made."""
    cdef readonly int64_t refused_early
    """Those of `priced` that ended before all objectives were looked at."""
    cdef public bint to_the_end
    """Price every move on all objectives, even one that is refused already; for measuring."""
    cdef readonly int64_t made
    cdef int cars, tail, ratios, batch_limit, words
    cdef int first_free        # no car before it may move
    cdef Plant plant           # None without such rules; asked only where these flags say so:
    cdef bint limited          # it has hard limits
    cdef bint ruled            # it has hard limits or costs
    cdef double colour_weight
    cdef Ratio* ratio
    cdef uint64_t* bits
    cdef int16_t* loads
    cdef uint64_t* features    # by car: bit r = it has the option of ratio r
    cdef int32_t* colour       # by car
    cdef int32_t* at           # by position: which car
    cdef int32_t* best
    cdef int32_t* spare        # cars that wait while others move
    cdef uint64_t* planned     # one of the bit sets, as an exchange would leave it
    # By r: the most that ratios r, r + 1 … can save by a move. A swap takes one car out of the
    # windows around one place; an insertion takes one out and shifts another; windows over the
    # ends of a reversal lose no more cars than they reach into it.
    cdef double[65] swap_saves
    cdef double[65] insert_saves
    cdef double[LENGTHS][65] reverse_saves  # by length, see LENGTHS
    cdef uint64_t random0, random1, random2, random3

    def __cinit__(
        self,
        const uint8_t[:, ::1] options,
        const int32_t[::1] colours,
        int tail,
        const int32_t[::1] most,
        const int32_t[::1] window,
        const double[::1] weight,
        double colour_weight,
        int batch_limit,
        bint cut_windows,
        uint64_t seed,
        Plant plant = None,
    ):
        cdef int r, car, length, given, reach
        cdef list by_weight
        self.cars, self.ratios, self.tail = options.shape[0], options.shape[1], tail
        if self.ratios > 64:
            raise ValueError(f"{self.ratios} ratios; at most 64 can be searched")
        if tail < 0 or tail >= self.cars or colours.shape[0] != self.cars:
            raise ValueError("a line needs a car of the day, and a colour for each car")
        if not (most.shape[0] == window.shape[0] == weight.shape[0] == self.ratios):
            raise ValueError("ratios: arrays of different lengths")
        self.batch_limit, self.colour_weight = batch_limit, colour_weight
        self.words = (self.cars >> 6) + 2 * PAD + 1
        self.ratio = <Ratio*>calloc(self.ratios + 1, sizeof(Ratio))
        self.bits = <uint64_t*>calloc(3 * (self.ratios + 1) * self.words, sizeof(uint64_t))
        self.loads = <int16_t*>calloc((self.ratios + 1) * (self.cars + 1), sizeof(int16_t))
        self.features = <uint64_t*>calloc(self.cars, sizeof(uint64_t))
        self.colour = <int32_t*>calloc(self.cars, sizeof(int32_t))
        self.at = <int32_t*>calloc(self.cars, sizeof(int32_t))
        self.best = <int32_t*>calloc(self.cars, sizeof(int32_t))
        self.spare = <int32_t*>calloc(self.cars, sizeof(int32_t))
        self.planned = <uint64_t*>calloc(self.words, sizeof(uint64_t))
        if not (self.ratio and self.bits and self.loads and self.features and self.colour
                and self.at and self.best and self.spare and self.planned):
            raise MemoryError
        # The heaviest first: a move that they refuse need not be priced to the end.
        by_weight = sorted(range(self.ratios), key=lambda r: -weight[r])
        for r in range(self.ratios):
            given = by_weight[r]
            if window[given] < 1 or most[given] < 0:
                raise ValueError(f"ratio {most[given]}/{window[given]} is none")
            self.ratio[r].most, self.ratio[r].window = most[given], window[given]
            self.ratio[r].weight = weight[given]
            self.ratio[r].first = greater(0, tail - window[given] + 1)
            self.ratio[r].last = self.cars - (1 if cut_windows else window[given])
            self.ratio[r].has = self.bits + (3 * r) * self.words + PAD
            self.ratio[r].over = self.bits + (3 * r + 1) * self.words + PAD
            self.ratio[r].full = self.bits + (3 * r + 2) * self.words + PAD
            self.ratio[r].load = self.loads + r * (self.cars + 1)
        for car in range(self.cars):
            self.at[car] = car
            self.colour[car] = colours[car]
            for r in range(self.ratios):
                if options[car, by_weight[r]]:
                    self.features[car] |= <uint64_t>1 << r
        for r in range(self.ratios - 1, -1, -1):
            reach = window[by_weight[r]]
            self.swap_saves[r] = self.swap_saves[r + 1] + self.ratio[r].weight * reach
            self.insert_saves[r] = self.insert_saves[r + 1] + self.ratio[r].weight * 2 * reach
            for length in range(LENGTHS):
                reach = window[by_weight[r]]
                if length < LENGTHS - 1:
                    reach = min(reach, 2 << length)
                self.reverse_saves[length][r] = (
                    self.reverse_saves[length][r + 1] + self.ratio[r].weight * reach * reach / 2
                )
        self.plant, self.ruled = plant, plant is not None
        self.limited = self.ruled and plant.limits is not None
        self.first_free = plant.limits.first_free(self.at, tail) if self.limited else tail
        self._seed(seed)
        self.evaluate()
        self.keep_best()

    def __dealloc__(self):
        free(self.ratio)
        free(self.bits)
        free(self.loads)
        free(self.features)
        free(self.colour)
        free(self.at)
        free(self.best)
        free(self.spare)
        free(self.planned)

    # ---- what the optimiser calls

    def anneal(
        self, int64_t moves, double temperature, int swaps, int insertions, int exchanges=0
    ) -> None:
        """Price `moves` random moves and make those that the temperature allows, without the GIL.

        swaps, insertions, exchanges: shares of the moves in percent; the rest are reversals.
        """
        with nogil:
            self._anneal(moves, temperature, swaps, insertions, exchanges)

    def back_to_best(self) -> None:
        """Go on from the best order so far."""
        memcpy(self.at, self.best, self.cars * sizeof(int32_t))
        self.evaluate()

    def best_order(self) -> list:
        """The day's cars in the best order so far, as numbers 0 … cars of the day - 1."""
        return [self.best[p] - self.tail for p in range(self.tail, self.cars)]

    def evaluate(self) -> float:
        """Work out loads and cost anew from the order that stands; returns the cost."""
        cdef int r, p
        cdef Ratio* ratio
        cdef double cost = 0
        memset(self.bits, 0, 3 * self.ratios * self.words * sizeof(uint64_t))
        memset(self.loads, 0, self.ratios * (self.cars + 1) * sizeof(int16_t))
        for r in range(self.ratios):
            ratio = &self.ratio[r]
            for p in range(self.cars):
                set_bit(ratio.has, p, (self.features[self.at[p]] >> r) & 1)
            for p in range(ratio.first, self.cars):
                ratio.load[p] = NOT_COUNTED
            self.recount(ratio, ratio.first, self.cars - 1)
            for p in range(ratio.first, ratio.last + 1):
                cost += excess(ratio, ratio.load[p]) * ratio.weight
        for p in range(greater(self.tail, 1), self.cars):
            cost += self.change(p - 1, p) * self.colour_weight
        if self.ruled:
            cost += self.plant.begin(self.at, self.tail, self.cars)
        self.cost = cost
        return cost

    def price(self, str kind, int a, int b, int c=0) -> float:
        """What a move would change the cost by; nothing is moved. Kinds and positions as in `move`.

        Hard limits are not looked at. Raises `IndexError` for positions that the day has not, and
        `ValueError` for an exchange of stretches that are none.
        """
        self._check(a)
        self._check(b)
        self._check(c)
        a += self.tail
        b += self.tail
        c += self.tail
        if kind == "exchange":
            if not a < b <= c:
                raise ValueError("an exchange needs two stretches: a … b - 1 and b … c")
            return self.whole_exchange(a, b - 1, c, INFINITY)
        if kind != "insert" and a > b:
            a, b = b, a
        if a == b:
            return 0.0
        if kind == "swap":
            return self.whole_swap(a, b, INFINITY)
        if kind == "insert":
            return self.whole_insert(a, b, INFINITY)
        if kind == "reverse":
            return self.whole_reverse(a, b, INFINITY)
        raise ValueError(f"no move is called {kind}")

    cdef int _check(self, int place) except -1:
        if not 0 <= place < self.cars - self.tail:
            raise IndexError(f"position {place} of {self.cars - self.tail} cars, from 0")
        return 0

    def hold(self, int fixed) -> None:
        """Let the day's first `fixed` cars stay where they stand; the best begins anew from here."""
        cdef int p, end = lesser(self.tail + fixed, self.cars)
        if self.limited:
            for p in range(self.tail, end):
                self.plant.limits.low[self.at[p]] = self.plant.limits.high[self.at[p]] = p
            for p in range(end, self.cars):
                if self.plant.limits.low[self.at[p]] < end:
                    self.plant.limits.low[self.at[p]] = end
        self.first_free = greater(self.first_free, end)
        self.keep_best()

    def move(self, str kind, int a, int b, int c=0) -> float:
        """Make one move whatever it costs and breaks: «swap», «insert» (the car of a goes to b),
        «reverse» or «exchange» (the cars of a … b - 1 with those of b … c; c is for it alone), on
        positions of the day, from 0. Returns the change of cost as it was priced."""
        cdef double delta = self.price(kind, a, b, c)
        a += self.tail
        b += self.tail
        c += self.tail
        if kind not in ("insert", "exchange") and a > b:
            a, b = b, a
        if a == b:
            return 0.0
        if kind == "swap":
            self.swap(a, b)
            self.swapped(a, b)
        elif kind == "insert":
            self.insert(a, b)
            self.follow_insert(a, b)
            self.moved(a, b)
        elif kind == "exchange":
            self.exchange(a, b - 1, c)
            self.follow_exchange(a, b - 1, c)
            self.moved(a, c)
        else:
            self.reverse(a, b)
            self.follow_reverse(a, b)
            self.moved(a, b)
        self.cost += delta
        return delta

    def order(self) -> list:
        """The day's cars as they stand now."""
        return [self.at[p] - self.tail for p in range(self.tail, self.cars)]

    def trouble(self, int place) -> list:
        """(position, weight) of each car of the day that counts in windows over their limit which
        hold this place; the weight is that of all these windows."""
        cdef int p, r, at = place + self.tail, first = at, last = at
        cdef uint64_t has
        cdef double weight
        cdef Ratio* ratio
        cdef list found = []
        self._check(place)
        for r in range(self.ratios):
            first = lesser(first, at - self.ratio[r].window + 1)
            last = greater(last, at + self.ratio[r].window - 1)
        for p in range(greater(first, self.tail), lesser(last, self.cars - 1) + 1):
            has, weight = self.features[self.at[p]], 0
            while has:
                r = lineside_lowest(has)
                has &= has - 1
                ratio = &self.ratio[r]
                weight += ratio.weight * count(
                    ratio.over,
                    greater(greater(p, at) - ratio.window + 1, ratio.first),
                    lesser(p, at),
                )
            if weight > 0:
                found.append((p - self.tail, weight))
        return found

    # ---- random numbers: xoshiro256** (Blackman and Vigna), seeded by splitmix64

    cdef void _seed(self, uint64_t seed):
        cdef uint64_t z
        cdef list drawn = []
        for _ in range(4):
            seed += <uint64_t>0x9E3779B97F4A7C15
            z = seed
            z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
            z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
            drawn.append(z ^ (z >> 31))
        self.random0, self.random1, self.random2, self.random3 = drawn

    cdef inline uint64_t draw(self) noexcept nogil:
        cdef uint64_t result = self.random1 * 5
        cdef uint64_t shifted = self.random1 << 17
        result = ((result << 7) | (result >> 57)) * 9
        self.random2 ^= self.random0
        self.random3 ^= self.random1
        self.random1 ^= self.random2
        self.random0 ^= self.random3
        self.random2 ^= shifted
        self.random3 = (self.random3 << 45) | (self.random3 >> 19)
        return result

    cdef inline int below(self, int n) noexcept nogil:
        """0 … n - 1."""
        return <int>(((self.draw() >> 32) * <uint64_t>n) >> 32)

    cdef inline int anywhere(self) noexcept nogil:
        """A position of the day whose car may move, or the last one."""
        if self.first_free >= self.cars:
            return self.cars - 1
        return self.first_free + self.below(self.cars - self.first_free)

    cdef inline int target(self, int i) noexcept nogil:
        """A position of the day where the car of i may stand."""
        cdef int low, car = self.at[i]
        if not self.limited:
            return self.anywhere()
        low = self.plant.limits.low[car]
        return low + self.below(self.plant.limits.high[car] - low + 1)

    # ---- what a position costs

    cdef inline int change(self, int p, int q) noexcept nogil:
        """1 if the cars at p and q differ in colour; 0 beyond the line's ends."""
        if p < 0 or q >= self.cars:
            return 0
        return self.colour[self.at[p]] != self.colour[self.at[q]]

    cdef inline bint alike(self, int p, int q) noexcept nogil:
        """Whether exchanging the cars changes nothing."""
        cdef int a = self.at[p], b = self.at[q]
        if self.ruled and self.plant.kind[a] != self.plant.kind[b]:
            return False
        return self.features[a] == self.features[b] and self.colour[a] == self.colour[b]

    cdef inline void set_load(self, Ratio* ratio, int window, int load) noexcept nogil:
        if ratio.load[window] != load:
            ratio.load[window] = load
            set_bit(ratio.over, window, load > ratio.most)
            set_bit(ratio.full, window, load >= ratio.most)

    cdef inline void recount(self, Ratio* ratio, int first, int last) noexcept nogil:
        """Work out the loads of the windows first … last anew."""
        cdef int load, window
        last = lesser(last, ratio.last)
        if first > last:
            return
        load = count(ratio.has, first, lesser(first + ratio.window, self.cars) - 1)
        for window in range(first, last + 1):
            self.set_load(ratio, window, load)
            load -= bit(ratio.has, window)
            if window + ratio.window < self.cars:
                load += bit(ratio.has, window + ratio.window)

    cdef inline void add_load(self, Ratio* ratio, int first, int last, int by) noexcept nogil:
        cdef int window
        for window in range(first, lesser(last, ratio.last) + 1):
            self.set_load(ratio, window, ratio.load[window] + by)

    # What a move costs. A price above `limit` may be too low: it is left off where ratios yet to
    # come, which are lighter, cannot save enough.

    # ---- swap: the cars of i < j change places

    cdef double price_swap(self, int i, int j, double limit) noexcept nogil:
        cdef uint64_t left = self.features[self.at[i]], right = self.features[self.at[j]]
        cdef uint64_t differing = left ^ right
        cdef double delta = self.colour_weight * self.recolour_swap(i, j)
        cdef int r, from_i, to_i, from_j
        cdef Ratio* ratio
        while differing:
            r = lineside_lowest(differing)
            if delta - self.swap_saves[r] > limit:
                self.refused_early += 1
                break
            differing &= differing - 1
            ratio = &self.ratio[r]
            # Windows that hold only i begin in from_i … to_i, those that hold only j in from_j … j.
            from_i = greater(i - ratio.window + 1, ratio.first)
            to_i = lesser(i, j - ratio.window)
            from_j = greater(j - ratio.window + 1, i + 1)
            if (left >> r) & 1:
                delta += ratio.weight * (
                    count(ratio.full, from_j, j) - count(ratio.over, from_i, to_i)
                )
            else:
                delta += ratio.weight * (
                    count(ratio.full, from_i, to_i) - count(ratio.over, from_j, j)
                )
        return delta

    cdef inline int recolour_swap(self, int i, int j) noexcept nogil:
        cdef int a = self.colour[self.at[i]], b = self.colour[self.at[j]], other, changes = 0
        if a == b:
            return 0
        if i > 0:
            other = self.colour[self.at[i - 1]]
            changes += (other != b) - (other != a)
        if j + 1 < self.cars:
            other = self.colour[self.at[j + 1]]
            changes += (other != a) - (other != b)
        if j > i + 1:
            other = self.colour[self.at[i + 1]]
            changes += (other != b) - (other != a)
            other = self.colour[self.at[j - 1]]
            changes += (other != a) - (other != b)
        return changes

    cdef void swap(self, int i, int j) noexcept nogil:
        cdef uint64_t left = self.features[self.at[i]]
        cdef uint64_t differing = left ^ self.features[self.at[j]]
        cdef int r, moved, car
        cdef Ratio* ratio
        while differing:
            r = lineside_lowest(differing)
            differing &= differing - 1
            ratio = &self.ratio[r]
            moved = 1 if (left >> r) & 1 else -1
            self.add_load(
                ratio,
                greater(i - ratio.window + 1, ratio.first),
                lesser(i, j - ratio.window),
                -moved,
            )
            self.add_load(ratio, greater(j - ratio.window + 1, i + 1), j, moved)
            set_bit(ratio.has, i, moved < 0)
            set_bit(ratio.has, j, moved > 0)
        car = self.at[i]
        self.at[i] = self.at[j]
        self.at[j] = car

    # ---- insertion: the car of i goes to j, those between move up by one towards i

    cdef inline double price_insert(self, int i, int j, double limit) noexcept nogil:
        return self.price_forward(i, j, limit) if i < j else self.price_backward(i, j, limit)

    cdef double price_forward(self, int i, int j, double limit) noexcept nogil:
        cdef uint64_t features = self.features[self.at[i]]
        cdef uint64_t ones = ~<uint64_t>0
        cdef int colour = self.colour[self.at[i]], other
        cdef int changes = (self.colour[self.at[j]] != colour) - self.change(i, i + 1)
        if i > 0:
            changes += self.change(i - 1, i + 1) - self.change(i - 1, i)
        if j + 1 < self.cars:
            other = self.colour[self.at[j + 1]]
            changes += (other != colour) - self.change(j, j + 1)
        cdef double delta = self.colour_weight * changes
        cdef int r, changed, first, last, window
        cdef Ratio* ratio
        for r in range(self.ratios):
            if delta - self.insert_saves[r] > limit:
                self.refused_early += 1
                break
            ratio = &self.ratio[r]
            window = ratio.window
            # Windows that hold i but not j lose that car and gain the one behind their end; windows
            # that hold j but not i lose their first and gain that car; whole windows between them
            # take over the load of the next one.
            first = greater(i - window + 1, ratio.first)
            last = lesser(i - 1, j - window)
            if (features >> r) & 1:
                changed = -count_where(ratio.over, ratio.has, window, ones, first, last)
                first = greater(i, j - window + 1)
                changed += count_where(ratio.full, ratio.has, 0, ones, first, j)
            else:
                changed = count_where(ratio.full, ratio.has, window, 0, first, last)
                first = greater(i, j - window + 1)
                changed -= count_where(ratio.over, ratio.has, 0, 0, first, j)
            if j - window >= i:
                changed += excess(ratio, ratio.load[j - window + 1]) - excess(ratio, ratio.load[i])
            delta += ratio.weight * changed
        return delta

    cdef double price_backward(self, int i, int j, double limit) noexcept nogil:
        cdef uint64_t features = self.features[self.at[i]]
        cdef uint64_t ones = ~<uint64_t>0
        cdef int colour = self.colour[self.at[i]], other
        cdef int changes = (self.colour[self.at[j]] != colour) - self.change(i - 1, i)
        if i + 1 < self.cars:
            changes += self.change(i - 1, i + 1) - self.change(i, i + 1)
        if j > 0:
            other = self.colour[self.at[j - 1]]
            changes += (other != colour) - self.change(j - 1, j)
        cdef double delta = self.colour_weight * changes
        cdef int r, changed, first, last, window
        cdef Ratio* ratio
        for r in range(self.ratios):
            if delta - self.insert_saves[r] > limit:
                self.refused_early += 1
                break
            ratio = &self.ratio[r]
            window = ratio.window
            first = greater(j - window + 1, ratio.first)
            last = lesser(j, i - window)
            if (features >> r) & 1:
                changed = count_where(ratio.full, ratio.has, window - 1, ones, first, last)
                first = greater(j + 1, i - window + 2)
                changed -= count_where(ratio.over, ratio.has, -1, ones, first, i)
            else:
                changed = -count_where(ratio.over, ratio.has, window - 1, 0, first, last)
                first = greater(j + 1, i - window + 2)
                changed += count_where(ratio.full, ratio.has, -1, 0, first, i)
            if i - window + 1 > j:
                changed += excess(ratio, ratio.load[j]) - excess(ratio, ratio.load[i - window + 1])
            delta += ratio.weight * changed
        return delta

    cdef inline void insert(self, int i, int j) noexcept nogil:
        """Move the car; `follow_insert` brings loads after."""
        cdef int car = self.at[i]
        if i < j:
            memmove(self.at + i, self.at + i + 1, (j - i) * sizeof(int32_t))
        else:
            memmove(self.at + j + 1, self.at + j, (i - j) * sizeof(int32_t))
        self.at[j] = car

    cdef void follow_insert(self, int i, int j) noexcept nogil:
        cdef uint64_t features = self.features[self.at[j]]
        cdef int r, edge
        cdef Ratio* ratio
        for r in range(self.ratios):
            ratio = &self.ratio[r]
            if i < j:
                shift_down(ratio.has, i, j)
                set_bit(ratio.has, j, (features >> r) & 1)
                edge = j - ratio.window + 1
                if edge > i:
                    memmove(ratio.load + i, ratio.load + i + 1, (edge - i) * sizeof(int16_t))
                    shift_down(ratio.over, i, edge)
                    shift_down(ratio.full, i, edge)
                self.recount(
                    ratio, greater(i - ratio.window + 1, ratio.first), lesser(i - 1, edge - 1)
                )
                self.recount(ratio, greater(i, edge), j)
            else:
                shift_up(ratio.has, j, i)
                set_bit(ratio.has, j, (features >> r) & 1)
                edge = i - ratio.window + 1
                if edge > j:
                    memmove(
                        ratio.load + j + 1, ratio.load + j, (edge - j) * sizeof(int16_t)
                    )
                    shift_up(ratio.over, j, edge)
                    shift_up(ratio.full, j, edge)
                self.recount(
                    ratio, greater(j - ratio.window + 1, ratio.first), lesser(j, edge - 1)
                )
                self.recount(ratio, greater(j, edge) + 1, i)

    # ---- reversal of i … j

    cdef inline int load_windows(
        self, Ratio* ratio, int first, int last, int by, bint make
    ) noexcept nogil:
        """What it costs that the windows first … last hold `by` cars more; `make`: load them."""
        cdef int changed = 0, window
        if make:
            self.add_load(ratio, first, last, by)
            return 0
        if by == 1:
            return count(ratio.full, first, last)
        if by == -1:
            return -count(ratio.over, first, last)
        for window in range(first, last + 1):
            changed += excess(ratio, ratio.load[window] + by) - excess(ratio, ratio.load[window])
        return changed

    cdef inline int turn(self, Ratio* ratio, int i, int j, bint make) noexcept nogil:
        """What a reversal changes outside of it; `make`: change it.

        Windows inside are mirrored: their costs change places. Those over one end gain or lose the
        difference between the segment's first and last cars, as far as they reach: between two
        cars in which the ends differ it is the same for all.
        """
        cdef int reach = lesser(j - i, ratio.window - 1)
        cdef int changed = 0, gained = 0, done, n, k, past
        cdef uint64_t head, tail, differing
        for done in range(0, reach, 64):
            n = lesser(64, reach - done)
            head = word_at(ratio.has, i + done)
            tail = mirrored(word_at(ratio.has, j - done - 63))
            differing = (head ^ tail) & lowest(n)
            past = 0
            while True:
                k = lineside_lowest(differing) if differing else n
                if gained and k > past:
                    changed += self.load_windows(
                        ratio,
                        greater(ratio.first, i + done + past - ratio.window + 1),
                        i + done + k - ratio.window,
                        gained,
                        make,
                    )
                    changed += self.load_windows(
                        ratio, j - done - k + 1, j - done - past, -gained, make
                    )
                if not differing:
                    break
                gained += 1 if (tail >> k) & 1 else -1
                differing &= differing - 1
                past = k
        return changed

    cdef double price_reverse(self, int i, int j, double limit) noexcept nogil:
        cdef int r, length = 0, changes = 0
        if i > 0:
            changes += self.change(i - 1, j) - self.change(i - 1, i)
        if j + 1 < self.cars:
            changes += self.change(i, j + 1) - self.change(j, j + 1)
        cdef double delta = self.colour_weight * changes
        while length < LENGTHS - 1 and j - i >= 2 << length:
            length += 1
        for r in range(self.ratios):
            if delta - self.reverse_saves[length][r] > limit:
                self.refused_early += 1
                break
            delta += self.ratio[r].weight * self.turn(&self.ratio[r], i, j, False)
        return delta

    cdef inline void reverse(self, int i, int j) noexcept nogil:
        """Turn the cars; `follow_reverse` brings loads after."""
        cdef int car
        while i < j:
            car = self.at[i]
            self.at[i] = self.at[j]
            self.at[j] = car
            i += 1
            j -= 1

    cdef void follow_reverse(self, int i, int j) noexcept nogil:
        cdef int r, left, right
        cdef int16_t load
        cdef Ratio* ratio
        for r in range(self.ratios):
            ratio = &self.ratio[r]
            self.turn(ratio, i, j, True)
            mirror_bits(ratio.has, i, j)
            left, right = i, j - ratio.window + 1
            if left < right:
                mirror_bits(ratio.over, left, right)
                mirror_bits(ratio.full, left, right)
            while left < right:
                load = ratio.load[left]
                ratio.load[left] = ratio.load[right]
                ratio.load[right] = load
                left += 1
                right -= 1

    # ---- exchange of two neighbouring stretches: i … m and m + 1 … j

    cdef inline int change_exchange(self, int i, int m, int j) noexcept nogil:
        return (
            self.change(i - 1, m + 1) - self.change(i - 1, i)
            + self.change(i, j) - self.change(m, m + 1)
            + self.change(m, j + 1) - self.change(j, j + 1)
        )

    cdef inline int cost_of(self, const Ratio* ratio, int first, int last) noexcept nogil:
        """What the windows first … last cost, as they stand."""
        cdef int cost = 0, word
        cdef uint64_t over
        if first > last:
            return 0
        for word in range(first >> 6, (last >> 6) + 1):
            over = ratio.over[word] & between(word, first, last)
            while over:
                cost += ratio.load[(word << 6) + lineside_lowest(over)] - ratio.most
                over &= over - 1
        return cost

    cdef inline int cost_at_joints(self, const Ratio* ratio, int i, int seam, int j) noexcept nogil:
        """What the windows cost that touch i … seam - 1 or seam … j, but lie within neither."""
        cdef int reach = ratio.window - 1
        return (
            self.cost_of(ratio, greater(i - reach, ratio.first), i - 1)
            + self.cost_of(ratio, greater(i, seam - reach), seam - 1)
            + self.cost_of(ratio, greater(seam, j + 1 - reach), j)
        )

    cdef inline int cost_planned(self, const Ratio* ratio, int first, int last) noexcept nogil:
        """What the windows first … last would cost with the options in `planned`."""
        cdef int load, window, cost = 0
        last = lesser(last, ratio.last)
        if first > last:
            return 0
        load = count(self.planned, first, lesser(first + ratio.window, self.cars) - 1)
        for window in range(first, last + 1):
            cost += excess(ratio, load)
            load -= bit(self.planned, window)
            if window + ratio.window < self.cars:
                load += bit(self.planned, window + ratio.window)
        return cost

    cdef inline void plan_exchange(
        self, const uint64_t* bits, int i, int m, int j
    ) noexcept nogil:
        """Write bits i … j to `planned` as they will stand."""
        cdef int done, n
        for done in range(0, j - m, 64):
            n = lesser(64, j - m - done)
            put_word(self.planned, i + done, n, word_at(bits, m + 1 + done) & lowest(n))
        for done in range(0, m + 1 - i, 64):
            n = lesser(64, m + 1 - i - done)
            put_word(self.planned, i + j - m + done, n, word_at(bits, i + done) & lowest(n))

    cdef inline void plan_around(self, const uint64_t* bits, int first, int last) noexcept nogil:
        """Write the words that hold bits first … last to `planned`."""
        first = greater(first, 0) >> 6
        last = lesser(last, self.cars) >> 6
        memcpy(self.planned + first, bits + first, (last + 1 - first) * sizeof(uint64_t))

    cdef inline void exchange_bits(self, uint64_t* bits, int i, int m, int j) noexcept nogil:
        cdef int first = i >> 6, last = j >> 6
        self.plan_around(bits, i, j)
        self.plan_exchange(bits, i, m, j)
        memcpy(bits + first, self.planned + first, (last + 1 - first) * sizeof(uint64_t))

    cdef inline int cost_exchanged(self, const Ratio* ratio, int i, int m, int j) noexcept nogil:
        """What the windows over the joints would cost."""
        cdef int reach = ratio.window - 1, seam = i + j - m
        self.plan_around(ratio.has, i - reach, j + reach)
        self.plan_exchange(ratio.has, i, m, j)
        return (
            self.cost_planned(ratio, greater(i - reach, ratio.first), i - 1)
            + self.cost_planned(ratio, greater(i, seam - reach), seam - 1)
            + self.cost_planned(ratio, greater(seam, j + 1 - reach), j)
        )

    cdef double price_exchange(self, int i, int m, int j, double limit) noexcept nogil:
        cdef double delta = self.colour_weight * self.change_exchange(i, m, j)
        cdef int r
        for r in range(self.ratios):
            delta -= self.ratio[r].weight * self.cost_at_joints(&self.ratio[r], i, m + 1, j)
        for r in range(self.ratios):
            if delta > limit:
                self.refused_early += 1
                break
            delta += self.ratio[r].weight * self.cost_exchanged(&self.ratio[r], i, m, j)
        return delta

    cdef void exchange(self, int i, int m, int j) noexcept nogil:
        """Move the cars; `follow_exchange` brings loads after."""
        memcpy(self.spare, self.at + i, (m + 1 - i) * sizeof(int32_t))
        memmove(self.at + i, self.at + m + 1, (j - m) * sizeof(int32_t))
        memcpy(self.at + i + j - m, self.spare, (m + 1 - i) * sizeof(int32_t))

    cdef void follow_exchange(self, int i, int m, int j) noexcept nogil:
        cdef int r, window, reach, seam = i + j - m
        cdef int left = (m + 1 - i) * sizeof(int16_t), right = (j - m) * sizeof(int16_t)
        cdef Ratio* ratio
        for r in range(self.ratios):
            ratio = &self.ratio[r]
            reach = ratio.window - 1
            # Each window goes with its first car; those that reach beyond a stretch are counted.
            self.exchange_bits(ratio.has, i, m, j)
            self.exchange_bits(ratio.over, i, m, j)
            self.exchange_bits(ratio.full, i, m, j)
            memcpy(self.spare, ratio.load + i, left)
            memmove(ratio.load + i, ratio.load + m + 1, right)
            memcpy(ratio.load + seam, self.spare, left)
            self.recount(ratio, greater(i - reach, ratio.first), i - 1)
            self.recount(ratio, greater(i, seam - reach), seam - 1)
            self.recount(ratio, greater(seam, j + 1 - reach), j)
            for window in range(greater(i, ratio.last + 1), j + 1):
                self.set_load(ratio, window, NOT_COUNTED)

    # ---- the paint shop's limit

    cdef bint batches_fit(self, int p, int q) noexcept nogil:
        """Whether no run of one colour that touches p … q is over the limit."""
        cdef int run = 0, colour = -1
        if self.batch_limit == 0:
            return True
        p = greater(p, self.tail)
        while p > self.tail and self.change(p - 1, p) == 0:
            p -= 1
        while p < self.cars:
            if self.colour[self.at[p]] == colour:
                run += 1
                if run > self.batch_limit:
                    return False
            elif p > q:
                return True
            else:
                colour, run = self.colour[self.at[p]], 1
            p += 1
        return True

    # ---- the plant's rules

    cdef inline double whole_swap(self, int i, int j, double limit) noexcept nogil:
        if not self.ruled:
            return self.price_swap(i, j, limit)
        cdef double plant = self.plant.price_swap(self.at, i, j)
        return whole(plant, self.price_swap(i, j, limit - plant), limit)

    cdef inline double whole_insert(self, int i, int j, double limit) noexcept nogil:
        if not self.ruled:
            return self.price_insert(i, j, limit)
        cdef double plant = self.plant.price_insert(self.at, i, j)
        return whole(plant, self.price_insert(i, j, limit - plant), limit)

    cdef inline double whole_reverse(self, int i, int j, double limit) noexcept nogil:
        if not self.ruled:
            return self.price_reverse(i, j, limit)
        cdef double plant = self.plant.price_reverse(self.at, i, j)
        return whole(plant, self.price_reverse(i, j, limit - plant), limit)

    cdef inline double whole_exchange(self, int i, int m, int j, double limit) noexcept nogil:
        if not self.ruled:
            return self.price_exchange(i, m, j, limit)
        cdef double plant = self.plant.price_exchange(self.at, i, m, j)
        return whole(plant, self.price_exchange(i, m, j, limit - plant), limit)

    cdef inline void swapped(self, int i, int j) noexcept nogil:
        """Let the plant's figures follow a swap that stands."""
        if self.ruled:
            self.plant.follow_swap(self.at, i, j)

    cdef inline void moved(self, int i, int j) noexcept nogil:
        """The same for the other moves, whose cars all stand between i and j."""
        if self.ruled:
            self.plant.follow(self.at, i, j)

    # ---- the search

    cdef inline double limit(self, double temperature) noexcept nogil:
        """The most that the next move may cost: the rule of Metropolis, its chance drawn first."""
        # 1 - u lies in (0, 1], so the logarithm is finite.
        return -temperature * log(<double>((self.draw() >> 11) + 1) * 2.0**-53)

    cdef inline void keep_best(self) noexcept nogil:
        self.best_cost = self.cost
        memcpy(self.best, self.at, self.cars * sizeof(int32_t))

    cdef int troubled(self) noexcept nogil:
        """A position in a window that is over its limit, or anywhere if none is found soon."""
        cdef int attempt, window, word, nth, p
        cdef uint64_t over
        cdef Ratio* ratio
        if self.ratios:
            for attempt in range(6):
                ratio = &self.ratio[self.below(self.ratios)]
                word = (ratio.first + self.below(self.cars - ratio.first)) >> 6
                over = ratio.over[word]
                if over == 0:
                    continue
                for nth in range(self.below(lineside_popcount(over))):
                    over &= over - 1
                window = (word << 6) + lineside_lowest(over)
                p = window + self.below(ratio.window)
                if self.first_free <= p < self.cars:
                    return p
        return self.anywhere()

    cdef inline int of_the_same_colour(self, int p) noexcept nogil:
        """Another position whose car has the colour of the one at p but other options, if found."""
        cdef int attempt, q = p
        for attempt in range(12):
            q = self.anywhere()
            if (
                self.colour[self.at[q]] == self.colour[self.at[p]]
                and self.features[self.at[q]] != self.features[self.at[p]]
            ):
                break
        return q

    cdef inline int beside_its_colour(self, int p) noexcept nogil:
        """A place beside a car of the colour of the one at p, or anywhere if none is found soon."""
        cdef int attempt, q = p
        for attempt in range(12):
            q = self.anywhere()
            if self.colour[self.at[q]] == self.colour[self.at[p]]:
                break
        return q

    cdef inline int batch_start(self, int p) noexcept nogil:
        """First position of the run of one colour around p, as far as its cars may move."""
        while p > self.first_free and self.change(p - 1, p) == 0:
            p -= 1
        return p

    cdef inline int batch_end(self, int p) noexcept nogil:
        """Last position of it; p itself behind the end of the day."""
        while p + 1 < self.cars and self.change(p, p + 1) == 0:
            p += 1
        return p

    cdef bint try_swap(self, double temperature) noexcept nogil:
        cdef int kind = self.below(16), i, j
        cdef double delta, limit
        if kind < 5:
            i = self.anywhere()
            j = self.target(i)
        elif kind < 9:
            i = self.troubled()
            j = self.target(i)
        elif kind < 13:
            i = self.troubled()
            j = self.of_the_same_colour(i)
        else:
            i = self.anywhere()
            j = i + 1 + self.below(30)
        if j >= self.cars or i == j or self.alike(i, j):
            return False
        if i > j:
            i, j = j, i
        if self.limited and not self.plant.limits.may_swap(self.at, i, j):
            return False
        limit = self.limit(temperature)
        delta = self.whole_swap(i, j, INFINITY if self.to_the_end else limit)
        self.priced += 1
        if delta > limit:
            return False
        if self.limited and not self.plant.limits.keeps_swap(self.at, i, j):
            return False
        self.swap(i, j)
        if self.change(i, j) and not (self.batches_fit(i, i) and self.batches_fit(j, j)):
            self.swap(i, j)
            return False
        self.swapped(i, j)
        self.cost += delta
        return True

    cdef bint try_insert(self, double temperature) noexcept nogil:
        cdef int kind = self.below(8), i = self.anywhere(), j
        cdef double delta, limit
        if kind < 2:
            j = self.target(i)
        elif kind < 5:
            j = i + self.below(81) - 40
        else:
            j = self.beside_its_colour(i)
        if i == j or j < self.first_free or j >= self.cars:
            return False
        if self.limited and not self.plant.limits.may_go(self.at, i, j):
            return False
        limit = self.limit(temperature)
        delta = self.whole_insert(i, j, INFINITY if self.to_the_end else limit)
        self.priced += 1
        if delta > limit:
            return False
        if self.limited and not self.plant.limits.keeps_insert(self.at, i, j):
            return False
        self.insert(i, j)
        if not (self.batches_fit(i - 1, i) and self.batches_fit(j, j)):
            self.insert(j, i)
            return False
        self.follow_insert(i, j)
        self.moved(i, j)
        self.cost += delta
        return True

    cdef bint try_reverse(self, double temperature) noexcept nogil:
        cdef int i = self.anywhere(), j = i + 1 + self.below(60)
        cdef double delta, limit
        if j >= self.cars:
            return False
        if self.below(2):  # whole paint batches: their number then stays as it is
            i, j = self.batch_start(i), self.batch_end(j)
        if self.limited and not self.plant.limits.may_swap(self.at, i, j):
            return False
        limit = self.limit(temperature)
        delta = self.whole_reverse(i, j, INFINITY if self.to_the_end else limit)
        self.priced += 1
        if delta > limit:
            return False
        if self.limited and not self.plant.limits.keeps_reverse(self.at, i, j):
            return False
        self.reverse(i, j)
        if not (self.batches_fit(i, i) and self.batches_fit(j, j)):
            self.reverse(i, j)
            return False
        self.follow_reverse(i, j)
        self.moved(i, j)
        self.cost += delta
        return True

    cdef bint try_exchange(self, double temperature) noexcept nogil:
        cdef int kind = self.below(4), i = self.anywhere(), j, m, seam
        cdef double delta, limit
        if kind < 2:  # a few cars go forward or back; either as often, so that each can be undone
            j = i + 1 + self.below(60)
            m = i + self.below(8) if kind else j - 1 - self.below(8)
        else:  # whole paint batches
            i = self.batch_start(i)
            m = self.batch_end(i + self.below(30))
            j = self.batch_end(m + 1 + self.below(30))
        if m < i or j <= m or j >= self.cars:
            return False
        limit = self.limit(temperature)
        delta = self.whole_exchange(i, m, j, INFINITY if self.to_the_end else limit)
        self.priced += 1
        if delta > limit:
            return False
        if self.limited and not self.plant.limits.keeps_exchange(self.at, i, m, j):
            return False
        self.exchange(i, m, j)
        seam = i + j - m
        if not (
            self.batches_fit(i, i) and self.batches_fit(seam, seam) and self.batches_fit(j, j)
        ):
            self.exchange(i, seam - 1, j)
            return False
        self.follow_exchange(i, m, j)
        self.moved(i, j)
        self.cost += delta
        return True

    cdef void _anneal(
        self, int64_t moves, double temperature, int swaps, int insertions, int exchanges
    ) noexcept nogil:
        cdef int64_t attempt, until = self.priced + moves
        cdef int kind
        cdef bint made
        # A day of cars that are all alike has no move to price: attempts are bounded too.
        for attempt in range(16 * moves):
            if self.priced >= until:
                break
            kind = self.below(100)
            if kind < swaps:
                made = self.try_swap(temperature)
            elif kind < swaps + insertions:
                made = self.try_insert(temperature)
            elif kind < swaps + insertions + exchanges:
                made = self.try_exchange(temperature)
            else:
                made = self.try_reverse(temperature)
            if made:
                self.made += 1
                if self.cost < self.best_cost:
                    self.keep_best()
