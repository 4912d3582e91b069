"""The writing end: window, order, sending again, and what answers mean."""

import pytest

from protocols.streams import Answer, Drain, Outcome, Sending, State, Writer

EMPTY = State(7, 0, 0)


def writer(
    state: State = EMPTY,
    *,
    live_first: bool = False,
    window: int = 4,
    drain: Drain | None = None,
    max_ahead: int = 8,
) -> Writer:
    made = Writer(
        state,
        window=window,
        resend_after_s=2.0,
        live_first=live_first,
        drain=drain,
        max_ahead=max_ahead,
    )
    made.connected()
    return made


def drain(made: Writer, now: float, max_records: int = 1) -> list[Sending]:
    sendings = []
    while (sending := made.to_send(now, max_records)) is not None:
        sendings.append(sending)
    return sendings


def test_nothing_is_sent_before_the_reader_has_answered_the_state() -> None:
    made = writer(State(7, 0, 3))
    assert made.wants_state(0.0)
    made.state_sent(0.0)
    assert made.to_send(0.1) is None
    assert not made.wants_state(1.9)
    assert made.wants_state(2.0), "a lost state or answer is mended by saying it again"
    made.on_answer(Answer(7, 1), 2.1)
    assert not made.wants_state(9.0)
    assert [s.first for s in drain(made, 2.1)] == [1, 2]


def test_the_window_bounds_what_is_in_flight() -> None:
    made = writer(State(7, 0, 100))
    made.on_answer(Answer(7, 0), 0.0)
    assert sum(s.after - s.first for s in drain(made, 0.0, max_records=3)) == 4
    assert made.in_flight == 4
    made.on_answer(Answer(7, 3), 0.1)
    assert drain(made, 0.1, max_records=3) == [Sending(4, 7, late=True)]


def test_in_order_all_that_is_in_flight_goes_again_behind_a_hole() -> None:
    made = writer()
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(3)
    assert [s.first for s in drain(made, 0.0)] == [0, 1, 2]
    assert drain(made, 1.9) == []
    assert drain(made, 2.0, max_records=8) == [Sending(0, 3, late=True)]


def test_progress_gives_the_rest_of_the_window_time() -> None:
    made = writer()
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(2)
    drain(made, 0.0)
    made.on_answer(Answer(7, 1), 1.5)
    assert drain(made, 2.5) == []
    assert made.next_due() == 3.5
    assert drain(made, 3.5) == [Sending(1, 2, late=True)]


def test_live_goes_ahead_of_the_backlog_which_uses_half_the_window() -> None:
    made = writer(State(7, 0, 10), live_first=True)
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0) == [Sending(0, 1, late=True), Sending(1, 2, late=True)]
    made.appended(11)
    assert made.to_send(0.0) == Sending(10, 11, late=False)
    made.on_answer(Answer(7, 1, ((10, 11),)), 0.1)
    assert drain(made, 0.1) == [Sending(2, 3, late=True)]


def test_live_and_late_meet_without_sending_twice() -> None:
    made = writer(State(7, 0, 3), live_first=True, window=100)
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(5)
    sent = [o for s in drain(made, 0.0, 2) for o in range(s.first, s.after)]
    assert sorted(sent) == [0, 1, 2, 3, 4]
    assert drain(made, 0.1) == []


def test_one_lost_live_record_goes_again_alone() -> None:
    made = writer(live_first=True)
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(3)
    drain(made, 0.0)
    made.on_answer(Answer(7, 1, ((2, 3),)), 0.5)
    assert drain(made, 2.0) == [Sending(1, 2, late=True)]
    made.on_answer(Answer(7, 3), 2.1)
    assert made.backlog == 0
    assert made.next_due() is None


def test_what_an_answer_means() -> None:
    made = writer(State(7, 3, 9))
    assert made.on_answer(Answer(None), 0.0) is Outcome.LOST_CURSOR
    assert made.on_answer(Answer(8, 4), 0.0) is Outcome.RESTATE
    assert made.on_answer(Answer(7, 2), 0.0) is Outcome.RESTATE
    assert made.on_answer(Answer(7, 10), 0.0) is Outcome.ROLLED_BACK
    assert made.on_answer(Answer(7, 3, ((8, 10),)), 0.0) is Outcome.ROLLED_BACK
    assert made.on_answer(Answer(7, 5), 0.0) is Outcome.PROGRESS
    assert made.on_answer(Answer(7, 5), 0.0) is Outcome.UNCHANGED
    assert made.state == State(7, 3, 9)


