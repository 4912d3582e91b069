"""The rules of a session: sequence numbers, bdSeq, the host's STATE."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sparkplug import DataType, Metric, Payload, decode, encode
from protocols.sparkplug.session import (
    Arrival,
    HostState,
    HostWatch,
    SeqChecker,
    SequenceCounter,
    StateError,
    asks_rebirth,
    bd_seq_of,
    death_payload,
    next_bd_seq,
    rebirth_command,
)


def test_a_birth_begins_at_0_and_255_is_followed_by_0() -> None:
    counter = SequenceCounter()
    assert counter.begin() == 0
    taken = [counter.take() for _ in range(257)]
    assert taken == [*range(1, 256), 0, 1]
    assert counter.begin() == 0
    assert counter.take() == 1


def test_bd_seq_counts_connects_and_wraps() -> None:
    assert next_bd_seq(None) == 0
    assert next_bd_seq(0) == 1
    assert next_bd_seq(255) == 0


def test_death_carries_bd_seq_alone() -> None:
    payload = decode(encode(death_payload(7, 1000)))
    assert payload.seq is None
    assert [(m.name, m.datatype, m.value) for m in payload.metrics] == [
        ("bdSeq", DataType.Int64, 7)
    ]
    assert bd_seq_of(payload) == 7
    assert bd_seq_of(Payload()) is None
    assert bd_seq_of(Payload(metrics=[Metric("bdSeq")])) is None


def test_rebirth_is_asked_for_by_name() -> None:
    command = decode(encode(rebirth_command(1000)))
    assert command.seq is None
    assert asks_rebirth(command)
    unstamped = Payload(metrics=[Metric("Node Control/Rebirth", value=True)])
    assert asks_rebirth(unstamped)
    assert not asks_rebirth(Payload(metrics=[Metric("Node Control/Rebirth", value=False)]))
    assert not asks_rebirth(Payload(metrics=[Metric("Node Control/Reboot", value=True)]))


def born() -> SeqChecker:
    """A checker that has heard an NBIRTH."""
    checker = SeqChecker(reorder_s=2.0)
    checker.born(0)
    return checker


def test_in_order_all_around_the_circle() -> None:
    checker = born()
    for number in [*range(1, 256), *range(256)]:
        assert checker.arrived(number, 0.0) is Arrival.IN_ORDER
    assert checker.missing == 0


def test_a_gap_is_overdue_after_the_reorder_time() -> None:
    checker = born()
    assert checker.arrived(3, 10.0) is Arrival.EARLY
    assert checker.missing == 2
    assert not checker.overdue(11.9)
    assert checker.overdue(12.0)
    checker.born(0)
    assert not checker.overdue(100.0)


def test_a_gap_that_fills_in_time_is_none() -> None:
    checker = born()
    assert checker.arrived(3, 10.0) is Arrival.EARLY
    assert checker.arrived(1, 11.0) is Arrival.FILLS
    assert checker.arrived(4, 11.0) is Arrival.EARLY
    assert checker.arrived(2, 11.5) is Arrival.FILLS
    assert checker.arrived(5, 11.5) is Arrival.IN_ORDER
    assert not checker.overdue(100.0)


@pytest.mark.parametrize("seq", [None, -1, 256, 2**64 - 1])
def test_a_message_without_a_number_is_unexpected(seq: int | None) -> None:
    checker = born()
    assert checker.arrived(seq, 0.0) is Arrival.UNEXPECTED
    assert checker.arrived(1, 0.0) is Arrival.IN_ORDER


def test_a_message_that_comes_twice_is_unexpected() -> None:
    checker = born()
    checker.arrived(1, 0.0)
    assert checker.arrived(1, 0.0) is Arrival.UNEXPECTED
    assert checker.arrived(2, 0.0) is Arrival.IN_ORDER


@given(st.permutations(range(40)), st.integers(0, 255))
def test_whatever_the_order_nothing_is_missing_once_all_are_there(
    order: list[int], start: int
) -> None:
    checker = SeqChecker(reorder_s=1.0)
    checker.born(start)
    for step in order:
        checker.arrived((start + 1 + step) % 256, 0.0)
    assert checker.missing == 0
    assert not checker.overdue(1e9)


@given(st.sets(st.integers(0, 60)), st.integers(0, 255))
def test_what_is_lost_is_missing(lost: set[int], start: int) -> None:
    checker = SeqChecker(reorder_s=1.0)
    checker.born(start)
    for step in range(62):
        if step not in lost:
            checker.arrived((start + 1 + step) % 256, 0.0)
    assert checker.missing == len(lost)
    assert checker.overdue(1.0) == bool(lost)


@given(st.booleans(), st.integers(0, 2**53))
def test_state_comes_back(online: bool, timestamp: int) -> None:
    state = HostState(online, timestamp)
    assert HostState.parse(state.dump()) == state
    assert json.loads(state.dump()) == {"online": online, "timestamp": timestamp}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"ONLINE", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "online"),
        (b'{"online": 1, "timestamp": 1}', "online"),
        (b'{"online": true}', "timestamp"),
        (b'{"online": true, "timestamp": true}', "timestamp"),
        (b'{"online": true, "timestamp": 1.5}', "timestamp"),
        (b'{"online": true, "timestamp": -1}', "timestamp"),
    ],
)
def test_a_state_that_says_nothing_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(StateError, match=reason):
        HostState.parse(data)


def test_an_older_state_is_void() -> None:
    watch = HostWatch()
    assert not watch.online
    assert watch.heard(HostState(True, 100))
    assert not watch.heard(HostState(False, 99)), "the late will of an earlier connect"
    assert watch.online
    assert watch.heard(HostState(False, 100)), "the will of this connect"
    assert not watch.heard(HostState(True, 99))
    assert not watch.online


def test_a_new_connection_knows_nothing_of_the_host_but_its_time() -> None:
    watch = HostWatch()
    watch.heard(HostState(True, 100))
    watch.disconnected()
    assert not watch.online
    assert not watch.heard(HostState(True, 99)), "a birth from before"
    assert not watch.online
    assert watch.heard(HostState(True, 100)), "the retained state, heard again"
    assert watch.online
