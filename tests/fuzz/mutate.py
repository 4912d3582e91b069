"""Inputs by seed and number: messages, spoiled. The same numbers give the same inputs anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from tests.fuzz.target import Target

LONGEST = 8192
"""Bytes of an input at most."""
_BATCH = 1000
"""Inputs that come out of one random generator: to make one again costs no more than these."""
_EDGES = (0, 1, 2, 3, 4, 7, 8, 9, 10, 13, 16, 31, 32, 48, 57, 63, 64, 127, 128, 129, 192, 254, 255)


def inputs(target: Target, seed: int, first: int, count: int) -> Iterator[bytes]:
    """The inputs `first` … `first + count - 1` of a seed."""
    batch, skipped = divmod(first, _BATCH)
    while count > 0:
        random = Random(f"{seed}/{batch}")
        for _ in range(skipped):
            _input(random, target.corpus, target.words)
        for _ in range(min(count, _BATCH - skipped)):
            yield _input(random, target.corpus, target.words)
        count -= _BATCH - skipped
        batch, skipped = batch + 1, 0


def input_at(target: Target, seed: int, number: int) -> bytes:
    """One of them."""
    return next(inputs(target, seed, number, 1))


def _input(random: Random, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    draw = random.random
    data = bytearray(corpus[int(draw() * len(corpus))])
    for _ in range(1 + int(draw() * draw() * 6)):
        size = len(data)
        at = int(draw() * size)
        kind = int(draw() * 12)
        if not size or kind == 0:  # anything, put in
            data[at:at] = random.randbytes(1 + int(draw() * 8))
        elif kind == 1:  # a bit flipped
            data[at] ^= 1 << int(draw() * 8)
        elif kind == 2:
            data[at] = int(draw() * 256)
        elif kind == 3:  # a number at its edge, such as a length
            data[at] = _EDGES[int(draw() * len(_EDGES))]
        elif kind == 4:  # a number a little off, as a length that is not true
            data[at] = (data[at] + int(draw() * 9) - 4) & 0xFF
        elif kind == 5:  # a wide number, little or big endian
            width = 2 << int(draw() * 3)
            data[at : at + width] = random.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * width
        elif kind == 6:  # cut off
            del data[at:]
        elif kind == 7:  # a piece left out
            del data[at : at + 1 + int(draw() * draw() * size)]
        elif kind == 8:  # a piece again and again
            piece = data[at : at + 1 + int(draw() * draw() * 64)]
            data[at:at] = piece * int(1 + draw() ** 4 * 200)
        elif kind == 9:  # the beginning of one, the end of another
            other = corpus[int(draw() * len(corpus))]
            data[at:] = other[int(draw() * len(other)) :]
        elif kind == 10 and words:
            until = at + len(words[0]) if draw() < 0.5 else at
            data[at:until] = words[int(draw() * len(words))]
        else:  # two pieces in each other's place
            to = int(draw() * size)
            width = 1 + int(draw() * 8)
            here, there = data[at : at + width], data[to : to + width]
            data[to : to + width] = here
            data[at : at + width] = there
        del data[LONGEST:]
    return bytes(data)
