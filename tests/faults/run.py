"""One run: rounds of faults, each followed by a calm in which all that was produced comes in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from deploy.local.processes import ProcessError
from deploy.local.verify import (
    Verdict,
    check_decisions,
    check_missing_samples,
    check_results,
    verify,
)
from tests.faults.faults import KINDS, Fault, Kind
from tests.faults.judge import Made, event_gaps, judge
from tests.faults.plan import plan_round
from tests.faults.stand import Stand

POLL_S = 0.5
ROUND_FAULTS = 25
PATIENCE_S = 300.0
"""For the recovery from a fault, while others go on."""
CALM_S = 240.0
"""For all to come in once no fault holds."""
QUIET_S = 90.0
"""Give up when nothing has changed for so long and something is still missing."""

_STORED = """
SELECT max(s.value) FROM lineside.sample s JOIN lineside.tag t ON t.id = s.tag_id
JOIN lineside.device d ON d.id = t.device JOIN lineside.gateway g ON g.id = d.gateway
WHERE (g.group_id, g.node_id, t.name) = (%s, %s, 'Counters/Count00')
"""
_STATE = """
SELECT (SELECT count(*) FROM lineside.sample), (SELECT count(*) FROM lineside.gap),
    (SELECT count(*) FROM lineside.call_event),
    (SELECT count(*) FROM lineside.jis_call WHERE status = 'shipped'),
    (SELECT count(*) FROM lineside.jis_call WHERE acknowledged_at IS NOT NULL)
