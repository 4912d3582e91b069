"""Cars in as few paint batches as the paint shop's limit allows."""

from __future__ import annotations

from collections import Counter, deque

from hub.sequencing.model import Car, Instance


def least_changes(instance: Instance) -> int:
    """Changes of colour that every sequence of the day has: full batches, and no gap to yesterday.

    A bound: where one colour is so common that others must be split to part its batches, more are
    needed.
    """
    numbers = Counter(car.colour for car in instance.cars)
    batches = sum(_batches(number, instance.rules.batch_limit) for number in numbers.values())
    if not instance.yesterday:
        return max(batches - 1, 0)
    return batches - (instance.yesterday[-1].colour in numbers)


def in_batches(instance: Instance) -> tuple[Car, ...]:
    """The day's cars with `least_changes` where that is possible.

    The colour with most batches left comes next, but not twice in a row, and first the colour that
    yesterday ended with. Where one colour is too common its last batches meet, over the limit.
    """
    limit = instance.rules.batch_limit
    waiting: dict[str, deque[Car]] = {}
    for car in instance.cars:
        waiting.setdefault(car.colour, deque()).append(car)
    left = {colour: _batches(len(cars), limit) for colour, cars in waiting.items()}
    built: list[Car] = []
    last = instance.yesterday[-1].colour if instance.yesterday else ""
    colour = last
    while waiting:
        if built or colour not in waiting:
            others = [name for name in waiting if name != last] or [last]
            colour = max(others, key=left.__getitem__)
        cars = waiting[colour]
        size = -(-len(cars) // left[colour])  # batches of one colour as even as can be
        built += [cars.popleft() for _ in range(size)]
        left[colour] -= 1
        if not cars:
            del waiting[colour]
        last = colour
    return tuple(built)


def _batches(cars: int, limit: int | None) -> int:
    return 1 if limit is None else -(-cars // limit)
