"""Limits that no sequence can keep together: found before a search starts, and named."""

from __future__ import annotations

from collections.abc import Iterator

from hub.sequencing.model import Instance, InstanceError


class ConflictError(InstanceError):
    """The hard limits cannot be kept together; the text names what contradicts what."""


def spans(instance: Instance) -> list[tuple[int, int]]:
    """Where each of `instance.cars` may stand by itself: first and last position from 0, included.

    What earliest and latest, the frozen positions and the places a car may move leave in common.
    Raises `ConflictError` if that is nothing.
    """
    found = []
    for given in range(len(instance.cars)):
        (low, not_before), (high, not_after) = _low(instance, given), _high(instance, given)
        if low > high:
            raise ConflictError(
                f"car {instance.cars[given].production_no} has no position left: "
                f"{not_before}, but {not_after}; one of the two has to be relaxed"
            )
        found.append((low, high))
    return found


def _low(instance: Instance, given: int) -> tuple[int, str]:
    """First position, from 0, of the car given at `given`, and the limit that says so."""
    return max(_not_before(instance, given), key=lambda bound: bound[0])


def _high(instance: Instance, given: int) -> tuple[int, str]:
    """Last position, from 0, of the car given at `given`, and the limit that says so."""
    return min(_not_after(instance, given), key=lambda bound: bound[0])


def _not_before(instance: Instance, given: int) -> Iterator[tuple[int, str]]:
    limits = instance.limits
    yield 0, "the day begins at 1"
    place = limits.places.get(instance.cars[given].production_no)
    if place is not None and place.earliest is not None:
        yield place.earliest - 1, f"its earliest position is {place.earliest}"
    if given < limits.frozen:
        yield given, f"it is frozen at {given + 1}"
    elif limits.frozen:
        yield limits.frozen, f"positions 1 to {limits.frozen} are frozen"
    if limits.forward is not None:
        yield (
            given - limits.forward,
            f"it may move at most {limits.forward} forward from {given + 1}",
        )


def _not_after(instance: Instance, given: int) -> Iterator[tuple[int, str]]:
    limits = instance.limits
    last = len(instance.cars) - 1
    yield last, f"the day ends at {last + 1}"
    place = limits.places.get(instance.cars[given].production_no)
    if place is not None and place.latest is not None:
        yield place.latest - 1, f"its latest position is {place.latest}"
    if given < limits.frozen:
        yield given, f"it is frozen at {given + 1}"
    if limits.back is not None:
        yield given + limits.back, f"it may move at most {limits.back} back from {given + 1}"
