"""`python -m deploy.local.day`: a day of a plant over the wire, at many times real time, with what
goes wrong on such a day; at its end the ledger of every call, held against what plant and line PLCs
wrote down themselves. Exit codes as of the demo."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from deploy.local.broker import EmbeddedBroker
from deploy.local.call_ledger import (
    check_day,
    check_dock,
    counts,
    plain,
    read_ledger_of_calls,
    table,
)
from deploy.local.day_figures import (
    SHOWN,
    adherence_by_record,
    differences,
    stop_minutes_by_record,
)
from deploy.local.day_world import LINES, plant_file, plant_times
from deploy.local.demand import at_gateway, at_hub
from deploy.local.demo import TO_BE_PACKED, Demo, Fault, Screen, exit_code
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import end_in_order
from deploy.local.stack import BROKERS, PLANT_TAKT_S, LocalStack, StackSettings
from deploy.local.verify import Verdict
from deploy.local.world import PLANT, Supplier, write_yaml
from firmware_sim.plant.record import PlantEntry, read_record
from firmware_sim.proxy.control import send_command
from firmware_sim.proxy.faults import FaultCommand

SPEED = 100.0
LEAD_CARS = 60
WAN_CUT_S = 1200.0
"""Plant time for which a gateway's WAN is cut: the longest outage that a line lives through."""
DOWN_S = 240.0
"""Plant time for which a killed process stays away."""
GROUPS = {supplier.line: supplier.part_groups for supplier in LINES}
_EXCEPTIONS = """
SELECT kind, subject, detail, opened_at::text, closed_at::text FROM lineside.exception ORDER BY id
"""
_EXCEPTION = ("kind", "subject", "detail", "opened_at", "closed_at")


@dataclass(frozen=True, slots=True)
class DaySettings:
    """What can be chosen beside the stack's own. `lead_cars`: from control point to fitting."""

    stack: StackSettings
    lead_cars: int


class DayStack(LocalStack):
    """The local stack with a proxy on each gateway's way to the broker, and a plant that works."""

    def __init__(self, settings: DaySettings, say: Callable[[str], None]) -> None:
        super().__init__(settings.stack, say)
        self._lead_cars = settings.lead_cars
        self.lead_s = settings.lead_cars * PLANT_TAKT_S
        """Plant time from control point to fitting station."""
        self._wan: dict[str, int] = {}
        self.record = settings.stack.directory / "plant-record.jsonl"

    def cut_wan(self, supplier: Supplier, seconds: float) -> None:
        """No byte comes through to or from a supplier's gateway for so long."""
        command = FaultCommand(fault="cut", seconds=seconds)
        asyncio.run(send_command(LOOPBACK, self._wan[supplier.node], command))

    def restart_hub(self) -> None:
        """Start a killed hub on what it left in the database."""
        self.hub.start()

    def _plant_command(self) -> list[object]:
        return [
            *("lineside-sim", "--verbose", "day", *self._plant_options()),
            *("--lead-cars", self._lead_cars, "--record", self.record),
            *(
                option
                for s in self.settings.suppliers
                for option in (
                    "--supplier",
                    f"{s.line}:{','.join(s.part_groups)}:{self._ledger(s)}",
                )
            ),
        ]

    def _line_options(self) -> list[object]:
        times = plant_times(self.lead_s)
        return [
            *("--transport-s", times["transport_s"], "--truck-wait-s", times["truck_wait_s"]),
            *("--steps", 1),
        ]

    def _broker_port(self, supplier: Supplier) -> int:
        port, control = free_port(), free_port()
        proxy = self._process(
            f"wan-{supplier.node}",
            [
                *("lineside-sim", "proxy", "--target", f"{LOOPBACK}:{self.broker.port}"),
                *("--port", port, "--control-port", control),
            ],
        )
        self._run(proxy)
        self._wait_listening(proxy, port)
        self._wan[supplier.node] = control
        return port


