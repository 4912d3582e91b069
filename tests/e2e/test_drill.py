"""The emergency drill: the WAN is cut for twenty minutes of plant time. The gateway works off the
last released horizon, and no part is lost or doubled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from firmware_sim.line.ledger import CallDecision, Result, read_ledger
from protocols.jis.messages import CallChange, Event, Instruction
from protocols.opcua.line import PART_RESULTS
from tests.edge.hub import Hub
from tests.edge.plant import GROUP, NODE, agent, calls, edge_config, line_plc
from tests.fixtures.broker import BROKERS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]

SPEED = 120.0
CUT_S = 20 * 60 / SPEED
HORIZON = 48
AFTER = 6


def until(true: Callable[[], bool], what: str, within_s: float = 120.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_twenty_minutes_without_the_wan(tmp_path: Path, broker: LocalBroker) -> None:
    ledger = tmp_path / "ledger.jsonl"
    plc_port = free_port()
    config = edge_config(tmp_path / "data", broker.port, plc_port)
    config.jis[0].rack_slots = 2

    def results(kind: str) -> list[Result]:
        entries = read_ledger(ledger, samples=False) if ledger.exists() else ()
        return [e for e in entries if isinstance(e, Result) and e.result == kind]

    plc = line_plc(
        tmp_path,
        plc_port,
        speed=SPEED,
        cycle_s=20,
        steps=1,
        nok_rate=0.1,
        mispack_rate=0.1,
        missing_rate=0.05,
        truck_racks=2,
        ship_idle_s=1,
        seed=3,
    )
    gateway = agent(config, tmp_path)
    horizon, later = calls(1, HORIZON), calls(HORIZON + 1, AFTER)
    moved, gone = horizon[-2], horizon[-1]
    with plc, gateway:
        plc.start()
        gateway.start()
        with Hub(broker.port, GROUP, NODE) as hub:
            hub.call(*horizon)
            until(lambda: bool(hub.calls_answer and hub.calls_answer.watermark == HORIZON), "all")
            until(lambda: len(results("packed")) >= 3, "the line works")
        heard_before = len(hub.events)
        broker.kill()
        cut_at = time.monotonic()
        until(
            lambda: len(results("packed")) >= HORIZON // 2 and time.monotonic() - cut_at > CUT_S,
            "the line works on without the WAN",
        )
        assert len(hub.events) == heard_before, "nothing can have come"
        gateway.kill()  # and in the midst of it the power fails
        gateway.start()
        broker.forget()
        again = Hub(broker.port, GROUP, NODE)
        again.events_in.cursor = hub.events_in.cursor  # before it hears anything
        with again:
            change = moved.model_copy(update={"revision": 2, "colour": "red"})
            again.call_raw(
                *(
                    record.model_dump(mode="json")
                    for record in (
                        *horizon,  # a hub that begins anew tells all open calls again
                        CallChange(call=change, changed=["colour"], reason="drill"),
                        Instruction(
                            kind="cancel", key=gone.key, revision=2, at=gone.called_at, reason=""
                        ),
                        *later,
                    )
                )
            )

            def told() -> list[Event]:
                return hub.events + again.events

            ended = {"shipped", "dropped", "stocked", "scrapped"}
            until(
                lambda: len({e.key for e in told() if e.kind in ended}) == HORIZON + AFTER,
                "every part has left or was let go",
                200,
            )
            staying = {str(call.key) for call in (*horizon[:-1], *later)}
            until(
                lambda: staying <= {str(e.key) for e in told() if e.kind == "shipped"},
                "every part that was not let go has left",
            )
            until(
                lambda: _told_by_line(told(), ledger).total() >= _built(ledger).total(),
                "all is told",
            )
    events = hub.events + again.events
    assert _told_by_line(events, ledger) == _built(ledger), "what the line did was told: each once"
    taken = Counter(e.key for e in read_ledger(ledger) if isinstance(e, CallDecision) and e.builds)
    assert set(taken.values()) == {1}, "a call was taken twice"
    shipped = Counter(str(e.key) for e in events if e.kind == "shipped")
    assert set(shipped.values()) == {1}, "a part has left twice"
    assert staying <= shipped.keys()


def _all(ledger: Path) -> list[Result]:
    return [e for e in read_ledger(ledger, samples=False) if isinstance(e, Result)]


def _told_by_line(events: Sequence[Event], ledger: Path) -> Counter[tuple[str, str, str, str]]:
    told = [e for e in events if e.kind in PART_RESULTS and not _by_gateway(e.kind, ledger, e)]
    return Counter((e.kind, str(e.key), e.serial or "", e.verdict or "") for e in told)


def _built(ledger: Path) -> Counter[tuple[str, str, str, str]]:
    of_parts = [r for r in _all(ledger) if r.result in PART_RESULTS]
    return Counter((r.result, r.key, r.serial, r.verdict) for r in of_parts)


def _by_gateway(kind: str, ledger: Path, event: Event) -> bool:
    """Whether the gateway itself let go of a call that the line never took."""
    key = str(event.key)
    return kind == "dropped" and key not in {
        e.key for e in read_ledger(ledger, samples=False) if isinstance(e, CallDecision)
    }
