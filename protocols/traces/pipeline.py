"""From a step to a collector, by OpenTelemetry's SDK and its OTLP/HTTP exporter. Imported only
where something is traced: they take memory, and come with the extra `trace`.

Of the SDK's own parts the batch processor is left out: it does not tell how many spans it dropped,
and logs each failure anew.
"""

from __future__ import annotations

import logging
import threading

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from protocols.traces.settings import TraceSettings
from protocols.traces.steps import Step
from protocols.traces.tracer import CLOSE_S, SpanQueue, Told

logger = logging.getLogger(__name__)

_TRY_S = 10.0
"""How long the exporter tries to have one batch taken."""
_EXPORTER = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


def why_refused(settings: TraceSettings, within_s: float) -> str | None:
    """Send the collector no span at all, as the exporter would some: why it does not take that, or
    None. Raises `ValueError` without an endpoint."""
    reason = _LastWord.of_exporter()
    reason.text = ""
    exporter = OTLPSpanExporter(settings.url, timeout=within_s)
    try:
        taken = exporter.export([]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
    return None if taken else reason.text


class Pipeline:
    """One collector's."""

    def __init__(self, settings: TraceSettings, resource: dict[str, str], queue: SpanQueue) -> None:
        self._queue = queue
        self._ids = _GivenIds()
        # Not ParentBased: parents may have been told by another process, which chooses alike.
        provider = TracerProvider(
            sampler=TraceIdRatioBased(settings.ratio),
            resource=Resource.create(resource),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(_IntoQueue(queue))
        self._tracer = provider.get_tracer("lineside", resource["service.version"])
        self._sender = _Sender(settings.url, queue)

    def tell(
        self,
        step: Step,
        trace: int,
        span: int,
        parent: int | None,
        times_ns: tuple[int, int],
        attributes: dict[str, Told],
        *,
        failed: bool,
    ) -> None:
        """Put a span with these ids into the queue, if its trace is one of those that are told."""
        self._ids.next(trace, span)
        context = Context()
        if parent is not None:
            before = SpanContext(trace, parent, is_remote=True, trace_flags=_SAMPLED)
            context = set_span_in_context(NonRecordingSpan(before), context)
        told = self._tracer.start_span(
            step.value.name,
            context,
            SpanKind[step.value.kind.upper()],
            attributes,
            start_time=times_ns[0],
        )
        if failed:
            told.set_status(StatusCode.ERROR)
        told.end(times_ns[1])

    def end(self) -> None:
        """Have the thread send what waits and end; nobody waits for it."""
        self._queue.close()

    def close(self) -> None:
        """Send what waits, for `CLOSE_S` at most."""
        self.end()
        self._sender.close()


_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _GivenIds(IdGenerator):
    """Gives the SDK the ids that this thread has said before."""

    def __init__(self) -> None:
        self._said = threading.local()

    def next(self, trace: int, span: int) -> None:
        self._said.ids = (trace, span)

    def generate_trace_id(self) -> int:
        trace: int = self._said.ids[0]
        return trace

    def generate_span_id(self) -> int:
        span: int = self._said.ids[1]
        return span


class _IntoQueue(SpanProcessor):
    def __init__(self, queue: SpanQueue) -> None:
        self._queue = queue

    def on_end(self, span: ReadableSpan) -> None:
        self._queue.put(span)


class _Sender:
    """The thread that brings the spans to the collector."""

    def __init__(self, url: str, queue: SpanQueue) -> None:
        self._url = url
        self._queue = queue
        self._exporter = OTLPSpanExporter(url, timeout=_TRY_S)
        self._reason = _LastWord.of_exporter()
        self._away = False
        # A daemon: a collector that takes a connection and says nothing must not hold up the end.
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(CLOSE_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # ends its waiting to try again

    def _run(self) -> None:
        while batch := self._queue.take():
            self._reason.text = ""
            try:
                taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception as error:  # whatever it is, it is not the calls' trouble
                taken, self._reason.text = False, repr(error)
            if taken:
                self._queue.sent(len(batch))
                self._recover()
            else:
                self._queue.lost(len(batch))
                self._fail()

    def _fail(self) -> None:
        if not self._away:
            self._away = True
            logger.warning(
                "traces: %s does not take spans, which are dropped until it does: %s",
                self._url,
                self._reason.text,
            )

    def _recover(self) -> None:
        if self._away:
            self._away = False
            logger.info("traces: %s takes spans again", self._url)


class _LastWord(logging.Handler):
    """What the exporter said last, in place of its lines in the log: it says each try, we say
    changes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    @classmethod
    def of_exporter(cls) -> _LastWord:
        heard = next((h for h in _EXPORTER.handlers if isinstance(h, cls)), None)
        if heard is None:
            heard = cls()
            _EXPORTER.addHandler(heard)
            _EXPORTER.propagate = False
        return heard

    def emit(self, record: logging.LogRecord) -> None:
        # A warning is of one try and begins with its reason; the error after it tells no more.
        if record.levelno == logging.WARNING and isinstance(record.args, tuple) and record.args:
            self.text = str(record.args[0])
        elif not self.text:
            self.text = record.getMessage()
