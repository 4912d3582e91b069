"""What the messages say, in the words of the trade, whoever the partner is.

The profile of a partner (`profile.py`) says which code carries what. Times are aware; dates of a
forecast are days of the plant.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Function(StrEnum):
    """What a message or a position asks for."""

    ORIGINAL = "original"
    CHANGE = "change"
    CANCEL = "cancel"
    REPLACE = "replace"
    DUPLICATE = "duplicate"
    UNCHANGED = "unchanged"


class Firmness(StrEnum):
    """How far a forecast quantity binds."""

    FIRM = "firm"
    PRODUCTION = "production"
    """Manufacturing and material are released."""
    MATERIAL = "material"
    FORECAST = "forecast"


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CallPart(_Content):
    """A part for a car."""

    part_no: str
    """The customer's part number."""
    quantity: Decimal = Decimal(1)
    unit: str = ""
    function: Function | None = None
    """Of this part alone; None if the car's counts."""
    part_group: str = ""
    fitting_point: str = ""
    reorder_of: str = ""
    """The call that this one orders again."""


class CarCall(_Content):
    """One position of the sequence: a car, and what it needs."""

    production_no: str
    vin: str = ""
    sequence_no: int | None = None
    """None as long as there is no sequence."""
    function: Function | None = None
    """Of this car alone; None if the message's counts."""
    line: str = ""
    deliver_by: AwareDatetime | None = None
    unloading_point: str = ""
    pre_series: bool = False
    rack: str = ""
    slot: int | None = None
    """From 1."""
    parts: tuple[CallPart, ...] = ()


class CallMessage(_Content):
    """A DELJIT: calls for cars in sequence."""

    document_no: str
    function: Function
    called_at: AwareDatetime
    control_point: str = ""
    customer: str = ""
    supplier: str = ""
    cars: tuple[CarCall, ...]


class ForecastQuantity(_Content):
    """A quantity for some days."""

    firmness: Firmness
    quantity: Decimal
    start: date
    end: date
    """The last day, itself included."""
    cumulative: Decimal | None = None
    """Cumulative quantity required at the end, where the partner sends it."""


class ForecastLine(_Content):
    """A part and what is expected of it."""

    part_no: str
    supplier_part_no: str = ""
    unit: str = ""
    unloading_point: str = ""
    order_no: str = ""
    cumulative_since: date | None = None
    """From when the cumulative quantities count."""
    cumulative_received: Decimal | None = None
    last_received: Decimal | None = None
    last_despatch_no: str = ""
    quantities: tuple[ForecastQuantity, ...] = ()


class Forecast(_Content):
    """A DELFOR. It replaces the last one for its parts as a whole."""

    document_no: str
    previous_no: str = ""
    function: Function
    issued_at: AwareDatetime
    horizon_start: date | None = None
    horizon_end: date | None = None
    customer: str = ""
    supplier: str = ""
    lines: tuple[ForecastLine, ...]


class PackedPart(_Content):
    """Parts in a package, and the call or order they answer."""

    part_no: str
    quantity: Decimal
    unit: str = ""
    call_no: str = ""
    order_no: str = ""
    production_no: str = ""
    slot: int | None = None
    serial_no: str = ""


class Package(_Content):
    """A rack or container, with what is in it: parts, or smaller packages."""

    label: str = ""
    """What its label says: the licence plate."""
    kind: str = ""
    """Type of rack or container."""
    parts: tuple[PackedPart, ...] = ()
    packages: tuple[Package, ...] = ()


class ShipNotice(_Content):
    """A DESADV: a shipment under way."""

    document_no: str
    function: Function
    issued_at: AwareDatetime
    shipped_at: AwareDatetime | None = None
    expected_at: AwareDatetime | None = None
    customer: str = ""
    supplier: str = ""
    unloading_point: str = ""
    warehouse: str = ""
    vehicle: str = ""
    """The truck's plate."""
    packages: tuple[Package, ...] = ()