def test_what_is_evicted_before_it_was_committed_is_stated() -> None:
    made = writer(State(7, 0, 3))
    made.on_answer(Answer(7, 0), 0.0)
    drain(made, 0.0)
    made.trimmed(2)
    assert made.wants_state(0.1)
    made.state_sent(0.1)
    made.on_answer(Answer(7, 2), 0.2)
    assert drain(made, 5.0) == [Sending(2, 3, late=True)]


def test_a_reader_restored_from_a_backup_gets_what_it_lost_again() -> None:
    made = writer()
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(4)
    drain(made, 0.0)
    made.on_answer(Answer(7, 4), 0.1)
    made.on_answer(Answer(7, 2), 0.2)
    assert [s.first for s in drain(made, 0.2)] == [2, 3]


def test_a_new_connection_begins_with_the_state_and_sends_from_the_watermark() -> None:
    made = writer()
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(3)
    drain(made, 0.0)
    made.on_answer(Answer(7, 1), 0.1)
    made.connected()
    assert made.wants_state(0.2)
    assert made.to_send(0.2) is None
    made.state_sent(0.2)
    made.on_answer(Answer(7, 1), 0.3)
    assert drain(made, 0.3, 8) == [Sending(1, 3, late=True)]


@pytest.mark.parametrize("live_first", [False, True])
def test_after_a_rebirth_the_backlog_in_flight_goes_again_in_order(live_first: bool) -> None:
    made = writer(State(7, 0, 10), live_first=live_first, window=8)
    made.on_answer(Answer(7, 0), 0.0)
    first = drain(made, 0.0, 2)
    made.on_answer(Answer(7, 2), 0.1)
    drain(made, 0.1, 2)
    made.reborn()
    again = [o for s in drain(made, 0.2) for o in range(s.first, s.after)]
    assert again == list(range(2, 2 + sum(s.after - s.first for s in first)))


def test_a_rebirth_leaves_alone_what_is_live_and_what_is_committed() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=8)
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(11)
    assert drain(made, 0.0, 8) == [Sending(10, 11, late=False), Sending(0, 4, late=True)]
    made.on_answer(Answer(7, 0, ((1, 2),)), 0.1)
    made.reborn()
    assert drain(made, 0.1, 8) == [
        Sending(0, 1, late=True),
        Sending(2, 5, late=True),
    ]
    assert drain(made, 2.0, 8) == [], "overdue, and behind what is older"
    made.on_answer(Answer(7, 9), 2.0)
    assert drain(made, 2.0, 8) == [Sending(9, 11, late=True)]


def test_behind_a_lost_record_of_the_backlog_all_of_it_goes_again_in_order() -> None:
    made = writer(State(7, 0, 9), live_first=True, window=8)
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0, 8) == [Sending(0, 4, late=True)]
    made.appended(11)
    assert drain(made, 0.5, 8) == [Sending(9, 11, late=False)]
    made.on_answer(Answer(7, 1, ((9, 11),)), 1.0)  # 1 got lost, and the reader left 2 and 3 alone
    assert drain(made, 1.0, 8) == [Sending(4, 5, late=True)]
    assert drain(made, 2.0, 8) == [Sending(1, 5, late=True)]
    assert made.to_send(2.0) is None


def test_a_lost_live_record_waits_for_the_backlog_before_it() -> None:
    made = writer(State(7, 0, 6), live_first=True, window=8)
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(8)
    assert drain(made, 0.0, 8) == [Sending(6, 8, late=False), Sending(0, 4, late=True)]
    made.on_answer(Answer(7, 4, ((7, 8),)), 1.9)  # 6 got lost
    assert drain(made, 1.9, 8) == [Sending(4, 6, late=True)]
    made.appended(9)
    assert drain(made, 2.0, 1) == [Sending(8, 9, late=False), Sending(6, 7, late=True)]
    made.on_answer(Answer(7, 9), 2.1)
    assert made.backlog == 0


def test_newest_first_a_rebirth_begins_again_at_the_newest() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=8, drain=Drain(newest_first=True))
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0, 2) == [Sending(8, 10, late=True), Sending(6, 8, late=True)]
    made.reborn()
    assert drain(made, 0.1, 2) == [Sending(8, 10, late=True), Sending(6, 8, late=True)]


