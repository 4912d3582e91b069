"""Settings of a Modbus source: how its units are reached, and its tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from edge.sources.polled.settings import PolledSettings
from edge.sources.settings import BaseTag
from protocols.modbus import parse
from protocols.modbus.values import Order

UnitId = Annotated[int, Field(ge=0, le=255)]


def _address(text: str) -> str:
    parse(text)
    return text


class ModbusTagSettings(BaseTag):
    """One value of a unit."""

    address: Annotated[str, AfterValidator(_address)] = Field(
        title="Address and type: 40001, 30010:float32, holding:0:uint16, coil:5, 40010.3, "
        "holding:20:string[12]",
        description="Five or six digits count from 1 as manuals do, holding:0 from 0.",
    )
    order: Order | None = Field(
        default=None, title="Order of bytes and words, if not that of the source"
    )
    unit_id: UnitId | None = Field(default=None, title="Unit id, if not that of the source")


class ModbusSettings(PolledSettings):
    """One Modbus device, or several units that share a connection or a serial line."""

    kind: Literal["modbus"] = Field(title="Kind of source")
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]+$")] | None = Field(
        default=None, title="Address of the device or the gateway; or give serial_port"
    )
    port: int = Field(default=502, ge=1, le=65_535, title="TCP port")
    serial_port: str | None = Field(
        default=None, min_length=1, title="Serial port, such as /dev/ttyUSB0, for Modbus RTU"
    )
    framing: Literal["tcp", "rtu"] | None = Field(
        default=None,
        title="tcp or rtu: rtu on a host is for gateways that pass a serial line through as it is",
        description="Without it tcp for a host, rtu for a serial port.",
    )
    baud_rate: int = Field(default=19_200, ge=300, le=4_000_000, title="Baud rate of a serial line")
    parity: Literal["none", "even", "odd"] = Field(
        default="even", title="Parity of a serial line: even by the standard, often none"
    )
    stop_bits: Literal[1, 2] = Field(default=1, title="Stop bits of a serial line")
    unit_id: UnitId = Field(default=1, title="Unit id (slave address) of tags that name none")
    order: Order = Field(
        default=Order.ABCD,
        title="Order of bytes in numbers of several registers: ABCD, CDAB, BADC or DCBA",
        description="ABCD: high word and high byte first. CDAB: low word first.",
    )
    max_registers: int = Field(
        default=125,
        ge=4,
        le=125,
        title="Most registers in one request; some devices take fewer than the standard's 125",
    )
    max_gap_registers: int = Field(
        default=16,
        ge=0,
        le=120,
        title="Registers between two tags that are read with them; of coils 16 times as many",
    )
    tags: list[ModbusTagSettings] = Field(min_length=1, title="The values to read")

    @model_validator(mode="after")
    def _one_way(self) -> ModbusSettings:
        if (self.host is None) == (self.serial_port is None):
            raise ValueError("give host for Modbus TCP, or serial_port for Modbus RTU: one of them")
        if self.serial_port is not None and self.framing == "tcp":
            raise ValueError("a serial line has framing rtu; leave framing out")
        return self

    @property
    def endpoint(self) -> str:
        """For people."""
        return self.serial_port or f"{self.host}:{self.port}"
