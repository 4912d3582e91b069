"""Ingest as a service: the primary host on the broker, the worker on the database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from hub.ingest.figures import IngestFigures
from hub.ingest.host import PrimaryHosts
from hub.ingest.inbox import Inbox
from hub.ingest.listener import Listeners
from hub.ingest.settings import IngestSettings
from hub.ingest.sharing import Sharing
from hub.ingest.worker import Worker
from hub.pictures.fetching import Fetching
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings


class Ingest:
    """Threads of paho's (one for each broker), which receive, the worker's, and its helper's; one
    that asks for pictures; if it shares the load, one more for leases. A context manager.

    Neither broker nor database has to be there at the start, and each may go and come back.
    """

    def __init__(
        self,
        database: Database,
        broker: BrokerSettings,
        settings: IngestSettings,
        more_brokers: Sequence[BrokerSettings] = (),
        host_id: str = "lineside-hub",
    ) -> None:
        """`more_brokers`: those to which gateways go when the first fails them. `host_id`: the
        Sparkplug host id, for whose STATE edges wait."""
        self._inbox = Inbox(settings.inbox_bytes)
        brokers = [broker, *more_brokers]
        self._sharing: Sharing | None = None
        self._host: PrimaryHosts | Listeners
        if settings.shared:
            self._sharing = Sharing(database, brokers, host_id, settings.lease_s, self._inbox)
            self._host = self._sharing.listeners
        else:
            self._host = PrimaryHosts(brokers, host_id, self._inbox)
        self.figures = IngestFigures(lambda: self._inbox.bytes)
        self._worker = Worker(
            database, settings, self._inbox, self._host, self.figures, self._sharing
        )
        self._fetching = Fetching(database.dsn("ingest"), self._host.command)
        self._thread = threading.Thread(target=self._worker.run, name="ingest")

    @property
    def alive(self) -> bool:
        """Whether the worker runs; if it does not although it was started, it has failed."""
        shares = self._sharing is None or self._sharing.alive
        return self._thread.is_alive() and self._fetching.alive and shares

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work although it runs; which broker it is, its log says."""
        return None if self._host.connected else "no connection to a broker"

    def start(self) -> None:
        """Begin to receive; returns at once."""
        self._thread.start()
        self._fetching.start()
        if self._sharing is not None:
            self._sharing.start()
        self._host.start()

    def stop(self) -> None:
        """Commit and answer what is at hand if the database is there, say offline, leave."""
        self._worker.stop()
        self._fetching.stop()
        self._thread.join()
        self._inbox.close()
        if self._sharing is not None:
            self._sharing.stop()
        self._host.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
