"""Searches that run beside other work: started, watched, stopped, and kept for a while.

Each runs in a thread of its own, which the kernel needs no interpreter lock for. All live and end
with the process: what is worth keeping is put in force.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from hub.sequencing.model import Car, Instance, InstanceError
from hub.sequencing.optimise import Found, Progress, optimise
from hub.sequencing.scoring import Score, score
from hub.sequencing.store import Basis

logger = logging.getLogger(__name__)

KEPT = 16
"""Searches that are remembered after they have ended; the oldest are forgotten first."""
COURSE_POINTS = 400
"""Points of a course at most."""

Scope = tuple[str, ...]
"""Whose a search is: only who names it finds it. (tenant, plant), or ("days", tenant) for a day
that stands for itself."""
Course = tuple[tuple[float, float], ...]
"""Best mark over time: (seconds, mark), each better than the one before."""


class BusyError(RuntimeError):
    """No core is free for another search."""

    def __init__(self, cores: int, retry_after_s: int) -> None:
        super().__init__(
            f"searches take all {cores} cores that they may; one ends within {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


class State(StrEnum):
    """Where a search stands."""

    RUNNING = "running"
    DONE = "done"
    """The effort allowed is spent, or nothing better is left to be found."""
    STOPPED = "stopped"
    """Ended before that; the best so far is kept."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be searched, whose it is, and how hard."""

    scope: Scope
    instance: Instance
    time_limit_s: float
    max_moves: int | None = None
    """Makes the result repeatable, unless the time runs out first."""
    seed: int = 1
    cores: int = 1
    start: tuple[Car, ...] | None = None
    """The order that the search begins with; None: that of the instance."""
    basis: Basis | None = None
    """What of a plant it was made from; None: a day that stands for itself."""


@dataclass(frozen=True, slots=True)
class Status:
    """A search as it stood at one moment."""

    state: State
    reason: str | None
    """Why it failed, or who ended it."""
    progress: float
    """Part of the effort spent, 0 … 1."""
    elapsed_s: float
    moves: int
    """See `Found.moves`."""
    mark: float | None
    """Of the best so far; None: it has none yet."""
    to_best_s: float
    course: Course
    cars: tuple[Car, ...] | None
    """The best sequence, once the search has ended."""
    score: Score | None


class Search:
    """One search. Its methods may be called from any thread."""

    def __init__(self, task: Task) -> None:
        self.id = secrets.token_hex(8)
        self.task = task
        self.started_at = datetime.now(UTC)
        self.putting = threading.Lock()
        """Held while the result is put in force, so that it is stored once."""
        self.sequence: int | None = None
        """The number under which it was put in force last."""
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._cut: str | None = None
        self._course: list[tuple[float, float]] = []
        self._status = Status(State.RUNNING, None, 0.0, 0.0, 0, None, 0.0, (), None, None)
        self._thread = threading.Thread(target=self._run, name=f"search {self.id}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it still takes its cores."""
        return self._status.state is State.RUNNING

    @property
    def left_s(self) -> float:
        """Seconds until its time limit ends it at the latest."""
        return max(0.0, self._began + self.task.time_limit_s - time.monotonic())

    def status(self) -> Status:
        """Where it stands."""
        with self._lock:
            return replace(self._status, course=thinned(self._course, COURSE_POINTS))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; the best so far is kept. It does so within milliseconds."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        task = self.task
        try:
            found = optimise(
                task.instance,
                # A limit of moves governs alone, so that the clock has no part in the result.
                time_limit_s=task.time_limit_s if task.max_moves is None else None,
                max_moves=task.max_moves,
                seed=task.seed,
                start=task.start,
                on_progress=self._on_progress,
                stop=self._ends_early,
                cores=task.cores,
            )
            cost = score(task.instance, found.cars)
        except InstanceError as error:
            self._fail(str(error))
        except Exception:
            logger.exception("search %s failed", self.id)
            self._fail("a fault of the hub's own; its log says more")
        else:
            self._end(found, cost)

    def _ends_early(self) -> bool:
        if self._stop.is_set():
            self._cut = "by request"
        elif self.task.max_moves is not None and self.left_s == 0:
            self._cut = "the time limit came before the limit of moves"
        return self._cut is not None

    def _on_progress(self, progress: Progress) -> None:
        with self._lock:
            course = self._course
            if not course or progress.mark < course[-1][1]:
                course.append((progress.elapsed_s, progress.mark))
                if len(course) >= 2 * COURSE_POINTS:
                    course[:] = thinned(course, COURSE_POINTS)
            self._status = replace(
                self._status,
                progress=progress.done,
                elapsed_s=progress.elapsed_s,
                moves=progress.moves,
                mark=course[-1][1],
                to_best_s=course[-1][0],
            )

    def _end(self, found: Found, cost: Score) -> None:
        with self._lock:
            self._course = list(found.course)
            self._status = replace(
                self._status,
                state=State.DONE if self._cut is None else State.STOPPED,
                reason=self._cut,
                progress=1.0 if self._cut is None else self._status.progress,
                elapsed_s=found.elapsed_s,
                moves=found.moves,
                mark=cost.mark,
                to_best_s=found.to_best_s,
                cars=found.cars,
                score=cost,
            )

    def _fail(self, reason: str) -> None:
        with self._lock:
            self._status = replace(self._status, state=State.FAILED, reason=reason)


class Searches:
    """The searches of one process."""

    def __init__(self, cores: int) -> None:
        """`cores` is what all that run may take together."""
        self.cores = cores
        self._lock = threading.Lock()
        self._all: dict[str, Search] = {}
        self._closed = False

    def start(self, task: Task) -> Search:
        """Begin a search. Raises `BusyError` if its cores are not free."""
        with self._lock:
            running = [search for search in self._all.values() if search.running]
            taken = sum(search.task.cores for search in running)
            if self._closed or taken + task.cores > self.cores:
                soonest = min((search.left_s for search in running), default=0.0)
                raise BusyError(self.cores, max(1, math.ceil(soonest)))
            search = Search(task)
            self._all[search.id] = search
            ended = [known for known in self._all.values() if not known.running]
            for known in ended[: max(0, len(ended) - KEPT)]:
                del self._all[known.id]
            search.start()
            return search

    def find(self, scope: Scope, search_id: str) -> Search | None:
        """A search of this scope that runs or is remembered."""
        with self._lock:
            search = self._all.get(search_id)
        return search if search is not None and search.task.scope == scope else None

    def of(self, scope: Scope) -> list[Search]:
        """All of this scope that run or are remembered, the newest first."""
        with self._lock:
            known = list(self._all.values())
        return [search for search in reversed(known) if search.task.scope == scope]

    def close(self) -> None:
        """Stop all, wait for their end, and start no more."""
        with self._lock:
            self._closed = True
            known = list(self._all.values())
        for search in known:
            search.stop()
        for search in known:
            search.wait()


def thinned(course: Sequence[tuple[float, float]], most: int) -> Course:
    """At most `most` (at least 2) points of a course: the first, the last, and evenly between."""
    if len(course) <= most:
        return tuple(course)
    step = (len(course) - 1) / (most - 1)
    return tuple(course[round(i * step)] for i in range(most))
