"""The Modbus source: units on one connection, as a polled device."""

from __future__ import annotations

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.modbus.config import ModbusSettings
from edge.sources.modbus.link import ModbusLink
from edge.sources.polled.source import PolledSource
from edge.status import SourceFigures
from protocols.modbus import parse
from protocols.modbus.address import BIT_TABLES
from protocols.plc import Item, Space

_COILS_A_REGISTER = 16


class ModbusDevice:
    """The tables of one or several units: registers, and bits that take a byte each."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._addresses = [parse(tag.address) for tag in settings.tags]
        units = [settings.unit_id if t.unit_id is None else t.unit_id for t in settings.tags]
        self.fields = [
            address.field(settings.order if tag.order is None else tag.order,
                          settings.text_encoding)
            for address, tag in zip(self._addresses, settings.tags, strict=True)
        ]  # fmt: skip
        self.items = [
            Item((address.table, unit), address.number, address.size, position)
            for position, (address, unit) in enumerate(zip(self._addresses, units, strict=True))
        ]
        self._units = frozenset(units)

    async def connect(self) -> ModbusLink:
        """Make a link. Raises `LinkError`."""
        return await ModbusLink.open(self._settings, self._units)

    def max_gap(self, space: Space) -> int:
        """Registers or bits that are read though nobody wants them."""
        gap = self._settings.max_gap_registers
        return gap * _COILS_A_REGISTER if space[0] in BIT_TABLES else gap

    def unit_bytes(self, space: Space) -> int:
        """A register has two; a bit is given as one."""
        return 1 if space[0] in BIT_TABLES else 2

    def party(self, space: Space) -> str:
        """Each unit answers for itself."""
        return f"unit {space[1]}"

    def properties(self, position: int) -> tuple[tuple[str, str], ...]:
        """What a birth says of a tag."""
        address = self._addresses[position]
        unit = self.items[position].space[1]
        return (
            ("modbusType", address.type_name),
            ("modbusAddress", str(address)),
            ("modbusUnit", str(unit)),
        )

    def subject(self, position: int) -> str:
        """A tag's address, for people."""
        unit = self.items[position].space[1]
        several = f" of unit {unit}" if len(self._units) > 1 else ""
        return f"{self._addresses[position]}{several}"


class ModbusSource(PolledSource):
    """Polls Modbus units."""

    def __init__(
        self,
        settings: ModbusSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        super().__init__(
            settings, settings.tags, ModbusDevice(settings), journal, listener, figures
        )
