"""Ingest as a service: the primary host on the broker, the worker on the database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from hub.ingest.figures import IngestFigures
from hub.ingest.host import PrimaryHosts
from hub.ingest.inbox import Inbox
from hub.ingest.settings import IngestSettings
from hub.ingest.worker import Worker
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings


class Ingest:
    """Two threads: paho's (one for each broker), which receives, and the worker's. A context
    manager.

    Neither broker nor database has to be there at the start, and each may go and come back.
    """

    def __init__(
        self,
        database: Database,
        broker: BrokerSettings,
        settings: IngestSettings,
        more_brokers: Sequence[BrokerSettings] = (),
    ) -> None:
        """`more_brokers`: those to which gateways go when the first fails them."""
        self._inbox = Inbox(settings.inbox_bytes)
        self._host = PrimaryHosts([broker, *more_brokers], settings.host_id, self._inbox)
        self.figures = IngestFigures(lambda: self._inbox.bytes)
        self._worker = Worker(database, settings, self._inbox, self._host, self.figures)
        self._thread = threading.Thread(target=self._worker.run, name="ingest")

    @property
    def alive(self) -> bool:
        """Whether the worker runs; if it does not although it was started, it has failed."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work although it runs; which broker it is, its log says."""
        return None if self._host.connected else "no connection to a broker"

    def start(self) -> None:
        """Begin to receive; returns at once."""
        self._thread.start()
        self._host.start()

    def stop(self) -> None:
        """Commit and answer what is at hand if the database is there, say offline, leave."""
        self._worker.stop()
        self._thread.join()
        self._inbox.close()
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
