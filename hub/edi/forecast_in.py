"""DELFOR of a customer: what it expects to need. It replaces what it said before."""

from __future__ import annotations

from hub.edi.taking import Taking
from protocols.edifact.content import Forecast, Function

_FORGET = """
DELETE FROM part_forecast WHERE plant = %s AND partner = %s AND part_no = ANY (%s)
"""
_NEWER = """
SELECT document_no FROM part_forecast
WHERE plant = %s AND partner = %s AND part_no = ANY (%s) AND issued_at > %s LIMIT 1
"""
_PUT = """
INSERT INTO part_forecast (plant, owner, partner, part_no, first_day, last_day, firmness, quantity,
    cumulative, unloading_point, document_no, issued_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (plant, partner, part_no, unloading_point, first_day, last_day, firmness)
DO UPDATE SET quantity = part_forecast.quantity + excluded.quantity
"""


def take_forecast(taking: Taking, forecast: Forecast) -> None:
    """Store a forecast; an older one than is known changes nothing."""
    if forecast.function is Function.DUPLICATE:
        return
    plant, partner = taking.partner.plant, taking.partner.partner
    parts = sorted({line.part_no for line in forecast.lines})
    newer = taking.connection.execute(
        _NEWER, (plant, partner, parts, forecast.issued_at)
    ).fetchone()
    if newer is not None:
        return
    taking.connection.execute(_FORGET, (plant, partner, parts))
    for line in forecast.lines:
        for each in line.quantities:
            taking.connection.execute(
                _PUT,
                (
                    *(plant, taking.partner.owner, partner, line.part_no, each.start, each.end),
                    *(each.firmness.value, each.quantity, each.cumulative, line.unloading_point),
                    *(forecast.document_no, forecast.issued_at),
                ),
            )
