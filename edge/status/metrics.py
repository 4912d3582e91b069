"""The figures as Prometheus metrics.

Each line of `GATEWAY` and `SOURCE` is one metric. Its name is `lineside_`, what it is, its base
unit, and `_total` for a counter; name and meaning stay as they are, since dashboards are made of
them. Values of tags are no metrics: they travel to the hub.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from edge.status.figures import Figures, SourceState


class Line(NamedTuple):
    """One metric: its name, where its value is in the figures, and what it says."""

    name: str
    kind: Literal["counter", "gauge"]
    of: str
    help: str


GATEWAY = (
    Line("start_time_seconds", "gauge", "started", "When the agent started, Unix time."),
    Line("journal_records", "gauge", "journal.records", "Records the hub has not yet committed."),
    Line("journal_bytes", "gauge", "journal.bytes", "Disk that the journal uses."),
    Line("journal_quota_bytes", "gauge", "journal.quota_bytes", "Largest size of the journal."),
    Line("journal_free_bytes", "gauge", "journal.free_bytes", "Free disk of its file system."),
    Line("journal_full", "gauge", "journal.full", "1 while nothing can be written."),
    Line("journal_appended_samples", "counter", "journal.appended", "Samples made durable."),
    Line("journal_commits", "counter", "journal.commits", "Commits to the disk."),
    Line("journal_evicted_records", "counter", "journal.evicted", "Records evicted for room."),
    Line("journal_expired_records", "counter", "journal.expired", "Records that became too old."),
    Line("journal_corrupt_records", "counter", "journal.corrupt", "Records found damaged."),
    Line("journal_files_set_aside", "counter", "journal.set_aside", "Damaged files set aside."),
    Line("uplink_connected", "gauge", "uplink.connected", "1 while connected to a broker."),
    Line("uplink_host_online", "gauge", "uplink.host_online", "1 while the hub is online."),
    Line("uplink_births", "counter", "uplink.births", "Births of the edge node."),
    Line("uplink_sent_records", "counter", "uplink.sent", "Records sent."),
    Line("uplink_resent_records", "counter", "uplink.resent", "Records sent again."),
    Line("uplink_drained_records", "counter", "uplink.drained", "Records of the backlog sent."),
    Line("uplink_backlog_records", "gauge", "uplink.backlog", "Records behind the live ones."),
    Line(
        "uplink_last_answer_time_seconds",
        "gauge",
        "uplink.last_answer",
        "When the hub last answered, Unix time.",
    ),
    Line("calls_connected", "gauge", "calls.connected", "1 while the call lane is connected."),
    Line("calls_open", "gauge", "calls.calls_open", "Calls not yet decided by a PLC."),
    Line("events_pending", "gauge", "calls.events_pending", "Events not yet at the hub."),
    Line("calls_repeated", "counter", "calls.repeated", "Call records that had come before."),
    Line("calls_quarantined", "gauge", "calls.quarantined", "Call records that are of no use."),
    Line(
        "certificate_not_after_time_seconds",
        "gauge",
        "identity.not_after",
        "When the certificate in force ends, Unix time.",
    ),
    Line("certificate_renewals", "counter", "identity.renewals", "Certificates renewed."),
    Line("trace_spans_sent", "counter", "traces.sent", "Spans that the collector has taken."),
    Line("trace_spans_dropped", "counter", "traces.dropped", "Spans that it did not take in time."),
    Line("calls_files_set_aside", "counter", "calls.set_aside", "Damaged files set aside."),
)
SOURCE = (
    Line("state_since_time_seconds", "gauge", "since", "When it entered its state, Unix time."),
    Line("samples", "counter", "samples", "Samples durable in the journal."),
    Line("batches", "counter", "batches", "Batches durable in the journal."),
    Line("gaps", "counter", "gaps", "Gaps reported."),
    Line("refused_nodes", "gauge", "refused_nodes", "Nodes the server refuses now."),
    Line("overflows", "counter", "overflows", "Overflows of a queue of the server."),
    Line("missed_messages", "counter", "missed_messages", "Messages that never came."),
    Line("republished_messages", "counter", "republished", "Messages fetched once more."),
    Line("backfilled_samples", "counter", "backfilled", "Samples from the server's history."),
    Line("unread_codes", "counter", "unread_codes", "Codes of parts that follow no form."),
    Line("pictures", "counter", "pictures", "Pictures of events that were kept."),
    Line("pictures_missed", "counter", "pictures_missed", "Events without a picture."),
    Line("pictures_dropped", "counter", "pictures_dropped", "Pictures let go for newer ones."),
    Line("reconnects", "counter", "reconnects", "Sessions made after the first."),
    Line("restarts", "counter", "restarts", "Restarts by the watchdog."),
    Line("last_heard_time_seconds", "gauge", "last_heard_us", "When last heard, Unix time."),
    Line("last_sample_time_seconds", "gauge", "last_sample_us", "Newest source time, Unix time."),
    Line("clock_offset_seconds", "gauge", "clock_offset_ms", "The server's clock minus ours."),
    Line("publishes_in_flight", "gauge", "publishes_in_flight", "Requests the server holds."),
)
"""Named `lineside_source_…`, with the label `device`."""
JIS_LINE = (
    Line("connected", "gauge", "connected", "1 while there is a session with the line's PLC."),
    Line("since_time_seconds", "gauge", "since", "Since when that is so, Unix time."),
)
"""Named `lineside_line_…`, with the label `line`."""


def exposition(figures: Figures, gateway: tuple[str, str]) -> tuple[bytes, str]:
    """The metrics of a gateway (group, node) as text, and the text's content type."""
    registry = CollectorRegistry()
    registry.register(_Collector(figures, gateway))
    ProcessCollector(registry=registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector(Collector):
    def __init__(self, figures: Figures, gateway: tuple[str, str]) -> None:
        self._figures = figures
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield _gauge(
            "lineside_info",
            "Which gateway, which version.",
            ["group", "node", "version"],
            [((*self._gateway, figures.version), 1.0)],
        )
        yield _gauge(
            "lineside_certificate_overdue",
            "1 while it is time to renew the certificate and that has not been possible.",
            [],
            [((), float(bool(figures.identity.reason)))],
        )
        for line in GATEWAY:
            yield _family(f"lineside_{line.name}", line, [], [((), figures)])
        sources = [((device,), source) for device, source in figures.sources.items()]
        for line in SOURCE:
            yield _family(f"lineside_source_{line.name}", line, ["device"], sources)
        lines = [((name,), session) for name, session in figures.lines.items()]
        for line in JIS_LINE:
            yield _family(f"lineside_line_{line.name}", line, ["line"], lines)
        yield _gauge(
            "lineside_source_state",
            "1 for the state it is in.",
            ["device", "state"],
            [
                ((device, state), float(source.state == state))
                for (device,), source in sources
                for state in get_args(SourceState)
            ],
        )


def _family(
    name: str, line: Line, labels: list[str], things: Iterable[tuple[tuple[str, ...], object]]
) -> Metric:
    of_kind = CounterMetricFamily if line.kind == "counter" else GaugeMetricFamily
    family = of_kind(name, line.help, labels=labels)
    for label_values, thing in things:
        if (value := _value(thing, line.of)) is not None:
            family.add_metric(label_values, value)
    return family


def _gauge(
    name: str, text: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _value(thing: object, path: str) -> float | None:
    """A figure in base units; None if it is not known."""
    value: Any = attrgetter(path)(thing)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.timestamp()
    scale = 1e6 if path.endswith("_us") else 1e3 if path.endswith("_ms") else 1
    return float(value) / scale
