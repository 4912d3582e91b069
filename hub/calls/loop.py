"""When a truck must leave, when it will be there, and how many racks and trucks a line needs.

Times are seconds. Formulas: depart at min(full, fit time of the first car - transport - handling -
safety); trucks in the loop = ceil(T_loop / (K * takt)), racks in the loop =
ceil(T_rackloop / (slots * takt)) + safety.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hub.orders.profile import Profile


@dataclass(frozen=True, slots=True)
class Departure:
    """When a truck that is being loaded leaves."""

    at: datetime
    because: Literal["full", "first_car", "waited"]
    """It is full; its first car cannot wait longer; it has waited long enough for more racks."""
    latest: datetime
    """After this its first rack comes too late, whatever else is so."""


def leave_by(first_fit: datetime, profile: Profile) -> datetime:
    """The latest departure that has the first car's part at its station in time, safety kept."""
    way = profile.transport_s + profile.unload_s + profile.lineside_s + profile.safety_s
    return first_fit - timedelta(seconds=way)


def departure(
    first_fit: datetime, first_closed: datetime | None, full_at: datetime | None, profile: Profile
) -> Departure:
    """When the truck leaves: the earliest of full, called for by its first car, waited enough."""
    latest = leave_by(first_fit, profile)
    found = Departure(latest, "first_car", latest)
    if first_closed is not None:
        waited = first_closed + timedelta(seconds=profile.truck_wait_s)
        if waited < found.at:
            found = Departure(waited, "waited", latest)
    if full_at is not None and full_at < found.at:
        found = Departure(full_at, "full", latest)
    return found


def eta_of(departed: datetime, profile: Profile) -> datetime:
    """When a truck that nobody has heard of since is at the dock."""
    return departed + timedelta(seconds=profile.transport_s)


def at_line(arrival: datetime, profile: Profile) -> datetime:
    """When what arrives then is at its fitting station."""
    return arrival + timedelta(seconds=profile.unload_s + profile.lineside_s)


def slack_s(arrival: datetime, first_fit: datetime, profile: Profile) -> float:
    """Time between the part at its station and its car there; below 0: the car is hit."""
    return (first_fit - at_line(arrival, profile)).total_seconds()


def trucks_in_loop(loop_s: float, sets_per_truck: int, takt_s: float) -> int:
    """Trucks that a line needs, if each carries so many sets and is so long on its round."""
    return math.ceil(loop_s / (sets_per_truck * takt_s))


def racks_in_loop(loop_s: float, rack_slots: int, takt_s: float, spare: int = 0) -> int:
    """Racks that a line needs, `spare` ones included."""
    return math.ceil(loop_s / (rack_slots * takt_s)) + spare