"""
_PASSED = "SELECT production_no FROM lineside.control_point_pass"


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    rounds: int = 0
    made: list[Made] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)
    """What the verdict does not know: no recovery, a fault that could not be made."""
    cars: int = 0
    calls: int = 0
    loads: list[float] = field(default_factory=list)
    """The machine's load average over a minute, at the end of each round."""
    ended: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Exit codes of processes that ended though no fault had ended them, and were restarted."""
    gaps: Mapping[str, int] = field(default_factory=dict)
    """Gaps by cause."""

    @property
    def good(self) -> bool:
        return not self.problems and not self.verdict.problems


class Run:
    """Makes faults on a started stand and checks what came of them."""

    def __init__(
        self, stand: Stand, seed: int, rate_per_s: float, say: Callable[[str], None]
    ) -> None:
        self._stand = stand
        self._seed = seed
        self._rate_per_s = rate_per_s
        self._say = say
        self._outcome = Outcome()
        self._settled = time.monotonic()
        self._settled_entries = {cell.name: 0 for cell in stand.cells}
        self._stored: dict[str, float] = {}
        self._ending = threading.Event()
        """No more faults are made, and those that hold are mended at once."""
        self._making: list[Future[None]] = []
        self._polling = threading.Event()
        self._locks: dict[str, threading.Lock] = {}

    def run(
        self,
        *,
        seconds: float,
        faults: int = 0,
        round_faults: int = ROUND_FAULTS,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> Outcome:
        """Rounds of faults of these kinds for so long, and until there were so many; then the last
        check."""
        outcome, began = self._outcome, time.monotonic()
        poller = threading.Thread(target=self._poll, name="poll", daemon=True)
        poller.start()
        try:
            self._wait_for_life()
            while (
                outcome.rounds == 0
                or time.monotonic() - began < seconds
                or len(outcome.made) < faults
            ):
                self._round(outcome.rounds, round_faults, kinds)
                outcome.rounds += 1
                outcome.loads.append(os.getloadavg()[0])
            self._finish()
        finally:
            # However it ends: a fault that is mended later would start what the stand has stopped.
            self._ending.set()
            wait(self._making)
            self._polling.set()
            poller.join()
            outcome.seconds = time.monotonic() - began
            outcome.ended = {s.name: s.ended for s in self._stand.services if s.ended}
        return outcome

    # --- a round -------------------------------------------------------------------------------

    def _round(self, number: int, faults: int, kinds: Mapping[str, Kind]) -> None:
        cells = [cell.name for cell in self._stand.cells]
        planned = plan_round(
            self._seed,
            number,
            faults=faults,
            rate_per_s=self._rate_per_s,
            gateways=cells,
            kinds=kinds,
        )
        self._say(f"round {number}: {len(planned)} faults in {planned[-1].at_s:.0f} s")
        began = time.monotonic()
        self._making = [
            self._stand.pool.submit(self._make, fault, began + fault.at_s) for fault in planned
        ]
        wait(self._making)
        self._settle(number)

    def _make(self, fault: Fault, at: float) -> None:
        if self._ending.wait(max(0.0, at - time.monotonic())):
            return
        kind = KINDS[fault.kind]
        try:
            with self._hold(kind.needs(fault.place)):
                if self._ending.is_set():
                    return
                made = Made(fault, self._settled, time.monotonic())
                self._outcome.made.append(made)
                self._say(f"  {fault}")
                with kind.make(self._stand, fault):
                    self._ending.wait(fault.lasts_s)
                made.mended = time.monotonic()
            self._await_recovery(made)
        except Exception as error:
            self._problem(f"{fault}: {type(error).__name__}: {error}")

    @contextmanager
    def _hold(self, names: Sequence[str]) -> Iterator[None]:
        """What no other fault may touch; always taken in one order."""
        with ExitStack() as held:
            for name in sorted(names):
                held.enter_context(self._locks.setdefault(name, threading.Lock()))
            yield

    def _await_recovery(self, made: Made) -> None:
        cells = [cell for cell in self._stand.cells if made.touches(cell)]
        wanted = {cell.name: cell.counted() + 1 for cell in cells}
        deadline = time.monotonic() + PATIENCE_S
        while any(self._stored.get(name, 0) < value for name, value in wanted.items()):
            if time.monotonic() > deadline:
                late = ", ".join(f"{n}: {self._stored.get(n)} < {v}" for n, v in wanted.items())
                self._problem(f"{made.fault}: no recovery within {PATIENCE_S:g} s ({late})")
                return
            if self._ending.wait(POLL_S / 2):
                return
        made.recovered = time.monotonic()

    def _settle(self, number: int) -> None:
        """Wait until all that was produced so far is committed, or lies in a gap it may lie in."""
        calm = time.monotonic()
        entries = {cell.name: cell.marks.take() for cell in self._stand.cells}
        missing, changed_at = [""], calm
        while time.monotonic() - changed_at < QUIET_S and time.monotonic() - calm < CALM_S:
            time.sleep(POLL_S)
            with self._stand.database.connect() as database:
                found = self._missing(database, entries)
            if found != missing:
                missing, changed_at = found, time.monotonic()
            if not missing:
                self._settled, self._settled_entries = calm, entries
                self._say(f"round {number}: all in after {time.monotonic() - calm:.1f} s")
                return
        waited = time.monotonic() - calm
        self._problem(f"round {number}: not all in after {waited:.0f} s: {'; '.join(missing)}")

    def _missing(self, database: psycopg.Connection[Any], until: Mapping[str, int]) -> list[str]:
        may = judge(self._stand.cells, self._outcome.made, event_gaps(database))
        verdict = Verdict()
        for cell in self._stand.cells:
            truth, entries = cell.truth(), cell.marks.entries()[: until[cell.name]]
            check_missing_samples(
                database, truth, entries, verdict, may, since=self._settled_entries[cell.name]
            )
            scratch = Verdict()
            check_decisions(database, truth, entries, scratch, may)
            check_results(database, truth, entries, scratch, may)
            # Of what the PLC did since, the hub may well know already.
            verdict.problems += [p for p in scratch.problems if "missing" in p or "without" in p]
        return verdict.problems

    # --- the whole run -------------------------------------------------------------------------

    def _wait_for_life(self) -> None:
        """Until what each line counts reaches the database."""
        deadline = time.monotonic() + CALM_S
        while any(self._stored.get(cell.name, 0) < 5 for cell in self._stand.cells):
            if time.monotonic() > deadline:
                raise ProcessError(f"nothing arrives; the logs are in {self._stand.logs}")
            time.sleep(POLL_S)
        for cell in self._stand.cells:
            cell.first_read = cell.marks.take()
        self._say("all run, values arrive")

    def _finish(self) -> None:
        """Stop the plant, let all come in, and check everything."""
        stand = self._stand
        stand.plant.stop()
        for cell in stand.cells:
            cell.stop_counting()
        changed_at, seen = time.monotonic(), None
        while True:
            time.sleep(POLL_S * 2)
            with stand.database.connect() as database:
                state = database.execute(_STATE).fetchone()
                if state != seen:
                    changed_at, seen = time.monotonic(), state
                    continue
                verdict = self._verify(database)
                if not verdict.problems or time.monotonic() - changed_at > QUIET_S:
                    self._count(database)
                    break
        self._outcome.verdict = verdict

    def _verify(self, database: psycopg.Connection[Any]) -> Verdict:
        stand = self._stand
        may = judge(stand.cells, self._outcome.made, event_gaps(database))
        verdict = verify(database, [cell.truth() for cell in stand.cells], may)
        told = set(stand.cars_passed())
        stored = {number for (number,) in database.execute(_PASSED)}
        verdict.add("cars that the hub confirmed and no longer knows", sorted(told - stored))
        return verdict

    def _count(self, database: psycopg.Connection[Any]) -> None:
        outcome = self._outcome
        (outcome.cars,) = database.execute(
            "SELECT count(*) FROM lineside.control_point_pass"
        ).fetchone() or (0,)
        (outcome.calls,) = database.execute(
            "SELECT count(*) FROM lineside.jis_call"
        ).fetchone() or (0,)
        outcome.gaps = dict(
            database.execute(
                "SELECT stream || ': ' || cause, count(*) FROM lineside.gap"
                " GROUP BY 1 ORDER BY 2 DESC"
            ).fetchall()
        )

    def _poll(self) -> None:
        """Keep track of the newest number of each line that is committed."""
        connection: psycopg.Connection[Any] | None = None
        while not self._polling.wait(POLL_S):
            try:
                if connection is None:
                    connection = self._stand.database.connect()
                for cell in self._stand.cells:
                    row = connection.execute(
                        _STORED, (cell.supplier.group, cell.supplier.node)
                    ).fetchone()
                    self._stored[cell.name] = float((row and row[0]) or 0)
            except psycopg.Error:
                connection = None  # it was killed; the next one asks again

    def _problem(self, text: str) -> None:
        self._outcome.problems.append(text)
        self._say(f"WRONG: {text}")
