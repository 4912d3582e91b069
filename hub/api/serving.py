"""Ingest, the call lane, webhooks and the API in one process, or some of them alone."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import typer
import uvicorn
from fastapi import FastAPI

from hub.api.app import create_app
from hub.api.connections import BoundedHttp, open_files
from hub.api.settings import ApiSettings, PartName
from hub.calls.events import EventConsumer
from hub.calls.pass_through import PassThrough
from hub.calls.publisher import CallPublisher
from hub.calls.watch import Watch
from hub.ingest.service import Ingest
from hub.monitoring.endpoint import MonitoringEndpoint
from hub.monitoring.health import Worker, Workers
from hub.monitoring.metrics import registry_of
from hub.settings import HubSettings
from hub.store.connect import Database
from hub.store.maintenance import Maintenance
from hub.webhooks.lane import WebhookLane
from protocols.traces import CallTracer

logger = logging.getLogger(__name__)

DRAIN_S = 3
"""How long a stop waits for requests under way."""
_LOOK_S = 1.0
"""A signal to a process that stands still may go to another thread than this one when it goes on,
and wakes nobody: its handler runs at the next look."""


def run(
    settings: HubSettings,
    database: Database,
    parts: frozenset[PartName],
    stopping: threading.Event,
) -> None:
    """Work until `stopping` is set or, with the API among the parts, until a signal.

    Raises `OSError` or `ValueError` with what keeps it from beginning.
    """
    tracer = CallTracer("lineside-hub")
    workers = _workers(settings, database, parts, tracer)
    watched = Workers(workers)
    with ExitStack() as open_parts:
        open_parts.callback(tracer.close)
        tracer.use(settings.trace)
        listener = None
        if PartName.API in parts:
            listener = open_parts.enter_context(_listen(settings.api.host, settings.api.port))
        monitoring = _monitoring(settings, database, workers, watched, tracer)
        for name, worker in workers.items():
            logger.info("starting %s", name)
            worker.start()
            open_parts.callback(worker.stop)
        if monitoring is not None:
            open_parts.enter_context(monitoring)
        if listener is None:
            typer.echo("ready")
            while not stopping.wait(_LOOK_S):
                pass
        elif not stopping.is_set():
            _serve_http(
                create_app(
                    *(database, settings.api, watched, settings.identity, settings.webhooks),
                    settings.ca.signing(settings.data_dir),
                    tracer,
                ),
                listener,
                settings.api,
            )
        logger.info("stopping")


def _monitoring(
    settings: HubSettings,
    database: Database,
    workers: Mapping[str, Worker],
    watched: Workers,
    tracer: CallTracer,
) -> MonitoringEndpoint | None:
    """Where metrics are read, if anywhere. Raises `OSError` if its port is taken."""
    port = settings.monitoring.port
    if port is None:
        return None
    ingest = next((w.figures for w in workers.values() if isinstance(w, Ingest)), None)
    registry = registry_of(database, watched, ingest, tracer.figures)
    return MonitoringEndpoint(settings.monitoring.host, port, registry, watched, database)


def _workers(
    settings: HubSettings, database: Database, parts: frozenset[PartName], tracer: CallTracer
) -> dict[str, Worker]:
    """The workers of these parts, not started."""
    dsn = database.dsn("ingest")
    workers: dict[str, Worker] = {}
    if PartName.INGEST in parts:
        workers["ingest"] = Ingest(
            database,
            settings.broker,
            settings.ingest,
            settings.more_brokers,
            settings.host_id,
        )
        workers["ingest maintenance"] = Maintenance(dsn, settings.keep)
    if PartName.CALLS in parts:
        for broker in (settings.broker, *settings.more_brokers):
            publisher = CallPublisher(dsn, broker, settings.host_id, tracer)
            workers[f"calls publisher on {broker.place}"] = publisher
            workers[f"calls events on {broker.place}"] = EventConsumer(
                dsn, broker, settings.host_id, tracer
            )
        workers["calls watch"] = Watch(dsn)
        workers["calls pass-through"] = PassThrough(dsn)
    if PartName.WEBHOOKS in parts:
        workers["webhooks"] = WebhookLane(dsn, settings.webhooks, loopback=settings.api.is_open)
    return workers


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises `OSError` that names the address and what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, else asyncio leaves Nagle's algorithm on, and an answer's body waits 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise OSError(
                f"{host}:{port} cannot be listened on ({error.strerror}); "
                "choose another in LINESIDE_HUB_API__PORT"
            ) from None
        yield listener


class _Server(uvicorn.Server):
    """Says when it serves, and ends the live events before it waits for connections to end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            scheme = "https" if self.config.is_ssl else "http"
            typer.echo(f"ready {scheme}://{f'[{host}]' if ':' in host else host}:{port}/")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.live.close()
        await super().shutdown(sockets)


def _serve_http(app: FastAPI, listener: socket.socket, settings: ApiSettings) -> None:
    """Serve until a signal; uvicorn takes the signals itself and hands them on at its end."""
    BoundedHttp.most = open_files()
    _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            http=BoundedHttp,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
            ssl_certfile=settings.cert_file,
            ssl_keyfile=settings.key_file,
        )
    ).run(sockets=[listener])