class Day(Demo):
    """A run of the day: disturbances of the plant are its own; these are the others."""

    def __init__(self, stack: DayStack, screen: Screen) -> None:
        self._day = stack
        super().__init__(stack, screen)
        # A truck may be all that is under way.
        self.quiet_s += stack.lead_s / stack.settings.speed
        self._shift_ended = False

    def _plan_faults(self, cars: int) -> list[Fault]:
        chance = random.Random(f"day/{self._stack.settings.seed}")  # noqa: S311  a simulation
        speed, broker = self._stack.settings.speed, self._stack.broker
        cut_s, down_s = WAN_CUT_S / speed, DOWN_S / speed
        lines = chance.sample(LINES, len(LINES))

        def at(share: float) -> int:
            return max(1, round(cars * (share + chance.uniform(-0.05, 0.05))))

        def nothing() -> None:
            """The proxy heals by itself."""

        faults = [
            Fault(
                at_car=at(0.15 + 0.25 * n),
                lasts_s=cut_s,
                what=f"wan_cut: {supplier.node}, {WAN_CUT_S / 60:g} min of plant time",
                break_it=partial(self._day.cut_wan, supplier, cut_s),
                mend_it=nothing,
                mended=f"the WAN of {supplier.node} is back",
            )
            for n, supplier in enumerate(lines[: max(1, cars // 100)])
        ]
        victim = lines[0]
        faults += [
            Fault(
                at_car=at(0.3),
                lasts_s=down_s,
                what=f"gateway_killed: {victim.node}",
                break_it=partial(self._stack.kill_gateway, victim),
                mend_it=partial(self._stack.restart_gateway, victim),
                mended=f"gateway {victim.node} starts again on what it has on disk",
            ),
            Fault(
                at_car=at(0.55),
                lasts_s=down_s,
                what="broker_killed: with all it holds",
                break_it=broker.kill,
                mend_it=broker.forget,
                mended="the broker is back and remembers nothing",
            ),
            Fault(
                at_car=at(0.8),
                lasts_s=down_s,
                what="hub_killed",
                break_it=self._stack.hub.kill,
                mend_it=self._day.restart_hub,
                mended="the hub is back",
            ),
        ]
        return sorted(faults, key=lambda fault: fault.at_car)

    def run(self) -> Verdict:
        """The day until every car is fitted or cancelled, then the ledger. Raises `ProcessError`
        if a part has ended by itself, or nothing moves any more."""
        self._stack.start_plant()
        plant = self._stack.plant
        while plant is None or plant.running:
            self._look()
            self._work_faults()
            self._end_shift()
            self._give_up_if_stuck("the plant no longer moves")
            time.sleep(0.5)
        if plant.exit_code != 0:
            raise plant.failure("has failed")
        self._screen.say(plant.tail(1))
        return self._drain()

    def _end_shift(self) -> None:
        """Once nothing more comes, let the last racks go, which nobody will fill."""
        if self._seen is None or self._seen.passed == 0:
            return
        entries = list(read_record(self._day.record))
        passed = {entry.car for entry in entries if entry.what == "passed"}
        away = {entry.car for entry in entries if entry.what == "cancelled"}
        back = sum(entry.what == "reinserted" for entry in entries)
        out = sum(entry.what == "pulled_out" for entry in entries) - back
        if {entry.car for entry in entries if entry.what == "planned"} - passed - away or out > 0:
            return
        with self._stack.database() as database:
            (missing,) = database.execute(TO_BE_PACKED).fetchone() or (0,)
        if not missing:
            if not self._shift_ended:
                self._screen.say("all parts are packed: the last racks leave part-filled")
            self._shift_ended = True
            self._stack.end_shift()


def run(settings: DaySettings, screen: Screen) -> bool:
    """Run the day; true if no call is missing or doubled, and all figures are the plant's."""
    began = datetime.now(UTC)
    started = time.monotonic()
    with DayStack(settings, screen.say) as stack:
        day = Day(stack, screen)
        verdict = day.run()
        entries = list(read_record(stack.record))
        with stack.database() as database:
            ledger = read_ledger_of_calls(database, entries, stack.truths())
            check_day(ledger, entries, GROUPS, PLANT, verdict)
            check_dock(database, entries, verdict)
            exceptions = database.execute(_EXCEPTIONS).fetchall()
            verdict.add(
                "parts ahead of a line that gateway and hub see differently",
                [
                    f"{supplier.line}: {part}"
                    for supplier in LINES
                    for part in at_hub(database, PLANT, supplier.line)
                    ^ at_gateway(stack.calls_of(supplier))
                ],
            )
        verdict.add(
            "key figures that are not the plant's own",
            differences(stack.url, PLANT, began, entries, GROUPS),
        )
        seconds = time.monotonic() - started
    summary = _summary(settings, entries, day.faults, seconds)
    summary["exceptions"] = dict(sorted(Counter(kind for kind, *_ in exceptions).items()))
    left = Counter(kind for kind, *_, closed in exceptions if closed is None)
    summary["exceptions_left_open"] = dict(sorted(left.items()))
    summary |= {"counts": counts(ledger), "problems": verdict.problems}
    text = table(ledger, counts(ledger))
    directory = settings.stack.directory
    (directory / "ledger.txt").write_text(text + "\n", encoding="utf-8")
    content = {
        "summary": summary,
        "calls": [plain(one) for one in ledger],
        "exceptions": [dict(zip(_EXCEPTION, row, strict=True)) for row in exceptions],
    }
    (directory / "ledger.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    screen.table(text)
    screen.table(json.dumps(summary, indent=1))
    for problem in verdict.problems:
        screen.say(f"WRONG: {problem}")
    if not verdict.problems:
        screen.say("every call is in the ledger once and has ended once; key figures agree")
    return not verdict.problems


def _summary(
    settings: DaySettings, entries: list[PlantEntry], faults: list[Fault], seconds: float
) -> dict[str, Any]:
    stack = settings.stack
    kinds = ("blocked", "pulled_out", "reinserted", "cancelled", "swapped", "stopped", "rejected")
    happened = {kind: sum(entry.what == kind for entry in entries) for kind in kinds}
    made = [fault.what.split(":")[0] for fault in faults if fault.broken_at is not None]
    adherence = adherence_by_record(entries)
    return {
        "orders": stack.orders.name if stack.orders else "generated",
        "seed": stack.seed,
        "speed": stack.speed,
        "cars": adherence["cars"],
        "run_s": round(seconds, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "disturbances": happened | {kind: made.count(kind) for kind in sorted(set(made))},
        "adherence": {name: round(adherence[name], 4) for name in SHOWN},
        "stop_minutes": stop_minutes_by_record(entries),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.day", description=__doc__)
    parser.add_argument("--orders", type=Path, help="ROADEF 2005 instance folder; else generated")
    parser.add_argument("--cars", type=int, default=500, help="cars to build, at most")
    parser.add_argument("--speed", type=float, default=SPEED, help="plant seconds per second")
    parser.add_argument("--seed", type=int, default=1, help="of all that goes wrong")
    parser.add_argument("--lead-cars", type=int, default=LEAD_CARS, help="until they are fitted")
    parser.add_argument("--broker", choices=sorted(BROKERS), default=EmbeddedBroker.kind)
    parser.add_argument("--directory", type=Path, help="default .lineside/day-<time>")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    end_in_order()
    screen = Screen()
    directory = chosen.directory or Path(".lineside") / f"day-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    screen.say(f"data, logs and ledger in {directory}")
    orders = chosen.orders
    if orders is not None and not orders.is_dir():
        screen.say(f"notice: no {orders}; the day is generated by its seed")
        orders = None
    plant = directory / "plant.yaml"
    lead_s = chosen.lead_cars * PLANT_TAKT_S
    write_yaml(plant, plant_file(PLANT_TAKT_S, lead_s, truck_racks=2, speed=chosen.speed))
    stack = StackSettings(
        directory=directory,
        cars=chosen.cars,
        takt_s=PLANT_TAKT_S / chosen.speed,
        orders=orders,
        broker=chosen.broker,
        seed=chosen.seed,
        suppliers=LINES,
        plant_file=plant,
    )
    return exit_code(lambda: run(DaySettings(stack, chosen.lead_cars), screen), screen)


if __name__ == "__main__":
    sys.exit(main())
