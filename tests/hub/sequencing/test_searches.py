"""Searches beside other work, without any web around them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from hub.sequencing import searches
from hub.sequencing.model import Car, Instance, Ratio, Rules
from hub.sequencing.optimise import Found, Progress
from hub.sequencing.scoring import score
from hub.sequencing.searches import (
    COURSE_POINTS,
    KEPT,
    BusyError,
    Search,
    Searches,
    State,
    Task,
    thinned,
)
from tests.hub.calls.world import eventually

P1 = ("carmaker", "P1")
P2 = ("carmaker", "P2")


def make_instance(cars: int = 40) -> Instance:
    chance = random.Random(3)
    return Instance(
        tuple(
            Car(f"{n}", chance.choice("RGB"), frozenset(o for o in "AB" if chance.random() < 0.4))
            for n in range(cars)
        ),
        Rules((Ratio("A", 1, 3, high_priority=True), Ratio("B", 1, 2, high_priority=False))),
    )


def make_task(**changed: Any) -> Task:
    given: dict[str, Any] = {
        "scope": P1,
        "instance": make_instance(),
        "time_limit_s": 600.0,  # none ends by itself that is to run meanwhile
    }
    return Task(**given | changed)


@pytest.fixture
def running() -> Iterator[Searches]:
    opened = Searches(cores=2)
    yield opened
    opened.close()


def moving(search: Search) -> bool:
    return search.status().moves > 0


def test_a_limit_of_moves_ends_a_search_with_its_best(running: Searches) -> None:
    search = running.start(make_task(max_moves=100_000))
    assert search.wait(120)
    status = search.status()
    assert (status.state, status.reason, status.progress) == (State.DONE, None, 1.0)
    assert status.cars is not None
    assert status.score == score(search.task.instance, status.cars)
    assert status.mark == status.score.mark < score(search.task.instance).mark
    assert status.course[-1][1] == status.mark
    assert all(a[0] <= b[0] and a[1] > b[1] for a, b in pairwise(status.course)), (
        "each better than the one before"
    )


def test_the_same_task_finds_the_same(running: Searches) -> None:
    both = [running.start(make_task(max_moves=50_000, seed=5)) for _ in range(2)]
    assert all(search.wait(120) for search in both)
    assert both[0].status().cars == both[1].status().cars


def test_a_search_begins_with_the_order_it_is_given(running: Searches) -> None:
    best = running.start(make_task(max_moves=100_000))
    assert best.wait(120)
    again = running.start(make_task(max_moves=1, start=best.status().cars))
    assert again.wait(120)
    assert again.status().course[0][1] == best.status().mark


def test_more_cores_try_more(running: Searches) -> None:
    one = running.start(make_task(max_moves=50_000))
    assert one.wait(120)
    both = running.start(make_task(max_moves=50_000, cores=2))
    assert both.wait(120)
    alone, together = one.status(), both.status()
    assert alone.mark is not None
    assert together.mark is not None
    assert together.mark <= alone.mark
    assert together.moves > alone.moves


def test_the_time_limit_holds_whatever_moves_are_allowed(running: Searches) -> None:
    search = running.start(make_task(max_moves=10**12, time_limit_s=0.2))
    assert search.wait(120)
    status = search.status()
    assert status.state is State.STOPPED
    assert status.reason == "the time limit came before the limit of moves"
    assert status.cars is not None
    timed = running.start(make_task(time_limit_s=0.2))
    assert timed.wait(120)
    assert timed.status().state is State.DONE


def test_a_stopped_search_keeps_its_best(running: Searches) -> None:
    search = running.start(make_task())
    eventually(lambda: moving(search), "the first moves")
    assert search.status().cars is None
    before = search.status().mark
    search.stop()
    assert search.wait(120)
    status = search.status()
    assert (status.state, status.reason) == (State.STOPPED, "by request")
    assert status.cars is not None
    assert status.mark is not None
    assert before is not None
    assert status.mark <= before
    assert not search.running


def test_what_cannot_be_searched_fails_with_its_reason(running: Searches) -> None:
    cars = tuple(Car(f"{n}", "R") for n in range(5))
    search = running.start(make_task(instance=Instance(cars, Rules(batch_limit=2))))
    assert search.wait(120)
    assert search.status().state is State.FAILED
    assert "colour R" in (search.status().reason or "")


def test_a_fault_is_logged_and_told_as_one(
    running: Searches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(searches, "optimise", faulty)
    search = running.start(make_task())
    assert search.wait(120)
    assert search.status().state is State.FAILED
    assert "hub's own" in (search.status().reason or "")
    assert "ZeroDivisionError" in caplog.text


def test_cores_are_not_given_twice(running: Searches) -> None:
    both = running.start(make_task(cores=2))
    with pytest.raises(BusyError, match="all 2 cores") as busy:
        running.start(make_task())
    assert 0 < busy.value.retry_after_s <= 600
    both.stop()
    assert both.wait(120)
    running.start(make_task())
    running.start(make_task())
    with pytest.raises(BusyError):
        running.start(make_task())


def test_many_who_start_at_once_get_no_more_cores_than_there_are(running: Searches) -> None:
    started: list[Search] = []
    refused: list[BusyError] = []

    def begin() -> None:
        try:
            started.append(running.start(make_task()))
        except BusyError as busy:
            refused.append(busy)

    threads = [threading.Thread(target=begin) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(started), len(refused)) == (2, 14)


def test_each_sees_its_own_plant_alone(running: Searches) -> None:
    mine = running.start(make_task(max_moves=1))
    other = running.start(make_task(max_moves=1, scope=P2))
    assert running.find(P1, mine.id) is mine
    assert running.find(P1, other.id) is None
    assert running.find((), mine.id) is None
    assert running.of(P2) == [other]
    assert running.of(()) == []


def test_the_oldest_are_forgotten_first(running: Searches) -> None:
    long = running.start(make_task())
    short = []
    for _ in range(KEPT + 5):
        short.append(running.start(make_task(max_moves=1)))
        assert short[-1].wait(120)
    known = running.of(P1)
    assert len(known) <= KEPT + 2
    assert known[0] is short[-1]
    assert known[-1] is long, "one that runs is never forgotten"
    assert running.find(P1, short[0].id) is None


def test_closing_ends_all_and_lets_none_begin() -> None:
    opened = Searches(cores=2)
    search = opened.start(make_task())
    opened.close()
    assert search.status().state is State.STOPPED
    with pytest.raises(BusyError):
        opened.start(make_task())


@pytest.mark.parametrize("length", [0, 1, 2, 399, 400, 401, 799, 5_000])
def test_a_thinned_course_keeps_its_ends(length: int) -> None:
    course = [(float(n), float(length - n)) for n in range(length)]
    thin = thinned(course, COURSE_POINTS)
    assert len(thin) == min(length, COURSE_POINTS)
    assert sorted(set(thin)) == list(thin)
    assert thin[:1] == tuple(course[:1])
    assert thin[-1:] == tuple(course[-1:])


def test_a_long_course_stays_bounded(running: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = threading.Event()

    def patient(
        instance: Instance,
        *,
        on_progress: Callable[[Progress], None],
        stop: Callable[[], bool],
        **_: object,
    ) -> Found:
        for step in range(10_000):
            on_progress(Progress(20_000 - step, step, float(step), step / 10_000))
        reached.set()
        while not stop():
            time.sleep(0.001)
        return Found(instance.cars, 0, 1, 0, 1.0, 0.0, ((0.0, 1),))

    monkeypatch.setattr(searches, "optimise", patient)
    search = running.start(make_task())
    assert reached.wait(120)
    course = search.status().course
    assert len(course) == COURSE_POINTS
    assert course[0] == (0.0, 20_000)
    assert course[-1] == (9_999.0, 10_001)
    assert search.status().mark == 10_001
