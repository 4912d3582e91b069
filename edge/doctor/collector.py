"""The collector of OpenTelemetry that the steps of calls are told to."""

from __future__ import annotations

from edge.cli.words import Catalogue
from edge.doctor.finding import Finding, ok, warning
from protocols.traces import TraceSettings, why_untraced

words = Catalogue(
    {
        "takes": ("{url}: takes spans", "{url}：接受追踪数据"),
        "dropped": (
            "calls go on, and their spans are dropped; see trace.endpoint",
            "调用不受影响，但追踪数据会被丢弃；请检查 trace.endpoint",
        ),
    }
)


def look(settings: TraceSettings) -> Finding:
    """Whether it takes what it would be sent. There must be an endpoint."""
    reason = why_untraced(settings)
    if reason is None:
        return ok("trace", words("takes", url=settings.url))
    return warning("trace", f"{settings.url}: {reason}", words("dropped"))