def test_the_backlog_leaves_at_its_rate_and_live_does_not_wait_for_it() -> None:
    made = writer(State(7, 0, 1000), live_first=True, window=500, drain=Drain(per_s=16.0, burst=10))
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0, 8) == [Sending(0, 8, late=True), Sending(8, 10, late=True)]
    assert made.next_due() == 5 / 16, "half a bucket later"
    made.appended(1003)
    assert drain(made, 0.125, 8) == [Sending(1000, 1003, late=False), Sending(10, 12, late=True)]
    made.on_answer(Answer(7, 12, ((1000, 1003),)), 0.125)
    sent = 12
    for tick in range(1, 101):
        now = 0.125 + tick / 16
        sent += sum(s.after - s.first for s in drain(made, now, 8))
        made.on_answer(Answer(7, sent, ((1000, 1003),)), now)
    assert sent == 12 + 100


def test_a_bucket_that_stood_full_gives_its_burst_and_no_more() -> None:
    made = writer(State(7, 0, 1000), live_first=True, window=500, drain=Drain(per_s=16.0, burst=10))
    made.on_answer(Answer(7, 0), 0.0)
    drain(made, 0.0)
    made.on_answer(Answer(7, 10), 0.0)
    assert sum(s.after - s.first for s in drain(made, 3600.0)) == 10


def test_what_is_sent_again_does_not_wait_but_empties_the_bucket() -> None:
    made = writer(State(7, 0, 9), live_first=True, window=8, drain=Drain(per_s=1.0, burst=2))
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0, 8) == [Sending(0, 2, late=True)]
    assert drain(made, 2.0, 8) == [Sending(0, 2, late=True)]
    made.on_answer(Answer(7, 2), 2.1)
    assert drain(made, 2.9, 8) == []
    assert drain(made, 3.1, 8) == [Sending(2, 3, late=True)]


def test_newest_first_goes_down_run_by_run() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=16, drain=Drain(newest_first=True))
    made.on_answer(Answer(7, 0), 0.0)
    assert drain(made, 0.0, 3) == [
        Sending(7, 10, late=True),
        Sending(4, 7, late=True),
        Sending(2, 4, late=True),
    ]
    made.appended(11)
    assert made.to_send(0.0, 3) == Sending(10, 11, late=False)
    made.on_answer(Answer(7, 0, ((2, 11),)), 0.1)
    assert drain(made, 0.1, 3) == [Sending(0, 2, late=True)]


def test_newest_first_passes_over_what_the_reader_has() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=16, drain=Drain(newest_first=True))
    made.on_answer(Answer(7, 2, ((4, 5), (8, 10))), 0.0)
    assert drain(made, 0.0, 8) == [Sending(5, 8, late=True), Sending(2, 4, late=True)]


def test_where_the_cursor_is_full_newest_first_mends_it_and_live_waits() -> None:
    made = writer(
        State(7, 0, 10),
        live_first=True,
        window=16,
        drain=Drain(newest_first=True),
        max_ahead=2,
    )
    made.on_answer(Answer(7, 0, ((2, 3), (6, 7))), 0.0)
    made.appended(12)
    assert made.to_send(0.0, 2) == Sending(4, 6, late=True)
    assert made.to_send(0.0, 2) == Sending(3, 4, late=True)
    assert made.to_send(0.0, 2) == Sending(10, 12, late=False), "there is a range again"
    assert made.to_send(0.0, 2) == Sending(8, 10, late=True), "needs none of its own"
    assert drain(made, 0.0, 2) == [Sending(7, 8, late=True), Sending(0, 2, late=True)]


def test_oldest_first_live_waits_for_a_range() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=16, max_ahead=2)
    made.on_answer(Answer(7, 0, ((2, 3), (6, 7))), 0.0)
    made.appended(12)
    assert made.to_send(0.0, 8) == Sending(0, 2, late=True)
    assert made.to_send(0.0, 8) == Sending(10, 12, late=False)


def test_live_that_nobody_takes_leaves_room_for_the_backlog() -> None:
    made = writer(State(7, 0, 10), live_first=True, window=8)
    made.on_answer(Answer(7, 0), 0.0)
    made.appended(100)
    assert drain(made, 0.0, 100) == [Sending(10, 16, late=False), Sending(0, 2, late=True)]


@pytest.mark.parametrize("drain", [{"per_s": 0.0}, {"burst": 0}])
def test_a_drain_that_never_ends_is_refused(drain: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be able to leave"):
        Drain(**drain)  # type: ignore[arg-type]
