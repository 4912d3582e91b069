"""The S7 source: one PLC as a polled device."""

from __future__ import annotations

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.polled.source import PolledSource
from edge.sources.s7.config import S7Settings
from edge.sources.s7.link import S7Link
from edge.status import SourceFigures
from protocols.plc import Item, Space
from protocols.s7 import parse


class S7Device:
    """The memory of one PLC: areas and data blocks, addressed by bytes."""

    def __init__(self, settings: S7Settings) -> None:
        self._settings = settings
        self._addresses = [parse(tag.address) for tag in settings.tags]
        self.fields = [address.field(settings.text_encoding) for address in self._addresses]
        self.items = [
            Item(address.space, address.byte, field.size, position)
            for position, (address, field) in enumerate(
                zip(self._addresses, self.fields, strict=True)
            )
        ]

    async def connect(self) -> S7Link:
        """Make a link. Raises `LinkError`."""
        return await S7Link.open(self._settings)

    def max_gap(self, _space: Space) -> int:
        """Bytes that are read though nobody wants them."""
        return self._settings.max_gap_bytes

    def unit_bytes(self, _space: Space) -> int:
        """Memory is addressed by bytes."""
        return 1

    def party(self, _space: Space) -> str:
        """A PLC answers as a whole."""
        return "PLC"

    def properties(self, position: int) -> tuple[tuple[str, str], ...]:
        """What a birth says of a tag."""
        address = self._addresses[position]
        return (("s7Type", address.type_name), ("s7Address", str(address)))

    def subject(self, position: int) -> str:
        """A tag's address, for people."""
        return str(self._addresses[position])


class S7Source(PolledSource):
    """Polls one Siemens PLC."""

    def __init__(
        self,
        settings: S7Settings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        super().__init__(settings, settings.tags, S7Device(settings), journal, listener, figures)
