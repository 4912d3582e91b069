"""Which trucks are under way: those of which the line has told last, whatever its clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.calls import CallStore
from edge.calls.actions import ActionError, Late
from edge.calls.racks import TRUCKS_KEPT
from edge.calls.store import Departure, TakenResult
from protocols.jis.messages import Event
from tests.edge.calls.test_store import NAME
from tests.edge.plant import calls

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
TRUCKS = TRUCKS_KEPT + 4
ETA = AT + timedelta(hours=2)


@pytest.mark.parametrize(
    "step", [timedelta(hours=1), timedelta(0), -timedelta(hours=1)], ids=["on", "still", "back"]
)
def test_the_trucks_told_last_are_known(tmp_path: Path, step: timedelta) -> None:
    store = CallStore.open(tmp_path / "calls.sqlite")
    for no, call in enumerate(calls(1, TRUCKS), start=1):
        at, shipment = AT + no * step, f"T{no}"
        loaded = Event(
            kind="loaded", key=call.key, at=at, serial="S", rack="R0", slot=1, shipment=shipment
        )
        events: list[Event | Departure] = [loaded, Departure(shipment, at, None)]
        results = [TakenResult(2 * no + n, b"", event, "", "{}") for n, event in enumerate(events)]
        store.take_results(NAME, results)
        store.act(Late(by="Li Na", line=NAME, shipment=shipment, eta=ETA), AT)
    shown = store.view(NAME).trucks
    assert [(truck.shipment, truck.eta) for truck in shown] == [
        (f"T{TRUCKS - n}", ETA) for n in range(3)
    ]
    first_known = TRUCKS - TRUCKS_KEPT + 1
    eta = ETA + timedelta(hours=1)
    store.act(Late(by="Li Na", line=NAME, shipment=f"T{first_known}", eta=eta), AT)
    with pytest.raises(ActionError):
        store.act(Late(by="Li Na", line=NAME, shipment=f"T{first_known - 1}", eta=eta), AT)
    store.close()
