"""Calls that are out already follow another order of their cars: a swap of two, or a sequence that
was repaired. A place keeps its time; the calls change places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import psycopg

from hub.calls.called import (
    By,
    CalledCall,
    LineRow,
    allowed,
    calls_of_car,
    find_calls,
    lock_plant,
    must_ask,
    said_before,
    told_state,
)
from hub.calls.commands import Done, hold_calls, note_order, put_back_calls
from hub.calls.content import asks
from hub.calls.places import can_move
from hub.calls.refused import RefusedError
from hub.calls.telling import Telling
from hub.sequencing.released import longest_run


def swap(
    connection: psycopg.Connection, tenant: str, plant: str, one: str, other: str, by: By
) -> Done:
    """Two cars change places after their calls, and so do the calls of the same part groups.

    Where a part is packed already its supplier is asked, for both calls: both change, or neither.
    Raises `UnknownError` or `RefusedError`.
    """
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        if one == other:
            raise RefusedError(f"car {one} cannot change places with itself")
        pairs = _pairs(*(_standing(connection, plant, car) for car in (one, other)))
        calls = [call for pair in pairs for call in pair]
        if said_before(connection, calls, by):
            return Done(repeated=True)
        note_order(connection, plant, one, "swapped", by, {"with": other})
        note_order(connection, plant, other, "swapped", by, {"with": one})
        telling = Telling(connection, by)
        done = Done([call.key for call in calls])
        for a, b in pairs:
            ask = [asks(lines[call.line], call, "swap", by) for call in (a, b)]
            for call, instead in ((a, b), (b, a)):
                telling.change(
                    call,
                    in_place_of(call, instead),
                    "resequence",
                    ask="swap" if any(ask) else None,
                    with_call=instead.id if any(ask) else None,
                )
                done.asked += [call.key] if any(ask) else []
        telling.flush()
        return done


def in_place_of(call: CalledCall, other: CalledCall) -> CalledCall:
    """The call with another's place and the time that goes with it."""
    names = ("place", "sequence_no", "rack", "slot", "required_at", "timed_from", "lead_s")
    return replace(call, **{name: getattr(other, name) for name in names})


def _standing(
    connection: psycopg.Connection, plant: str, car: str
) -> dict[tuple[str, str], CalledCall]:
    """A car's calls that stand in a place, by line and part group."""
    calls = calls_of_car(connection, plant, car)
    found = {
        (call.line, call.part_group): call
        for call in calls
        if call.place is not None and call.car == "released"
    }
    if not found:
        where = told_state(calls[-1]) if calls else f"nothing is called for car {car}"
        raise RefusedError(f"{where}: there is no place to swap")
    return found


def _pairs(
    one: Mapping[tuple[str, str], CalledCall], other: Mapping[tuple[str, str], CalledCall]
) -> list[tuple[CalledCall, CalledCall]]:
    if one.keys() != other.keys():
        line, group = sorted(one.keys() ^ other.keys())[0]
        raise RefusedError(
            f"only one of the two cars has a call of {group} in a place of line {line}: "
            "resequence instead of swapping"
        )
    for call in (*one.values(), *other.values()):
        must_ask(call, "swap")
    return [(one[key], other[key]) for key in sorted(one)]


def follow_sequence(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    before: Sequence[str],
    after: Sequence[str],
    by: By,
) -> Done:
    """Bring calls that are out in line with a sequence that was repaired: before and after, by
    production number.

    Cars that left it are pulled out, cars that came back are reinserted, and those that passed
    others change places with them. Cars that keep their order to the others keep their calls, also
    where they have come to the line in another order than planned. A call that may not move without
    asking keeps its place.
    """
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        telling = Telling(connection, by)
        done = Done()
        here, gone = set(after), set(before)
        calls = _by_line(find_calls(connection, plant, cars=sorted(gone - here)))
        left = [call for call in calls if call.car == "released" and allowed(call, "pull_out")]
        hold_calls(telling, lines, left)
        calls = _by_line(find_calls(connection, plant, cars=sorted(here - gone)))
        back = [call for call in calls if call.car == "pulled_out" and allowed(call, "reinsert")]
        put_back_calls(telling, lines, back)
        done.calls += [call.key for call in (*left, *back)]
        moved = reordered(before, after)
        for line in lines.values():
            _follow(telling, line, after, moved, done)
        telling.flush()
        return done


def _by_line(calls: Sequence[CalledCall]) -> list[CalledCall]:
    return sorted(calls, key=lambda call: (call.line, call.place or 0, call.call_no))


def reordered(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """The cars of `after` that stand no longer in the same order to the others, as few as can be;
    those that were not there before among them."""
    was = {number: place for place, number in enumerate(before)}
    kept = set(longest_run([was[number] for number in after if number in was]))
    return frozenset(number for number in after if was.get(number, -1) not in kept)


def _follow(
    telling: Telling, line: LineRow, after: Sequence[str], moved: frozenset[str], done: Done
) -> None:
    calls = [
        call
        for call in find_calls(
            telling.connection, line.plant, line=line.id, cars=after, moving=True
        )
        if call.place is not None
    ]
    calls.sort(key=lambda call: call.place or 0)
    cars = list(dict.fromkeys(call.production_no for call in calls))
    wanted = new_order(cars, after, moved)
    if wanted == cars:
        return
    rank = {number: n for n, number in enumerate(wanted)}
    movable = [call for call in calls if can_move(line, call, telling.by)]
    in_order = sorted(movable, key=lambda call: (rank[call.production_no], call.place or 0))
    for call, instead in zip(in_order, movable, strict=True):
        if call.id != instead.id:
            telling.change(
                call,
                in_place_of(call, instead),
                "resequence",
                message_id=f"{telling.by.message_id} order",
            )
            done.calls.append(call.key)
    kept = {call.id for call in movable}
    done.left += [c.key for c in calls if c.production_no in moved and c.id not in kept]


def new_order(cars: Sequence[str], after: Sequence[str], moved: frozenset[str]) -> list[str]:
    """The cars of a line in their new order: each that has moved goes behind the one that is now
    planned before it; all others stay as they are."""
    here = set(cars)
    planned = [number for number in after if number in here]
    order = [number for number in cars if number not in moved or number not in set(planned)]
    for n, number in enumerate(planned):
        if number not in moved:
            continue
        if n:
            order.insert(order.index(planned[n - 1]) + 1, number)
        else:
            following = next((other for other in planned[1:] if other in order), None)
            order.insert(0 if following is None else order.index(following), number)
    return order
