"""The hub's figures as Prometheus metrics.

Names are `lineside_hub_`, what it is, its base unit, and `_total` for a counter; name and meaning
stay as they are, since dashboards and alerts are made of them. `lineside_hub_process_…` is of the
process that is asked. All else is read from the database and the same from every process, so a
question over several takes the `max`, never the sum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import psycopg
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.ingest.figures import IngestFigures
from hub.monitoring.health import Workers
from hub.monitoring.readings import GatewayReading, Readings, read
from hub.store import Database
from protocols.traces import TraceFigures

FRESH_S = 5.0
"""Readings of the database serve all who ask within so long."""
_CONNECT_S = 2
_STATEMENT_MS = 5000

_TRAFFIC: tuple[tuple[str, str, Callable[[GatewayReading], int | None]], ...] = (
    ("messages", "Messages received.", lambda g: g.messages),
    ("records", "Records committed.", lambda g: g.records),
    ("samples", "Samples committed.", lambda g: g.samples),
    ("duplicates", "Records that came again.", lambda g: g.duplicates),
    ("quarantined", "Records that could not be stored and are kept raw.", lambda g: g.quarantined),
    ("refused", "Messages not taken: no birth, foreign epoch, no Sparkplug.", lambda g: g.refused),
)


def registry_of(
    database: Database,
    workers: Workers,
    ingest: IngestFigures | None,
    traces: TraceFigures | None = None,
) -> CollectorRegistry:
    """All that one process of the hub tells. `ingest`: its figures, if it runs here."""
    registry = CollectorRegistry()
    registry.register(_Process(workers, ingest, traces or TraceFigures()))
    registry.register(_WholeHub(database))
    ProcessCollector(registry=registry)
    return registry


class _Process(Collector):
    """What this process knows of itself."""

    def __init__(
        self, workers: Workers, ingest: IngestFigures | None, traces: TraceFigures
    ) -> None:
        self._workers = workers
        self._ingest = ingest
        self._traces = traces

    def collect(self) -> Iterator[Metric]:
        yield _gauge("info", "Which version.", ["version"], [((version("lineside"),), 1.0)])
        parts = self._workers.health().parts
        yield _gauge(
            "process_part_alive",
            "1 while all threads of a part run.",
            ["part"],
            [((part,), float(alive)) for part, alive in parts.items()],
        )
        ready = self._workers.readiness(database_answers=True)
        yield _gauge(
            "process_troubles",
            "Workers that have failed or are without their broker.",
            [],
            [((), float(len(ready.troubles)))],
        )
        yield CounterMetricFamily(
            "lineside_hub_process_trace_spans_sent",
            "Spans that the collector has taken.",
            value=self._traces.sent,
        )
        yield CounterMetricFamily(
            "lineside_hub_process_trace_spans_dropped",
            "Spans that it did not take in time.",
            value=self._traces.dropped,
        )
        if self._ingest is None:
            return
        for name, text, value in (
            ("messages", "Messages taken from the broker.", self._ingest.messages),
            ("commits", "Transactions committed.", self._ingest.commits),
            ("commit_seconds", "Time spent committing.", self._ingest.commit_s),
            ("database_failures", "Attempts the database refused.", self._ingest.failures),
        ):
            yield CounterMetricFamily(f"lineside_hub_process_ingest_{name}", text, value=value)
        yield GaugeMetricFamily(
            "lineside_hub_process_ingest_inbox_bytes",
            "Received and not yet taken; the broker waits at the bound.",
            value=self._ingest.inbox_bytes(),
        )


class _WholeHub(Collector):
    """What the database says, read at most once in `FRESH_S`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_at = -FRESH_S
        self._readings: Readings | None = None

    def collect(self) -> Iterator[Metric]:
        readings = self._current()
        yield GaugeMetricFamily(
            "lineside_hub_database_up",
            "1 if the database answered when it was last asked.",
            value=float(readings is not None),
        )
        if readings is not None:
            yield from _gateways(readings)
            yield from _work(readings)

    def describe(self) -> list[Metric]:
        """Nothing, so that the database need not be there when this is registered."""
        return []

    def _current(self) -> Readings | None:
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._readings = self._ask()
                self._read_at = time.monotonic()
            return self._readings

    def _ask(self) -> Readings | None:
        try:
            with psycopg.connect(
                self._database.dsn("ingest"), connect_timeout=_CONNECT_S
            ) as connection:
                connection.execute(f"SET LOCAL statement_timeout = {_STATEMENT_MS}")
                return read(connection)
        except psycopg.Error:
            return None  # `database_up` says so


def _gateways(readings: Readings) -> Iterator[Metric]:
    labels = ["group", "node"]
    known = [((g.group, g.node), g) for g in readings.gateways]
    yield _gauge(
        "gateway_online",
        "1 while the gateway is online.",
        labels,
        [(names, float(g.online)) for names, g in known if g.online is not None],
    )
    yield _gauge(
        "gateway_since_time_seconds",
        "Since when it is online or offline, Unix time.",
        labels,
        [(names, g.since) for names, g in known if g.since is not None],
    )
    yield _gauge(
        "gateway_last_commit_time_seconds",
        "When records of it were last committed, Unix time.",
        labels,
        [(names, g.last_commit) for names, g in known if g.last_commit is not None],
    )
    yield _gauge(
        "gateway_conflict",
        "1 while two gateways share this identity.",
        labels,
        [(names, float(g.conflict)) for names, g in known],
    )
    certified = [
        (names, g.certificate_issued, g.certificate_ends)
        for names, g in known
        if g.certificate_issued is not None and g.certificate_ends is not None
    ]
    yield _gauge(
        "gateway_certificate_issued_time_seconds",
        "When its newest certificate was issued, Unix time.",
        labels,
        [(names, issued) for names, issued, _ in certified],
    )
    yield _gauge(
        "gateway_certificate_not_after_time_seconds",
        "When that one ends, Unix time.",
        labels,
        [(names, ends) for names, _, ends in certified],
    )
    for name, text, count in _TRAFFIC:
        family = CounterMetricFamily(f"lineside_hub_gateway_{name}", text, labels=labels)
        for names, gateway in known:
            if (value := count(gateway)) is not None:
                family.add_metric(names, value)
        yield family


def _work(readings: Readings) -> Iterator[Metric]:
    labels = ["group", "node"]
    yield _gauge(
        "calls_unacknowledged",
        "Records of the call stream that the gateway has not acknowledged.",
        labels,
        [((c.group, c.node), float(c.waiting)) for c in readings.calls],
    )
    yield _gauge(
        "calls_oldest_unacknowledged_time_seconds",
        "When the first of these was released, Unix time.",
        labels,
        [((c.group, c.node), c.oldest) for c in readings.calls if c.oldest is not None],
    )
    yield _gauge(
        "exceptions_open",
        "Exceptions that nobody has closed.",
        ["kind", "severity"],
        [((kind, severity), float(count)) for kind, severity, count in readings.exceptions],
    )
    yield _gauge(
        "webhook_messages_waiting",
        "Messages to webhooks that are not delivered.",
        [],
        [((), float(readings.webhooks_waiting))],
    )
    if readings.webhooks_oldest is not None:
        yield _gauge(
            "webhook_messages_oldest_time_seconds",
            "When the first of these was made, Unix time.",
            [],
            [((), readings.webhooks_oldest)],
        )
    yield _gauge(
        "unregistered_nodes",
        "Nodes heard within the last hour that nobody registered.",
        [],
        [((), float(readings.strangers))],
    )


def _gauge(
    name: str, text: str, labels: list[str], values: list[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(f"lineside_hub_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
