"""The queue between MQTT and the worker."""

from __future__ import annotations

import threading

from hub.ingest.inbox import Arrival, Connected, Inbox, Joined, Message


def message(size: int) -> Message:
    return Message("t", bytes(size))


def test_order_is_kept() -> None:
    inbox = Inbox(10_000)
    arrivals: list[Arrival] = [message(1), Connected(), message(2)]
    for arrival in arrivals:
        inbox.put(arrival)
    assert inbox.take(0) == arrivals
    assert inbox.take(0) == []


def test_full_inbox_holds_the_putter_until_something_is_taken() -> None:
    inbox = Inbox(1000)
    inbox.put(message(1000))
    put = threading.Event()

    def put_another() -> None:
        inbox.put(message(1))
        put.set()

    thread = threading.Thread(target=put_another)
    thread.start()
    assert not put.wait(0.1)
    assert inbox.take(0) == [message(1000)]
    thread.join(60)
    assert inbox.take(1) == [message(1)]


def test_full_inbox_holds_nobody_who_puts_no_message() -> None:
    inbox = Inbox(1000)
    inbox.put(message(1000))
    inbox.put(Joined("seatworks"))
    assert inbox.take(0) == [message(1000), Joined("seatworks")]


def test_closed_inbox_lets_go() -> None:
    inbox = Inbox(1000)
    inbox.put(message(1000))
    thread = threading.Thread(target=inbox.put, args=(message(1),))
    thread.start()
    inbox.close()
    thread.join(60)
    assert not thread.is_alive()
    assert inbox.take(60) == [message(1000)]
    inbox.put(message(1))
    assert inbox.take(60) == []
