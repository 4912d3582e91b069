"""What host and listeners share: whether a broker has us, and the same thing on all brokers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from protocols.mqtt.broker import BrokerSettings

logger = logging.getLogger(__name__)


class Reach:
    """Says once that a broker cannot be reached, and again that it can."""

    def __init__(self, broker: BrokerSettings) -> None:
        self._place = broker.place
        self._reachable = True

    def connected(self) -> None:
        """It has us."""
        logger.info("connected to the broker %s", self._place)
        self._reachable = True

    def lost(self, how: str) -> None:
        """It has us not, as `how` says."""
        if self._reachable:
            logger.warning("the broker %s %s; trying again", self._place, how)
        self._reachable = False


Command = tuple[str, bytes]
"""Topic and payload of an NCMD."""


class Connection(Protocol):
    """One connection to one broker."""

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost; returns at once."""

    def stop(self) -> None:
        """Leave."""

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""

    def command(self, commands: Sequence[Command]) -> None:
        """Send NCMDs. Lost if there is no connection: whoever waits for one asks again."""


C = TypeVar("C", bound=Connection)


class OnAllBrokers(Generic[C]):
    """A connection to every broker we are told of. A node speaks on one of them; a command to it
    goes to all, since on the others nobody hears it."""

    def __init__(self, connections: Sequence[C]) -> None:
        self._all = connections

    def start(self) -> None:
        """Connect to all, and again whenever a connection is lost; returns at once."""
        for connection in self._all:
            connection.start()

    def stop(self) -> None:
        """Leave all."""
        for connection in self._all:
            connection.stop()

    @property
    def connected(self) -> bool:
        """Whether every broker has us."""
        return all(connection.connected for connection in self._all)

    def command(self, commands: Sequence[Command]) -> None:
        """Send NCMDs on all that are connected."""
        for connection in self._all:
            connection.command(commands)
