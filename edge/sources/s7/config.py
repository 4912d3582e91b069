"""Settings of an S7 source: one PLC, its address and its tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from edge.sources.polled.settings import PolledSettings
from edge.sources.settings import BaseTag
from protocols.s7 import parse

_CONNECTION_TYPES = {"pg": 1, "op": 2, "basic": 3}
Tsap = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{2}\.[0-9A-Fa-f]{2}$")]


def _address(text: str) -> str:
    parse(text)
    return text


class S7TagSettings(BaseTag):
    """One value of the PLC."""

    address: Annotated[str, AfterValidator(_address)] = Field(
        title="Address and type: DB10.DBD4:REAL, DB10.DBX2.0, DB1.DBB8:STRING[20], MW20:INT, I0.1",
        description="Data blocks must not be 'optimized'. An array is one tag: DB1.DBB0:INT[10].",
    )


class S7Settings(PolledSettings):
    """One Siemens PLC."""

    kind: Literal["s7"] = Field(title="Kind of source")
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        title="Address of the PLC or its communication processor, IPv4 or name"
    )
    port: int = Field(default=102, ge=1, le=65_535, title="TCP port")
    rack: int = Field(default=0, ge=0, le=7, title="Rack of the CPU")
    slot: int = Field(
        default=1,
        ge=0,
        le=31,
        title="Slot of the CPU: 1 for S7-1200 and S7-1500, 2 for S7-300, S7-400 by its hardware",
    )
    connection: Literal["pg", "op", "basic"] = Field(
        default="pg",
        title="Which of the CPU's connections is used: pg, op or basic; each has few of them",
    )
    local_tsap: Tsap | None = Field(
        default=None, title="TSAPs in place of rack and slot, for LOGO! and S7-200: 10.00"
    )
    remote_tsap: Tsap | None = Field(default=None, title="The PLC's TSAP: 20.00")
    pdu_bytes: int = Field(
        default=960,
        ge=240,
        le=8192,
        title="Longest PDU that is offered, in bytes; the PLC may choose less",
    )
    max_gap_bytes: int = Field(
        default=32,
        ge=0,
        le=1024,
        title="Bytes between two tags that are read with them, so that it takes one request less",
    )
    tags: list[S7TagSettings] = Field(min_length=1, title="The values to read")

    @property
    def endpoint(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"

    @property
    def tsaps(self) -> tuple[int, int]:
        """Local and remote TSAP."""
        connection = _CONNECTION_TYPES[self.connection]
        local = self.local_tsap or "01.00"
        remote = self.remote_tsap or f"{connection:02X}.{self.rack << 5 | self.slot:02X}"
        return int(local.replace(".", ""), 16), int(remote.replace(".", ""), 16)
