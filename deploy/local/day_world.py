"""Who takes part in a day of a plant: three supplier lines, and what was agreed with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.local.world import CONTROL_POINT, PLANT, Supplier

LINES = (
    Supplier("seatworks", "gw-seat", "SEAT1", ("SEAT-FRONT", "SEAT-REAR"), rack_slots=12, seed=1),
    Supplier("trimworks", "gw-trim", "TRIM1", ("DOOR-TRIM", "BUMPER"), rack_slots=8, seed=2),
    Supplier("cockpitworks", "gw-cockpit", "COCKPIT1", ("COCKPIT",), rack_slots=6, seed=3),
)
_DOCKS = {"SEAT1": "DOCK-7", "TRIM1": "DOCK-9", "COCKPIT1": "DOCK-2"}
_LEAD_SHARES = {"transport_s": 0.3, "truck_wait_s": 0.2, "unload_s": 0.05, "produce_s": 0.1}
"""Of the time from control point to fitting station, what these take."""


def plant_times(lead_s: float) -> dict[str, float]:
    """How long things take where a car needs `lead_s` to its fitting station; all in plant time."""
    return {name: share * lead_s for name, share in _LEAD_SHARES.items()}


def plant_file(takt_s: float, lead_s: float, truck_racks: int, speed: float) -> Mapping[str, Any]:
    """The plant file. Times are given in the plant's own; its hub goes by the clock on the wall, in
    which all is shorter by `speed`."""
    times = {name: seconds / speed for name, seconds in plant_times(lead_s).items()}
    return {
        "version": 1,
        "tenants": [
            {"id": "carmaker", "name": "Car Maker", "kind": "oem"},
            *({"id": s.group, "name": s.group.title(), "kind": "supplier"} for s in LINES),
        ],
        "gateways": [
            {"group": s.group, "node": s.node, "owner": s.group, "partner": "carmaker"}
            for s in LINES
        ],
        "plant": {
            "id": PLANT,
            "owner": "carmaker",
            "takt_s": takt_s / speed,
            "control_points": [CONTROL_POINT],
        },
        "lines": [
            {
                "id": supplier.line,
                "gateway": f"{supplier.group}/{supplier.node}",
                "unloading_point": _DOCKS[supplier.line],
                "lead_s": lead_s / speed,
                "rack_slots": supplier.rack_slots,
                "profile": {
                    **times,
                    "truck_racks": truck_racks,
                    "retime_tolerance_s": 0.5,
                    "preview_days": 1,
                },
                "part_groups": [
                    {"id": group, "control_point": CONTROL_POINT, "bom": "derived"}
                    for group in supplier.part_groups
                ],
            }
            for supplier in LINES
        ],
    }
