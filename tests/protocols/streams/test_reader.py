"""The reading end: what is fresh, what a state opens, what is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.streams import Answer, Cursor, State, read_state
from tests.protocols.streams.test_ranges import offsets

OFFERS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=40)


@given(OFFERS, st.integers(0, 4))
def test_every_offset_is_fresh_at_most_once(offers: list[tuple[int, int]], max_ahead: int) -> None:
    cursor = Cursor(epoch=7)
    committed: set[int] = set()
    for first, length in offers:
        accepted = cursor.accept(first, first + length, max_ahead=max_ahead)
        fresh = offsets(accepted.fresh)
        assert not fresh & committed
        assert fresh <= set(range(first, first + length))
        committed |= fresh
        cursor = accepted.cursor
        assert offsets([(0, cursor.watermark), *cursor.ahead]) == committed
        assert len(cursor.ahead) <= max_ahead
        assert cursor.watermark not in committed


def test_a_strictly_ordered_stream_takes_nothing_above_its_watermark() -> None:
    cursor = Cursor(epoch=7, watermark=5)
    assert cursor.accept(6, 9).fresh == ()
    assert cursor.accept(3, 9).fresh == ((5, 9),)


def test_an_offer_is_taken_whole_or_not_at_all() -> None:
    cursor = Cursor(epoch=7, watermark=2, ahead=((4, 5), (8, 9)))
    assert cursor.accept(3, 12, max_ahead=2).fresh == ((3, 4), (5, 8), (9, 12))
    assert cursor.accept(11, 12, max_ahead=2) == cursor.accept(8, 9, max_ahead=2)


@pytest.mark.parametrize(("first", "after"), [(-1, 3), (4, 3)])
def test_an_offer_that_is_no_range_is_an_error(first: int, after: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        Cursor(epoch=7).accept(first, after)


def test_the_first_state_opens_an_epoch() -> None:
    opening = read_state(None, (), State(7, 0, 4))
    assert opening.cursor == Cursor(7)
    assert (opening.lost, opening.closes, opening.refused) == ((), None, False)


def test_a_new_epoch_closes_the_one_before_and_names_what_its_writer_no_longer_has() -> None:
    opening = read_state(Cursor(7, 3), (), State(8, 2, 4))
    assert opening.cursor == Cursor(8, 2)
    assert (opening.lost, opening.closes) == (((0, 2),), 7)


def test_a_closed_epoch_is_never_opened_again() -> None:
    opening = read_state(Cursor(8, 3), {7}, State(7, 0, 4))
    assert opening.refused
    assert opening.cursor == Cursor(8, 3)


def test_what_the_writer_evicted_is_lost_except_what_was_committed_ahead() -> None:
    opening = read_state(Cursor(7, 2, ((4, 6),)), (), State(7, 8, 20))
    assert opening.cursor == Cursor(7, 8)
    assert opening.lost == ((2, 4), (6, 8))


def test_the_answer_is_the_whole_cursor() -> None:
    assert Cursor(7, 2, ((4, 6),)).answer() == Answer(7, 2, ((4, 6),))


def test_a_state_said_again_passes_over_nothing_that_the_writer_still_has() -> None:
    live_first = Cursor(7, 0, ((4, 7),))
    opening = read_state(live_first, (), State(7, 0, 9))
    assert opening.cursor == live_first
    assert opening.lost == ()
