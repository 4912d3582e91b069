"""Records of the event stream that are about a truck: it has left, it will be late."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.history import Place
from hub.calls.unfit import UnfitError
from protocols.jis.messages import Delay, Shipment

_FIND_LINE = (
    "SELECT owner, partner FROM supplier_line WHERE plant = %s AND id = %s AND gateway = %s"
)
_STORE = """
INSERT INTO line_event
    (owner, partner, plant, line, gateway, epoch, record_offset, kind, body, source_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_SHIP = """
INSERT INTO shipment
    (plant, line, id, owner, partner, departed_at, eta, carrier, vehicle, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (plant, line, id) DO NOTHING
"""
_DELAY = "UPDATE shipment SET eta = %s WHERE plant = %s AND line = %s AND id = %s"


def store_line_event(
    connection: psycopg.Connection, event: Shipment | Delay, record: Any, place: Place
) -> tuple[str, str, str, str]:
    """Store one; returns (plant, line, owner, partner). Raises `UnfitError`."""
    row = connection.execute(_FIND_LINE, (event.plant, event.line, place.gateway)).fetchone()
    if row is None:
        raise UnfitError(f"this gateway serves no line {event.plant}/{event.line}")
    owner, partner = row
    at = event.departed_at if isinstance(event, Shipment) else event.at
    connection.execute(
        _STORE,
        (
            owner,
            partner,
            event.plant,
            event.line,
            place.gateway,
            place.epoch,
            place.offset,
            event.kind,
            Jsonb(record),
            at,
        ),
    )
    if isinstance(event, Shipment):
        connection.execute(
            _SHIP,
            (
                event.plant,
                event.line,
                event.shipment,
                owner,
                partner,
                event.departed_at,
                event.eta,
                event.carrier,
                event.vehicle,
                Jsonb(record),
            ),
        )
    else:
        connection.execute(_DELAY, (event.eta, event.plant, event.line, event.shipment))
    return event.plant, event.line, owner, partner
