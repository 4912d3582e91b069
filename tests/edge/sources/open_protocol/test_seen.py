"""Which tightenings are missing: against a model of the ids that a journal has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.sources.open_protocol.seen import MOST_FETCHED, Hole, Seen
from protocols.open_protocol import LAST_ID, step


def ids_of(holes: list[Hole]) -> list[int]:
    return [number for hole in holes for number in hole.ids]


@given(
    st.integers(1, LAST_ID),
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=30),
    st.data(),
)
def test_what_is_missing_is_what_lies_between(
    first: int, jumps: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """Results come one after the other, with some left out; some are told of, not brought; some of
    the missing ones come."""
    seen = Seen()
    assert seen.note(first, 0) == ("new", [])
    at, missing = first, list[int]()
    for number, (jump, brought) in enumerate(jumps, start=1):
        missing += [step(at, n) for n in range(1, jump + (not brought))]
        at = step(at, jump)
        if brought:
            assert seen.note(at, number) == ("new", [])
            assert seen.note(at, number) == ("again", [])
        else:
            assert seen.note_latest(at, number) == []
        assert seen.last == at
        assert ids_of(seen.holes) == missing
        if missing and (drawn := data.draw(st.integers(0, 2 * len(missing)))):
            come = missing[drawn % len(missing)]
            missing.remove(come)
            if drawn % 2:
                seen.close(come, come)
            else:
                assert seen.note(come, 0) == ("new", [])
            assert ids_of(seen.holes) == missing
        seen = Seen.recall(seen.dump())
    assert seen.last == at


def test_a_hole_too_large_is_given_up_but_for_the_newest() -> None:
    seen = Seen(last=5, last_us=100)
    state, [(given_up, why)] = seen.note(5 + 3 * MOST_FETCHED, 900)
    assert state == "new"
    assert given_up == Hole(6, 4 + 2 * MOST_FETCHED, 100, 900)
    assert "only the last" in why
    assert seen.holes == [Hole(5 + 2 * MOST_FETCHED, 4 + 3 * MOST_FETCHED, 100, 900)]


def test_too_many_holes_are_not_kept() -> None:
    seen = Seen(last=1, last_us=0)
    given_up = [lost for n in range(1, 151) for lost, _ in seen.note(1 + 2 * n, n)[1]]
    assert len(seen.holes) == 100
    assert ids_of(given_up) == [2 * n for n in range(1, 51)]


def test_numbers_that_begin_anew_are_told_from_old_results() -> None:
    seen = Seen(last=5000, last_us=1000, holes=[Hole(4000, 4001, 500, 600)])
    assert seen.note(4999, 990) == ("new", [])  # an old one: nothing changes
    assert seen.note(4999, None) == ("new", [])
    assert seen.last == 5000
    state, [(lost, why)] = seen.note(3, 2000)
    assert (state, lost) == ("new", Hole(4000, 4001, 500, 600))
    assert "begun its numbers anew" in why
    assert (seen.last, seen.holes) == (3, [Hole(1, 2, 1000, 2000)])


def test_the_newest_of_numbers_that_began_anew_is_missing_too() -> None:
    seen = Seen(last=5000, last_us=1000)
    assert seen.note_latest(2, 2000) == []
    assert seen.holes == [Hole(1, 2, 1000, 2000)]


def test_a_result_of_another_time_under_the_last_number_is_another_one() -> None:
    for at_us, state in (
        (999, "new"),  # a clock may begin anew with the numbers
        (1001, "new"),
        (1000, "again"),
        (None, "again"),
    ):
        assert Seen(last=3, last_us=1000).note(3, at_us)[0] == state


def test_at_first_what_is_there_counts_as_seen() -> None:
    seen = Seen()
    assert seen.note_latest(700, 10) == []
    assert (seen.last, seen.holes) == (700, [])


def test_results_of_a_controller_without_ids_are_all_new() -> None:
    seen = Seen()
    for at_us in (10, 20, 20, None, None):
        assert seen.note(0, at_us) == ("new", [])
    assert seen.holes == []


def test_all_of_a_controller_that_was_empty_is_missing() -> None:
    seen = Seen()
    seen.note_empty(5)
    seen.note_latest(3, 10)
    assert (seen.last, seen.last_us, seen.holes) == (3, 10, [Hole(1, 3, 5, 10)])
    heard = Seen()
    heard.note_empty(5)
    assert heard.note(4711, 10) == ("new", [])
    assert heard.holes == []
