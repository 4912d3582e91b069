"""Which of several MQTT servers a connection uses."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.mqtt.broker import BrokerSettings


class Servers:
    """The MQTT servers of one connection, in the order in which they are tried.

    A connection stays with the server it has for as long as that works: it is never given up for
    one earlier in the list, and behind the last comes the first.
    """

    def __init__(self, brokers: Sequence[BrokerSettings]) -> None:
        """`brokers`: at least one; it begins with the first."""
        self._brokers = list(brokers)
        self._at = 0

    @property
    def current(self) -> BrokerSettings:
        """The server to use now."""
        return self._brokers[self._at]

    @property
    def several(self) -> bool:
        """Whether there is another one to go to."""
        return len(self._brokers) > 1

    def walk(self) -> None:
        """The server in use does not do: the next one, from now on."""
        self._at = (self._at + 1) % len(self._brokers)
