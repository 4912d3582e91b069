"""What every source is to the agent, whatever it speaks to its device."""

from __future__ import annotations

from typing import Protocol


class DeviceListener(Protocol):
    """Who wants to know which devices can be read. Called in the event loop; must not block."""

    def device_online(self, device: str) -> None:
        """The device is read; its first values are in the journal."""

    def device_offline(self, device: str, reason: str) -> None:
        """The device is read no more. Told once for each `device_online`."""


class Source(Protocol):
    """Reads one device into the journal until cancelled.

    It never ends by itself: it reconnects with back-off, tells the log once when it fails and once
    when it is well again, and what it may have missed it appends to the journal as a gap.
    """

    @property
    def device(self) -> str:
        """Name of the device, unique in the gateway."""

    async def run(self) -> None:
        """Read until cancelled."""
